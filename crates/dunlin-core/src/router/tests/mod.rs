//! Tests of the router.

mod groups;
mod matching;
mod scale;
mod subscriptions;

use std::cell::Cell;
use std::num::NonZeroU32;
use std::rc::Rc;

use ahash::RandomState;
use dunlin_codec::{QoS, TopicFilter, TopicName};
use proptest::prelude::*;

use super::{Grant, Member, Route, Router, Search, Subscriber};
use crate::settings::SharedSettings;

/// A client that is no more than its number and what the strategies ask for.
#[derive(Clone, Debug)]
struct Client(Rc<State>);

#[derive(Debug)]
struct State {
    key: u64,
    is_connected: Cell<bool>,
    has_room: Cell<bool>,
    in_flight: Cell<usize>,
}

impl Client {
    fn new(key: u64) -> Self {
        Self(Rc::new(State {
            key,
            is_connected: Cell::new(true),
            has_room: Cell::new(true),
            in_flight: Cell::new(0),
        }))
    }
}

impl Subscriber for Client {
    fn key(&self) -> u64 {
        self.0.key
    }
}

impl Member for Client {
    fn is_connected(&self) -> bool {
        self.0.is_connected.get()
    }

    fn has_room(&self) -> bool {
        self.0.has_room.get()
    }

    fn in_flight(&self) -> usize {
        self.0.in_flight.get()
    }

    fn is_kept(&self) -> bool {
        false
    }
}

impl<S: Subscriber> Router<S> {
    /// The route of one topic.
    fn route(&self, topic: TopicName<'_>) -> Route<S> {
        let mut search = Search::default();
        let mut routes = self.routes(&[topic], &mut search);
        routes.next().expect("each topic has one")
    }
}

fn router() -> Router<Client> {
    Router::new(hasher(), SharedSettings::default())
}

fn hasher() -> RandomState {
    RandomState::with_seeds(1, 2, 3, 4)
}

fn filter(text: &str) -> TopicFilter<'_> {
    TopicFilter::parse(text).unwrap()
}

fn topic(text: &str) -> TopicName<'_> {
    TopicName::parse(text).unwrap()
}

fn grant(qos: QoS) -> Grant {
    Grant {
        qos,
        no_local: false,
        retain_as_published: false,
        identifier: None,
    }
}

/// The keys of those who get the messages of a topic, sorted.
fn reached(router: &Router<Client>, name: &str) -> Vec<u64> {
    let route = router.route(topic(name));
    let mut keys: Vec<u64> = route
        .targets
        .iter()
        .map(|target| target.subscriber.key())
        .collect();
    keys.sort_unstable();
    keys
}

fn any_qos() -> impl Strategy<Value = QoS> {
    prop_oneof![
        Just(QoS::AtMostOnce),
        Just(QoS::AtLeastOnce),
        Just(QoS::ExactlyOnce)
    ]
}

fn any_grant() -> impl Strategy<Value = Grant> {
    (any_qos(), any::<bool>(), any::<bool>(), 0..4u32).prop_map(
        |(qos, no_local, retain_as_published, identifier)| Grant {
            qos,
            no_local,
            retain_as_published,
            identifier: NonZeroU32::new(identifier),
        },
    )
}

/// Names from so small an alphabet that filters often match: empty levels, levels that begin with
/// `$`, one that a node holds in itself and one that is too long for that.
fn any_topic() -> impl Strategy<Value = String> {
    let level = prop_oneof![
        4 => Just("a"),
        2 => Just("b"),
        2 => Just(""),
        1 => Just("$s"),
        1 => Just("fourteen-bytes"),
        1 => Just("fifteen-bytes-1"),
    ];
    prop::collection::vec(level, 1..5)
        .prop_map(|levels| levels.join("/"))
        .prop_filter("a name has one character at least", |text| !text.is_empty())
}

/// Filters of the same alphabet.
fn any_filter() -> impl Strategy<Value = String> {
    (any_topic(), any::<u8>(), any::<bool>()).prop_map(|(text, plus, hash)| {
        let mut levels: Vec<&str> = text.split('/').collect();
        for (bit, level) in levels.iter_mut().enumerate() {
            if plus >> bit & 1 == 1 && plus >> 4 & 1 == 1 {
                *level = "+";
            }
        }
        if hash {
            levels.pop();
            levels.push("#");
        }
        levels.join("/")
    })
}
