//! What can be said at the prompt.

use std::ffi::OsString;
use std::time::Duration;

use clap::{ArgAction, CommandFactory as _, FromArgMatches as _, Parser, Subcommand};
use dunlin_client::codec::QoS;

use crate::args::{ConnectArgs, qos, seconds};
use crate::argv;
use crate::failure::{Failure, usage};

/// A line, as clap reads it.
#[derive(Debug, Parser)]
#[command(
    name = "dunlin",
    disable_help_flag = true,
    disable_help_subcommand = true
)]
#[command(disable_version_flag = true)]
struct Line {
    #[command(subcommand)]
    order: Order,
}

/// What is to be done.
#[derive(Debug, Subcommand)]
pub(super) enum Order {
    /// Connect under a name, which is then the one in use
    #[command(disable_help_flag = true)]
    Connect {
        /// The connection's name
        #[arg(default_value = "main")]
        name: String,
        #[command(flatten)]
        connect: Box<ConnectArgs>,
    },
    /// End a connection
    Disconnect {
        /// Its name; without it, the one in use
        name: Option<String>,
    },
    /// Use another connection
    Use {
        /// Its name
        name: String,
    },
    /// Publish a message
    Pub {
        /// Topic
        topic: String,
        /// Payload
        #[arg(default_value = "")]
        payload: String,
        /// QoS
        #[arg(short = 'q', long, default_value = "0", value_parser = qos)]
        qos: QoS,
        /// Retain it
        #[arg(short = 'r', long)]
        retain: bool,
    },
    /// Subscribe
    Sub {
        /// Topic filters
        #[arg(required = true)]
        filters: Vec<String>,
        /// QoS
        #[arg(short = 'q', long, default_value = "0", value_parser = qos)]
        qos: QoS,
    },
    /// Unsubscribe
    Unsub {
        /// Topic filters
        #[arg(required = true)]
        filters: Vec<String>,
    },
    /// List the connections and their subscriptions
    Ls,
    /// Wait for messages
    Wait {
        /// How many must have come since the last wait
        #[arg(default_value_t = 1)]
        count: u64,
        /// For how long, at most
        #[arg(long, default_value = "10", value_parser = seconds)]
        timeout: Duration,
    },
    /// List what can be said
    Help,
    /// Disconnect all, and end
    #[command(alias = "quit")]
    Exit,
}

impl Order {
    /// The order of a line; `None` if it says nothing.
    pub(super) fn parse(words: Words) -> Result<Option<Self>, Failure> {
        if words.0.is_empty() {
            return Ok(None);
        }
        let command = Line::command();
        let words = std::iter::once("dunlin".to_owned()).chain(words.0);
        let words = argv::expand(&command, words.map(OsString::from));
        let matches = command.try_get_matches_from(words);
        let matches = matches.map_err(|error| usage(crate::one_line(&error)))?;
        let line = Line::from_arg_matches(&matches);
        let line = line.map_err(|error| usage(crate::one_line(&error)))?;
        Ok(Some(line.order))
    }

    /// The words that a line can begin with.
    pub(super) fn names() -> Vec<String> {
        let command = Line::command();
        let names = command.get_subcommands().map(|command| command.get_name());
        names.map(str::to_owned).collect()
    }

    /// The long flags of an order.
    pub(super) fn flags(name: &str) -> Vec<String> {
        let command = Line::command();
        let Some(order) = command.find_subcommand(name) else {
            return Vec::new();
        };
        let flags = order
            .get_arguments()
            .filter(|arg| !matches!(arg.get_action(), ArgAction::Help));
        flags
            .filter_map(|arg| arg.get_long())
            .map(|long| format!("--{long}"))
            .collect()
    }

