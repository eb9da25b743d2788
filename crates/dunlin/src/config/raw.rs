//! What humans wrote, from every source, checked option by option; the later source wins.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::Read as _;
use std::path::Path;
use std::sync::Arc;

use toml::de::{DeTable, DeValue};

use super::error::{Problem, Source};
use super::kind::Kind;
use super::nearest::nearest;
use super::option::{self, ENVIRONMENT_PREFIX, OPTIONS};
use super::value::{Place, Reader, Setting, Settings, Value, clip, default};

/// The largest file that is read; a configuration is a thousand times smaller.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// What a command line says about an option.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Override {
    /// `--set PATH=VALUE`; this is what follows `--set`.
    Set(String),
    /// A flag of its own, such as `--workers 4`.
    Flag {
        /// The flag, with its dashes.
        flag: &'static str,
        /// The option that it sets.
        path: &'static str,
        /// The value, as text.
        value: String,
    },
    /// A flag that may be repeated, such as `--listen`: its values together are a list.
    Repeated {
        /// The flag, with its dashes.
        flag: &'static str,
        /// The option that it sets.
        path: &'static str,
        /// The items, each as text.
        values: Vec<String>,
    },
}

/// The settings so far, and what was wrong in their sources.
#[derive(Debug)]
pub(super) struct Raw {
    pub(super) settings: Settings,
    pub(super) problems: Vec<Problem>,
}

impl Raw {
    /// Every option at its default, so that no later step has to ask whether one is set.
    pub(super) fn defaults() -> Self {
        let settings = OPTIONS
            .iter()
            .map(|record| {
                (
                    record.path,
                    default(record.path, &record.kind, record.default),
                )
            })
            .collect();
        Self {
            settings,
            problems: Vec::new(),
        }
    }

    /// Reads a file.
    pub(super) fn file(&mut self, path: &Path) {
        let path: Arc<Path> = path.into();
        match read(&path) {
            Ok(text) => self.document(&path, &text),
            Err(what) => {
                self.problems.push(Problem {
                    source: Source::File { path, line: None },
                    what,
                });
            }
        }
    }

    /// Reads the text of a file. If it is not TOML, that alone is told: what else seems wrong in it
    /// may follow from that.
    pub(super) fn document(&mut self, path: &Arc<Path>, text: &str) {
        let mut problems = Vec::new();
        let mut reader = Reader {
            place: Place::file(path, text),
            problems: &mut problems,
        };
        let (document, errors) = DeTable::parse_recoverable(text);
        if errors.is_empty() {
            self.section("", document.get_ref(), &mut reader);
        }
        for error in errors {
            let source = reader.place.source(&error.span().unwrap_or(0..0));
            reader.problems.push(Problem {
                source,
                what: format!("not TOML: {}", error.message()),
            });
        }
        // TOML tables forget the order of their keys, and a human reads from the top.
        problems.sort_by_key(|problem| match problem.source {
            Source::File { line, .. } => line,
            _ => None,
        });
        self.problems.append(&mut problems);
    }

    /// Reads the keys of a section, or of the whole document.
    fn section(&mut self, section: &str, table: &DeTable<'_>, reader: &mut Reader<'_>) {
        for (key, value) in table {
            let path = match section {
                "" => key.get_ref().to_string(),
                _ => format!("{section}.{}", key.get_ref()),
            };
            if let Some(record) = option::find(&path) {
                if let Some(setting) = reader.value(record.path, &record.kind, value) {
                    self.settings.insert(record.path, setting);
                }
                continue;
            }
            let source = reader.place.source(&key.span());
            let what = match (option::section(&path), value.get_ref()) {
                (Some(_), DeValue::Table(table)) => {
                    self.section(&path, table, reader);
                    continue;
                }
                (Some(_), _) => format!("{path} is a section: write [{path}] and its keys below"),
                (None, _) => {
                    format!(
                        "unknown key {}; the nearest known one is {}",
                        clip(&path),
                        nearest(&path)
                    )
                }
            };
            reader.problems.push(Problem { source, what });
        }
    }

    /// Reads the variables that are meant for Dunlin.
    pub(super) fn environment(&mut self, variables: &[(OsString, OsString)]) {
        // In the order of names, since an environment has none.
        let variables: BTreeMap<_, _> = variables
            .iter()
            .map(|(name, value)| (name.to_string_lossy(), value))
            .filter(|(name, _)| name.starts_with(ENVIRONMENT_PREFIX))
            .collect();
        for (name, value) in variables {
            let source = Source::Environment(name.as_ref().into());
            let Some(record) = OPTIONS.iter().find(|record| record.environment() == name) else {
                self.unknown_variable(source, &name);
                continue;
            };
            match value.to_str() {
                Some(text) => self.text(source, record, text),
                None => self.problem(source, format!("{} is not UTF-8", record.path)),
            }
        }
    }

