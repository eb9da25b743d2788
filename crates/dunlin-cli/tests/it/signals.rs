//! Ctrl-C and SIGTERM: every command says goodbye, and its exit code tells whether it was done.

use std::io::{Read as _, Write as _};
use std::process::Stdio;

use dunlin_client::codec::{Packet, ReasonCode, Subscribe};
use dunlin_client::script::{Peer, PeerListener};

use super::{accept, alone, dunlin, exit, signal, suback};

/// Reads on until DISCONNECT, and grants what is asked for meanwhile.
async fn expect_goodbye(peer: &mut Peer, name: &str) {
    loop {
        let received = peer.receive().await.expect(name);
        match received.packet() {
            Packet::Disconnect(disconnect) => {
                assert_eq!(disconnect.reason_code, ReasonCode::Success, "{name}");
                return;
            }
            Packet::Subscribe(subscribe) => grant_all(peer, &subscribe).await,
            _ => {}
        }
    }
}

async fn grant_all(peer: &mut Peer, subscribe: &Subscribe<'_>) {
    let codes = vec![ReasonCode::Success; subscribe.requests.len()];
    peer.send(&suback(subscribe.packet_id, codes))
        .await
        .unwrap();
}

/// Until the command is busy: it is connected, and sent its first packet.
async fn until_busy(peer: &mut Peer) {
    let received = peer.receive().await.unwrap();
    if let Packet::Subscribe(subscribe) = received.packet() {
        grant_all(peer, &subscribe).await;
    }
}

#[tokio::test]
async fn what_runs_until_it_is_told_to_end_is_done_then_and_what_has_an_end_is_not() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name).display().to_string();
    let tape = path("tape.jsonl");
    let lines = "{\"dunlin_recording\":1,\"began\":\"2026-01-01T00:00:00Z\"}\n\
        {\"at_us\":0,\"topic\":\"t\",\"payload\":\"now\"}\n\
        {\"at_us\":600000000,\"topic\":\"t\",\"payload\":\"in ten minutes\"}\n";
    std::fs::write(&tape, lines).unwrap();
    for name in ["INT", "TERM"] {
        let output = path(name);
        let commands: [(&[&str], i32); 9] = [
            (&["sub", "-t", "t"], 0),
            (&["respond", "-t", "t"], 0),
            (&["record", "-t", "t", "-o", &output], 0),
            (&["simulate", "-sc", "tesla", "-c", "1"], 0),
            (&["bench", "pub", "-t", "t", "-c", "1"], 0),
            (&["bench", "sub", "-t", "t", "-c", "1"], 0),
            (&["request", "-t", "t", "--timeout", "600"], 1),
            (&["retained", "ls", "--quiet-after", "600"], 1),
            (&["replay", &tape], 1),
        ];
        for (words, code) in commands {
            let listener = PeerListener::bind().await.unwrap();
            let child = dunlin(words, &listener).spawn().unwrap();
            let mut peer = accept(&listener).await;
            until_busy(&mut peer).await;
            signal(&child, name);
            expect_goodbye(&mut peer, words[0]).await;
            peer.close();
            let ended = exit(child).await;
            assert_eq!(ended.code(), Some(code), "{words:?} {name}");
        }
    }
}

#[tokio::test]
async fn a_script_of_the_shell_ends_with_its_connections() {
    let listener = PeerListener::bind().await.unwrap();
    let address = listener.address().unwrap();
    let connect = format!(
        "connect a -h {} -p {}\nsub t\n",
        address.ip(),
        address.port()
    );
    for then in ["wait 1 --timeout 600\n", "ls\n"] {
        let mut shell = alone(&["shell"]);
        let mut child = shell.stdin(Stdio::piped()).spawn().unwrap();
        let mut script = child.stdin.take().unwrap();
        script
            .write_all(format!("{connect}{then}").as_bytes())
            .unwrap();
        let mut peer = accept(&listener).await;
        until_busy(&mut peer).await;
        signal(&child, "TERM");
        expect_goodbye(&mut peer, "shell").await;
        peer.close();
        assert_eq!(exit(child).await.code(), Some(1), "{then:?}");
        drop(script);
    }
}

/// `script` gives the shell a terminal.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_shell_on_a_terminal_says_goodbye_on_sigterm() {
    let listener = PeerListener::bind().await.unwrap();
    let address = listener.address().unwrap();
    let (host, port) = (address.ip(), address.port());
    let directory = tempfile::tempdir().unwrap();
    for then in ["", "wait 1 --timeout 600\n"] {
        let pid = directory.path().join("pid");
        let dunlin = env!("CARGO_BIN_EXE_dunlin");
        let line = format!("echo $$ > {}; exec {dunlin} shell", pid.display());
        let mut child = std::process::Command::new("script")
            .args(["-q", "-e", "-c", &line, "/dev/null"])
            .env("XDG_STATE_HOME", directory.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut keys = child.stdin.take().unwrap();
        keys.write_all(format!("connect a -h {host} -p {port}\n").as_bytes())
            .unwrap();
        let mut peer = accept(&listener).await;
        // What is typed before the prompt is there may be thrown away.
        let mut screen = Vec::new();
        let mut byte = [0];
        while !String::from_utf8_lossy(&screen).contains("a> ") {
            child
                .stdout
                .as_mut()
                .unwrap()
                .read_exact(&mut byte)
                .unwrap();
            screen.extend(byte);
        }
        keys.write_all(then.as_bytes()).unwrap();
        let pid = std::fs::read_to_string(pid).unwrap();
        let line = format!("kill -TERM {pid}");
        let killed = std::process::Command::new("sh")
            .args(["-c", &line])
            .status();
        assert!(killed.unwrap().success(), "{line}");
        expect_goodbye(&mut peer, "shell").await;
        peer.close();
        let output = super::output(child).await;
        let printed = super::text(&output.stdout);
        assert_eq!(output.status.code(), Some(1), "{then:?}: {printed}");
        assert!(printed.contains("ended by a signal"), "{then:?}: {printed}");
        drop(keys);
    }
}
