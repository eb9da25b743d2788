//! The texts that are made from the table of options.

use std::fmt::Write as _;

use super::kind::{Field, Kind};
use super::nearest::nearest;
use super::option::{self, OPTIONS, OptionRecord, SECTIONS};

/// The width of comments in the default file, and of what `explain` prints.
const COLUMNS: usize = 96;

/// A path that no option and no section has.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown option {path:?}; the nearest known one is {nearest}")]
pub struct UnknownPath {
    /// What was asked for.
    pub path: String,
    /// What was probably meant.
    pub nearest: String,
}

/// A configuration file with each option as a comment that shows its default.
pub fn default_file() -> String {
    let mut file = String::new();
    comment(
        &mut file,
        "The configuration of dunlin, with every default. A line such as \"#workers = 0\" shows an \
         option: take the # away to set it. The environment (DUNLIN__SECTION__KEY) wins over this \
         file, and the command line wins over both. `dunlin config explain PATH` tells more, \
         `dunlin config check FILE` finds mistakes.",
    );
    for record in in_section("") {
        file.push('\n');
        option_lines(&mut file, record);
    }
    for section in SECTIONS {
        file.push('\n');
        comment(&mut file, section.doc);
        line(&mut file, format_args!("[{}]", section.name));
        for record in in_section(section.name) {
            file.push('\n');
            option_lines(&mut file, record);
        }
    }
    file
}

/// An option in the default file.
fn option_lines(file: &mut String, record: &OptionRecord) {
    comment(file, record.doc);
    comment(
        file,
        &format!("Value: {}", kind_words(&record.kind, record.unit)),
    );
    let (_, key) = record.section_and_key();
    let fields = record.kind.fields();
    for field in fields {
        let words = format!(
            "{}: {} Value: {}",
            field.name,
            field.doc,
            field_words(field)
        );
        wrap(file, "#   ", &words);
    }
    if record.path == "listener" {
        // The one list of tables that people write with headers. Its default has one table.
        line(file, format_args!("#[[{key}]]"));
        for field in fields {
            let value = field.default.unwrap_or("\"mqtt://127.0.0.1:1883\"");
            line(file, format_args!("#{} = {value}", field.name));
        }
    } else {
        line(file, format_args!("#{key} = {}", record.default));
    }
}

/// The page `docs/reference/config.md`.
pub fn reference() -> String {
    let mut page = String::from(
        "# Configuration\n\
         \n\
         <!-- Made from crates/dunlin/src/config/option.rs. Do not edit: run\n     \
         UPDATE=1 cargo test -p dunlin config::tests::documents -->\n\
         \n\
         `dunlin serve` needs no configuration: it then listens on 127.0.0.1:1883 and lets anyone \
         in there.\n\
         \n\
         Options are read from these places, and the later wins:\n\
         \n\
         1. the default of each option;\n\
         2. a TOML file: `dunlin serve --config FILE` (`dunlin config default` prints one with \
         every default);\n\
         3. the environment: `DUNLIN__`, then the path in capitals with `__` for each dot, such as \
         `DUNLIN__SESSION__QUEUE_MESSAGES_MAX=5000`;\n\
         4. the command line: the flags of `dunlin serve`, then `--set PATH=VALUE`, such as \
         `--set session.queue_messages_max=5000`.\n\
         \n\
         In the environment and on the command line texts need no quotes, and a list of one item no \
         brackets. A list replaces the list of an earlier place whole.\n\
         \n\
         An unknown key, an unknown variable that begins with `DUNLIN__` and a value that is not \
         allowed are refused, all in one message. `dunlin config check FILE` tells them without \
         starting a broker: it exits with 0 if the configuration is good and with 2 if it is not.\n\
         \n\
         SIGHUP has it read again. This version then takes over access.rules, access.acl_file and \
         access.no_match, and everything else at its next start; options marked *fixed* are those \
         that a reload could not change either. Files of users and access rules are read again \
         when they change.\n",
    );
    page.push_str("\n## At the top\n");
    for record in in_section("") {
        reference_entry(&mut page, record);
    }
    for section in SECTIONS {
        line(
            &mut page,
            format_args!("\n## {}\n\n{}", section.name, section.doc),
        );
        for record in in_section(section.name) {
            reference_entry(&mut page, record);
        }
    }
    page
}