    fn unknown_variable(&mut self, source: Source, name: &str) {
        let path = name
            .trim_start_matches(ENVIRONMENT_PREFIX)
            .replace("__", ".");
        let known = nearest(&path);
        let what = match option::field(&known) {
            Some((list, _)) => format!(
                "unknown variable; {known} is a key of a list, which is set whole, by {}='{}'",
                list.environment(),
                example(&list.kind)
            ),
            None => match option::find(&known) {
                Some(record) => {
                    format!(
                        "unknown variable; the nearest known one is {}",
                        record.environment()
                    )
                }
                None => format!("unknown variable; {known} is a section, not an option"),
            },
        };
        self.problem(source, what);
    }

    /// Reads what a command line says.
    pub(super) fn command_line(&mut self, overrides: &[Override]) {
        for given in overrides {
            match given {
                Override::Set(assignment) => self.assignment(assignment),
                Override::Flag { flag, path, value } => {
                    let source = Source::CommandLine(format!("{flag} {value}").into());
                    if let Some(record) = self.known(&source, path) {
                        self.text(source, record, value);
                    }
                }
                Override::Repeated { flag, path, values } => self.repeated(flag, path, values),
            }
        }
    }

    fn assignment(&mut self, assignment: &str) {
        let source = Source::CommandLine(format!("--set {assignment}").into());
        let Some((path, value)) = assignment.split_once('=') else {
            self.problem(
                source,
                "expected PATH=VALUE, such as mqtt.qos_max=1".to_owned(),
            );
            return;
        };
        if let Some(record) = self.known(&source, path.trim()) {
            self.text(source, record, value);
        }
    }

    fn repeated(&mut self, flag: &str, path: &str, values: &[String]) {
        let [first, ..] = values else { return };
        let whole = Source::CommandLine(format!("{flag} {first}").into());
        let Some(record) = self.known(&whole, path) else {
            return;
        };
        let Kind::List { of, items_max, .. } = &record.kind else {
            self.problem(whole, format!("{path} holds one value: give {flag} once"));
            return;
        };
        if values.len() > *items_max {
            self.problem(
                whole,
                format!(
                    "{flag} is given {} times: at most {items_max}",
                    values.len()
                ),
            );
            return;
        }
        let mut items = Vec::with_capacity(values.len());
        for value in values {
            let source = Source::CommandLine(format!("{flag} {value}").into());
            let place = Place::Whole(source);
            let mut reader = Reader {
                place,
                problems: &mut self.problems,
            };
            items.extend(reader.text(record.path, of, value));
        }
        self.settings.insert(
            record.path,
            Setting {
                value: Value::List(items),
                source: whole,
            },
        );
    }

    /// The option of a path from a command line.
    fn known(&mut self, source: &Source, path: &str) -> Option<&'static option::OptionRecord> {
        let found = option::find(path);
        if found.is_none() {
            let what = if option::section(path).is_some() {
                format!(
                    "{path} is a section, not an option; `dunlin config explain {path}` lists its options"
                )
            } else if let Some((list, _)) = option::field(path) {
                format!(
                    "{path} is a key of a list, which is set whole: {}={}",
                    list.path,
                    example(&list.kind)
                )
            } else {
                format!(
                    "unknown option {}; the nearest known one is {}",
                    clip(path),
                    nearest(path)
                )
            };
            self.problem(source.clone(), what);
        }
        found
    }

    fn text(&mut self, source: Source, record: &'static option::OptionRecord, text: &str) {
        let mut reader = Reader {
            place: Place::Whole(source),
            problems: &mut self.problems,
        };
        if let Some(setting) = reader.text(record.path, &record.kind, text) {
            self.settings.insert(record.path, setting);
        }
    }

    pub(super) fn problem(&mut self, source: Source, what: String) {
        self.problems.push(Problem { source, what });
    }
}

/// The example of a list.
const fn example(kind: &Kind) -> &'static str {
    match kind {
        Kind::List { example, .. } => example,
        _ => "",
    }
}

/// Reads a whole file, or says why not.
fn read(path: &Path) -> Result<String, String> {
    let mut bytes = Vec::new();
    std::fs::File::open(path)
        .and_then(|file| file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes))
        .map_err(|error| format!("cannot be read: {error}"))?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(format!("is longer than {FILE_BYTES_MAX} bytes"));
    }
    String::from_utf8(bytes).map_err(|error| {
        let valid = error.utf8_error().valid_up_to();
        format!("is not UTF-8 after {valid} bytes")
    })
}
