//! What a client makes of the packets of the broker.

use dunlin_codec::{Connack, Limits, Packet, Publish, QoS, decode};

use super::Client;
use crate::agenda::Due;
use crate::around::Around;
use crate::network::Chunk;
use crate::trace::{Answer, Copy, Event, Heard, Link, MessageId, Said};

impl Client {
    /// Bytes came.
    pub(crate) fn receive(&mut self, link: Link, chunk: &Chunk, around: &mut Around<'_>) {
        let version = self.setup.version;
        let Some(line) = self.line.as_mut().filter(|line| line.link == link) else {
            return;
        };
        line.input.extend_from_slice(&chunk.bytes);
        // A client that leaves handles nothing of what is left.
        while let Some(line) = self.line.as_mut().filter(|line| line.link == link) {
            let input = std::mem::take(&mut line.input);
            let (heard, length) = match decode(&input, version, &Limits::default()) {
                Ok(None) => {
                    line.input = input;
                    return;
                }
                Ok(Some((packet, length))) => (self.heard(&packet), length),
                Err(error) => (
                    Heard::Nonsense(format!("{error}: {input:02x?}")),
                    input.len(),
                ),
            };
            if let Some(line) = &mut self.line {
                line.input.extend_from_slice(&input[length..]);
            }
            let event = Event::Received {
                heard: heard.clone(),
                left_ms: chunk.left_ms,
                may_have_waited: chunk.may_have_waited,
                bytes: length,
            };
            around.see(link, event);
            self.react(&heard, around);
        }
    }

    /// What a packet says.
    fn heard(&mut self, packet: &Packet<'_>) -> Heard {
        match packet {
            Packet::Connack(connack) => self.heard_connack(connack),
            Packet::Publish(publish) => self.heard_publish(publish),
            Packet::Puback(ack) => {
                Heard::Ack(Answer::Puback, ack.packet_id.as_u16(), ack.reason_code)
            }
            Packet::Pubrec(ack) => {
                Heard::Ack(Answer::Pubrec, ack.packet_id.as_u16(), ack.reason_code)
            }
            Packet::Pubrel(ack) => {
                Heard::Ack(Answer::Pubrel, ack.packet_id.as_u16(), ack.reason_code)
            }
            Packet::Pubcomp(ack) => {
                Heard::Ack(Answer::Pubcomp, ack.packet_id.as_u16(), ack.reason_code)
            }
            Packet::Suback(suback) => {
                Heard::Suback(suback.packet_id.as_u16(), suback.reason_codes.clone())
            }
            Packet::Unsuback(unsuback) => {
                let first = unsuback.reason_codes.first().copied();
                let code = first.unwrap_or(dunlin_codec::ReasonCode::Success);
                Heard::Unsuback(unsuback.packet_id.as_u16(), code)
            }
            Packet::Pingresp => Heard::Pingresp,
            Packet::Disconnect(disconnect) => Heard::Disconnect(disconnect.reason_code),
            other => Heard::Nonsense(format!("{other:?}")),
        }
    }

    fn heard_connack(&mut self, connack: &Connack<'_>) -> Heard {
        let properties = &connack.properties;
        if let Some(line) = &mut self.line
            && !connack.reason_code.is_error()
        {
            line.is_accepted = true;
            self.session.is_discarded = false;
            let maximum = match properties.receive_maximum {
                Some(maximum) => maximum.get(),
                None if self.setup.version.is_v5() => u16::MAX,
                None => self.receive_maximum_3x,
            };
            line.receive_maximum = usize::from(maximum);
            line.alias_max = properties.topic_alias_maximum.unwrap_or(0);
            if let Some(seconds) = properties.server_keep_alive {
                line.keep_alive_ms = u64::from(seconds) * 1000;
            }
            if !connack.session_present {
                self.session.sending.clear();
                self.session.received.clear();
            }
        }
        Heard::Connack {
            session_present: connack.session_present,
            code: connack.reason_code,
            expiry: properties.session_expiry_interval,
            keep_alive: properties.server_keep_alive,
        }
    }

