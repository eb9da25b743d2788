//! `dunlin record` and `replay`.

use super::broker::Broker;

#[test]
fn what_was_recorded_is_published_again() {
    let broker = Broker::start(&[]);
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("tape.jsonl").display().to_string();
    let words = ["-t", "in/#", "-o", &file, "--count", "3"];
    let recorder = broker.client("record", &words).ready("Recording to");
    broker.run("pub", &["-t", "in/1", "-m", "first", "-q", "1"]);
    broker.run(
        "pub",
        &[
            "-t", "in/2", "-f", "hex", "-m", "ff00", "-q", "1", "-ct", "raw",
        ],
    );
    broker.run("pub", &["-t", "in/3", "-m", "third", "-q", "1", "-r"]);
    let (code, printed) = recorder.end();
    assert_eq!(code, Some(0), "{printed}");
    assert!(printed.contains("3 messages in"), "{printed}");

    let words = [
        "-t",
        "again/#",
        "--count",
        "2",
        "--template",
        "%t %x %C %r",
        "-rap",
    ];
    let listener = broker.client("sub", &words).ready("Subscribed");
    let words = [
        &file, "--speed", "max", "--prefix", "again/", "--only", "in/2", "in/3",
    ];
    let printed = broker.run("replay", &words);
    assert!(printed.contains("2 messages published"), "{printed}");
    let (code, printed) = listener.end();
    assert_eq!(code, Some(0));
    assert_eq!(printed, "again/in/2 ff00 raw 0\nagain/in/3 7468697264  1");
}

#[test]
fn a_recording_is_not_written_over() {
    let broker = Broker::start(&[]);
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("tape.jsonl");
    std::fs::write(&file, "mine").unwrap();
    let words = ["-t", "#", "-o", &file.display().to_string()];
    let mut recorder = broker.client("record", &words);
    recorder.wait_for_error("the file is there already");
    assert_eq!(recorder.end().0, Some(2));
    assert_eq!(std::fs::read_to_string(file).unwrap(), "mine");
}
