//! The client's end of a connection. It holds every packet of the broker to the rules that need no
//! knowledge of the test: whatever a test expects, a broken one of these fails it.

use std::collections::{BTreeMap, BTreeSet};

use dunlin_codec::{Connect, Limits, Packet, ProtocolVersion, Publish, QoS, ReasonCode};

/// How far a delivery to the client is, as far as it was seen on this connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Delivery {
    Published(QoS),
    Received,
    Released,
}

/// What a client knows of its connection.
#[derive(Debug, Default)]
pub(crate) struct Client {
    version: Option<ProtocolVersion>,
    maximum_packet_size: Option<u32>,
    receive_maximum: Option<u16>,
    topic_alias_maximum: u16,
    wants_problems: bool,
    has_method: bool,
    is_accepted: bool,
    has_disconnect: bool,
    aliases: BTreeMap<u16, String>,
    deliveries: BTreeMap<u16, Delivery>,
    subscribes: BTreeSet<u16>,
    unsubscribes: BTreeSet<u16>,
    publishes: BTreeMap<u16, QoS>,
    pings: usize,
}

impl Client {
    pub(crate) fn version(&self) -> ProtocolVersion {
        self.version.unwrap_or(ProtocolVersion::V5)
    }

    /// For a CONNECT that the broker cannot decode.
    pub(crate) fn set_version(&mut self, version: ProtocolVersion) {
        self.version = Some(version);
    }

    pub(crate) fn limits(&self) -> Limits {
        Limits {
            packet_bytes_max: self.maximum_packet_size.unwrap_or(u32::MAX),
            user_properties_max: u32::MAX,
        }
    }

    /// Notes what the client sends.
    pub(crate) fn sends(&mut self, packet: &Packet<'_>) {
        match packet {
            Packet::Connect(connect) if self.version.is_none() => self.connects(connect),
            Packet::Publish(publish) => {
                if let Some(packet_id) = publish.packet_id {
                    self.publishes.insert(packet_id.as_u16(), publish.qos);
                }
            }
            Packet::Puback(ack) => self.ends(ack.packet_id.as_u16(), |delivery| {
                delivery == Delivery::Published(QoS::AtLeastOnce)
            }),
            Packet::Pubrec(ack) if ack.reason_code.is_error() => {
                self.ends(ack.packet_id.as_u16(), |delivery| {
                    delivery == Delivery::Published(QoS::ExactlyOnce)
                });
            }
            Packet::Pubrec(ack) => {
                if let Some(delivery) = self.deliveries.get_mut(&ack.packet_id.as_u16())
                    && *delivery == Delivery::Published(QoS::ExactlyOnce)
                {
                    *delivery = Delivery::Received;
                }
            }
            Packet::Pubcomp(ack) => self.ends(ack.packet_id.as_u16(), |delivery| {
                delivery == Delivery::Released
            }),
            Packet::Subscribe(subscribe) => {
                self.subscribes.insert(subscribe.packet_id.as_u16());
            }
            Packet::Unsubscribe(unsubscribe) => {
                self.unsubscribes.insert(unsubscribe.packet_id.as_u16());
            }
            Packet::Pingreq => self.pings += 1,
            _ => {}
        }
    }

    fn connects(&mut self, connect: &Connect<'_>) {
        let properties = &connect.properties;
        self.version = Some(connect.version);
        self.maximum_packet_size = properties.maximum_packet_size.map(u32::from);
        self.receive_maximum = properties.receive_maximum.map(u16::from);
        self.topic_alias_maximum = properties.topic_alias_maximum.unwrap_or(0);
        self.wants_problems = properties.request_problem_information.unwrap_or(true);
        self.has_method = properties.authentication_method.is_some();
    }

    fn ends(&mut self, packet_id: u16, is_meant: impl Fn(Delivery) -> bool) {
        if self
            .deliveries
            .get(&packet_id)
            .is_some_and(|&delivery| is_meant(delivery))
        {
            self.deliveries.remove(&packet_id);
        }
    }

