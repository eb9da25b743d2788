//! Finds the requirement tags of the tests.
//!
//! A tag is `[v5 MQTT-3.3.1-2]`. In Rust it stands in the comment directly above a test, or in a
//! comment inside it; in a scenario script in any comment line; in the interop suites in the
//! comment directly above a case. A tag anywhere else would silently show nothing, so it is an
//! error.

use super::requirements::{Label, Standard};
use crate::rust_text::{self, declared_function};

/// A test and the labels that it shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TaggedTest {
    pub(crate) path: String,
    pub(crate) name: String,
    pub(crate) labels: Vec<Label>,
}

/// A tag that shows nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Misplaced {
    pub(crate) line: usize,
    pub(crate) complaint: String,
}

/// What one file holds.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) tests: Vec<TaggedTest>,
    pub(crate) misplaced: Vec<Misplaced>,
}

/// The folder whose every text file is one test.
const SCENARIOS: &str = "crates/dunlin-core/src/tests/scenario/";

/// Reads one tracked file; those that hold no tests give nothing.
pub(crate) fn scan(path: &str, text: &str) -> Found {
    let is_rust = path.starts_with("crates/") && path.ends_with(".rs");
    let is_interop = path.starts_with("interop/");
    let mut scan = if path.starts_with(SCENARIOS) && path.ends_with(".txt") {
        scenario(path, text)
    } else if is_rust {
        rust(path, text)
    } else if is_interop && path.ends_with(".py") {
        Scan::of_cases(path, text, "#", python_case)
    } else if is_interop && (path.ends_with(".js") || path.ends_with(".mjs")) {
        Scan::of_cases(path, text, "//", javascript_case)
    } else if is_interop && path.ends_with(".sh") {
        Scan::of_cases(path, text, "#", shell_case)
    } else {
        Scan::new(path)
    };
    scan.found.tests.retain(|test| !test.labels.is_empty());
    scan.found
}

/// The tags of one comment; an error for one that cannot be read.
fn tags(comment: &str) -> Result<Vec<Label>, String> {
    let mut labels = Vec::new();
    for part in comment.split('[').skip(1) {
        let Some((inside, _)) = part.split_once(']') else {
            continue;
        };
        let Some((version, name)) = inside.split_once(' ') else {
            continue;
        };
        if !name.starts_with("MQTT-") {
            continue;
        }
        let standard = Standard::parse(version)
            .ok_or_else(|| format!("[{inside}] begins with neither v3 nor v5"))?;
        labels.push(Label {
            standard,
            name: name.to_owned(),
        });
    }
    Ok(labels)
}

/// Tags that wait for the test below them.
struct Scan {
    path: String,
    found: Found,
    waiting: Vec<(usize, Label)>,
}

impl Scan {
    fn new(path: &str) -> Self {
        Self {
            path: path.to_owned(),
            found: Found::default(),
            waiting: Vec::new(),
        }
    }

    fn complain(&mut self, line: usize, complaint: String) {
        self.found.misplaced.push(Misplaced { line, complaint });
    }

    /// Collects the tags of a comment.
    fn comment(&mut self, line: usize, comment: &str) -> Vec<Label> {
        match tags(comment) {
            Ok(labels) => labels,
            Err(complaint) => {
                self.complain(line, complaint);
                Vec::new()
            }
        }
    }

    fn wait(&mut self, line: usize, comment: &str) {
        let labels = self.comment(line, comment);
        self.waiting
            .extend(labels.into_iter().map(|label| (line, label)));
    }

    /// The tags above belong to this test.
    fn test(&mut self, name: &str) {
        let labels = self.waiting.drain(..).map(|(_, label)| label).collect();
        self.found.tests.push(TaggedTest {
            path: self.path.clone(),
            name: name.to_owned(),
            labels,
        });
    }

    /// What stands below the tags is no test.
    fn strand(&mut self) {
        for (line, label) in std::mem::take(&mut self.waiting) {
            self.complain(line, format!("[{label}] is not directly above a test"));
        }
    }

    /// A language whose cases begin on one line, which `name` finds; decorators may stand between.
    fn of_cases(path: &str, text: &str, mark: &str, name: fn(&str) -> Option<&str>) -> Self {
        let mut scan = Self::new(path);
        for (index, line) in text.lines().enumerate() {
            let trimmed = line.trim_start();
            if let Some(comment) = trimmed.strip_prefix(mark) {
                scan.wait(index + 1, comment);
            } else if let Some(name) = name(trimmed) {
                scan.test(name);
            } else if !trimmed.starts_with('@') {
                scan.strand();
            }
        }
        scan.strand();
        scan
    }
}

fn python_case(line: &str) -> Option<&str> {
    let line = line.strip_prefix("async ").unwrap_or(line);
    let (name, _) = line.strip_prefix("def ")?.split_once('(')?;
    Some(name)
}

/// `test('name', …)`, `await check("name", …)`, `export async function name(…)`.
fn javascript_case(line: &str) -> Option<&str> {
    let mut rest = line;
    for word in ["export ", "await ", "async "] {
        rest = rest.strip_prefix(word).unwrap_or(rest);
    }
    if let Some(function) = rest.strip_prefix("function ") {
        return function.split_once('(').map(|(name, _)| name);
    }
    let (word, arguments) = rest.split_once('(')?;
    if word.is_empty() || !word.chars().all(char::is_alphanumeric) {
        return None;
    }
    let quote = arguments
        .chars()
        .next()
        .filter(|c| matches!(c, '\'' | '"'))?;
    let (name, _) = arguments.strip_prefix(quote)?.split_once(quote)?;
    Some(name)
}

/// `name() {`
fn shell_case(line: &str) -> Option<&str> {
    line.split_once("() {").map(|(name, _)| name)
}

fn scenario(path: &str, text: &str) -> Scan {
    let mut scan = Scan::new(path);
    for (index, line) in text.lines().enumerate() {
        if let Some(comment) = line.trim_start().strip_prefix('#') {
            scan.wait(index + 1, comment);
        } else if line.contains(" MQTT-") && line.contains('[') {
            scan.complain(index + 1, "a tag in a script stands behind a #".to_owned());
        }
    }
    let file = path.rsplit('/').next().unwrap_or(path);
    scan.test(file.trim_end_matches(".txt"));
    scan
}

fn rust(path: &str, text: &str) -> Scan {
    let mut scan = Scan::new(path);
    let mut is_test = false;
    // Inside a test: the indentation of its closing brace.
    let mut inside: Option<usize> = None;
    for (index, line) in rust_text::lines(text).iter().enumerate() {
        let number = index + 1;
        let code = line.code.trim();
        if let Some(indentation) = inside {
            let labels = scan.comment(number, &line.comment);
            if let Some(test) = scan.found.tests.last_mut() {
                test.labels.extend(labels);
            }
            // The layout is rustfmt's: a body ends where its brace stands in the column of `fn`.
            if code == "}" && line.indentation() == indentation {
                inside = None;
            }
            continue;
        }
        scan.wait(number, &line.comment);
        if code.is_empty() {
            if line.comment.is_empty() {
                scan.strand();
                is_test = false;
            }
        } else if code.starts_with("#[") {
            is_test |= code.contains("test]") || code.contains("::test(");
        } else if let Some(name) = declared_function(code).filter(|_| is_test) {
            scan.test(name);
            is_test = false;
            inside = (!code.ends_with('}')).then(|| line.indentation());
        } else {
            scan.strand();
            is_test = false;
        }
    }
    scan.strand();
    scan
}

#[cfg(test)]
mod tests;
