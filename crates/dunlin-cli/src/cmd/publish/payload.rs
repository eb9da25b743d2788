//! Where payloads come from.

use std::fs::File;
use std::io::{self, BufRead as _, Read};
use std::path::{Path, PathBuf};
use std::thread;

use dunlin_client::codec::VARIABLE_BYTE_INTEGER_MAX;
use tokio::sync::mpsc;

use crate::failure::{Failure, failed, usage};
use crate::format::Format;
use crate::random;
use crate::schema::Schema;

/// No packet can carry more.
const BYTES_MAX: u64 = VARIABLE_BYTE_INTEGER_MAX as u64;
/// Lines that are read ahead, at most.
const LINES_MAX: usize = 256;

/// What texts are that stand for payloads.
#[derive(Debug)]
pub(super) struct Encoding {
    pub(super) format: Option<Format>,
    pub(super) schema: Option<Schema>,
}

impl Encoding {
    /// The payload of a text, which `name` gives.
    fn encode(&self, text: Vec<u8>, name: &str) -> Result<Vec<u8>, Failure> {
        let told = |what: String| usage(format!("{name}: {what}"));
        let text = match &self.schema {
            Some(schema) => schema.encode(&text).map_err(told)?,
            None => text,
        };
        // With a schema the text is JSON in any case.
        match self.format {
            Some(Format::Json) if self.schema.is_some() => Ok(text),
            Some(format) => format.encode(text).map_err(told),
            None => Ok(text),
        }
    }
}

/// Where the payload of a message comes from.
#[derive(Debug)]
pub(super) enum Source {
    Text(String),
    Stdin,
    File(PathBuf),
    Random(usize),
    /// One message for each line of standard input.
    Lines,
}

impl Source {
    /// The payload. Of [`Source::Lines`] there is none.
    pub(super) fn read(self, encoding: &Encoding) -> Result<Vec<u8>, Failure> {
        let (text, name) = match self {
            Self::Text(text) => (text.into_bytes(), "--message"),
            Self::Stdin => (
                read_bounded(io::stdin().lock(), "standard input")?,
                "standard input",
            ),
            Self::File(path) => (read_file(&path)?, "--file-read"),
            Self::Random(size) => return Ok(random::text(size)),
            Self::Lines => return Ok(Vec::new()),
        };
        encoding.encode(text, name)
    }
}

fn read_file(path: &Path) -> Result<Vec<u8>, Failure> {
    let name = format!("--file-read {}", path.display());
    let file = File::open(path).map_err(|error| usage(format!("{name}: {error}")))?;
    read_bounded(file, &name)
}

fn read_bounded(input: impl Read, name: &str) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    let read = input.take(BYTES_MAX + 1).read_to_end(&mut bytes);
    read.map_err(|error| {
        let text = format!("{name}: {error}");
        match error.kind() {
            io::ErrorKind::IsADirectory => usage(text),
            _ => failed(text),
        }
    })?;
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > BYTES_MAX {
        return Err(usage(format!("{name}: more than {BYTES_MAX} bytes")));
    }
    Ok(bytes)
}

/// The lines of standard input, read by a thread of their own.
pub(super) struct Lines(mpsc::Receiver<Result<Vec<u8>, Failure>>);

impl Lines {
    pub(super) fn start(encoding: Encoding) -> Self {
        let (sender, receiver) = mpsc::channel(LINES_MAX);
        thread::spawn(move || {
            let mut input = io::stdin().lock();
            loop {
                let line = next_line(&mut input, &encoding);
                let is_last = !matches!(line, Ok(Some(_)));
                if let Some(line) = line.transpose()
                    && sender.blocking_send(line).is_err()
                {
                    return;
                }
                if is_last {
                    return;
                }
            }
        });
        Self(receiver)
    }

    /// The next line without its end; `None` after the last.
    pub(super) async fn next(&mut self) -> Option<Result<Vec<u8>, Failure>> {
        self.0.recv().await
    }
}

fn next_line(
    input: &mut impl io::BufRead,
    encoding: &Encoding,
) -> Result<Option<Vec<u8>>, Failure> {
    let mut line = Vec::new();
    let read = input.by_ref().take(BYTES_MAX).read_until(b'\n', &mut line);
    if read.map_err(|error| failed(format!("standard input: {error}")))? == 0 {
        return Ok(None);
    }
    if line.last() == Some(&b'\n') {
        line.pop();
        if line.last() == Some(&b'\r') {
            line.pop();
        }
    }
    encoding.encode(line, "a line of standard input").map(Some)
}

#[cfg(test)]
mod tests;
