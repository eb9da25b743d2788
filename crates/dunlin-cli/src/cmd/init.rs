//! `dunlin init`: asks for the defaults of the client commands, and writes them.

use std::fs;
use std::io::{BufRead, Write};
use std::path::Path;

use clap::{Args, ValueEnum as _};

use crate::args::Protocol;
use crate::defaults::{self, DefaultTable, File, MqttTable, OutputStyle};
use crate::failure::{Failure, failed, usage};

/// The arguments of `dunlin init`.
#[derive(Debug, Args)]
#[command(
    after_help = "The answers go to ~/.config/dunlin/client.toml, or where\n\
    DUNLIN_CLIENT_CONFIG says. Flags go before them.\n\n\
    Example: printf '\\n\\nbroker.example\\n' | dunlin init"
)]
pub(crate) struct InitArgs {}

/// Asks on `out`, takes the answers from `input`, and writes the file.
pub(crate) fn run(
    _args: &InitArgs,
    input: &mut dyn BufRead,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let path = defaults::path(&|name| std::env::var_os(name))
        .ok_or_else(|| usage("HOME is not set: name the file with DUNLIN_CLIENT_CONFIG"))?;
    let file = ask(&mut Questions { input, out })?;
    write(&path, &file).map_err(|error| failed(format!("{}: {error}", path.display())))?;
    writeln!(out, "Written to {}", path.display())?;
    Ok(())
}

fn ask(questions: &mut Questions<'_>) -> Result<File, Failure> {
    let output = questions.until("Output, text or log", "text", |text| match text {
        "text" => Ok(OutputStyle::Text),
        "log" => Ok(OutputStyle::Log),
        _ => Err("expected text or log".to_owned()),
    })?;
    let protocol = questions.until("Protocol, mqtt, mqtts, ws, wss or quic", "mqtt", |text| {
        Protocol::from_str(text, true)
            .ok()
            .filter(|protocol| *protocol != Protocol::Unix)
            .ok_or_else(|| "expected mqtt, mqtts, ws, wss or quic".to_owned())
    })?;
    let host = questions.until("Host", "localhost", |text| Ok(text.to_owned()))?;
    let usual = protocol.usual_port().to_string();
    let port = questions.until("Port", &usual, |text| {
        text.parse().map_err(|_| "expected 0 to 65535".to_owned())
    })?;
    let times = questions.until("Tries to connect again, at most", "10", |text| {
        text.parse().map_err(|_| "expected a number".to_owned())
    })?;
    let given = |text: &str| Ok(Some(text.to_owned()).filter(|text| !text.is_empty()));
    let username = questions.until("User name, empty for none", "", given)?;
    let password = match &username {
        Some(_) => questions.until("Password, empty for none", "", given)?,
        None => None,
    };
    Ok(File {
        default: DefaultTable {
            output: Some(output),
        },
        mqtt: MqttTable {
            protocol: Some(protocol),
            host: Some(host),
            port: Some(port),
            max_reconnect_times: Some(times),
            username,
            password,
        },
    })
}

/// A password may be in it.
fn write(path: &Path, file: &File) -> std::io::Result<()> {
    if let Some(directory) = path.parent() {
        fs::create_dir_all(directory)?;
    }
    let text = toml::to_string(file).map_err(std::io::Error::other)?;
    crate::saved::write_private(path, text.as_bytes())
}

/// Questions and their answers. The end of the input answers all that are left with the default.
struct Questions<'a> {
    input: &'a mut dyn BufRead,
    out: &'a mut dyn Write,
}

impl Questions<'_> {
    fn until<T>(
        &mut self,
        question: &str,
        default: &str,
        read: impl Fn(&str) -> Result<T, String>,
    ) -> Result<T, Failure> {
        loop {
            match default {
                "" => write!(self.out, "{question}: ")?,
                default => write!(self.out, "{question} [{default}]: ")?,
            }
            self.out.flush()?;
            let mut line = String::new();
            let is_end = self.input.read_line(&mut line)? == 0;
            let answer = line.trim();
            let answer = if answer.is_empty() { default } else { answer };
            match read(answer) {
                Ok(value) => return Ok(value),
                Err(what) if is_end => return Err(usage(format!("{question}: {what}"))),
                Err(what) => writeln!(self.out, "{what}")?,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Questions, ask};
    use crate::args::Protocol;
    use crate::defaults::{Defaults, OutputStyle};
    use crate::failure::Failure;

    fn answered(answers: &str) -> Result<(Defaults, String), Failure> {
        let mut out = Vec::new();
        let file = ask(&mut Questions {
            input: &mut answers.as_bytes(),
            out: &mut out,
        })?;
        Ok((file.into(), String::from_utf8(out).unwrap()))
    }

    #[test]
    fn no_answer_is_the_default() {
        let (defaults, asked) = answered("").unwrap();
        assert_eq!(
            (defaults.host.as_str(), defaults.port),
            ("localhost", Some(1883))
        );
        assert!(asked.contains("Port [1883]: "), "{asked}");
        assert!(!asked.contains("Password"), "{asked}");
    }

    #[test]
    fn a_wrong_answer_is_asked_for_again() {
        let (defaults, asked) = answered("loud\nlog\nwss\nb.example\n\n3\nu\np\n").unwrap();
        assert!(asked.contains("expected text or log"), "{asked}");
        assert_eq!(defaults.output, OutputStyle::Log);
        assert_eq!(defaults.protocol, Protocol::Wss);
        assert_eq!(
            (defaults.host.as_str(), defaults.port),
            ("b.example", Some(8084))
        );
        assert_eq!(defaults.max_reconnect_times, 3);
        assert_eq!(defaults.username.as_deref(), Some("u"));
        assert_eq!(defaults.password.as_deref(), Some("p"));
    }
}