    /// Checks what the broker sends; the error says which rule it breaks.
    pub(crate) fn receives(&mut self, packet: &Packet<'_>) -> Result<(), String> {
        if self.has_disconnect {
            return Err("a packet after DISCONNECT".to_owned());
        }
        self.check_start(packet)?;
        self.check_problems(packet)?;
        match packet {
            Packet::Publish(publish) => self.receives_publish(publish),
            Packet::Puback(ack) => {
                let sent = self.publishes.remove(&ack.packet_id.as_u16());
                ensure(sent == Some(QoS::AtLeastOnce), "a PUBACK for nothing")
            }
            Packet::Pubrec(ack) => {
                let sent = self.publishes.remove(&ack.packet_id.as_u16());
                ensure(sent == Some(QoS::ExactlyOnce), "a PUBREC for nothing")
            }
            Packet::Pubrel(ack) => {
                let packet_id = ack.packet_id.as_u16();
                let before = self.deliveries.insert(packet_id, Delivery::Released);
                if ack.reason_code == ReasonCode::PacketIdentifierNotFound {
                    self.deliveries.remove(&packet_id);
                }
                let is_early = matches!(before, Some(Delivery::Published(_)));
                ensure(!is_early, "a PUBREL before PUBREC")
            }
            Packet::Suback(suback) => ensure(
                self.subscribes.remove(&suback.packet_id.as_u16()),
                "a SUBACK for nothing",
            ),
            Packet::Unsuback(unsuback) => ensure(
                self.unsubscribes.remove(&unsuback.packet_id.as_u16()),
                "an UNSUBACK for nothing",
            ),
            Packet::Pingresp => {
                ensure(self.pings > 0, "a PINGRESP for nothing")?;
                self.pings -= 1;
                Ok(())
            }
            Packet::Disconnect(disconnect) => {
                self.has_disconnect = true;
                ensure(
                    self.version().is_v5(),
                    "a DISCONNECT of the broker before 5.0",
                )?;
                ensure(
                    disconnect.properties.session_expiry_interval.is_none(),
                    "a session expiry interval in the broker's DISCONNECT",
                )
            }
            Packet::Auth(auth) => {
                ensure(self.has_method, "AUTH without a method in CONNECT")?;
                ensure(
                    auth.reason_code != ReasonCode::ReAuthenticate,
                    "AUTH of the broker with Re-authenticate",
                )
            }
            Packet::Pubcomp(_) | Packet::Connack(_) => Ok(()),
            Packet::Connect(_)
            | Packet::Subscribe(_)
            | Packet::Unsubscribe(_)
            | Packet::Pingreq => Err("a packet that only a client sends".to_owned()),
        }
    }

    /// CONNACK comes once, and nothing but AUTH before it.
    fn check_start(&mut self, packet: &Packet<'_>) -> Result<(), String> {
        match packet {
            Packet::Connack(_) if self.is_accepted => Err("a second CONNACK".to_owned()),
            Packet::Connack(connack) => {
                self.is_accepted = true;
                let is_refusal = connack.reason_code.is_error();
                ensure(
                    !(is_refusal && connack.session_present),
                    "Session Present in a refusal",
                )
            }
            Packet::Auth(_) => Ok(()),
            _ => ensure(self.is_accepted, "a packet before CONNACK"),
        }
    }

    /// Without Request Problem Information these have neither reason string nor user properties.
    fn check_problems(&self, packet: &Packet<'_>) -> Result<(), String> {
        let properties = match packet {
            Packet::Puback(ack)
            | Packet::Pubrec(ack)
            | Packet::Pubrel(ack)
            | Packet::Pubcomp(ack) => ack.properties,
            Packet::Suback(suback) => suback.properties,
            Packet::Unsuback(unsuback) => unsuback.properties,
            _ => return Ok(()),
        };
        let tells = properties.reason_string.is_some() || !properties.user_properties.is_empty();
        ensure(
            self.wants_problems || !tells,
            "problem information that was not asked for",
        )
    }

    fn receives_publish(&mut self, publish: &Publish<'_>) -> Result<(), String> {
        let topic = publish.topic.as_str();
        if let Some(alias) = publish.properties.topic_alias {
            ensure(
                alias <= self.topic_alias_maximum,
                "a topic alias above the client's maximum",
            )?;
            if !topic.is_empty() {
                self.aliases.insert(alias, topic.to_owned());
            } else if !self.aliases.contains_key(&alias) {
                return Err("a topic alias that was not set".to_owned());
            }
        }
        let Some(packet_id) = publish.packet_id.map(|packet_id| packet_id.as_u16()) else {
            return ensure(!publish.dup, "DUP in a QoS 0 message");
        };
        let present = self.deliveries.get(&packet_id).copied();
        // A 3.x client may be sent a message again on the same connection.
        let is_repeat = publish.dup
            && !self.version().is_v5()
            && present == Some(Delivery::Published(publish.qos));
        if present.is_some() && !is_repeat {
            return Err(format!("packet identifier {packet_id} is in use"));
        }
        self.deliveries
            .insert(packet_id, Delivery::Published(publish.qos));
        let maximum = self.receive_maximum.map_or(65_535, usize::from);
        ensure(
            self.deliveries.len() <= maximum,
            "more messages in flight than the client's receive maximum",
        )
    }
}

fn ensure(is_kept: bool, rule: &str) -> Result<(), String> {
    if is_kept {
        Ok(())
    } else {
        Err(rule.to_owned())
    }
}
