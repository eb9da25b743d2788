//! Makes words of the command line that clap does not know into ones that it does.
//!
//! Short flags of more than one letter (`-Wt`, `-rap`) become their long forms. The value of a flag
//! is tied to it, so that it may begin with a hyphen (`-m -5`).

use std::ffi::{OsStr, OsString};

use clap::{Arg, ArgAction, Command};

/// Short forms of more than one letter, and their long forms. They exist where the long form does.
pub(crate) const SHORT_FORMS: &[(&str, &str)] = &[
    ("Ap", "avsc-path"),
    ("Cup", "conn-user-properties"),
    ("Pmn", "protobuf-message-name"),
    ("Pp", "protobuf-path"),
    ("Wcd", "will-correlation-data"),
    ("Wct", "will-content-type"),
    ("Wd", "will-delay-interval"),
    ("We", "will-message-expiry-interval"),
    ("Wm", "will-message"),
    ("Wpf", "will-payload-format-indicator"),
    ("Wq", "will-qos"),
    ("Wr", "will-retain"),
    ("Wrt", "will-response-topic"),
    ("Wt", "will-topic"),
    ("Wup", "will-user-properties"),
    ("am", "authentication-method"),
    ("cd", "correlation-data"),
    ("ct", "content-type"),
    ("im", "message-interval"),
    ("lm", "line-mode"),
    ("lo", "load-options"),
    ("nl", "no_local"),
    ("pf", "payload-format-indicator"),
    ("rap", "retain-as-published"),
    ("rcv-max", "rcv-max"),
    ("rh", "retain-handling"),
    ("rp", "reconnect-period"),
    ("rt", "response-topic"),
    ("sc", "scenario"),
    ("se", "session-expiry-interval"),
    ("si", "subscription-identifier"),
    ("so", "save-options"),
    ("ta", "topic-alias"),
    ("up", "user-properties"),
    ("wh", "ws-headers"),
];

/// The words for clap. The first is the program's name.
pub(crate) fn expand(
    program: &Command,
    words: impl IntoIterator<Item = OsString>,
) -> Vec<OsString> {
    let mut words = words.into_iter();
    let mut expanded: Vec<OsString> = words.next().into_iter().collect();
    let mut command = program;
    let mut words = words.peekable();
    // The names of the command come first.
    while let Some(word) = words.peek() {
        let Some(inner) = command.find_subcommand(word) else {
            break;
        };
        command = inner;
        expanded.extend(words.next());
    }
    while let Some(word) = words.next() {
        if word == "--" {
            expanded.push(word);
            break;
        }
        let Some(flag) = Flag::find(command, &word) else {
            expanded.push(word);
            continue;
        };
        let takes_one = takes_one(flag.arg);
        let mut long = OsString::from("--");
        long.push(flag.long);
        match flag.value {
            Some(value) => {
                long.push("=");
                long.push(value);
            }
            None if takes_one => {
                if let Some(value) = words.next() {
                    long.push("=");
                    long.push(value);
                }
            }
            None => {}
        }
        expanded.push(long);
    }
    expanded.extend(words);
    expanded
}

/// Whether the word after the flag is its value, whatever it looks like.
fn takes_one(arg: &Arg) -> bool {
    let takes_values = matches!(arg.get_action(), ArgAction::Set | ArgAction::Append);
    let count = arg.get_num_args().unwrap_or_else(|| 1.into());
    takes_values && count.min_values() == 1 && count.max_values() == 1
}

/// A word that is a flag with a long form.
struct Flag<'a> {
    arg: &'a Arg,
    long: &'a str,
    /// What is tied to it with `=`.
    value: Option<&'a OsStr>,
}

impl<'a> Flag<'a> {
    fn find(command: &'a Command, word: &'a OsStr) -> Option<Self> {
        // A word that is not UTF-8 as a whole can only be a value.
        let text = word.to_str()?;
        let (name, value) = match text.split_once('=') {
            Some((name, value)) => (name, Some(OsStr::new(value))),
            None => (text, None),
        };
        let arg = if let Some(long) = name.strip_prefix("--") {
            by_long(command, long)?
        } else {
            let short = name.strip_prefix('-')?;
            let known = SHORT_FORMS.iter().find(|(form, _)| *form == short);
            let arg = match known.and_then(|(_, long)| by_long(command, long)) {
                Some(arg) => arg,
                None => by_short(command, short)?,
            };
            // What has no value takes none by `=` either: clap has the words for that mistake.
            arg
        };
        let long = arg.get_long()?;
        Some(Self { arg, long, value })
    }
}

fn by_long<'a>(command: &'a Command, long: &str) -> Option<&'a Arg> {
    command.get_arguments().find(|arg| {
        let aliases = arg.get_all_aliases().unwrap_or_default();
        arg.get_long() == Some(long) || aliases.contains(&long)
    })
}

/// A flag of one letter that stands alone; of others (`-rd`, `-p1883`) clap knows the meaning.
fn by_short<'a>(command: &'a Command, short: &str) -> Option<&'a Arg> {
    let mut letters = short.chars();
    let letter = letters.next().filter(|_| letters.next().is_none())?;
    command
        .get_arguments()
        .find(|arg| arg.get_short() == Some(letter))
}

#[cfg(test)]
mod tests;
