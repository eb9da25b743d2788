//! Runs a command between a spy and a broker, and gathers what is seen.

use std::fmt::Write as _;
use std::io::{Read, Write as _};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::runtime::Runtime;

use super::Flag;
use super::cases::Case;
use super::spy::{self, Certificates, Notes, Port};

/// How long something that must be seen may take on a busy machine.
const DEADLINE: Duration = Duration::from_secs(30);
/// Lines of the evidence that a failure tells of its beginning, and of its end, at most.
const LINES_TOLD: usize = 20;
/// Between two looks.
const LOOK: Duration = Duration::from_millis(5);

/// A broker with what the cases need in it, and the spy's runtime.
pub(crate) struct Bench {
    runtime: Runtime,
    broker: SocketAddr,
    certificates: tempfile::TempDir,
}

impl Bench {
    /// Retains the messages that subscribers are to see.
    pub(crate) fn new(port: u16) -> Self {
        let broker = SocketAddr::from(([127, 0, 0, 1], port));
        for (topic, hex) in [
            ("s/json", "7b2261223a317d"),
            ("s/proto", "0807"),
            ("s/avro", "0e"),
        ] {
            let ended = Command::new(env!("CARGO_BIN_EXE_dunlin"))
                .args([
                    "pub",
                    "-h",
                    "127.0.0.1",
                    "-p",
                    &port.to_string(),
                    "-q",
                    "1",
                    "-r",
                ])
                .args(["-t", topic, "-f", "hex", "-m", hex])
                .stdout(Stdio::null())
                .status();
            assert!(ended.unwrap().success());
        }
        let certificates = tempfile::tempdir().unwrap();
        Certificates::new(certificates.path());
        Self {
            runtime: Runtime::new().unwrap(),
            broker,
            certificates,
        }
    }

    /// Tries a flag in one of its forms.
    pub(crate) fn try_case(&self, flag: &Flag, form: &str, case: &Case) -> Result<(), String> {
        let mut stage = Stage::new(self, case);
        let line = stage.filled(&case.line(flag, form), flag);
        stage.play(&line, case, |evidence| is_seen(evidence, case));
        let evidence = stage.evidence();
        if is_seen(&evidence, case) {
            return Ok(());
        }
        let lines: Vec<_> = evidence.lines().collect();
        // The end tells why it went no further.
        let (first, rest) = lines.split_at(lines.len().min(LINES_TOLD));
        let last = &rest[rest.len().saturating_sub(LINES_TOLD)..];
        let between = rest.len() - last.len();
        Err(format!(
            "{:?} is not seen: {line:?} gives\n{}\n({between} lines)\n{}",
            case.evidence,
            first.join("\n"),
            last.join("\n")
        ))
    }

    /// What is seen without the flag.
    pub(crate) fn control(&self, flag: &Flag, words: &[String], case: &Case) -> String {
        let mut stage = Stage::new(self, case);
        let line = stage.filled(words, flag);
        let is_done = match flag.command {
            "pub" | "bench pub" | "simulate" => "message on ",
            "sub" | "bench sub" => "Subscribe(",
            _ => "Connect(",
        };
        stage.play(&line, case, |evidence| evidence.contains(is_done));
        let evidence = stage.evidence();
        let lines = evidence.lines().filter(|line| line.starts_with(case.line));
        lines.map(|line| format!("{line}\n")).collect()
    }
}

fn is_seen(evidence: &str, case: &Case) -> bool {
    let mut lines = evidence.lines().filter(|line| line.starts_with(case.line));
    lines.any(|line| line.contains(&case.evidence))
}

/// One run.
struct Stage<'a> {
    bench: &'a Bench,
    directory: tempfile::TempDir,
    notes: Notes,
    ports: Vec<(Port, u16)>,
    printed: Arc<Mutex<Vec<u8>>>,
}

impl<'a> Stage<'a> {
    fn new(bench: &'a Bench, case: &Case) -> Self {
        let directory = tempfile::tempdir().unwrap();
        for name in [
            "ca.pem",
            "client.pem",
            "client.key",
            "server.pem",
            "server.key",
        ] {
            let (from, to) = (
                bench.certificates.path().join(name),
                directory.path().join(name),
            );
            std::fs::copy(from, to).unwrap();
        }
        for (name, text) in &case.files {
            std::fs::write(directory.path().join(name), text).unwrap();
        }
        let notes = Notes::default();
        let certificates = Certificates::at(directory.path());
        let listening = spy::listen(bench.broker, &certificates, &notes);
        let ports = bench.runtime.block_on(listening);
        let stage = Self {
            bench,
            directory,
            notes,
            ports,
            printed: Arc::default(),
        };
        let config = format!(
            "[mqtt]\nhost = \"127.0.0.1\"\nport = {}\n",
            stage.port(Port::Plain)
        );
        std::fs::write(stage.directory.path().join("client.toml"), config).unwrap();
        stage
    }

    fn port(&self, port: Port) -> u16 {
        let found = self.ports.iter().find(|(known, _)| *known == port);
        found.unwrap().1
    }

