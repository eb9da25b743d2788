//! `docs/conformance.md`.

use std::fmt::Write as _;

use super::requirements::{Binds, Standard};
use super::{Conformance, Row};

const HEAD: &str = "\
# Conformance

Written by `cargo xtask conformance`; do not edit. Each normative statement of [MQTT 3.1.1][v3] and
[MQTT 5.0][v5], by its label, with the tests that fail when Dunlin breaks it. The words are ours; the
binding text is in the standards. `client` marks a statement that binds only clients, with the reason
why there is nothing in it that a broker could do wrong. **missing** has no test yet.

[v3]: https://docs.oasis-open.org/mqtt/mqtt/v3.1.1/mqtt-v3.1.1.html
[v5]: https://docs.oasis-open.org/mqtt/mqtt/v5.0/mqtt-v5.0.html

A test says what it shows with tags, `[v5 MQTT-3.3.1-2]` for MQTT 5.0 and `[v3 MQTT-3.3.1-2]` for
MQTT 3.1.1, because one number means different things in the two. In Rust a tag stands in the comment
directly above the `#[test]` function or in a comment inside it, in a scenario script in any line that
begins with `#`, in an interop suite in the comment directly above the case. A label without a version
is a reference for the reader and ties nothing. `cargo xtask conformance --check`, which `cargo test`
runs as well, refuses a tag that stands elsewhere, an unknown label, a stale page, and more missing
statements than `docs/conformance/missing-max` allows; that number only goes down.
";

pub(super) fn render(conformance: &Conformance) -> String {
    let mut page = String::from(HEAD);
    page.push_str("\n| Standard | Statements | Shown by tests | Client | Missing |\n");
    page.push_str("|---|--:|--:|--:|--:|\n");
    for standard in Standard::ALL {
        let counts = conformance.counts(standard);
        push(
            &mut page,
            format_args!(
                "| {} | {} | {} | {} | {} |\n",
                standard.title(),
                counts.total(),
                counts.shown,
                counts.client,
                counts.missing
            ),
        );
    }
    for standard in Standard::ALL {
        push(&mut page, format_args!("\n## {}\n\n", standard.title()));
        page.push_str("| Label | Section | About | Shown by |\n|---|---|---|---|\n");
        for row in conformance.of(standard) {
            let requirement = &row.requirement;
            push(
                &mut page,
                format_args!(
                    "| {} | {} | {} | {} |\n",
                    requirement.label.name,
                    requirement.section,
                    requirement.summary.replace('|', "\\|"),
                    shown_by(row)
                ),
            );
        }
    }
    page
}

fn push(page: &mut String, text: std::fmt::Arguments<'_>) {
    page.write_fmt(text)
        .expect("writing to a String does not fail");
}

fn shown_by(row: &Row) -> String {
    match &row.requirement.binds {
        Binds::ClientOnly { reason } if row.tests.is_empty() => format!("client: {reason}"),
        Binds::Broker if row.tests.is_empty() => "**missing**".to_owned(),
        _ => {
            let link = |(path, name): &(String, String)| format!("[{name}](../{path})");
            let links: Vec<String> = row.tests.iter().map(link).collect();
            links.join(", ")
        }
    }
}
