//! A client that follows the standard: a state machine of its own, on packets of the codec.

mod incoming;
mod packets;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::rc::Rc;

use dunlin_codec::{ProtocolVersion, QoS};

use crate::agenda::Due;
use crate::around::Around;
use crate::random::Random;
use crate::schedule::{ClientSetup, ConnectPlan, DisconnectPlan, PublishPlan, SubscribePlan};
use crate::trace::{Answer, Event, Link, Message, MessageId, Said};

/// Packet identifiers go round here, so that they come again soon.
const PACKET_ID_MAX: u16 = 200;

/// A client.
#[derive(Debug)]
pub(crate) struct Client {
    place: usize,
    pub(crate) setup: ClientSetup,
    line: Option<Line>,
    session: Session,
    random: Random,
    acknowledge_ms_max: u64,
    /// What the broker lets a client of 3.x have unacknowledged, which it cannot tell it.
    receive_maximum_3x: u16,
}

/// What the client keeps from connection to connection.
#[derive(Debug, Default)]
struct Session {
    last_id: u16,
    /// Messages on their way to the broker, in their order.
    sending: Vec<Sending>,
    /// QoS 2 messages that came and were not released.
    received: BTreeSet<u16>,
    /// Whether the client threw away what it had, and the broker has not said so far that it did.
    is_discarded: bool,
}

/// A message on its way to the broker.
#[derive(Debug)]
struct Sending {
    packet_id: u16,
    message: MessageId,
    is_released: bool,
    /// The connection that it was sent on last.
    on: Link,
}

/// A connection, as the client has it.
#[derive(Debug)]
struct Line {
    link: Link,
    plan: ConnectPlan,
    is_accepted: bool,
    input: Vec<u8>,
    receive_maximum: usize,
    /// Aliases that the client set, and how many it may set.
    aliases: BTreeMap<String, u16>,
    alias_max: u16,
    /// Aliases that the broker set.
    broker_aliases: BTreeMap<u16, String>,
    /// Messages that wait for room.
    waiting: VecDeque<MessageId>,
    /// Acknowledgements, with the time of each.
    answers: VecDeque<(u64, Answer, u16)>,
    held_until_ms: u64,
    keep_alive_ms: u64,
    last_sent_ms: u64,
    /// SUBSCRIBE and UNSUBSCRIBE that wait for an answer.
    requests: BTreeSet<u16>,
    pings: usize,
}

impl Client {
    pub(crate) fn new(
        place: usize,
        setup: ClientSetup,
        (acknowledge_ms_max, receive_maximum_3x): (u64, u16),
        random: Random,
    ) -> Self {
        Self {
            place,
            setup,
            line: None,
            session: Session::default(),
            random,
            acknowledge_ms_max,
            receive_maximum_3x,
        }
    }

    /// The connection that it has.
    pub(crate) fn link(&self) -> Option<Link> {
        self.line.as_ref().map(|line| line.link)
    }

    /// How it connected, if it has a connection.
    pub(crate) fn plan(&self) -> Option<&ConnectPlan> {
        self.line.as_ref().map(|line| &line.plan)
    }

    fn is_v5(&self) -> bool {
        self.setup.version.is_v5()
    }

    /// Whether a new connection makes sense: not while it waits for the answer on one.
    pub(crate) fn may_connect(&self) -> bool {
        self.line.as_ref().is_none_or(|line| line.is_accepted)
    }

