//! What a command says about itself, apart from what it is asked to print.

use std::io::{self, IsTerminal as _, Write as _};
use std::path::Path;

use dunlin::secret::{Readers, exposure};

use crate::clock;
use crate::defaults::{self, OutputStyle};

/// Where status lines go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// The command has nothing else to print.
    Stdout,
    /// Standard output carries messages.
    Stderr,
    /// Only warnings are wanted.
    Nowhere,
}

/// So many of these, as one says it.
pub(crate) fn counted(count: u64, what: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {what}{plural}")
}

/// Writes status lines and warnings. A reader that is gone is no failure.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Status {
    place: Place,
    has_time: bool,
}

impl Status {
    /// Lines at this place, in the style of the configuration.
    pub(crate) fn new(place: Place) -> Self {
        Self {
            place,
            has_time: defaults::current().output == OutputStyle::Log,
        }
    }

    /// With the time before each line.
    pub(crate) const fn with_time(self) -> Self {
        Self {
            has_time: true,
            ..self
        }
    }

    /// Something was done.
    pub(crate) fn done(self, text: &str) {
        let time = if self.has_time {
            format!("[{}] › ", clock::now())
        } else {
            String::new()
        };
        let line = |color| format!("{time}{}", paint(color, "32", "✔", text));
        match self.place {
            Place::Stdout => {
                let _ = io::stdout().write_all(line(has_color(&io::stdout())).as_bytes());
            }
            Place::Stderr => {
                let _ = io::stderr().write_all(line(has_color(&io::stderr())).as_bytes());
            }
            Place::Nowhere => {}
        }
    }

    /// Something goes on otherwise than asked for.
    pub(crate) fn warn(self, text: &str) {
        warn(text);
    }
}

/// A line on standard error that the command goes on after.
pub(crate) fn warn(text: &str) {
    let line = paint(has_color(&io::stderr()), "33", "warning:", text);
    let _ = io::stderr().write_all(line.as_bytes());
}

/// Warns of a file with a password if others can read it.
pub(crate) fn warn_if_exposed(path: &Path) {
    // One that is gone by now is read by nobody.
    let data = std::fs::metadata(path).ok();
    if let Some(said) = data.and_then(|data| exposure(path, &data, Readers::Owner)) {
        warn(&said);
    }
}

/// A line on standard error that the command ends with.
pub(crate) fn error(text: &str) {
    let line = paint(has_color(&io::stderr()), "31", "error:", text);
    let _ = io::stderr().write_all(line.as_bytes());
}

/// Only a terminal gets colour, unless its user wants none (no-color.org).
fn has_color(stream: &impl io::IsTerminal) -> bool {
    stream.is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

fn paint(color: bool, code: &str, sign: &str, text: &str) -> String {
    if color {
        format!("\x1b[{code}m{sign}\x1b[0m {text}\n")
    } else {
        format!("{sign} {text}\n")
    }
}

/// Whether standard input is a terminal.
pub(crate) fn stdin_is_terminal() -> bool {
    io::stdin().is_terminal()
}

/// A line on standard error that says what was done besides.
pub(crate) fn note(text: &str) {
    let line = paint(has_color(&io::stderr()), "32", "✔", text);
    let _ = io::stderr().write_all(line.as_bytes());
}
