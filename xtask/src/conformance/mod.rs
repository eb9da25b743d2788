//! The table that ties every normative statement of both standards to the tests that show it.
//!
//! `docs/conformance/requirements.tsv` lists the statements, `docs/conformance/missing-max` says
//! how many may be without a test, and `docs/conformance.md` is the table, which nobody edits.

mod page;
mod requirements;
mod tags;

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result, bail, ensure};

use crate::repository::Repository;
use requirements::{Binds, Label, Requirement, Standard};
use tags::TaggedTest;

const REQUIREMENTS: &str = "docs/conformance/requirements.tsv";
const MISSING_MAX: &str = "docs/conformance/missing-max";
const PAGE: &str = "docs/conformance.md";

/// What is known about each statement, in the order of the list.
struct Conformance {
    rows: Vec<Row>,
}

struct Row {
    requirement: Requirement,
    /// Path and name, sorted.
    tests: BTreeSet<(String, String)>,
}

/// How many statements are in which state.
#[derive(Clone, Copy, Default)]
struct Counts {
    shown: usize,
    client: usize,
    missing: usize,
}

impl Counts {
    fn total(self) -> usize {
        self.shown + self.client + self.missing
    }
}

impl Row {
    fn is_missing(&self) -> bool {
        self.tests.is_empty() && self.requirement.binds == Binds::Broker
    }
}

impl Conformance {
    /// Joins the list and the tags; every wrong tag of every file is in the error.
    fn read(repository: &Repository) -> Result<Self> {
        let requirements =
            requirements::parse(&repository.required_text(REQUIREMENTS)?).context(REQUIREMENTS)?;
        let mut complaints = Vec::new();
        let mut tests = Vec::new();
        for path in repository.tracked_files()? {
            let Some(text) = repository.text(&path)? else {
                continue;
            };
            let found = tags::scan(&path, &text);
            tests.extend(found.tests);
            for one in found.misplaced {
                complaints.push(format!("{path}:{}: {}", one.line, one.complaint));
            }
        }
        let (conformance, unknown) = Self::join(requirements, tests);
        complaints.extend(unknown);
        ensure!(complaints.is_empty(), "{}", complaints.join("\n"));
        Ok(conformance)
    }

    /// Gives also what is wrong with the tags: unknown labels.
    fn join(requirements: Vec<Requirement>, tests: Vec<TaggedTest>) -> (Self, Vec<String>) {
        let mut by_label: BTreeMap<Label, BTreeSet<(String, String)>> = BTreeMap::new();
        for test in tests {
            for label in test.labels {
                let shown_by = (test.path.clone(), test.name.clone());
                by_label.entry(label).or_default().insert(shown_by);
            }
        }
        let rows = requirements
            .into_iter()
            .map(|requirement| Row {
                tests: by_label.remove(&requirement.label).unwrap_or_default(),
                requirement,
            })
            .collect();
        let unknown = by_label.into_iter().flat_map(|(label, tests)| {
            tests.into_iter().map(move |(path, name)| {
                format!("{path}: {name}: [{label}] is not in {REQUIREMENTS}")
            })
        });
        (Self { rows }, unknown.collect())
    }

    fn of(&self, standard: Standard) -> impl Iterator<Item = &Row> {
        let is_of = move |row: &&Row| row.requirement.label.standard == standard;
        self.rows.iter().filter(is_of)
    }

    fn counts(&self, standard: Standard) -> Counts {
        self.of(standard)
            .fold(Counts::default(), |mut counts, row| {
                if row.is_missing() {
                    counts.missing += 1;
                } else if row.tests.is_empty() {
                    counts.client += 1;
                } else {
                    counts.shown += 1;
                }
                counts
            })
    }

    fn missing(&self) -> Vec<&Label> {
        let missing = self.rows.iter().filter(|row| row.is_missing());
        missing.map(|row| &row.requirement.label).collect()
    }

    fn summary(&self) -> String {
        let lines = Standard::ALL.map(|standard| {
            let counts = self.counts(standard);
            format!(
                "{}: {} statements, {} shown by tests, {} for clients only, {} missing",
                standard.title(),
                counts.total(),
                counts.shown,
                counts.client,
                counts.missing
            )
        });
        lines.join("\n")
    }
}

