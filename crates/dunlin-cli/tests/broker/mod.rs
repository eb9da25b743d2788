//! `dunlin` as processes: a broker on a free port, and clients whose output is read.
#![allow(dead_code, reason = "each test binary uses some of it")]

use std::ffi::OsString;
use std::io::{BufRead, BufReader, Read};
use std::net::{Ipv4Addr, SocketAddr};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

/// How long something that must happen may take on a busy machine.
const DEADLINE: Duration = Duration::from_secs(20);

/// A running `dunlin serve`.
pub(crate) struct Broker {
    child: Child,
    addresses: Vec<String>,
    log: Lines,
}

impl Broker {
    /// Starts the broker in memory on a port that the operating system chooses.
    pub(crate) fn start(more: &[&str]) -> Self {
        Self::start_kept(&[&["--ephemeral"], more].concat())
    }

    /// Starts a broker with a store, which the arguments name. `DUNLIN_KILL_PROGRAM` may name another
    /// program than the one built here.
    pub(crate) fn start_kept(more: &[&str]) -> Self {
        Self::start_in(&[], more)
    }

    /// The same as the argument of another program, which becomes it.
    pub(crate) fn start_in(around: &[&str], more: &[&str]) -> Self {
        let arguments = [&["--listen", "mqtt://127.0.0.1:0"], more].concat();
        Self::spawn(around, 1, &arguments)
    }

    /// Starts the broker in memory, with this many listeners by its arguments.
    pub(crate) fn listening(count: usize, arguments: &[&str]) -> Self {
        Self::spawn(&[], count, &[&["--ephemeral"], arguments].concat())
    }

    fn spawn(around: &[&str], listeners: usize, arguments: &[&str]) -> Self {
        let built = env!("CARGO_BIN_EXE_dunlin").into();
        let program = std::env::var_os("DUNLIN_KILL_PROGRAM").unwrap_or(built);
        let mut words = around.iter().map(OsString::from).chain([program]);
        let mut child = Command::new(words.next().expect("there is the program"))
            .args(words)
            .arg("serve")
            .args(arguments)
            .env("NO_COLOR", "1")
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the broker starts");
        let errors = child.stderr.take().expect("it is piped");
        let mut log = Lines::of(errors);
        let mut address = || {
            let line = log.wait_for("listening on ");
            let (_, address) = line.split_once("listening on ").expect("it is in the line");
            address.trim().to_owned()
        };
        let addresses = (0..listeners).map(|_| address()).collect();
        Self {
            child,
            addresses,
            log,
        }
    }

    /// The number of its process.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// The URL of a listener, in the order in which they were announced.
    pub(crate) fn address(&self, index: usize) -> &str {
        self.addresses
            .get(index)
            .expect("as many addresses as listeners")
    }

    /// The port of the listener whose URL begins with this.
    pub(crate) fn port_of(&self, scheme: &str) -> u16 {
        let found = self.addresses.iter().find_map(|address| {
            let rest = address.strip_prefix(scheme)?.strip_prefix("://")?;
            let authority = rest.split('/').next()?;
            authority.rsplit(':').next()?.parse().ok()
        });
        found.expect("there is such a listener")
    }

    pub(crate) fn port(&self) -> u16 {
        self.port_of("mqtt")
    }

    /// Waits for a line of the log, after those given before, that holds this text.
    pub(crate) fn wait_for_log(&mut self, text: &str) -> String {
        self.log.wait_for(text)
    }

    /// Sends a signal by its name.
    pub(crate) fn signal(&self, name: &str) {
        signal(&self.child, name);
    }