    /// What can be said.
    pub(super) fn help() -> String {
        let command = Line::command();
        let lines = command.get_subcommands().map(|command| {
            let about = command.get_about().map(ToString::to_string);
            let mut usage = command.get_name().to_owned();
            for arg in command.get_positionals() {
                let name = arg.get_id().as_str().to_uppercase();
                usage.push_str(&match arg.is_required_set() {
                    true => format!(" {name}"),
                    false => format!(" [{name}]"),
                });
            }
            format!("  {usage:<28}{}", about.unwrap_or_default())
        });
        let lines: Vec<String> = lines.collect();
        format!(
            "{}\n  connect takes the flags of `dunlin conn`, pub and sub -q and -r.",
            lines.join("\n")
        )
    }
}

/// The words of a line.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Words(Vec<String>);

impl Words {
    /// Parts a line at its blanks. What is in quotes stays together; a backslash takes the next letter
    /// as it is, but for single quotes. `#` at the start of a word begins a comment only there where
    /// a line begins, for it is a topic filter.
    pub(super) fn split(line: &str) -> Result<Self, Failure> {
        let mut words = Vec::new();
        let mut word: Option<String> = None;
        let mut quote = None;
        if line.trim_start().starts_with('#') {
            return Ok(Self(words));
        }
        let mut letters = line.chars();
        while let Some(letter) = letters.next() {
            match (quote, letter) {
                (Some(open), letter) if letter == open => quote = None,
                (None, '"' | '\'') => {
                    quote = Some(letter);
                    word.get_or_insert_default();
                }
                (None | Some('"'), '\\') => {
                    let next = letters.next();
                    let next = next.ok_or_else(|| usage("nothing follows the last \\"))?;
                    word.get_or_insert_default().push(next);
                }
                (None, letter) if letter.is_whitespace() => words.extend(word.take()),
                (_, letter) => word.get_or_insert_default().push(letter),
            }
        }
        if quote.is_some() {
            return Err(usage("a quote is not closed"));
        }
        words.extend(word);
        Ok(Self(words))
    }
}

#[cfg(test)]
mod tests {
    use super::{Order, Words};
    use crate::failure::Failure;

    fn words(line: &str) -> Vec<String> {
        Words::split(line).unwrap().0
    }

    fn parse(line: &str) -> Result<Option<Order>, Failure> {
        Order::parse(Words::split(line).unwrap())
    }

    #[test]
    fn quotes_keep_words_together() {
        assert_eq!(
            words("pub a/b  'x y' \"z \\\"q\\\"\""),
            ["pub", "a/b", "x y", "z \"q\""]
        );
        assert_eq!(words("pub t ''"), ["pub", "t", ""]);
        assert_eq!(words("a\\ b c'd'"), ["a b", "cd"]);
        assert_eq!(words("# a comment"), [""; 0]);
        assert_eq!(words("sub #"), ["sub", "#"]);
        assert!(Words::split("pub 'a").is_err());
        assert!(Words::split("pub a\\").is_err());
    }

    #[test]
    fn orders_are_those_of_the_commands() {
        assert!(parse("").unwrap().is_none());
        let order = parse("pub a/b '{\"x\": 1}' -q 1 -r").unwrap();
        match order {
            Some(Order::Pub {
                topic,
                payload,
                retain,
                ..
            }) => {
                assert_eq!(
                    (topic.as_str(), payload.as_str(), retain),
                    ("a/b", "{\"x\": 1}", true)
                );
            }
            other => panic!("{other:?}"),
        }
        let order = parse("connect a -h example -Wt will -k 5").unwrap();
        assert!(matches!(order, Some(Order::Connect { name, .. }) if name == "a"));
        assert!(matches!(parse("quit").unwrap(), Some(Order::Exit)));
        for line in ["sub", "pubb a", "pub a b c", "wait x"] {
            match parse(line) {
                Err(Failure::Usage(text)) => assert!(!text.contains('\n'), "{text}"),
                other => panic!("{line}: {other:?}"),
            }
        }
        assert!(Order::names().contains(&"unsub".to_owned()));
        assert!(Order::flags("connect").contains(&"--will-topic".to_owned()));
        assert!(Order::help().contains("wait [COUNT]"), "{}", Order::help());
    }
}