fn missing_max(repository: &Repository) -> Result<usize> {
    let text = repository.required_text(MISSING_MAX)?;
    text.trim()
        .parse()
        .with_context(|| format!("{MISSING_MAX} holds one number, not {:?}", text.trim()))
}

/// Writes the page, and lowers the number of `missing-max` to what is missing now.
pub(crate) fn write(repository: &Repository) -> Result<String> {
    let conformance = Conformance::read(repository)?;
    repository.write(PAGE, &page::render(&conformance))?;
    let (missing, max) = (conformance.missing(), missing_max(repository)?);
    if missing.len() > max {
        bail!(too_many(&missing, max));
    }
    repository.write(MISSING_MAX, &format!("{}\n", missing.len()))?;
    Ok(conformance.summary())
}

/// Fails when `write` would fail or change something.
pub(crate) fn check(repository: &Repository) -> Result<String> {
    let conformance = Conformance::read(repository)?;
    let (missing, max) = (conformance.missing(), missing_max(repository)?);
    if missing.len() > max {
        bail!(too_many(&missing, max));
    }
    ensure!(
        missing.len() == max && repository.required_text(PAGE)? == page::render(&conformance),
        "{PAGE} or {MISSING_MAX} is stale: run `cargo xtask conformance` and commit the result"
    );
    Ok(conformance.summary())
}

fn too_many(missing: &[&Label], max: usize) -> String {
    let labels: Vec<String> = missing.iter().map(ToString::to_string).collect();
    format!(
        "{} statements have no test, {MISSING_MAX} allows {max}: {}",
        missing.len(),
        labels.join(", ")
    )
}

#[cfg(test)]
mod tests {
    use super::requirements::parse;
    use super::tags::scan;
    use super::{Conformance, Standard, check, page};
    use crate::repository::Repository;

    fn example(script: &str) -> (Conformance, Vec<String>) {
        let list = "version\tlabel\tsection\tbinds\tsummary\treason\n\
            v3\tMQTT-1.1.1-1\t1.1\tboth\tone\n\
            v5\tMQTT-1.1.1-1\t1.1\tserver\tanother\n\
            v5\tMQTT-1.1.1-2\t1.1\tclient\ta third\twhy not\n";
        let path = "crates/dunlin-core/src/tests/scenario/a.txt";
        Conformance::join(parse(list).unwrap(), scan(path, script).tests)
    }

    #[test]
    fn a_label_of_one_standard_is_not_that_of_the_other() {
        let (conformance, complaints) = example("# [v5 MQTT-1.1.1-1]\n");
        assert!(complaints.is_empty());
        assert_eq!(conformance.missing().len(), 1);
        assert_eq!(conformance.missing()[0].to_string(), "v3 MQTT-1.1.1-1");
        let counts = conformance.counts(Standard::V5);
        assert_eq!((counts.shown, counts.client, counts.missing), (1, 1, 0));
    }

    #[test]
    fn an_unknown_label_is_named_with_its_test() {
        let (_, complaints) = example("# [v3 MQTT-1.1.1-2]\n");
        assert_eq!(complaints.len(), 1);
        assert!(complaints[0].contains("scenario/a.txt: a: [v3 MQTT-1.1.1-2] is not in"));
    }

    #[test]
    fn the_page_says_what_shows_each_statement() {
        let (conformance, _) = example("# [v5 MQTT-1.1.1-1]\n");
        let page = page::render(&conformance);
        assert!(page.contains("| MQTT-1.1.1-1 | 1.1 | one | **missing** |"));
        assert!(page.contains(
            "| MQTT-1.1.1-1 | 1.1 | another | \
             [a](../crates/dunlin-core/src/tests/scenario/a.txt) |"
        ));
        assert!(page.contains("| MQTT-1.1.1-2 | 1.1 | a third | client: why not |"));
        assert!(page.contains("| MQTT 5.0 | 2 | 1 | 1 | 0 |"));
    }

    #[test]
    fn the_committed_page_is_fresh() {
        if let Err(error) = Repository::find().and_then(|repository| check(&repository)) {
            panic!("{error:#}");
        }
    }
}
