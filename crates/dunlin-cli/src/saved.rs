//! `--save-options` and `--load-options`: the flags of commands in a file, JSON or YAML.
//!
//! The file has an object for each command (`conn`, `pub`, `sub`, `benchConn`), whose keys are the
//! long flags in camel case. A flag `--no-x` is written as `x: false`, and user properties as an
//! object, whose value is a list where a name stands twice.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Command};
use serde_json::{Map, Value};

use crate::failure::{Failure, failed, usage};
use crate::status::warn_if_exposed;

/// Where options are, unless told otherwise.
pub(crate) const DEFAULT_PATH: &str = "./dunlin-cli-options.json";
/// Where MQTTX has them.
const DEFAULT_PATH_OF_MQTTX: &str = "./mqttx-cli-options.json";

/// Flags that are about the file itself.
const NOT_SAVED: [&str; 3] = ["save-options", "load-options", "help"];
/// How the flags of user properties end.
const USER_PROPERTIES: &str = "user-properties";

/// A command, and the words that name it.
struct Named<'a> {
    command: &'a Command,
    matches: &'a ArgMatches,
    names: Vec<&'a str>,
}

impl<'a> Named<'a> {
    fn innermost(program: &'a Command, matches: &'a ArgMatches) -> Self {
        let mut named = Self {
            command: program,
            matches,
            names: Vec::new(),
        };
        while let Some((name, matches)) = named.matches.subcommand() {
            let Some(command) = named.command.find_subcommand(name) else {
                break;
            };
            named.command = command;
            named.matches = matches;
            named.names.push(name);
        }
        named
    }

    fn key(&self) -> String {
        camel_case(&self.names.join("-"))
    }

    fn path(&self, flag: &str) -> Option<PathBuf> {
        let id = self.arg(flag)?.get_id().as_str();
        self.matches
            .try_get_one::<PathBuf>(id)
            .ok()
            .flatten()
            .cloned()
    }

    fn arg(&self, flag: &str) -> Option<&'a Arg> {
        let mut args = self.command.get_arguments();
        args.find(|arg| arg.get_long() == Some(flag))
    }

    fn is_given(&self, arg: &Arg) -> bool {
        self.matches.value_source(arg.get_id().as_str()) == Some(ValueSource::CommandLine)
    }
}

/// The words of the command line together with those of the file that `--load-options` names.
pub(crate) fn with_loaded(
    program: &Command,
    matches: &ArgMatches,
    words: Vec<OsString>,
) -> Result<Option<Vec<OsString>>, Failure> {
    let named = Named::innermost(program, matches);
    let Some(path) = named.path("load-options") else {
        return Ok(None);
    };
    let path = existing(path);
    let told = |what: String| usage(format!("--load-options {}: {what}", path.display()));
    let text = fs::read(&path).map_err(|error| told(error.to_string()))?;
    let file = Kind::of(&path).parse(&text).map_err(told)?;
    if holds_password(&file) {
        warn_if_exposed(&path);
    }
    let key = named.key();
    let Some(options) = file.get(&key).and_then(Value::as_object) else {
        return Err(told(format!("there are no options of {key}")));
    };
    let mut loaded = Vec::new();
    for (name, value) in options {
        let arg = find(&named, name).ok_or_else(|| told(format!("unknown option {name}")))?;
        if !named.is_given(arg) {
            loaded.extend(
                to_words(arg, name, value).map_err(|what| told(format!("{name}: {what}")))?,
            );
        }
    }
    let at = 1 + named.names.len();
    let mut words = words;
    let given = words.split_off(at.min(words.len()));
    words.extend(loaded);
    words.extend(given);
    Ok(Some(words))
}

/// Whether the options of any command in a file have a password.
fn holds_password(file: &Value) -> bool {
    let mut commands = file.as_object().into_iter().flat_map(Map::values);
    commands.any(|options| {
        options
            .get("password")
            .is_some_and(|value| !value.is_null())
    })
}

/// Writes the file that `--save-options` names, keeping what it says of other commands.
pub(crate) fn save(program: &Command, matches: &ArgMatches) -> Result<Option<PathBuf>, Failure> {
    let named = Named::innermost(program, matches);
    let Some(path) = named.path("save-options") else {
        return Ok(None);
    };
    let kind = Kind::of(&path);
    let told = |what: String| failed(format!("--save-options {}: {what}", path.display()));
    let mut file = match fs::read(&path) {
        Ok(text) => match kind.parse(&text) {
            Ok(Value::Object(file)) => file,
            _ => return Err(told("the file is there, and holds no options".to_owned())),
        },
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Map::new(),
        Err(error) => return Err(told(error.to_string())),
    };
    let mut options = Map::new();
    for arg in named.command.get_arguments() {
        let Some(long) = arg.get_long() else { continue };
        if !NOT_SAVED.contains(&long) && named.is_given(arg) {
            let (name, value) = to_value(arg, long, named.matches);
            options.insert(name, value);
        }
    }
    file.insert(named.key(), Value::Object(options));
    let text = kind.print(&Value::Object(file)).map_err(told)?;
    write_private(&path, text.as_bytes()).map_err(|error| told(error.to_string()))?;
    Ok(Some(path))
}

/// The file that is meant: where no name was given, MQTTX's will do if ours is not there.
fn existing(path: PathBuf) -> PathBuf {
    let theirs = Path::new(DEFAULT_PATH_OF_MQTTX);
    if path == Path::new(DEFAULT_PATH) && !path.exists() && theirs.exists() {
        return theirs.to_owned();
    }
    path
}