    fn heard_publish(&mut self, publish: &Publish<'_>) -> Heard {
        let properties = &publish.properties;
        let mut topic = publish.topic.as_str().to_owned();
        if let (Some(alias), Some(line)) = (properties.topic_alias, &mut self.line) {
            if alias == 0 || alias > line.plan.topic_alias_maximum {
                return Heard::Nonsense(format!("topic alias {alias}"));
            }
            if topic.is_empty() {
                match line.broker_aliases.get(&alias) {
                    Some(known) => topic.clone_from(known),
                    None => return Heard::Nonsense(format!("unknown topic alias {alias}")),
                }
            } else {
                line.broker_aliases.insert(alias, topic.clone());
            }
        }
        let identifiers = properties.subscription_identifiers.iter();
        Heard::Publish(Copy {
            message: MessageId::of(publish.payload),
            topic,
            qos: publish.qos,
            retain: publish.retain,
            dup: publish.dup,
            packet_id: publish
                .packet_id
                .map_or(0, dunlin_codec::PacketIdentifier::as_u16),
            identifiers: identifiers.map(std::num::NonZeroU32::get).collect(),
            expiry: properties.message_expiry_interval,
            payload_bytes: publish.payload.len(),
        })
    }

    fn react(&mut self, heard: &Heard, around: &mut Around<'_>) {
        match heard {
            Heard::Connack { code, .. } if !code.is_error() => {
                // The Keep Alive may be another one now.
                if let Some(line) = self.line.as_ref().filter(|line| line.keep_alive_ms > 0) {
                    let at_ms = line.last_sent_ms + line.keep_alive_ms * 4 / 5;
                    around.agenda.at(at_ms, Due::Client(self.place));
                }
                self.pump(around);
            }
            Heard::Publish(copy) => match copy.qos {
                QoS::AtMostOnce => {}
                QoS::AtLeastOnce => self.answer(Answer::Puback, copy.packet_id, around),
                QoS::ExactlyOnce => {
                    self.session.received.insert(copy.packet_id);
                    self.answer(Answer::Pubrec, copy.packet_id, around);
                }
            },
            Heard::Ack(answer, packet_id, code) => {
                self.react_to_ack(*answer, *packet_id, code.is_error(), around);
            }
            Heard::Suback(packet_id, _) | Heard::Unsuback(packet_id, _) => {
                if let Some(line) = &mut self.line {
                    line.requests.remove(packet_id);
                }
            }
            Heard::Pingresp => {
                if let Some(line) = &mut self.line {
                    line.pings = line.pings.saturating_sub(1);
                }
            }
            Heard::Connack { .. } | Heard::Disconnect(_) | Heard::Nonsense(_) => {}
        }
    }

    fn react_to_ack(
        &mut self,
        answer: Answer,
        packet_id: u16,
        is_error: bool,
        around: &mut Around<'_>,
    ) {
        let sending = &mut self.session.sending;
        match answer {
            Answer::Puback | Answer::Pubcomp => {
                sending.retain(|sending| sending.packet_id != packet_id);
            }
            Answer::Pubrec if is_error => {
                sending.retain(|sending| sending.packet_id != packet_id);
            }
            Answer::Pubrec => {
                let mut known = sending.iter_mut();
                if let Some(known) = known.find(|known| known.packet_id == packet_id) {
                    known.is_released = true;
                    self.send(Said::Ack(Answer::Pubrel, packet_id), around);
                }
            }
            Answer::Pubrel => {
                self.session.received.remove(&packet_id);
                self.answer(Answer::Pubcomp, packet_id, around);
            }
        }
        self.pump(around);
    }

    /// Acknowledges, some time later and in the order in which the messages came.
    fn answer(&mut self, answer: Answer, packet_id: u16, around: &mut Around<'_>) {
        let delay = self.random.between(0, self.acknowledge_ms_max);
        let Some(line) = &mut self.line else {
            return;
        };
        let last = line.answers.back().map_or(0, |&(at_ms, ..)| at_ms);
        let at_ms = (around.now_ms() + delay).max(last);
        line.answers.push_back((at_ms, answer, packet_id));
        around.agenda.at(at_ms, Due::Client(self.place));
    }
}