    /// Opens a connection, which leaves one that it has to itself, or closes that.
    pub(crate) fn connect(&mut self, mut plan: ConnectPlan, link: Link, around: &mut Around<'_>) {
        if let Some(other) = self.line.take()
            && plan.closes_other
        {
            around.network.close_by_client(other.link, around.agenda);
        }
        if self.setup.version == ProtocolVersion::V31 {
            // It would not be told whether its session is there.
            plan.clean_start = true;
        }
        plan.clean_start |= self.session.is_discarded;
        if plan.clean_start {
            self.session.sending.clear();
            self.session.received.clear();
            self.session.is_discarded = true;
        }
        around.see(link, Event::Opened(self.place));
        let will = plan.will.map(|will| {
            around.trace.message(Message {
                plan: PublishPlan {
                    topic: format!("w/{}", self.place),
                    qos: will.qos,
                    retain: will.retain,
                    is_empty: false,
                    bytes: 0,
                    expiry: None,
                    uses_alias: false,
                },
                client: self.place,
                is_will: true,
            })
        });
        self.line = Some(Line {
            link,
            plan: plan.clone(),
            is_accepted: false,
            input: Vec::new(),
            receive_maximum: usize::from(u16::MAX),
            aliases: BTreeMap::new(),
            alias_max: 0,
            broker_aliases: BTreeMap::new(),
            waiting: VecDeque::new(),
            answers: VecDeque::new(),
            held_until_ms: 0,
            keep_alive_ms: u64::from(plan.keep_alive) * 1000,
            last_sent_ms: around.now_ms(),
            requests: BTreeSet::new(),
            pings: 0,
        });
        self.send(Said::Connect(Box::new(plan), will), around);
    }

    /// Sends a packet on the connection that it has.
    fn send(&mut self, said: Said, around: &mut Around<'_>) {
        let Some(line) = &mut self.line else {
            return;
        };
        let bytes = packets::encode(&said, &self.setup, line, around.trace);
        line.last_sent_ms = around.now_ms();
        let (link, said) = (line.link, Rc::new(said));
        around.see(link, Event::Sent(Rc::clone(&said)));
        around.network.send(link, bytes, Some(said), around.agenda);
        if line.keep_alive_ms > 0 {
            let at_ms = line.last_sent_ms + line.keep_alive_ms * 4 / 5;
            around.agenda.at(at_ms, Due::Client(self.place));
        }
    }

    /// The connection, once it is accepted.
    fn accepted(&mut self) -> Option<&mut Line> {
        self.line.as_mut().filter(|line| line.is_accepted)
    }

    /// A packet identifier that is not in use.
    fn next_id(&mut self) -> u16 {
        loop {
            let id = self.session.last_id % PACKET_ID_MAX + 1;
            self.session.last_id = id;
            let requests = self.line.as_ref().map(|line| &line.requests);
            let is_used = requests.is_some_and(|requests| requests.contains(&id))
                || self
                    .session
                    .sending
                    .iter()
                    .any(|sending| sending.packet_id == id);
            if !is_used {
                return id;
            }
        }
    }

    /// Publishes, as soon as the broker has room.
    pub(crate) fn publish(&mut self, plan: PublishPlan, around: &mut Around<'_>) {
        let place = self.place;
        let Some(line) = self.accepted() else {
            return;
        };
        let message = around.trace.message(Message {
            plan,
            client: place,
            is_will: false,
        });
        line.waiting.push_back(message);
        self.pump(around);
    }

    /// Sends what there is room for: first what has to be sent again, then what waits.
    fn pump(&mut self, around: &mut Around<'_>) {
        loop {
            let Some(line) = self.accepted() else {
                return;
            };
            let (link, room) = (line.link, line.receive_maximum);
            let sending = &mut self.session.sending;
            let in_flight = sending.iter().filter(|sending| sending.on == link).count();
            if let Some(again) = sending.iter_mut().find(|sending| sending.on != link) {
                if in_flight >= room {
                    return;
                }
                again.on = link;
                let said = if again.is_released {
                    Said::Ack(Answer::Pubrel, again.packet_id)
                } else {
                    Said::Publish {
                        message: again.message,
                        packet_id: again.packet_id,
                        dup: true,
                    }
                };
                self.send(said, around);
                continue;
            }
            let Some(&message) = self.line.as_ref().and_then(|line| line.waiting.front()) else {
                return;
            };
            let qos = around.trace.messages[message.0].plan.qos;
            if qos > QoS::AtMostOnce && in_flight >= room {
                return;
            }
            if let Some(line) = &mut self.line {
                line.waiting.pop_front();
            }
            let mut packet_id = 0;
            if qos > QoS::AtMostOnce {
                packet_id = self.next_id();
                self.session.sending.push(Sending {
                    packet_id,
                    message,
                    is_released: false,
                    on: link,
                });
            }
            let said = Said::Publish {
                message,
                packet_id,
                dup: false,
            };
            self.send(said, around);
        }
    }