/// How a file is written.
#[derive(Clone, Copy, Debug)]
enum Kind {
    Json,
    Yaml,
}

impl Kind {
    /// By the end of its name.
    fn of(path: &Path) -> Self {
        let end = path.extension();
        if end.is_some_and(|end| end == "yaml" || end == "yml") {
            Self::Yaml
        } else {
            Self::Json
        }
    }

    fn parse(self, text: &[u8]) -> Result<Value, String> {
        match self {
            Self::Json => serde_json::from_slice(text).map_err(|error| error.to_string()),
            Self::Yaml => serde_yaml_ng::from_slice(text).map_err(|error| error.to_string()),
        }
    }

    fn print(self, value: &Value) -> Result<String, String> {
        match self {
            Self::Json => Ok(format!("{value:#}\n")),
            Self::Yaml => serde_yaml_ng::to_string(value).map_err(|error| error.to_string()),
        }
    }
}

/// A password may be in it.
pub(crate) fn write_private(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    use std::io::Write as _;
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)?.write_all(bytes)
}

fn find<'a>(named: &Named<'a>, name: &str) -> Option<&'a Arg> {
    named.command.get_arguments().find(|arg| {
        let own = arg.get_long().filter(|long| !NOT_SAVED.contains(long));
        own.is_some_and(|long| {
            let mut names = arg.get_all_aliases().unwrap_or_default();
            names.push(long);
            names.into_iter().any(|long| {
                let yes = long.strip_prefix("no-").map(camel_case);
                camel_case(long) == name || yes.as_deref() == Some(name)
            })
        })
    })
}

/// The words of a flag that a file holds.
fn to_words(arg: &Arg, name: &str, value: &Value) -> Result<Vec<OsString>, String> {
    let long = arg.get_long().unwrap_or_default();
    let tied = |value: &str| OsString::from(format!("--{long}={value}"));
    if matches!(arg.get_action(), ArgAction::SetTrue) {
        let is_negation = camel_case(long) != name;
        return match value {
            Value::Bool(is_set) if *is_set != is_negation => Ok(vec![format!("--{long}").into()]),
            Value::Bool(_) | Value::Null => Ok(Vec::new()),
            _ => Err("expected true or false".to_owned()),
        };
    }
    match value {
        Value::Null => Ok(Vec::new()),
        Value::Object(pairs) if long.ends_with(USER_PROPERTIES) => {
            let mut words = Vec::new();
            for (name, value) in pairs {
                let values = match value {
                    Value::Array(values) => values.as_slice(),
                    value => std::slice::from_ref(value),
                };
                for value in values {
                    words.push(tied(&format!("{name}: {}", scalar(value)?)));
                }
            }
            Ok(words)
        }
        Value::Array(values) => values
            .iter()
            .map(|value| Ok(tied(&scalar(value)?)))
            .collect(),
        value => Ok(vec![tied(&scalar(value)?)]),
    }
}

fn scalar(value: &Value) -> Result<String, String> {
    match value {
        Value::String(text) => Ok(text.clone()),
        Value::Number(_) | Value::Bool(_) => Ok(value.to_string()),
        _ => Err("expected a text or a number".to_owned()),
    }
}

/// The key and value of a flag that was given.
fn to_value(arg: &Arg, long: &str, matches: &ArgMatches) -> (String, Value) {
    if matches!(arg.get_action(), ArgAction::SetTrue) {
        return match long.strip_prefix("no-") {
            Some(yes) => (camel_case(yes), Value::Bool(false)),
            None => (camel_case(long), Value::Bool(true)),
        };
    }
    let raw = matches.get_raw(arg.get_id().as_str()).into_iter().flatten();
    let texts: Vec<String> = raw
        .map(|text| text.to_string_lossy().into_owned())
        .collect();
    let name = camel_case(long);
    if long.ends_with(USER_PROPERTIES) {
        return (name, user_properties(&texts));
    }
    let is_list = matches!(arg.get_action(), ArgAction::Append);
    let mut values = texts.into_iter().map(value_of);
    if is_list {
        return (name, Value::Array(values.collect()));
    }
    (name, values.next().unwrap_or(Value::Null))
}

/// A number where it is one and looks the same again, else a text.
fn value_of(text: String) -> Value {
    match text.parse::<u64>() {
        Ok(number) if number.to_string() == text => number.into(),
        _ => Value::String(text),
    }
}

fn user_properties(texts: &[String]) -> Value {
    let mut pairs = Map::new();
    for text in texts {
        let (name, value) = text.split_once(':').unwrap_or((text, ""));
        let value = Value::String(value.trim().to_owned());
        match pairs.get_mut(name.trim()) {
            None => drop(pairs.insert(name.trim().to_owned(), value)),
            Some(Value::Array(values)) => values.push(value),
            Some(first) => *first = Value::Array(vec![first.take(), value]),
        }
    }
    Value::Object(pairs)
}

/// `will-topic` is `willTopic`.
fn camel_case(words: &str) -> String {
    let mut text = String::with_capacity(words.len());
    let mut is_start = false;
    for letter in words.chars() {
        if letter == '-' || letter == '_' {
            is_start = true;
        } else if is_start {
            text.extend(letter.to_uppercase());
            is_start = false;
        } else {
            text.push(letter);
        }
    }
    text
}

#[cfg(test)]
mod tests;
