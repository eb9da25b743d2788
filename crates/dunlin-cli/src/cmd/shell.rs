//! `dunlin shell`: several connections from one prompt.

mod hub;
mod line;
mod terminal;

use std::collections::BTreeSet;
use std::io::{BufRead as _, IsTerminal as _, Write};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use clap::Args;
use rustyline::completion::{Completer, Pair};
use rustyline::error::ReadlineError;
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::history::DefaultHistory;
use rustyline::validate::Validator;
use rustyline::{Editor, ExternalPrinter, Helper};

use crate::failure::{Failure, failed};
use crate::status;
use hub::{Answer, Hub, Reader};
use line::{Order, Words};

/// Topics that are offered for completion, at most.
const TOPICS_MAX: usize = 1000;

/// The arguments of `dunlin shell`.
#[derive(Debug, Args)]
#[command(after_help = "`help` at the prompt lists what can be said there.\n\n\
    Example: printf 'connect a -h localhost\\nsub t/#\\nwait 1\\n' | dunlin shell")]
pub(crate) struct ShellArgs {}

/// What can be completed, and where lines are printed.
#[derive(Default)]
struct Shared {
    names: BTreeSet<String>,
    topics: BTreeSet<String>,
    /// The connection in use.
    current: Option<String>,
    printer: Option<Box<dyn ExternalPrinter + Send>>,
}

/// A handle to it.
#[derive(Clone, Default)]
struct Desk(Arc<Mutex<Shared>>);

impl Desk {
    fn with<T>(&self, act: impl FnOnce(&mut Shared) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Prints a line without disturbing what is being typed.
    fn print(&self, text: &str) {
        self.with(|shared| match &mut shared.printer {
            Some(printer) => drop(printer.print(format!("{text}\n"))),
            // A reader that is gone is no failure.
            None => drop(writeln!(std::io::stdout(), "{text}")),
        });
    }

    fn know_topic(&self, topic: &str) {
        self.with(|shared| {
            if shared.topics.len() < TOPICS_MAX {
                shared.topics.insert(topic.to_owned());
            }
        });
    }
}

/// Reads lines and does what they say, until the end. Without a terminal the first line that fails
/// ends it.
pub(crate) fn run(_args: &ShellArgs) -> Result<(), Failure> {
    let desk = Desk::default();
    let reader = if std::io::stdin().is_terminal() {
        Reader::Person
    } else {
        Reader::Script
    };
    let hub = Hub::start(desk.clone(), reader)?;
    let result = match reader {
        Reader::Person => converse(&hub, &desk),
        Reader::Script => follow(&hub, &desk),
    };
    hub.end();
    result
}

/// Lines of a script.
fn follow(hub: &Hub, desk: &Desk) -> Result<(), Failure> {
    for (number, line) in (1..).zip(std::io::stdin().lock().lines()) {
        let number: u32 = number;
        let told = |failure: Failure| failed(format!("line {number}: {failure}"));
        match obey(hub, desk, &line?).map_err(told)? {
            Answer::Done(text) if !text.is_empty() => desk.print(&text),
            Answer::Done(_) => {}
            Answer::End => return Ok(()),
        }
    }
    Ok(())
}

/// Lines of a person.
fn converse(hub: &Hub, desk: &Desk) -> Result<(), Failure> {
    let mut editor: Editor<Companion, DefaultHistory> = Editor::new()?;
    editor.set_helper(Some(Companion(desk.clone())));
    let printer = editor.create_external_printer()?;
    desk.with(|shared| shared.printer = Some(Box::new(printer)));
    let history = history_path();
    if let Some(path) = &history {
        // The first time there is none.
        let _ = editor.load_history(path);
    }
    loop {
        let prompt = format!("{}> ", hub.current().unwrap_or_else(|| "dunlin".to_owned()));
        match editor.readline(&prompt) {
            Ok(line) => {
                if !line.trim().is_empty() {
                    editor.add_history_entry(&line)?;
                }
                match obey(hub, desk, &line) {
                    Ok(Answer::Done(text)) if !text.is_empty() => desk.print(&text),
                    Ok(Answer::Done(_)) => {}
                    Ok(Answer::End) => break,
                    Err(failure) => status::error(&failure.to_string()),
                }
            }
            Err(ReadlineError::Interrupted) => {}
            Err(ReadlineError::Eof) => break,
            Err(error) => return Err(error.into()),
        }
    }
    if let Some(path) = &history {
        if let Some(directory) = path.parent() {
            std::fs::create_dir_all(directory)?;
        }
        editor.save_history(path)?;
    }
    Ok(())
}

fn obey(hub: &Hub, desk: &Desk, line: &str) -> Result<Answer, Failure> {
    let words = Words::split(line)?;
    let Some(order) = Order::parse(words)? else {
        return Ok(Answer::Done(String::new()));
    };
    if let Order::Help = order {
        desk.print(&Order::help());
        return Ok(Answer::Done(String::new()));
    }
    hub.ask(order)
}

/// Where lines are remembered.
fn history_path() -> Option<PathBuf> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    let directory = set("XDG_STATE_HOME")
        .map(PathBuf::from)
        .or_else(|| Some(PathBuf::from(set("HOME")?).join(".local").join("state")))?;
    Some(directory.join("dunlin").join("shell-history"))
}

/// Completes words at the prompt.
struct Companion(Desk);

impl Completer for Companion {
    type Candidate = Pair;

    fn complete(
        &self,
        line: &str,
        position: usize,
        _: &rustyline::Context<'_>,
    ) -> rustyline::Result<(usize, Vec<Pair>)> {
        let before = line.get(..position).unwrap_or(line);
        let start = before.rfind(char::is_whitespace).map_or(0, |at| at + 1);
        let begun = before.get(start..).unwrap_or_default();
        let first = before.split_whitespace().next().filter(|_| start > 0);
        let words: Vec<String> = match first {
            None => Order::names(),
            Some(_) if begun.starts_with('-') => Order::flags(first.unwrap_or_default()),
            Some("use" | "disconnect") => {
                self.0.with(|shared| shared.names.iter().cloned().collect())
            }
            Some(_) => self
                .0
                .with(|shared| shared.topics.iter().cloned().collect()),
        };
        let candidates = words.into_iter().filter(|word| word.starts_with(begun));
        let candidates = candidates.map(|word| Pair {
            display: word.clone(),
            replacement: word,
        });
        Ok((start, candidates.collect()))
    }
}

impl Hinter for Companion {
    type Hint = String;
}
impl Highlighter for Companion {}
impl Validator for Companion {}
impl Helper for Companion {}
