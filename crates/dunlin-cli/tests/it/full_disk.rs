//! A disk that is full: what must be kept is refused, everything else goes on, and room is noticed.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use super::broker::Broker;
use super::text;

/// A disk of this many bytes, made of memory, that only the broker sees.
const DISK: &str = "24m";
/// Bytes that are left once others have filled it: enough that the log is written anew, or begun to
/// be, on a disk that has no room for all of it.
const LEFT: u64 = 11 << 19;
/// Bytes of a payload.
const PAYLOAD: usize = 60_000;

/// Whether this process may give a child a mount of its own.
fn may_mount() -> bool {
    let mount = Command::new("unshare")
        .args(["-Urm", "mount", "-t", "tmpfs", "none", "/mnt"])
        .stderr(Stdio::null())
        .status();
    mount.is_ok_and(|status| status.success())
}

#[test]
fn a_full_disk_refuses_what_must_be_kept_and_recovers_without_a_restart() {
    if !may_mount() {
        eprintln!("not tried: this machine lets nobody mount a disk of memory");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().to_str().unwrap();
    let mount = format!("mount -t tmpfs -o size={DISK},mode=700 none {data} && exec \"$0\" \"$@\"");
    let broker = Broker::start_in(
        &["unshare", "-Urm", "sh", "-c", &mount],
        &[
            "--data-dir",
            data,
            "--set",
            "store.rewrite_bytes_min=4194304",
        ],
    );
    // The directory as the broker sees it.
    let seen: PathBuf = format!("/proc/{}/root{data}", broker.id()).into();
    let away = ["-i", "away", "--no-clean", "-t", "kept", "-q", "1"];
    assert_eq!(
        broker.client("sub", &away).ready("ubscribed").stop().0,
        Some(0)
    );
    broker.run("pub", &["-t", "retained", "-m", "first", "-q", "1", "-r"]);

    let filler = seen.join("filler");
    let size = (24 << 20) - LEFT - used(&seen);
    fs::write(&filler, vec![1; usize::try_from(size).unwrap()]).unwrap();
    let payload = "x".repeat(PAYLOAD);
    let publish = |version: &str| {
        let output = broker
            .command("pub")
            .args(["-V", version, "-t", "kept", "-q", "1", "-m", &payload])
            .output()
            .unwrap();
        (
            output.status.code(),
            text(&output.stderr).to_owned() + text(&output.stdout),
        )
    };
    let (mut taken, mut told) = (0, String::new());
    while taken < 400 {
        let (code, said) = publish("5");
        if code != Some(0) {
            told = said;
            break;
        }
        taken += 1;
    }
    assert!(
        (5..400).contains(&taken),
        "{taken} of {PAYLOAD} bytes: {told}"
    );
    assert!(told.to_lowercase().contains("quota exceeded"), "{told}");

    // Everything else goes on: QoS 0, what needs no place on the disk, and deletions.
    let mut live = broker
        .client("sub", &["-t", "live", "-q", "1"])
        .ready("ubscribed");
    broker.run("pub", &["-t", "live", "-m", "by QoS 0"]);
    live.wait_for("by QoS 0");
    broker.run("pub", &["-t", "live", "-m", "by QoS 1", "-q", "1"]);
    live.wait_for("by QoS 1");
    broker.client("sub", &["-t", "retained"]).wait_for("first");
    broker.run("pub", &["-t", "retained", "-m", "", "-q", "1", "-r"]);
    assert_ne!(publish("5").0, Some(0));

    // One of 3.1.1 cannot be told: its connection ends after a while, and it tries again.
    let older = ["-V", "3.1.1", "-t", "kept", "-q", "1", "-m", &payload];
    let mut older = broker.client("pub", &older);
    older.wait_for_error("connection lost");
    fs::remove_file(&filler).unwrap();
    assert_eq!(older.end().0, Some(0));
    let (code, said) = publish("5");
    assert_eq!(code, Some(0), "{said}");

    let mut again = broker.client("sub", &[&away[..], &["--count", "1"]].concat());
    again.wait_for(&payload);
    let (status, log) = broker.end();
    assert!(status.success(), "{log:#?}");
    let count = |what: &str| log.iter().filter(|line| line.contains(what)).count();
    assert_eq!(count("the store has no room:"), 1, "said once: {log:#?}");
    assert_eq!(count("the store has room again"), 1, "{log:#?}");
}

/// Bytes of files in a directory.
fn used(directory: &std::path::Path) -> u64 {
    let files = fs::read_dir(directory).unwrap();
    files
        .map(|file| file.unwrap().metadata().unwrap().len())
        .sum()
}