    /// Where TCP is listened on.
    pub(crate) fn socket_address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port()).into()
    }

    /// The most that it ever had resident in memory, in KiB; `None` where there is no `/proc`.
    pub(crate) fn peak_resident_kib(&self) -> Option<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).ok()?;
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("VmHWM:"))?;
        line.trim().strip_suffix(" kB")?.parse().ok()
    }

    /// Kills it as kill -9 does.
    pub(crate) fn kill(mut self) {
        self.child.kill().expect("it runs");
        self.child.wait().expect("it ends");
    }

    /// Sends SIGTERM and waits for the end.
    pub(crate) fn terminate(mut self) -> ExitStatus {
        signal(&self.child, "TERM");
        self.child.wait().expect("it ends")
    }

    /// Sends SIGTERM and waits for the end; gives the log as well.
    pub(crate) fn end(mut self) -> (ExitStatus, Vec<String>) {
        signal(&self.child, "TERM");
        let status = self.child.wait().expect("it ends");
        self.log.drain();
        (status, std::mem::take(&mut self.log.seen))
    }

    /// A client command against this broker.
    pub(crate) fn command(&self, command: &str) -> Command {
        let mut program = Command::new(env!("CARGO_BIN_EXE_dunlin"));
        program
            .arg(command)
            .args(["-h", "127.0.0.1", "-p", &self.port().to_string()])
            .env("NO_COLOR", "1")
            .stdin(Stdio::null());
        program
    }

    /// Starts a client command against this broker.
    pub(crate) fn client(&self, command: &str, args: &[&str]) -> Client {
        Client::spawn(self.command(command).args(args))
    }

    /// Runs a client command to its end, which must be a success.
    pub(crate) fn run(&self, command: &str, args: &[&str]) -> String {
        let mut client = self.client(command, args);
        let status = client.child.wait().expect("it ends");
        let printed = client.rest();
        client.errors.drain();
        let errors = client.errors.seen.join("\n");
        assert!(
            status.success(),
            "{command} {args:?}: {status}: {printed}\n{errors}"
        );
        printed
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A running client command.
pub(crate) struct Client {
    child: Child,
    out: Lines,
    errors: Lines,
}

impl Client {
    /// Starts any program whose output is to be read.
    pub(crate) fn spawn(command: &mut Command) -> Self {
        let mut child = command
            .env("NO_COLOR", "1")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the client starts");
        let out = Lines::of(child.stdout.take().expect("it is piped"));
        let errors = Lines::of(child.stderr.take().expect("it is piped"));
        Self { child, out, errors }
    }

    /// Waits for a line of standard output that holds this text, and gives it.
    pub(crate) fn wait_for(&mut self, text: &str) -> String {
        self.out.wait_for(text)
    }

    /// Waits until it says that it is connected or subscribed, on either output.
    pub(crate) fn ready(mut self, text: &str) -> Self {
        let until = Instant::now() + DEADLINE;
        while Instant::now() < until {
            if self.out.try_for(text) || self.errors.try_for(text) {
                return self;
            }
        }
        panic!("no {text:?}: {:?} {:?}", self.out.seen, self.errors.seen);
    }

    /// Waits for a line of standard error that holds this text, in whatever letters.
    pub(crate) fn wait_for_error(&mut self, text: &str) -> String {
        self.errors.wait_for(text)
    }

    /// Ends it as Ctrl-C does; gives exit code and standard output.
    pub(crate) fn stop(self) -> (Option<i32>, String) {
        signal(&self.child, "INT");
        self.end()
    }

    /// Sends a signal by its name.
    pub(crate) fn signal(&self, name: &str) {
        signal(&self.child, name);
    }

    /// Kills it as kill -9 does.
    pub(crate) fn kill(mut self) {
        self.child.kill().expect("it runs");
        self.child.wait().expect("it ends");
    }

    /// Waits for its end; gives exit code and standard output.
    pub(crate) fn end(mut self) -> (Option<i32>, String) {
        let status = self.child.wait().expect("it ends");
        (status.code(), self.rest())
    }

    fn rest(&mut self) -> String {
        self.out.drain();
        self.out.seen.join("\n")
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The lines of a pipe, read by a thread.
struct Lines {
    receiver: Receiver<String>,
    seen: Vec<String>,
    checked: usize,
}

impl Lines {
    fn of(pipe: impl Read + Send + 'static) -> Self {
        let (sender, receiver) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(pipe).lines() {
                let Ok(line) = line else { return };
                // Nobody listens any more: read on, so that the writer is not stopped.
                let _ = sender.send(line);
            }
        });
        Self {
            receiver,
            seen: Vec::new(),
            checked: 0,
        }
    }

    /// Whether one of the lines so far, or the next, holds the text; waits a moment for it.
    fn try_for(&mut self, text: &str) -> bool {
        if let Ok(line) = self.receiver.recv_timeout(Duration::from_millis(20)) {
            self.seen.push(line);
        }
        self.seen.iter().any(|line| line.contains(text))
    }

    /// The next line, after those given before, that holds the text.
    fn wait_for(&mut self, text: &str) -> String {
        let until = Instant::now() + DEADLINE;
        loop {
            while let Some(line) = self.seen.get(self.checked) {
                self.checked += 1;
                if line.contains(text) {
                    return line.clone();
                }
            }
            let left = until.saturating_duration_since(Instant::now());
            match self.receiver.recv_timeout(left) {
                Ok(line) => self.seen.push(line),
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                    panic!("no line with {text:?} in {:#?}", self.seen)
                }
            }
        }
    }

    fn drain(&mut self) {
        while let Ok(line) = self.receiver.recv_timeout(DEADLINE) {
            self.seen.push(line);
        }
    }
}

/// Through the shell, because a program of the name `kill` is not on every machine.
fn signal(child: &Child, name: &str) {
    let status = Command::new("sh")
        .args(["-c", &format!("kill -{name} {}", child.id())])
        .status();
    assert!(status.is_ok_and(|status| status.success()));
}
