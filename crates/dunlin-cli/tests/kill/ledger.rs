//! The checker: it knows what was sent, what was acknowledged and what arrived, and nothing of the broker.

use std::collections::BTreeMap;
use std::fmt::Write as _;

/// Violations that are told one by one.
const TOLD_MAX: usize = 20;

/// The messages of one publisher, or the values of one retained topic; numbered from 1.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Stream {
    pub(crate) sent: u64,
    pub(crate) acknowledged: u64,
}

/// What one subscriber got of one stream.
#[derive(Clone, Copy, Debug, Default)]
struct Arrived {
    last: u64,
    again: u64,
}

/// Everything that happened, as the clients saw it.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    /// By topic.
    streams: BTreeMap<String, Stream>,
    /// By subscriber and topic.
    arrived: BTreeMap<(&'static str, String), Arrived>,
    /// How often each subscriber got a will, by its topic.
    wills: BTreeMap<(&'static str, String), u64>,
    /// Whether the client with the will was connected for sure.
    armed: BTreeMap<String, bool>,
    violations: Vec<String>,
}

impl Ledger {
    pub(crate) fn sent(&mut self, topic: &str, number: u64) {
        self.stream(topic).sent = number;
    }

    pub(crate) fn acknowledged(&mut self, topic: &str, number: u64) {
        let stream = self.stream(topic);
        stream.acknowledged = stream.acknowledged.max(number);
    }

    /// A client with a will connects, or has connected.
    pub(crate) fn armed(&mut self, topic: &str, is_sure: bool) {
        *self.armed.entry(topic.to_owned()).or_default() |= is_sure;
    }

    /// A message that a subscriber did not have, as far as the protocol can tell it.
    pub(crate) fn arrived(&mut self, who: &'static str, topic: &str, number: u64, qos: u8) {
        let sent = self.streams.get(topic).map_or(0, |stream| stream.sent);
        let arrived = self.arrived.entry((who, topic.to_owned())).or_default();
        let last = arrived.last;
        if number <= last {
            arrived.again += 1;
            if qos == 2 {
                self.violate(format!(
                    "{who}: {topic} {number} of QoS 2 twice, after {last}"
                ));
            }
            return;
        }
        arrived.last = number;
        if number != last + 1 {
            self.violate(format!("{who}: {topic} {number} right after {last}"));
        }
        if number > sent {
            self.violate(format!(
                "{who}: {topic} {number}, but only {sent} were sent"
            ));
        }
    }

    pub(crate) fn will_arrived(&mut self, who: &'static str, topic: &str) {
        let times = self.wills.entry((who, topic.to_owned())).or_default();
        *times += 1;
        if *times > 1 {
            self.violate(format!("{who}: the will {topic} twice"));
        }
    }

    pub(crate) fn violate(&mut self, what: String) {
        self.violations.push(what);
    }

    pub(crate) fn has_violations(&self) -> bool {
        !self.violations.is_empty()
    }

    /// The streams of retained values.
    pub(crate) fn retained(&self) -> BTreeMap<String, Stream> {
        let retained = |(topic, _): &(&String, &Stream)| topic.starts_with("r/");
        let streams = self.streams.iter().filter(retained);
        streams
            .map(|(topic, &stream)| (topic.clone(), stream))
            .collect()
    }

    /// Where what is retained is not what was acknowledged at `before`, or sent since.
    pub(crate) fn wrongly_retained(
        &self,
        before: &BTreeMap<String, Stream>,
        there: &BTreeMap<String, u64>,
    ) -> Vec<String> {
        let mut wrong = Vec::new();
        for (topic, known) in before {
            let sent = self.streams.get(topic).map_or(0, |stream| stream.sent);
            let mut possible = known.acknowledged..=sent;
            let is_right = match there.get(topic) {
                Some(number) => possible.contains(number) && !is_deletion(*number),
                None => known.acknowledged == 0 || possible.any(is_deletion),
            };
            if !is_right {
                let there = there.get(topic);
                wrong.push(format!(
                    "{topic}: {there:?} is retained, but {} was acknowledged, and {sent} sent",
                    known.acknowledged
                ));
            }
        }
        wrong
    }

    /// What these subscribers miss.
    pub(crate) fn missing(&self, subscribers: &[&'static str]) -> Vec<String> {
        let mut missing = Vec::new();
        for &who in subscribers {
            for (topic, stream) in &self.streams {
                let last = self
                    .arrived
                    .get(&(who, topic.clone()))
                    .map_or(0, |it| it.last);
                if !topic.starts_with("r/") && last < stream.sent {
                    let sent = stream.sent;
                    missing.push(format!("{who}: {topic} has {last} of {sent} messages"));
                }
            }
            for (topic, _) in self.armed.iter().filter(|&(_, &is_sure)| is_sure) {
                if !self.wills.contains_key(&(who, topic.clone())) {
                    missing.push(format!("{who}: no will {topic}"));
                }
            }
        }
        missing
    }

    /// What is wrong, if anything is.
    pub(crate) fn complaint(&self) -> Option<String> {
        let count = self.violations.len();
        let told = self.violations.iter().take(TOLD_MAX);
        let mut text = format!("{count} violations");
        for violation in told {
            let _ = write!(text, "\n  {violation}");
        }
        (count > 0).then_some(text)
    }

    /// Totals, for a person.
    pub(crate) fn summary(&self) -> String {
        let sum = |qos: &str| {
            let streams = self
                .streams
                .iter()
                .filter(|(topic, _)| topic.starts_with(qos));
            streams.map(|(_, stream)| stream.acknowledged).sum::<u64>()
        };
        let arrived: u64 = self.arrived.values().map(|it| it.last).sum();
        let again: u64 = self.arrived.values().map(|it| it.again).sum();
        format!(
            "{} of QoS 1, {} of QoS 2 and {} retained acknowledged; {arrived} arrived, {again} of QoS 1 again; {} wills",
            sum("q1/"),
            sum("q2/"),
            sum("r/"),
            self.armed.values().filter(|&&is_sure| is_sure).count(),
        )
    }

    fn stream(&mut self, topic: &str) -> &mut Stream {
        self.streams.entry(topic.to_owned()).or_default()
    }
}

/// Which values of a retained topic delete it.
pub(crate) fn is_deletion(number: u64) -> bool {
    number.is_multiple_of(7)
}