/// An option in the reference page.
fn reference_entry(page: &mut String, record: &OptionRecord) {
    line(
        page,
        format_args!("\n### {}\n\n{}\n", record.path, record.doc),
    );
    line(
        page,
        format_args!("- Value: {}", kind_words(&record.kind, record.unit)),
    );
    for field in record.kind.fields() {
        line(
            page,
            format_args!(
                "  - `{}`: {} Value: {}",
                field.name,
                field.doc,
                field_words(field)
            ),
        );
    }
    line(page, format_args!("- Default: `{}`", record.default));
    if let Some(flag) = record.flag {
        line(page, format_args!("- Flag: `{flag}`"));
    }
    line(
        page,
        format_args!("- Environment: `{}`", record.environment()),
    );
    let fixed = if record.reloadable { "" } else { "; fixed" };
    line(page, format_args!("- Since {}{fixed}", record.since));
}

/// What `dunlin config explain` prints: without a path every option, with that of a section its
/// options, with that of an option everything about it.
///
/// # Errors
/// [`UnknownPath`] names the nearest known path.
pub fn explain(path: Option<&str>) -> Result<String, UnknownPath> {
    let mut text = String::new();
    let Some(path) = path else {
        for record in OPTIONS {
            list_entry(&mut text, record);
        }
        return Ok(text);
    };
    if let Some(record) = option::find(path) {
        explain_option(&mut text, record);
    } else if let Some((_, field)) = option::field(path) {
        explain_field(&mut text, path, field);
    } else if let Some(section) = option::section(path) {
        line(&mut text, format_args!("{}", section.doc));
        text.push('\n');
        for record in in_section(section.name) {
            list_entry(&mut text, record);
        }
    } else {
        return Err(UnknownPath {
            path: path.to_owned(),
            nearest: nearest(path),
        });
    }
    Ok(text)
}

/// An option in a list of options.
fn list_entry(text: &mut String, record: &OptionRecord) {
    line(text, format_args!("{} = {}", record.path, record.default));
    wrap(text, "    ", record.doc);
}

fn explain_option(text: &mut String, record: &OptionRecord) {
    line(text, format_args!("{}", record.path));
    wrap(text, "    ", record.doc);
    text.push('\n');
    line(
        text,
        format_args!("    value        {}", kind_words(&record.kind, record.unit)),
    );
    for field in record.kind.fields() {
        line(
            text,
            format_args!("      {:<16} {}", field.name, field_words(field)),
        );
    }
    line(text, format_args!("    default      {}", record.default));
    if let Some(flag) = record.flag {
        line(text, format_args!("    flag         {flag}"));
    }
    line(
        text,
        format_args!("    set by       --set {}=…", record.path),
    );
    line(
        text,
        format_args!("    environment  {}", record.environment()),
    );
    let change = if record.reloadable {
        "possible in a running broker"
    } else {
        "by a restart"
    };
    line(text, format_args!("    change       {change}"));
    line(text, format_args!("    since        {}", record.since));
}

fn explain_field(text: &mut String, path: &str, field: &Field) {
    line(text, format_args!("{path}"));
    wrap(text, "    ", field.doc);
    text.push('\n');
    line(
        text,
        format_args!("    value        {}", kind_words(&field.kind, field.unit)),
    );
    let default = field.default.unwrap_or("none: it must be written");
    line(text, format_args!("    default      {default}"));
}

/// What may be written, and what is counted.
fn kind_words(kind: &Kind, unit: &str) -> String {
    match unit {
        "" => kind.expected(),
        unit => format!("{} ({unit})", kind.expected()),
    }
}

/// What may be written for a key of a table, and what holds without it.
fn field_words(field: &Field) -> String {
    let words = kind_words(&field.kind, field.unit);
    match field.default {
        Some(default) => format!("{words}; default {default}"),
        None => words,
    }
}

fn in_section(name: &str) -> impl Iterator<Item = &'static OptionRecord> {
    OPTIONS
        .iter()
        .filter(move |record| record.section_and_key().0 == name)
}

fn comment(file: &mut String, text: &str) {
    wrap(file, "# ", text);
}

/// Writes a text in lines that begin with `prefix`.
fn wrap(out: &mut String, prefix: &str, text: &str) {
    let mut columns = 0;
    for word in text.split(' ') {
        let width = word.chars().count();
        if columns > 0 && prefix.len() + columns + 1 + width > COLUMNS {
            out.push('\n');
            columns = 0;
        }
        out.push_str(if columns == 0 { prefix } else { " " });
        out.push_str(word);
        columns += 1 + width;
    }
    out.push('\n');
}

fn line(out: &mut String, text: std::fmt::Arguments<'_>) {
    writeln!(out, "{text}").expect("a String takes everything");
}
