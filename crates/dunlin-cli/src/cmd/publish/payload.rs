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

/// No packet can carry more.
const BYTES_MAX: u64 = VARIABLE_BYTE_INTEGER_MAX as u64;
/// Lines that are read ahead, at most.
const LINES_MAX: usize = 256;

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
    pub(super) fn read(self, format: Option<Format>) -> Result<Vec<u8>, Failure> {
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
        match format {
            Some(format) => format
                .encode(text)
                .map_err(|what| usage(format!("{name}: {what}"))),
            None => Ok(text),
        }
    }
}

fn read_file(path: &Path) -> Result<Vec<u8>, Failure> {
    let name = format!("--file-read {}", path.display());
    let file = File::open(path).map_err(|error| failed(format!("{name}: {error}")))?;
    read_bounded(file, &name)
}

fn read_bounded(input: impl Read, name: &str) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    let read = input.take(BYTES_MAX + 1).read_to_end(&mut bytes);
    read.map_err(|error| failed(format!("{name}: {error}")))?;
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > BYTES_MAX {
        return Err(usage(format!("{name}: more than {BYTES_MAX} bytes")));
    }
    Ok(bytes)
}

/// The lines of standard input, read by a thread of their own.
pub(super) struct Lines(mpsc::Receiver<Result<Vec<u8>, Failure>>);

impl Lines {
    pub(super) fn start(format: Option<Format>) -> Self {
        let (sender, receiver) = mpsc::channel(LINES_MAX);
        thread::spawn(move || {
            let mut input = io::stdin().lock();
            loop {
                let line = next_line(&mut input, format);
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
    format: Option<Format>,
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
    match format {
        Some(format) => format
            .encode(line)
            .map(Some)
            .map_err(|what| usage(format!("a line of standard input: {what}"))),
        None => Ok(Some(line)),
    }
}

/// A size such as `512B`, `1KB` or `2MB`; 1 KB is 1024 bytes.
pub(super) fn size(text: &str) -> Result<usize, String> {
    let upper = text.trim().to_ascii_uppercase();
    let digits = upper.trim_end_matches(|letter: char| !letter.is_ascii_digit());
    let unit = upper.get(digits.len()..).unwrap_or_default();
    let factor = match unit.trim() {
        "" | "B" => Some(1),
        "KB" => Some(1024),
        "MB" => Some(1024 * 1024),
        _ => None,
    };
    let size: Option<u64> = digits.trim().parse().ok();
    let bytes = size
        .zip(factor)
        .and_then(|(size, factor)| size.checked_mul(factor));
    let Some(bytes) = bytes else {
        return Err("expected a size such as 512B, 1KB or 2MB".to_owned());
    };
    if bytes > BYTES_MAX {
        return Err(format!("more than {BYTES_MAX} bytes"));
    }
    usize::try_from(bytes).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests;
