//! Payloads in files.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write as _};
use std::path::{Path, PathBuf};

use super::SubArgs;
use crate::failure::{Failure, failed};

/// The flags that name files.
const WRITE: &str = "--file-write";
const SAVE: &str = "--file-save";

/// Where payloads go, other than to standard output.
#[derive(Debug)]
pub(super) enum Files {
    None,
    /// All into one.
    Append {
        path: PathBuf,
        file: BufWriter<File>,
        delimiter: Vec<u8>,
    },
    /// Each into its own.
    Each {
        path: PathBuf,
        next: u64,
    },
}

impl Files {
    pub(super) fn open(args: &SubArgs) -> Result<Self, Failure> {
        if let Some(path) = &args.file_write {
            let file = OpenOptions::new().append(true).create(true).open(path);
            let file = file.map_err(|error| told(WRITE, path, &error))?;
            return Ok(Self::Append {
                path: path.clone(),
                file: BufWriter::new(file),
                delimiter: unescape(&args.delimiter),
            });
        }
        let Some(path) = &args.file_save else {
            return Ok(Self::None);
        };
        // Found out now rather than with the first message.
        let above = path.parent().filter(|above| !above.as_os_str().is_empty());
        if let Some(above) = above {
            fs::read_dir(above).map_err(|error| told(SAVE, path, &error))?;
        }
        Ok(Self::Each {
            path: path.clone(),
            next: 0,
        })
    }

    /// Writes a payload; gives where, or `None` if it belongs to standard output.
    pub(super) fn write(&mut self, payload: &[u8]) -> Result<Option<PathBuf>, Failure> {
        match self {
            Self::None => Ok(None),
            Self::Append {
                path,
                file,
                delimiter,
            } => {
                let written = file
                    .write_all(payload)
                    .and_then(|()| file.write_all(delimiter));
                written.map_err(|error| told(WRITE, path, &error))?;
                Ok(Some(path.clone()))
            }
            Self::Each { path, next } => {
                let (file, path) = create(path, next)?;
                let mut file = file;
                file.write_all(payload)
                    .map_err(|error| told(SAVE, &path, &error))?;
                Ok(Some(path))
            }
        }
    }

    /// Hands what was written to the system.
    pub(super) fn flush(&mut self) -> Result<(), Failure> {
        match self {
            Self::Append { path, file, .. } => {
                file.flush().map_err(|error| told(WRITE, path, &error))
            }
            Self::None | Self::Each { .. } => Ok(()),
        }
    }
}

/// Creates the first file of `a.txt`, `a(1).txt`, `a(2).txt`, … that is not there; `next` is its
/// number to begin with.
fn create(path: &Path, next: &mut u64) -> Result<(File, PathBuf), Failure> {
    loop {
        let numbered = numbered(path, *next);
        *next += 1;
        match File::create_new(&numbered) {
            Ok(file) => return Ok((file, numbered)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(told(SAVE, &numbered, &error)),
        }
    }
}

fn numbered(path: &Path, number: u64) -> PathBuf {
    if number == 0 {
        return path.to_owned();
    }
    let mut name = path.file_stem().unwrap_or_default().to_owned();
    name.push(format!("({number})"));
    if let Some(extension) = path.extension() {
        name.push(".");
        name.push(extension);
    }
    path.with_file_name(name)
}

fn told(flag: &str, path: &Path, error: &io::Error) -> Failure {
    failed(format!("{flag} {}: {error}", path.display()))
}

/// `\n`, `\r`, `\t`, `\0` and `\\` stand for what they do in most languages.
fn unescape(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes().peekable();
    while let Some(byte) = rest.next() {
        let escaped = match rest.peek() {
            Some(b'n') => Some(b'\n'),
            Some(b'r') => Some(b'\r'),
            Some(b't') => Some(b'\t'),
            Some(b'0') => Some(0),
            Some(b'\\') => Some(b'\\'),
            _ => None,
        };
        match escaped.filter(|_| byte == b'\\') {
            Some(escaped) => {
                bytes.push(escaped);
                rest.next();
            }
            None => bytes.push(byte),
        }
    }
    bytes
}

#[cfg(test)]
mod tests;
