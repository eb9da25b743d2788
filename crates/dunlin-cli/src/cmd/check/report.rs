//! What came of all probes, as text, JSON and JUnit XML.

use std::io::Write;
use std::time::Duration;

use serde_json::{Value, json};

use super::bench::Offer;
use super::probe::{Probe, Verdict};

/// What came of one probe.
pub(super) struct Row {
    pub(super) probe: Probe,
    pub(super) verdict: Verdict,
    pub(super) took: Duration,
}

/// What came of all.
pub(super) struct Report {
    pub(super) endpoint: String,
    pub(super) limits: Offer,
    pub(super) took: Duration,
    pub(super) rows: Vec<Row>,
}

/// How many probes came out how.
struct Counts {
    passed: usize,
    failed: usize,
    lenient: usize,
    skipped: usize,
}

impl Report {
    /// Whether none failed.
    pub(super) fn has_passed(&self) -> bool {
        self.count(|verdict| matches!(verdict, Verdict::Failed(_))) == 0
    }

    fn count(&self, is: impl Fn(&Verdict) -> bool) -> usize {
        self.rows.iter().filter(|row| is(&row.verdict)).count()
    }

    fn counts(&self) -> Counts {
        Counts {
            passed: self.count(|verdict| *verdict == Verdict::Passed),
            failed: self.count(|verdict| matches!(verdict, Verdict::Failed(_))),
            lenient: self.count(|verdict| matches!(verdict, Verdict::Lenient(_))),
            skipped: self.count(|verdict| matches!(verdict, Verdict::Skipped(_))),
        }
    }

    pub(super) fn write_text(&self, is_verbose: bool, out: &mut dyn Write) -> std::io::Result<()> {
        for row in &self.rows {
            let Probe {
                version,
                label,
                says,
                ..
            } = row.probe;
            let (word, more) = match &row.verdict {
                Verdict::Passed if !is_verbose => continue,
                Verdict::Passed => ("ok", ""),
                Verdict::Failed(text) => ("FAILED", text.as_str()),
                Verdict::Lenient(text) => ("lenient", text.as_str()),
                Verdict::Skipped(text) => ("skipped", *text),
            };
            let version = version.to_string();
            writeln!(out, "{word:<7} {version:<5} {label:<18} {says}")?;
            if !more.is_empty() {
                writeln!(out, "{:33}{more}", "")?;
            }
        }
        let limits = &self.limits;
        let or = |limit: Option<u32>, without: &str| {
            limit.map_or_else(|| without.to_owned(), |limit| limit.to_string())
        };
        let yes = |offered: bool| if offered { "yes" } else { "no" };
        writeln!(
            out,
            "limits  receive maximum {}, maximum QoS {}, packet {}, topic aliases {}, keep alive {}, \
             session expiry {}",
            limits.receive_maximum,
            limits.maximum_qos,
            or(limits.maximum_packet_size, "without limit"),
            limits.topic_alias_maximum,
            or(limits.server_keep_alive.map(u32::from), "the client's"),
            or(limits.session_expiry_interval, "the client's"),
        )?;
        writeln!(
            out,
            "        retained messages {}, wildcards {}, subscription identifiers {}, shared \
             subscriptions {}",
            yes(limits.retain),
            yes(limits.wildcards),
            yes(limits.identifiers),
            yes(limits.shared),
        )?;
        let Counts {
            passed,
            failed,
            lenient,
            skipped,
        } = self.counts();
        writeln!(
            out,
            "{}: {passed} passed, {failed} failed, {lenient} lenient, {skipped} skipped in {:.1} s",
            self.endpoint,
            self.took.as_secs_f64()
        )
    }

    pub(super) fn json(&self) -> String {
        let limits = &self.limits;
        let rows = self.rows.iter().map(|row| {
            let (verdict, text) = match &row.verdict {
                Verdict::Passed => ("passed", None),
                Verdict::Failed(text) => ("failed", Some(text.as_str())),
                Verdict::Lenient(text) => ("lenient", Some(text.as_str())),
                Verdict::Skipped(text) => ("skipped", Some(*text)),
            };
            json!({
                "version": row.probe.version.to_string(),
                "label": row.probe.label,
                "says": row.probe.says,
                "verdict": verdict,
                "text": text,
                "seconds": row.took.as_secs_f64(),
            })
        });
        let counts = self.counts();
        let page = json!({
            "endpoint": self.endpoint,
            "seconds": self.took.as_secs_f64(),
            "passed": counts.passed,
            "failed": counts.failed,
            "lenient": counts.lenient,
            "skipped": counts.skipped,
            "limits": {
                "receive_maximum": limits.receive_maximum,
                "maximum_qos": limits.maximum_qos,
                "maximum_packet_size": limits.maximum_packet_size,
                "topic_alias_maximum": limits.topic_alias_maximum,
                "server_keep_alive": limits.server_keep_alive,
                "session_expiry_interval": limits.session_expiry_interval,
                "retain_available": limits.retain,
                "wildcard_subscription_available": limits.wildcards,
                "subscription_identifiers_available": limits.identifiers,
                "shared_subscription_available": limits.shared,
            },
            "probes": rows.collect::<Vec<Value>>(),
        });
        format!("{page:#}\n")
    }

    pub(super) fn junit(&self) -> String {
        let counts = self.counts();
        // JUnit has no word between passed and failed but this one.
        let skipped = counts.lenient + counts.skipped;
        let mut page = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuite name=\"dunlin check {}\" \
             tests=\"{}\" failures=\"{}\" skipped=\"{skipped}\" time=\"{:.3}\">\n",
            escape(&self.endpoint),
            self.rows.len(),
            counts.failed,
            self.took.as_secs_f64()
        );
        for row in &self.rows {
            let version = row.probe.version.to_string().replace('.', "_");
            page.push_str(&format!(
                "  <testcase classname=\"mqtt.{version}.{}\" name=\"{}\" time=\"{:.3}\"",
                escape(&row.probe.label.replace(['.', ' '], "_")),
                escape(row.probe.says),
                row.took.as_secs_f64()
            ));
            match &row.verdict {
                Verdict::Passed => page.push_str("/>\n"),
                Verdict::Failed(text) => page.push_str(&format!(
                    "><failure message=\"{}\"/></testcase>\n",
                    escape(text)
                )),
                Verdict::Lenient(text) => page.push_str(&format!(
                    "><skipped message=\"lenient: {}\"/></testcase>\n",
                    escape(text)
                )),
                Verdict::Skipped(text) => page.push_str(&format!(
                    "><skipped message=\"{}\"/></testcase>\n",
                    escape(text)
                )),
            }
        }
        page.push_str("</testsuite>\n");
        page
    }
}

/// A text inside an attribute of XML, without characters that XML has no word for.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\u{0}'..='\u{1f}' => escaped.push(' '),
            letter => escaped.push(letter),
        }
    }
    escaped
}
