//! How large things are: a bound for blobs, and a list for the reader.

use std::fmt;

use super::Complaints;
use crate::rust_text::{self, declared_function};

const BLOB_BYTES_MAX: u64 = 200_000;
/// Written by their tools, and reviewed as what they are.
const LOCK_FILES: [&str; 2] = ["Cargo.lock", "interop/package-lock.json"];
/// How many lines of each list are printed.
const LISTED: usize = 10;

pub(super) fn check_blob(path: &str, bytes: u64, complaints: &mut Complaints) {
    if bytes > BLOB_BYTES_MAX && !LOCK_FILES.contains(&path) {
        complaints.push(format!(
            "{path}: {bytes} bytes, more than {BLOB_BYTES_MAX}; keep large data outside"
        ));
    }
}

/// Lengths in lines.
#[derive(Default)]
pub(super) struct Sizes {
    files: Vec<(usize, String)>,
    functions: Vec<(usize, String)>,
}

impl Sizes {
    pub(super) fn add(&mut self, path: &str, text: &str) {
        let lines = rust_text::lines(text);
        self.files.push((lines.len(), path.to_owned()));
        let mut rest = lines.as_slice();
        while let Some((line, below)) = rest.split_first() {
            if let Some(name) = declared_function(&line.code) {
                // The layout is rustfmt's: the closing brace stands in the column of the item.
                let ends = |end: &rust_text::Line| {
                    end.code.trim() == "}" && end.indentation() == line.indentation()
                };
                let is_short = line.code.trim_end().ends_with(['}', ';']);
                if let Some(length) = below.iter().position(ends).filter(|_| !is_short) {
                    self.functions.push((length + 2, format!("{path} {name}")));
                }
            }
            rest = below;
        }
    }
}

impl fmt::Display for Sizes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (title, sizes) in [("files", &self.files), ("functions", &self.functions)] {
            let mut sizes = sizes.clone();
            sizes.sort_by(|a, b| b.cmp(a));
            writeln!(f, "longest {title}, tests apart:")?;
            for (lines, name) in sizes.iter().take(LISTED) {
                writeln!(f, "{lines:6} {name}")?;
            }
        }
        write!(f, "tidy")
    }
}

#[cfg(test)]
mod tests {
    use super::{Sizes, check_blob};

    #[test]
    fn a_large_blob_is_named_and_a_lock_file_is_not() {
        let mut complaints = Vec::new();
        check_blob("docs/small.md", 200_000, &mut complaints);
        check_blob("Cargo.lock", 900_000, &mut complaints);
        assert!(complaints.is_empty());
        check_blob("docs/picture.png", 200_001, &mut complaints);
        assert_eq!(complaints.len(), 1);
    }

    #[test]
    fn functions_are_measured_from_their_name_to_their_brace() {
        let mut sizes = Sizes::default();
        sizes.add(
            "a.rs",
            "impl A {\n    fn long(\n    ) {\n        x;\n    }\n    fn s() {}\n}\n",
        );
        assert_eq!(sizes.files, [(7, "a.rs".to_owned())]);
        assert_eq!(sizes.functions, [(4, "a.rs long".to_owned())]);
    }
}