    /// Subscribes.
    pub(crate) fn subscribe(&mut self, plan: SubscribePlan, around: &mut Around<'_>) {
        if self.accepted().is_none() {
            return;
        }
        let is_v5 = self.is_v5();
        let mut requests = plan.requests;
        if !is_v5 {
            for request in &mut requests {
                request.no_local = false;
                request.retain_as_published = false;
                request.retain_handling = dunlin_codec::RetainHandling::Send;
            }
        }
        let packet_id = self.next_id();
        if let Some(line) = &mut self.line {
            line.requests.insert(packet_id);
        }
        let said = Said::Subscribe {
            packet_id,
            identifier: plan.identifier.filter(|_| is_v5),
            requests,
        };
        self.send(said, around);
    }

    /// Unsubscribes.
    pub(crate) fn unsubscribe(&mut self, filter: String, around: &mut Around<'_>) {
        if self.accepted().is_none() {
            return;
        }
        let packet_id = self.next_id();
        if let Some(line) = &mut self.line {
            line.requests.insert(packet_id);
        }
        self.send(Said::Unsubscribe { packet_id, filter }, around);
    }

    /// Sends DISCONNECT and closes.
    pub(crate) fn disconnect(&mut self, mut plan: DisconnectPlan, around: &mut Around<'_>) {
        let is_v5 = self.is_v5();
        let Some(line) = self.accepted() else {
            return;
        };
        // None can be given where CONNECT had none [MQTT-3.14.2-2].
        let may_change = is_v5 && line.plan.expiry > 0;
        plan.expiry = plan.expiry.filter(|_| may_change);
        plan.with_will &= is_v5;
        let link = line.link;
        self.send(Said::Disconnect(plan), around);
        around.network.close_by_client(link, around.agenda);
        self.line = None;
    }

    /// Acknowledges nothing until then.
    pub(crate) fn hold(&mut self, until_ms: u64, around: &mut Around<'_>) {
        if let Some(line) = &mut self.line {
            line.held_until_ms = until_ms;
            around.agenda.at(until_ms, Due::Client(self.place));
        }
    }

    /// Sends what is due by now: acknowledgements, and PINGREQ.
    pub(crate) fn wake(&mut self, around: &mut Around<'_>) {
        let now_ms = around.now_ms();
        loop {
            let Some(line) = self.accepted() else {
                return;
            };
            let is_held = line.held_until_ms > now_ms;
            match line.answers.front() {
                Some(&(at_ms, answer, packet_id)) if at_ms <= now_ms && !is_held => {
                    line.answers.pop_front();
                    self.send(Said::Ack(answer, packet_id), around);
                }
                _ => break,
            }
        }
        let Some(line) = self.accepted() else {
            return;
        };
        let is_silent = now_ms >= line.last_sent_ms + line.keep_alive_ms * 4 / 5;
        if line.keep_alive_ms > 0 && is_silent {
            line.pings += 1;
            self.send(Said::Pingreq, around);
        }
    }

    /// The connection is over.
    pub(crate) fn ended(&mut self, link: Link, around: &mut Around<'_>) {
        if self.link() == Some(link) {
            around.see(link, Event::Ended);
            around.network.close_by_client(link, around.agenda);
            self.line = None;
        }
    }

    /// What it was not answered, on a connection that it has.
    pub(crate) fn unanswered(&self) -> Option<String> {
        let line = self.line.as_ref()?;
        let sending = &self.session.sending;
        let text = if !line.is_accepted {
            "CONNECT".to_owned()
        } else if !line.requests.is_empty() {
            format!("SUBSCRIBE or UNSUBSCRIBE {:?}", line.requests)
        } else if let Some(first) = sending.first() {
            let packet = if first.is_released {
                "PUBREL"
            } else {
                "PUBLISH"
            };
            format!("{packet} {} of {:?}", first.packet_id, first.message)
        } else if line.pings > 1 {
            "PINGREQ".to_owned()
        } else {
            return None;
        };
        Some(format!("client {} gets no answer to {text}", self.place))
    }
}