    /// The words with the place of files and ports in them.
    fn filled(&self, words: &[String], flag: &Flag) -> Vec<String> {
        let directory = self.directory.path().display().to_string();
        let other = self.port(Port::Other).to_string();
        let fill = |word: &String| word.replace("{dir}", &directory).replace("{other}", &other);
        let mut line: Vec<String> = words.iter().map(fill).collect();
        if let Some(port) = Case::of(flag).port {
            line.extend(["--port".to_owned(), self.port(port).to_string()]);
        }
        line
    }

    /// Runs the command until enough is seen, or it has ended; then it is interrupted.
    fn play(&mut self, line: &[String], case: &Case, is_enough: impl Fn(&str) -> bool) {
        let _entered = self.bench.runtime.enter();
        let program = env!("CARGO_BIN_EXE_dunlin");
        let mut command = if case.needs_terminal {
            // The command of Debian's bsdutils, which makes a terminal.
            let quoted: Vec<_> = line.iter().map(|word| format!("'{word}'")).collect();
            let mut command = Command::new("script");
            command.args([
                "-qefc",
                &format!("{program} {}", quoted.join(" ")),
                "/dev/null",
            ]);
            command
        } else {
            let mut command = Command::new(program);
            command.args(line);
            command
        };
        let mut child = command
            .env(
                "DUNLIN_CLIENT_CONFIG",
                self.directory.path().join("client.toml"),
            )
            .current_dir(self.directory.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let readers = [
            self.read(child.stdout.take().unwrap()),
            self.read(child.stderr.take().unwrap()),
        ];
        let mut input = child.stdin.take().unwrap();
        // A command that does not read may have ended.
        let _ = input.write_all(case.stdin.as_bytes());
        drop(input);
        self.look_until(&mut child, is_enough);
        for reader in readers {
            reader.join().unwrap();
        }
    }

    fn look_until(&self, child: &mut Child, is_enough: impl Fn(&str) -> bool) {
        let until = Instant::now() + DEADLINE;
        let mut is_interrupted = false;
        while child.try_wait().unwrap().is_none() {
            if !is_interrupted && is_enough(&self.evidence()) {
                is_interrupted = true;
                interrupt(child);
            }
            if Instant::now() > until {
                child.kill().unwrap();
            }
            std::thread::sleep(LOOK);
        }
    }

    fn read(&self, mut pipe: impl Read + Send + 'static) -> std::thread::JoinHandle<()> {
        let printed = Arc::clone(&self.printed);
        std::thread::spawn(move || {
            let mut buffer = vec![0; 65_536];
            while let Ok(length @ 1..) = pipe.read(&mut buffer) {
                printed.lock().unwrap().extend_from_slice(&buffer[..length]);
            }
        })
    }

    /// Everything that is seen, in lines.
    fn evidence(&self) -> String {
        let mut evidence = self.notes.lock().unwrap().clone();
        evidence.push_str(&String::from_utf8_lossy(&self.printed.lock().unwrap()));
        evidence.push('\n');
        if let Ok(text) = std::fs::read(self.directory.path().join("out")) {
            let text = String::from_utf8_lossy(&text).replace('\n', "\\n");
            let _ = writeln!(evidence, "file out: {text}.");
        }
        evidence
    }
}

/// As Ctrl-C does.
fn interrupt(child: &Child) {
    let line = format!("kill -INT {}", child.id());
    // It may just have ended.
    let _ = Command::new("sh")
        .args(["-c", &line])
        .stderr(Stdio::null())
        .status();
}

/// Debian's mosquitto on a free port.
pub(crate) struct Mosquitto {
    child: Child,
    port: u16,
    _directory: tempfile::TempDir,
}

impl Mosquitto {
    /// Starts it, if it is installed.
    pub(crate) fn start() -> Option<Self> {
        let program = ["mosquitto", "/usr/sbin/mosquitto"]
            .into_iter()
            .find(|program| Command::new(program).arg("-h").output().is_ok())?;
        let directory = tempfile::tempdir().unwrap();
        // It cannot choose a port by itself: the one that was free a moment ago is tried.
        for _ in 0..10 {
            let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
            let port = free.local_addr().unwrap().port();
            drop(free);
            let path = directory.path().join("mosquitto.conf");
            let config = format!("listener {port} 127.0.0.1\nallow_anonymous true\n");
            std::fs::write(&path, config).unwrap();
            let mut child = start(program, &path);
            if listens_until(&mut child, port) {
                return Some(Self {
                    child,
                    port,
                    _directory: directory,
                });
            }
        }
        panic!("mosquitto does not listen");
    }

    pub(crate) const fn port(&self) -> u16 {
        self.port
    }
}

fn start(program: &str, config: &Path) -> Child {
    let mut command = Command::new(program);
    command.arg("-c").arg(config);
    let command = command.stdin(Stdio::null()).stdout(Stdio::null());
    command.stderr(Stdio::null()).spawn().unwrap()
}

/// Waits until it listens, or has ended.
fn listens_until(child: &mut Child, port: u16) -> bool {
    let until = Instant::now() + DEADLINE;
    while Instant::now() < until && child.try_wait().unwrap().is_none() {
        if std::net::TcpStream::connect(("127.0.0.1", port)).is_ok() {
            return true;
        }
        std::thread::sleep(LOOK);
    }
    false
}

impl Drop for Mosquitto {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
