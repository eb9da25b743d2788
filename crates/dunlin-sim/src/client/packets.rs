//! The bytes of what a client says.

use std::num::{NonZeroU16, NonZeroU32};

use dunlin_codec::{
    Ack, Connect, ConnectProperties, Disconnect, DisconnectProperties, Packet, PacketIdentifier,
    Publish, PublishProperties, QoS, ReasonCode, Subscribe, SubscribeProperties,
    SubscriptionOptions, SubscriptionRequest, TopicFilter, TopicName, Unsubscribe,
    UnsubscribeProperties, Will, WillProperties,
};

use super::Line;
use crate::schedule::{ClientSetup, ConnectPlan, DisconnectPlan};
use crate::trace::{Answer, MessageId, Said, Trace};

fn topic(text: &str) -> TopicName<'_> {
    TopicName::parse(text).expect("schedules have valid topics")
}

fn filter(text: &str) -> TopicFilter<'_> {
    TopicFilter::parse(text).expect("schedules have valid filters")
}

fn identifier(number: u16) -> PacketIdentifier {
    PacketIdentifier::new(number).expect("clients count from 1")
}

/// The bytes of a packet.
pub(super) fn encode(said: &Said, setup: &ClientSetup, line: &mut Line, trace: &Trace) -> Vec<u8> {
    let encoded = |packet: &Packet<'_>| {
        let mut bytes = Vec::new();
        packet
            .encode(setup.version, &mut bytes)
            .expect("a client says what can be said");
        bytes
    };
    match said {
        Said::Connect(plan, will) => connect(plan, *will, setup, trace),
        Said::Publish {
            message,
            packet_id,
            dup,
        } => {
            let plan = &trace.messages[message.0].plan;
            let (text, alias) = alias(plan.uses_alias && !dup, &plan.topic, line);
            let payload = if plan.is_empty {
                Vec::new()
            } else {
                message.payload(plan.bytes)
            };
            let is_v5 = setup.version.is_v5();
            encoded(&Packet::Publish(Publish {
                dup: *dup && plan.qos > QoS::AtMostOnce,
                qos: plan.qos,
                retain: plan.retain,
                topic: text,
                packet_id: PacketIdentifier::new(*packet_id),
                properties: PublishProperties {
                    message_expiry_interval: plan.expiry.filter(|_| is_v5),
                    topic_alias: alias,
                    ..PublishProperties::default()
                },
                payload: &payload,
            }))
        }
        Said::Ack(answer, packet_id) => {
            let ack = Ack::success(identifier(*packet_id));
            encoded(&match answer {
                Answer::Puback => Packet::Puback(ack),
                Answer::Pubrec => Packet::Pubrec(ack),
                Answer::Pubrel => Packet::Pubrel(ack),
                Answer::Pubcomp => Packet::Pubcomp(ack),
            })
        }
        Said::Subscribe {
            packet_id,
            identifier: subscription,
            requests,
        } => encoded(&Packet::Subscribe(Subscribe {
            packet_id: identifier(*packet_id),
            properties: SubscribeProperties {
                subscription_identifier: subscription.and_then(NonZeroU32::new),
                ..SubscribeProperties::default()
            },
            requests: requests
                .iter()
                .map(|request| SubscriptionRequest {
                    filter: filter(&request.filter),
                    options: SubscriptionOptions {
                        qos: request.qos,
                        no_local: request.no_local,
                        retain_as_published: request.retain_as_published,
                        retain_handling: request.retain_handling,
                    },
                })
                .collect(),
        })),
        Said::Unsubscribe {
            packet_id,
            filter: text,
        } => encoded(&Packet::Unsubscribe(Unsubscribe {
            packet_id: identifier(*packet_id),
            properties: UnsubscribeProperties::default(),
            filters: vec![filter(text)],
        })),
        Said::Pingreq => encoded(&Packet::Pingreq),
        Said::Disconnect(plan) => encoded(&disconnect(plan)),
    }
}

/// The topic as it goes over the wire.
fn alias<'a>(wants: bool, text: &'a str, line: &mut Line) -> (TopicName<'a>, Option<u16>) {
    if !wants {
        return (topic(text), None);
    }
    if let Some(&alias) = line.aliases.get(text) {
        return (TopicName::EMPTY, Some(alias));
    }
    let next = u16::try_from(line.aliases.len() + 1).unwrap_or(u16::MAX);
    if next > line.alias_max {
        return (topic(text), None);
    }
    line.aliases.insert(text.to_owned(), next);
    (topic(text), Some(next))
}

fn disconnect(plan: &DisconnectPlan) -> Packet<'static> {
    Packet::Disconnect(Disconnect {
        reason_code: if plan.with_will {
            ReasonCode::DisconnectWithWillMessage
        } else {
            ReasonCode::Success
        },
        properties: DisconnectProperties {
            session_expiry_interval: plan.expiry,
            ..DisconnectProperties::default()
        },
    })
}

fn connect(
    plan: &ConnectPlan,
    will: Option<MessageId>,
    setup: &ClientSetup,
    trace: &Trace,
) -> Vec<u8> {
    let is_v5 = setup.version.is_v5();
    let payload = will.map(|message| message.payload(0)).unwrap_or_default();
    let will = will.zip(plan.will).map(|(message, will)| Will {
        qos: will.qos,
        retain: will.retain,
        properties: WillProperties {
            will_delay_interval: (is_v5 && will.delay > 0).then_some(will.delay),
            ..WillProperties::default()
        },
        topic: topic(&trace.messages[message.0].plan.topic),
        payload: &payload,
    });
    let properties = if is_v5 {
        ConnectProperties {
            session_expiry_interval: (plan.expiry > 0).then_some(plan.expiry),
            receive_maximum: NonZeroU16::new(plan.receive_maximum)
                .filter(|max| max.get() < u16::MAX),
            maximum_packet_size: plan.packet_bytes_max.and_then(NonZeroU32::new),
            topic_alias_maximum: (plan.topic_alias_maximum > 0).then_some(plan.topic_alias_maximum),
            ..ConnectProperties::default()
        }
    } else {
        ConnectProperties::default()
    };
    let packet = Packet::Connect(Box::new(Connect {
        version: setup.version,
        clean_start: plan.clean_start,
        keep_alive: plan.keep_alive,
        properties,
        client_id: &setup.id,
        will,
        user_name: None,
        password: None,
    }));
    let mut bytes = Vec::new();
    packet
        .encode(setup.version, &mut bytes)
        .expect("a client says what can be said");
    bytes
}
