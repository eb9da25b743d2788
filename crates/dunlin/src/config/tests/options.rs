//! The table of options.

use std::collections::BTreeSet;

use dunlin_core::access::RuleSource;

use super::super::option::{self, OPTIONS, OptionRecord, SECTIONS};
use super::super::{Config, Kind, Override, Sources, default_file, value};
use super::set;

/// A sentence: it ends with a full stop, and no other sentence follows.
fn assert_is_sentence(what: &str, doc: &str) {
    assert!(doc.len() > 10 && doc.ends_with('.'), "{what}: {doc:?}");
    assert!(!doc.trim_end_matches('.').contains(". "), "{what}: {doc:?}");
    assert!(
        doc.starts_with(|first: char| first.is_uppercase()),
        "{what}: {doc:?}"
    );
    assert!(!doc.contains("  "), "{what}: {doc:?}");
}

#[test]
fn every_record_is_whole() {
    for record in OPTIONS {
        assert_is_sentence(record.path, record.doc);
        assert!(!record.since.is_empty(), "{}", record.path);
        assert!(
            record.flag.is_none_or(|flag| flag.starts_with("--")),
            "{}",
            record.path
        );
        for field in record.kind.fields() {
            assert_is_sentence(record.path, field.doc);
        }
        let (section, key) = record.section_and_key();
        assert!(
            section.is_empty() || option::section(section).is_some(),
            "{}",
            record.path
        );
        assert!(
            !key.contains('.'),
            "{} is deeper than files are read",
            record.path
        );
    }
    for section in SECTIONS {
        assert_is_sentence(section.name, section.doc);
        let options = OPTIONS
            .iter()
            .filter(|record| record.section_and_key().0 == section.name);
        assert!(options.count() > 0, "{} has no option", section.name);
    }
    assert!(
        OPTIONS.len() <= 81,
        "the budget of options: is there no good default?"
    );
}

#[test]
fn paths_and_variables_are_unique() {
    let paths: BTreeSet<_> = OPTIONS.iter().map(|record| record.path).collect();
    let variables: BTreeSet<_> = OPTIONS.iter().map(OptionRecord::environment).collect();
    assert_eq!(
        (paths.len(), variables.len()),
        (OPTIONS.len(), OPTIONS.len())
    );
    let record = option::find("session.queue_bytes_max").unwrap();
    assert_eq!(record.environment(), "DUNLIN__SESSION__QUEUE_BYTES_MAX");
}

#[test]
fn the_unit_is_in_the_name() {
    for record in OPTIONS {
        let (_, key) = record.section_and_key();
        assert_eq!(
            record.unit == "seconds",
            key.ends_with("_s"),
            "{}",
            record.path
        );
        assert_eq!(
            record.unit == "bytes",
            key.contains("bytes"),
            "{}",
            record.path
        );
    }
}

/// A value other than the default, as it is written on a command line.
fn another_value(record: &OptionRecord) -> String {
    match record.kind {
        Kind::Bool if record.default == "true" => "false".to_owned(),
        Kind::Bool => "true".to_owned(),
        Kind::Integer { min, max } if record.default == min.to_string() => max.to_string(),
        Kind::Integer { min, .. } => min.to_string(),
        Kind::Word(words) => {
            let is_other = |word: &&&str| format!("{word:?}") != record.default;
            (*words
                .iter()
                .find(is_other)
                .expect("a choice of two at least"))
            .to_owned()
        }
        Kind::List { .. } if record.path == "listener" => "mqtt://[::1]:1".to_owned(),
        Kind::List { example, .. } => example.to_owned(),
        Kind::Directory | Kind::File => "elsewhere".to_owned(),
        Kind::Claim => "answers".to_owned(),
        Kind::HttpUrl => "http://127.0.0.1/answers".to_owned(),
        Kind::Text => "answers/%c".to_owned(),
        other => panic!("{} has a kind for lists alone: {other:?}", record.path),
    }
}

