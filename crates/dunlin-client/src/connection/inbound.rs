//! Messages from the server: topic aliases, QoS 1 and 2, Receive Maximum.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;

use dunlin_codec::{Ack, Packet, PacketIdentifier, Publish, QoS, ReasonCode};

use super::Writer;
use crate::ConnectOptions;
use crate::error::Violation;

/// The receiving side of a session.
pub(super) struct Inbound {
    is_v5: bool,
    receive_maximum: u16,
    alias_maximum: u16,
    /// What each topic alias stands for, on this Network Connection.
    aliases: Vec<Option<Arc<str>>>,
    /// How many messages of QoS 1 and 2 were handed over, ever.
    delivered: u64,
    /// Acknowledgements that wait until the application took the message, in the order of messages
    /// [MQTT-4.6.0-2] [MQTT-4.6.0-3]. Bounded by the Receive Maximum.
    unacknowledged: VecDeque<Unacknowledged>,
    /// Messages of QoS 2 that were handed over and not released. Bounded by the Receive Maximum.
    unreleased: HashSet<PacketIdentifier>,
    /// How many of the messages with a packet identifier are of QoS 1 and wait.
    unacknowledged_qos1: usize,
}

struct Unacknowledged {
    /// Sent when this many messages were taken.
    after: u64,
    qos: QoS,
    packet_id: PacketIdentifier,
}

impl Inbound {
    pub(super) fn new(options: &ConnectOptions) -> Self {
        let is_v5 = options.version.is_v5();
        let maximum = options.settings.receive_maximum.filter(|_| is_v5);
        let aliases = options.settings.topic_alias_maximum.filter(|_| is_v5);
        Self {
            is_v5,
            receive_maximum: maximum.map_or(u16::MAX, std::num::NonZeroU16::get),
            alias_maximum: aliases.unwrap_or(0),
            aliases: Vec::new(),
            delivered: 0,
            unacknowledged: VecDeque::new(),
            unreleased: HashSet::new(),
            unacknowledged_qos1: 0,
        }
    }

    pub(super) fn begin(&mut self, session_present: bool) {
        self.aliases.clear();
        if !session_present {
            self.unreleased.clear();
        }
    }

    pub(super) fn lost(&mut self) {
        // The server sends again what it has no acknowledgement of.
        self.unacknowledged.clear();
        self.unacknowledged_qos1 = 0;
    }

    /// Takes in a PUBLISH. `None` if it was handed over before, else the topic that its alias stands
    /// for, if the topic itself is not in it.
    #[allow(
        clippy::option_option,
        reason = "the outer one says whether there is a message"
    )]
    pub(super) fn receive(
        &mut self,
        publish: &Publish<'_>,
    ) -> Result<Option<Option<Arc<str>>>, Violation> {
        let alias_topic = match publish.properties.topic_alias {
            Some(alias) => self.resolve(alias, publish)?,
            None => None,
        };
        let Some(packet_id) = publish.packet_id else {
            return Ok(Some(alias_topic));
        };
        if publish.qos == QoS::ExactlyOnce && self.unreleased.contains(&packet_id) {
            self.owe_again(packet_id);
            return Ok(None);
        }
        let in_flight = self.unacknowledged_qos1 + self.unreleased.len();
        if in_flight >= usize::from(self.receive_maximum) {
            return Err(Violation::ReceiveMaximumExceeded(self.receive_maximum));
        }
        if publish.qos == QoS::ExactlyOnce {
            self.unreleased.insert(packet_id);
        } else {
            self.unacknowledged_qos1 += 1;
        }
        self.delivered += 1;
        self.owe(publish.qos, packet_id);
        Ok(Some(alias_topic))
    }

    fn owe(&mut self, qos: QoS, packet_id: PacketIdentifier) {
        self.unacknowledged.push_back(Unacknowledged {
            after: self.delivered,
            qos,
            packet_id,
        });
    }

    /// A PUBLISH of QoS 2 came again. It is answered once, or the queue would have no bound.
    fn owe_again(&mut self, packet_id: PacketIdentifier) {
        let mut owed = self.unacknowledged.iter();
        if !owed.any(|owed| owed.packet_id == packet_id && owed.qos == QoS::ExactlyOnce) {
            self.owe(QoS::ExactlyOnce, packet_id);
        }
    }

    /// Section 3.3.2.3.4.
    fn resolve(
        &mut self,
        alias: u16,
        publish: &Publish<'_>,
    ) -> Result<Option<Arc<str>>, Violation> {
        if alias == 0 || alias > self.alias_maximum {
            return Err(Violation::TopicAlias(alias));
        }
        let index = usize::from(alias) - 1;
        if publish.topic.is_empty() {
            let topic = self.aliases.get(index).cloned().flatten();
            return topic.map(Some).ok_or(Violation::TopicAlias(alias));
        }
        if self.aliases.len() <= index {
            self.aliases.resize(index + 1, None);
        }
        if let Some(slot) = self.aliases.get_mut(index) {
            *slot = Some(publish.topic.as_str().into());
        }
        Ok(None)
    }

    /// Sends the acknowledgements of the first `taken` messages.
    pub(super) fn acknowledge(&mut self, taken: u64, writer: &mut Writer) {
        while let Some(next) = self.unacknowledged.front() {
            if next.after > taken {
                break;
            }
            let ack = Ack::success(next.packet_id);
            if next.qos == QoS::ExactlyOnce {
                writer.put_small(&Packet::Pubrec(ack));
            } else {
                self.unacknowledged_qos1 -= 1;
                writer.put_small(&Packet::Puback(ack));
            }
            self.unacknowledged.pop_front();
        }
    }

    pub(super) fn has_unacknowledged(&self) -> bool {
        !self.unacknowledged.is_empty()
    }

    /// PUBREL [MQTT-4.3.3-11].
    pub(super) fn release(&mut self, packet_id: PacketIdentifier, writer: &mut Writer) {
        let is_known = self.unreleased.remove(&packet_id);
        let code = if is_known || !self.is_v5 {
            ReasonCode::Success
        } else {
            ReasonCode::PacketIdentifierNotFound
        };
        writer.put_small(&Packet::Pubcomp(Ack::new(packet_id, code)));
    }
}
