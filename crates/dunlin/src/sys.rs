//! What the broker says of itself: retained messages below `$SYS/broker`, with the names that
//! Mosquitto made usual. Connections count for themselves as they go; here the counts are put
//! together now and then, so that a message costs nothing more.

use std::time::Duration;

use dunlin_codec::{QoS, TopicName};
use dunlin_core::broker::Broker;
use dunlin_core::message::{Draft, Payload};
use dunlin_core::stats::Stats;
use dunlin_core::time::Time;
use dunlin_core::worker::Publication;
use parking_lot::Mutex;

/// What is known of the whole broker, and when it is said next.
pub(crate) struct Sys {
    /// `None` if nothing is ever said.
    interval: Option<Duration>,
    /// What each worker counted.
    workers: Vec<Mutex<Stats>>,
    said: Mutex<Said>,
}

/// What was said before.
#[derive(Default)]
struct Said {
    began: Option<Time>,
    next: Option<Time>,
    connected_most: usize,
}

impl Sys {
    pub(crate) fn new(interval: Option<Duration>, workers: usize) -> Self {
        Self {
            interval,
            workers: std::iter::repeat_with(Mutex::default)
                .take(workers)
                .collect(),
            said: Mutex::default(),
        }
    }

    /// Takes what a worker counted.
    pub(crate) fn note(&self, worker: usize, stats: &Stats) {
        if let Some(noted) = self.workers.get(worker) {
            *noted.lock() = *stats;
        }
    }

    /// What is to be published now; nothing if it is not time.
    pub(crate) fn publications(&self, broker: &Broker, now: Time) -> Vec<Publication> {
        let Some(interval) = self.interval else {
            return Vec::new();
        };
        let (up, connected_most) = {
            let mut said = self.said.lock();
            let connected = broker.connected_count();
            said.connected_most = said.connected_most.max(connected);
            let began = *said.began.get_or_insert(now);
            if said.next.is_some_and(|next| now < next) {
                return Vec::new();
            }
            said.next = Some(now.after(interval));
            (now.since(began), said.connected_most)
        };
        let figures = figures(broker, &self.sum(), up, connected_most);
        let publications = figures.into_iter().filter_map(|(name, value)| {
            let topic = format!("$SYS/broker/{name}");
            let draft = Draft {
                topic: TopicName::parse(&topic).ok()?,
                qos: QoS::AtMostOnce,
                retain: true,
                properties: None,
                payload: Payload::Borrowed(value.as_bytes()),
                whole: None,
            };
            Publication::of_server(&draft, now).ok()
        });
        publications.collect()
    }

    pub(crate) fn sum(&self) -> Stats {
        let mut sum = Stats::default();
        for noted in &self.workers {
            sum.add(&noted.lock());
        }
        sum
    }
}

/// Each topic behind `$SYS/broker/`, and what it says.
fn figures(
    broker: &Broker,
    stats: &Stats,
    up: Duration,
    connected_most: usize,
) -> [(&'static str, String); 12] {
    let connected = broker.connected_count();
    let total = broker.session_count();
    // Counted one after the other, while clients come and go.
    let disconnected = total.saturating_sub(connected);
    let dropped = [
        stats.dropped_queue_full,
        stats.dropped_expired,
        stats.dropped_too_large,
        stats.dropped_unreadable,
        stats.dropped_no_member,
        stats.dropped_denied,
    ];
    let dropped: u64 = dropped.iter().sum();
    [
        (
            "version",
            concat!("dunlin version ", env!("CARGO_PKG_VERSION")).to_owned(),
        ),
        ("uptime", format!("{} seconds", up.as_secs())),
        ("clients/connected", connected.to_string()),
        ("clients/disconnected", disconnected.to_string()),
        ("clients/total", total.to_string()),
        ("clients/maximum", connected_most.to_string()),
        (
            "publish/messages/received",
            stats.publish_received.to_string(),
        ),
        ("publish/messages/sent", stats.publish_sent.to_string()),
        ("publish/messages/dropped", dropped.to_string()),
        (
            "subscriptions/count",
            broker.subscription_count().to_string(),
        ),
        (
            "shared_subscriptions/count",
            broker.shared_subscription_count().to_string(),
        ),
        (
            "retained messages/count",
            broker.retained_count().to_string(),
        ),
    ]
}