#[test]
fn every_option_reaches_the_config() {
    let default = Config::default();
    for record in OPTIONS {
        let value = another_value(record);
        let overrides = vec![Override::Set(format!("{}={value}", record.path))];
        let loaded = Sources {
            overrides,
            ..Sources::default()
        }
        .load()
        .unwrap_or_else(|error| panic!("{error}"));
        assert_ne!(
            loaded.config, default,
            "{} = {value} changes nothing",
            record.path
        );
        let changed: Vec<_> = loaded.changed.iter().map(|changed| changed.path).collect();
        assert_eq!(changed, [record.path]);
    }
}

#[test]
fn what_is_shown_can_be_written() {
    for record in OPTIONS {
        let overrides = vec![Override::Set(format!(
            "{}={}",
            record.path,
            another_value(record)
        ))];
        let loaded = Sources {
            overrides,
            ..Sources::default()
        }
        .load()
        .unwrap();
        let [changed] = loaded.changed.as_slice() else {
            panic!("{:?}", loaded.changed)
        };
        let line = match changed.path.split_once('.') {
            Some((section, key)) => format!("[{section}]\n{key} = {}", changed.value),
            None => format!("{} = {}", changed.path, changed.value),
        };
        let written = Config::from_toml(&line).unwrap_or_else(|error| panic!("{line}: {error}"));
        assert_eq!(
            without_sources(written),
            without_sources(loaded.config),
            "{line}"
        );
    }
}

/// Where a rule was written is no part of what it says.
fn without_sources(mut config: Config) -> Config {
    for rule in &mut config.access.rules {
        rule.source = RuleSource {
            file: "".into(),
            line: 0,
        };
    }
    config
}

#[test]
fn ranges_hold_their_ends_and_no_more() {
    for record in OPTIONS {
        let Kind::Integer { min, max } = record.kind else {
            continue;
        };
        let path = record.path;
        for good in [min, max] {
            set(&[&format!("{path}={good}")]).unwrap_or_else(|error| panic!("{error}"));
        }
        for bad in [i128::from(min) - 1, i128::from(max) + 1] {
            let error = set(&[&format!("{path}={bad}")])
                .expect_err(path)
                .to_string();
            assert!(
                error.ends_with(&format!(
                    "{path} = {bad}: expected an integer from {min} to {max}"
                )),
                "{error}"
            );
        }
    }
}

#[test]
fn every_example_is_allowed() {
    for record in OPTIONS {
        let Kind::List { example, .. } = record.kind else {
            continue;
        };
        set(&[&format!("{}={example}", record.path)]).unwrap_or_else(|error| panic!("{error}"));
    }
    // The default of a list's key stands in the table as well.
    for field in OPTIONS.iter().flat_map(|record| record.kind.fields()) {
        if let Some(text) = field.default {
            let read = value::default(field.name, &field.kind, text).value;
            assert_eq!(read.to_string(), text);
        }
    }
}

#[test]
fn the_default_file_is_the_defaults() {
    assert_eq!(Config::from_toml(&default_file()), Ok(Config::default()));
}

/// With every value in force, the file sets each option, to its default.
#[test]
fn the_default_file_holds_every_option() {
    let file: Vec<_> = default_file()
        .lines()
        .map(|line| match line.strip_prefix('#') {
            Some(value) if !value.starts_with(' ') => value.to_owned(),
            _ => line.to_owned(),
        })
        .collect();
    assert_eq!(Config::from_toml(&file.join("\n")), Ok(Config::default()));
    for record in OPTIONS {
        let (section, key) = record.section_and_key();
        // A value of a wrong type on that line must be found wrong: so the line is read.
        let mut in_section = section.is_empty();
        let mut found = false;
        let broken: Vec<_> = file
            .iter()
            .map(|line| {
                if line.starts_with('[') && !line.starts_with("[[") {
                    in_section = *line == format!("[{section}]");
                }
                let is_it = in_section
                    && (line.starts_with(&format!("{key} = ")) || *line == format!("[[{key}]]"));
                found |= is_it;
                match (is_it, line.starts_with("[[")) {
                    (true, true) => format!("{line}\nwrong = 1"),
                    (true, false) => format!("{key} = 1.5"),
                    (false, _) => line.clone(),
                }
            })
            .collect();
        assert!(found, "{} is not in the default file", record.path);
        let error = Config::from_toml(&broken.join("\n")).expect_err(record.path);
        assert_eq!(error.problems().len(), 1, "{error}");
        assert!(error.to_string().contains(record.path), "{error}");
    }
}
