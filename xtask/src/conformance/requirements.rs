//! The list of normative statements, as it is kept in `docs/conformance/requirements.tsv`.

use std::fmt;

use anyhow::{Context as _, Result, bail, ensure};

/// Which of the two standards. The same label number means different things in them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Standard {
    V3,
    V5,
}

impl Standard {
    pub(crate) const ALL: [Self; 2] = [Self::V3, Self::V5];

    /// How tags and the list name it.
    pub(crate) fn short(self) -> &'static str {
        match self {
            Self::V3 => "v3",
            Self::V5 => "v5",
        }
    }

    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::V3 => "MQTT 3.1.1",
            Self::V5 => "MQTT 5.0",
        }
    }

    pub(crate) fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.short() == text)
    }
}

/// One label of one standard, written `v5 MQTT-3.3.1-2`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Label {
    pub(crate) standard: Standard,
    pub(crate) name: String,
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.standard.short(), self.name)
    }
}

/// Whom a statement binds, as far as a broker's tests are concerned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Binds {
    /// A broker can break it, or must act when a client does.
    Broker,
    /// Nothing that a broker could do wrong, and why.
    ClientOnly { reason: String },
}

/// One normative statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Requirement {
    pub(crate) label: Label,
    pub(crate) section: String,
    pub(crate) binds: Binds,
    pub(crate) summary: String,
}

/// Reads the list: comment lines, a head line, then one statement in each line.
pub(crate) fn parse(text: &str) -> Result<Vec<Requirement>> {
    let mut requirements: Vec<Requirement> = Vec::new();
    let rows = text.lines().enumerate();
    for (index, row) in rows.filter(|(_, row)| !row.starts_with('#')).skip(1) {
        let requirement = parse_row(row).with_context(|| format!("line {}", index + 1))?;
        let label = &requirement.label;
        ensure!(
            requirements.iter().all(|other| other.label != *label),
            "line {}: {label} is there twice",
            index + 1
        );
        requirements.push(requirement);
    }
    Ok(requirements)
}

fn parse_row(row: &str) -> Result<Requirement> {
    let columns: Vec<&str> = row.split('\t').collect();
    let (standard, name, section, binds, summary, reason) = match columns.as_slice() {
        [standard, name, section, binds, summary] => (standard, name, section, binds, summary, ""),
        [standard, name, section, binds, summary, reason] => {
            (standard, name, section, binds, summary, *reason)
        }
        _ => bail!("expected 5 or 6 columns, found {}", columns.len()),
    };
    let standard =
        Standard::parse(standard).with_context(|| format!("unknown version {standard:?}"))?;
    let binds = match (*binds, reason) {
        ("server" | "both", "") => Binds::Broker,
        ("server" | "both", _) => bail!("only a client row gives a reason"),
        ("client", "") => bail!("a client row says why in its last column"),
        ("client", reason) => Binds::ClientOnly {
            reason: reason.to_owned(),
        },
        (other, _) => bail!("column binds is server, client or both, not {other:?}"),
    };
    ensure!(!summary.is_empty(), "the summary is empty");
    Ok(Requirement {
        label: Label {
            standard,
            name: (*name).to_owned(),
        },
        section: (*section).to_owned(),
        binds,
        summary: (*summary).to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::{Binds, parse};

    const HEAD: &str = "# comment\nversion\tlabel\tsection\tbinds\tsummary\treason\n";

    #[test]
    fn rows_become_requirements() {
        let rows = "v3\tMQTT-1.1.1-1\t1.1\tboth\twords\nv5\tMQTT-1.1.1-1\t1.2\tclient\twords\twhy";
        let found = parse(&format!("{HEAD}{rows}\n")).unwrap();
        assert_eq!(found[0].label.to_string(), "v3 MQTT-1.1.1-1");
        assert_eq!(found[0].binds, Binds::Broker);
        assert_eq!(found[1].section, "1.2");
        assert_eq!(
            found[1].binds,
            Binds::ClientOnly {
                reason: "why".into()
            }
        );
    }

    #[test]
    fn a_wrong_row_is_named_with_its_line() {
        for (row, complaint) in [
            (
                "v4\tMQTT-1\t1\tboth\twords",
                "line 3: unknown version \"v4\"",
            ),
            ("v3\tMQTT-1\t1\tnobody\twords", "line 3: column binds"),
            (
                "v3\tMQTT-1\t1\tclient\twords",
                "line 3: a client row says why",
            ),
            ("v3\tMQTT-1\t1\tboth", "line 3: expected 5 or 6 columns"),
            (
                "v3\tM\t1\tboth\ta\nv3\tM\t1\tboth\tb",
                "line 4: v3 M is there twice",
            ),
        ] {
            let error = format!("{:#}", parse(&format!("{HEAD}{row}\n")).unwrap_err());
            assert!(error.starts_with(complaint), "{error}");
        }
    }
}
