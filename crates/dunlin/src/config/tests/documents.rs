//! The texts that are made from the table of options.

use std::path::Path;

use super::super::option::{self, OPTIONS};
use super::super::{default_file, explain, reference};

/// With `UPDATE=1` in the environment the page is written anew.
#[test]
fn the_reference_page_is_fresh() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference/config.md");
    let expected = reference();
    if std::env::var_os("UPDATE").is_some_and(|value| value == "1") {
        std::fs::create_dir_all(page.parent().unwrap()).unwrap();
        std::fs::write(&page, &expected).unwrap();
    }
    let found = std::fs::read_to_string(&page).unwrap_or_default();
    assert!(
        found == expected,
        "{} is stale: run UPDATE=1 cargo test -p dunlin config::tests::documents",
        page.display()
    );
}

#[test]
fn every_option_is_in_every_document() {
    let (file, page, list) = (default_file(), reference(), explain(None).unwrap());
    for record in OPTIONS {
        let (_, key) = record.section_and_key();
        assert!(file.contains(&format!("#{key} = ")) || file.contains(&format!("#[[{key}]]")));
        assert!(page.contains(&format!("### {}\n\n{}\n", record.path, record.doc)));
        assert!(page.contains(&record.environment()));
        assert!(list.contains(&format!("{} = {}\n", record.path, record.default)));
    }
}

#[test]
fn the_default_file_fits_a_terminal() {
    for line in default_file().lines() {
        assert!(line.chars().count() <= 100, "{line}");
    }
}

#[test]
fn an_option_is_explained() {
    let text = explain(Some("session.queue_policy")).unwrap();
    let record = option::find("session.queue_policy").unwrap();
    for part in [
        "session.queue_policy\n",
        "one of \"drop-oldest\", \"drop-newest\", \"refuse\"",
        "default      \"drop-oldest\"",
        "DUNLIN__SESSION__QUEUE_POLICY",
        "--set session.queue_policy=",
        record.since,
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(
        explain(Some("workers"))
            .unwrap()
            .contains("flag         --workers\n")
    );
    assert!(
        explain(Some("mqtt.packet_bytes_max"))
            .unwrap()
            .contains("268435460 (bytes)\n")
    );
}

#[test]
fn a_section_and_the_key_of_a_list_are_explained() {
    let text = explain(Some("will")).unwrap();
    let paths: Vec<_> = text
        .lines()
        .filter(|line| line.starts_with("will."))
        .collect();
    assert_eq!(
        paths,
        ["will.delay_max_s = 2592000", "will.grace_period_s = 2"]
    );

    let text = explain(Some("listener.bind")).unwrap();
    assert!(
        text.contains("default      none: it must be written"),
        "{text}"
    );
    assert!(
        explain(Some("listener"))
            .unwrap()
            .contains("max_connections  an integer from 1")
    );
}

#[test]
fn an_unknown_path_is_answered_with_the_nearest() {
    assert_eq!(
        explain(Some("session.queue_polic"))
            .unwrap_err()
            .to_string(),
        "unknown option \"session.queue_polic\"; the nearest known one is session.queue_policy"
    );
    assert_eq!(explain(Some("sesion")).unwrap_err().nearest, "session");
}
