//! Strategies for packets that the standard allows.
//!
//! A packet borrows, and a strategy must own what it makes: texts and payloads are leaked, a few
//! kilobytes for each test.

use std::num::{NonZeroU16, NonZeroU32};

use proptest::collection::vec;
use proptest::option::of;
use proptest::prelude::*;

use crate::{
    Ack, AckProperties, Auth, AuthProperties, Connack, ConnackProperties, Connect,
    ConnectProperties, Disconnect, DisconnectProperties, Packet, PacketIdentifier, PacketType,
    ProtocolVersion, Publish, PublishProperties, QoS, ReasonCode, RetainHandling, Suback,
    Subscribe, SubscribeProperties, SubscriptionIdentifiers, SubscriptionOptions,
    SubscriptionRequest, TopicFilter, TopicName, Unsuback, Unsubscribe, UnsubscribeProperties,
    UserProperties, UserPropertiesBuf, Will, WillProperties,
};

/// A packet that can be written in this version.
pub(super) fn packet(version: ProtocolVersion) -> BoxedStrategy<Packet<'static>> {
    let kinds = [
        connect(version).boxed(),
        connack().boxed(),
        publish().prop_map(Packet::Publish).boxed(),
        ack(PacketType::Puback).prop_map(Packet::Puback).boxed(),
        ack(PacketType::Pubrec).prop_map(Packet::Pubrec).boxed(),
        ack(PacketType::Pubrel).prop_map(Packet::Pubrel).boxed(),
        ack(PacketType::Pubcomp).prop_map(Packet::Pubcomp).boxed(),
        subscribe().boxed(),
        suback().boxed(),
        unsubscribe().boxed(),
        unsuback().boxed(),
        Just(Packet::Pingreq).boxed(),
        Just(Packet::Pingresp).boxed(),
        disconnect().boxed(),
    ];
    if version.is_v5() {
        let with_auth = kinds.into_iter().chain([auth().boxed()]);
        proptest::strategy::Union::new(with_auth).boxed()
    } else {
        let lower = move |packet| lowered(packet, version);
        proptest::strategy::Union::new(kinds)
            .prop_map(lower)
            .boxed()
    }
}

/// What is left of a packet in 3.x.
fn lowered(mut packet: Packet<'static>, version: ProtocolVersion) -> Packet<'static> {
    match &mut packet {
        Packet::Connack(packet) => {
            packet.properties = ConnackProperties::default();
            packet.session_present &= version != ProtocolVersion::V31;
            let returned = packet.reason_code.connect_return_code();
            packet.reason_code = ReasonCode::from_connect_return_code(returned).unwrap();
        }
        Packet::Publish(packet) => {
            packet.properties = PublishProperties::default();
            if packet.topic.is_empty() {
                packet.topic = TopicName::parse("alias").unwrap();
            }
        }
        Packet::Puback(packet)
        | Packet::Pubrec(packet)
        | Packet::Pubrel(packet)
        | Packet::Pubcomp(packet) => *packet = Ack::success(packet.packet_id),
        Packet::Subscribe(packet) => {
            packet.properties = SubscribeProperties::default();
            for request in &mut packet.requests {
                request.options = SubscriptionOptions::with_qos(request.options.qos);
            }
        }
        Packet::Suback(packet) => {
            packet.properties = AckProperties::default();
            for code in packet
                .reason_codes
                .iter_mut()
                .filter(|code| code.is_error())
            {
                *code = ReasonCode::UnspecifiedError;
            }
        }
        Packet::Unsubscribe(packet) => packet.properties = UnsubscribeProperties::default(),
        Packet::Unsuback(packet) => {
            packet.properties = AckProperties::default();
            packet.reason_codes.clear();
        }
        Packet::Disconnect(packet) => *packet = Disconnect::new(ReasonCode::Success),
        _ => {}
    }
    packet
}

fn leak<T: ?Sized>(value: impl Into<Box<T>>) -> &'static T {
    Box::leak(value.into())
}

fn text() -> impl Strategy<Value = &'static str> {
    vec(proptest::char::range('\u{1}', char::MAX), 0..8)
        .prop_map(|characters| leak::<str>(characters.into_iter().collect::<String>()))
}

fn binary() -> impl Strategy<Value = &'static [u8]> {
    vec(any::<u8>(), 0..12).prop_map(leak::<[u8]>)
}

/// Mostly short, at times long enough for a Remaining Length of three bytes.
fn payload() -> impl Strategy<Value = &'static [u8]> {
    let long = (100_usize..20_000).prop_map(|length| leak::<[u8]>(vec![7; length]));
    prop_oneof![9 => binary(), 1 => long]
}

fn topic_name() -> impl Strategy<Value = TopicName<'static>> {
    let is_name = |text: &String| TopicName::parse(text).is_ok();
    proptest::string::string_regex("[ab/$ é]{1,8}")
        .unwrap()
        .prop_filter("a topic name", is_name)
        .prop_map(|text| TopicName::parse(leak::<str>(text)).unwrap())
}

fn topic_filter() -> impl Strategy<Value = TopicFilter<'static>> {
    let level = prop_oneof![Just("a"), Just("é b"), Just("+"), Just(""), Just("$x")];
    let head = prop_oneof![4 => Just(""), 1 => Just("$share/g/"), 1 => Just("$queue/")];
    (head, vec(level, 1..5), any::<bool>())
        .prop_map(|(head, mut levels, many)| {
            if many {
                levels.push("#");
            }
            format!("{head}{}", levels.join("/"))
        })
        .prop_filter("a topic filter", |text| TopicFilter::parse(text).is_ok())
        .prop_map(|text| TopicFilter::parse(leak::<str>(text)).unwrap())
}

fn packet_id() -> impl Strategy<Value = PacketIdentifier> {
    (1..=u16::MAX).prop_map(|number| PacketIdentifier::new(number).unwrap())
}

fn qos() -> impl Strategy<Value = QoS> {
    (0..=2_u8).prop_map(|number| QoS::from_u8(number).unwrap())
}

fn user_properties() -> impl Strategy<Value = UserProperties<'static>> {
    vec((text(), text()), 0..3).prop_map(|pairs| {
        let mut buffer = UserPropertiesBuf::new();
        for (name, value) in pairs {
            buffer.push(name, value).unwrap();
        }
        Box::leak(Box::new(buffer)).as_view()
    })
}

fn reason_code(packet_type: PacketType) -> impl Strategy<Value = ReasonCode> {
    let codes: Vec<_> = ReasonCode::ALL
        .iter()
        .copied()
        .filter(|code| code.is_legal_in(packet_type))
        .collect();
    proptest::sample::select(codes)
}

prop_compose! {
    fn connect_properties()(
        session_expiry_interval in any::<Option<u32>>(),
        receive_maximum in any::<Option<NonZeroU16>>(),
        maximum_packet_size in any::<Option<NonZeroU32>>(),
        topic_alias_maximum in any::<Option<u16>>(),
        request_response_information in any::<Option<bool>>(),
        request_problem_information in any::<Option<bool>>(),
        authentication in of((text(), of(binary()))),
        user_properties in user_properties(),
    ) -> ConnectProperties<'static> {
        ConnectProperties {
            session_expiry_interval,
            receive_maximum,
            maximum_packet_size,
            topic_alias_maximum,
            request_response_information,
            request_problem_information,
            authentication_method: authentication.map(|(method, _)| method),
            authentication_data: authentication.and_then(|(_, data)| data),
            user_properties,
        }
    }
}

prop_compose! {
    fn will()(
        qos in qos(),
        retain in any::<bool>(),
        will_delay_interval in any::<Option<u32>>(),
        payload_format_indicator in any::<Option<bool>>(),
        message_expiry_interval in any::<Option<u32>>(),
        content_type in of(text()),
        response_topic in of(topic_name()),
        correlation_data in of(binary()),
        user_properties in user_properties(),
        topic in topic_name(),
        payload in payload(),
    ) -> Will<'static> {
        Will {
            qos,
            retain,
            properties: WillProperties {
                will_delay_interval,
                payload_format_indicator,
                message_expiry_interval,
                content_type,
                response_topic,
                correlation_data,
                user_properties,
            },
            topic,
            payload,
        }
    }
}

prop_compose! {
    fn connect(version: ProtocolVersion)(
        clean_start in any::<bool>(),
        keep_alive in any::<u16>(),
        properties in connect_properties(),
        client_id in text(),
        will in of(will()),
        user_name in of(text()),
        password in of(binary()),
    ) -> Packet<'static> {
        let is_v5 = version.is_v5();
        let lower_will = |will: Will<'static>| Will {
            properties: if is_v5 { will.properties } else { WillProperties::default() },
            ..will
        };
        Packet::Connect(Box::new(Connect {
            version,
            clean_start,
            keep_alive,
            properties: if is_v5 { properties } else { ConnectProperties::default() },
            client_id,
            will: will.map(lower_will),
            user_name,
            password: password.filter(|_| is_v5 || user_name.is_some()),
        }))
    }
}

prop_compose! {
    fn connack_limits()(
        session_expiry_interval in any::<Option<u32>>(),
        receive_maximum in any::<Option<NonZeroU16>>(),
        maximum_qos in of(prop_oneof![Just(QoS::AtMostOnce), Just(QoS::AtLeastOnce)]),
        retain_available in any::<Option<bool>>(),
        maximum_packet_size in any::<Option<NonZeroU32>>(),
        topic_alias_maximum in any::<Option<u16>>(),
        wildcard_subscription_available in any::<Option<bool>>(),
        subscription_identifiers_available in any::<Option<bool>>(),
        shared_subscription_available in any::<Option<bool>>(),
        server_keep_alive in any::<Option<u16>>(),
    ) -> ConnackProperties<'static> {
        ConnackProperties {
            session_expiry_interval,
            receive_maximum,
            maximum_qos,
            retain_available,
            maximum_packet_size,
            topic_alias_maximum,
            wildcard_subscription_available,
            subscription_identifiers_available,
            shared_subscription_available,
            server_keep_alive,
            ..ConnackProperties::default()
        }
    }
}

prop_compose! {
    fn connack()(
        session_present in any::<bool>(),
        reason_code in reason_code(PacketType::Connack),
        limits in connack_limits(),
        assigned_client_identifier in of(text()),
        reason_string in of(text()),
        response_information in of(text()),
        server_reference in of(text()),
        authentication_method in of(text()),
        authentication_data in of(binary()),
        user_properties in user_properties(),
    ) -> Packet<'static> {
        Packet::Connack(Box::new(Connack {
            session_present,
            reason_code,
            properties: ConnackProperties {
                assigned_client_identifier,
                reason_string,
                response_information,
                server_reference,
                authentication_method,
                authentication_data,
                user_properties,
                ..limits
            },
        }))
    }
}

prop_compose! {
    fn publish_properties()(
        payload_format_indicator in any::<Option<bool>>(),
        message_expiry_interval in any::<Option<u32>>(),
        topic_alias in of(1..=u16::MAX),
        response_topic in of(topic_name()),
        correlation_data in of(binary()),
        user_properties in user_properties(),
        identifiers in vec(1..=crate::VARIABLE_BYTE_INTEGER_MAX, 0..3),
        content_type in of(text()),
    ) -> PublishProperties<'static> {
        let identifiers: Vec<_> = identifiers.into_iter().filter_map(NonZeroU32::new).collect();
        PublishProperties {
            payload_format_indicator,
            message_expiry_interval,
            topic_alias,
            response_topic,
            correlation_data,
            user_properties,
            subscription_identifiers: SubscriptionIdentifiers::List(leak::<[_]>(identifiers)),
            content_type,
        }
    }
}

prop_compose! {
    pub(super) fn publish()(
        dup in any::<bool>(),
        qos in qos(),
        retain in any::<bool>(),
        topic in topic_name(),
        is_topic_left_out in any::<bool>(),
        packet_id in packet_id(),
        properties in publish_properties(),
        payload in payload(),
    ) -> Publish<'static> {
        let has_alias = properties.topic_alias.is_some();
        Publish {
            dup: dup && qos != QoS::AtMostOnce,
            qos,
            retain,
            topic: if is_topic_left_out && has_alias { TopicName::EMPTY } else { topic },
            packet_id: (qos != QoS::AtMostOnce).then_some(packet_id),
            properties,
            payload,
        }
    }
}

prop_compose! {
    fn ack_properties()(
        reason_string in of(text()),
        user_properties in user_properties(),
    ) -> AckProperties<'static> {
        AckProperties { reason_string, user_properties }
    }
}

prop_compose! {
    fn ack(packet_type: PacketType)(
        packet_id in packet_id(),
        reason_code in reason_code(packet_type),
        properties in ack_properties(),
    ) -> Ack<'static> {
        Ack { packet_id, reason_code, properties }
    }
}

prop_compose! {
    fn subscription_request()(
        filter in topic_filter(),
        qos in qos(),
        no_local in any::<bool>(),
        retain_as_published in any::<bool>(),
        retain_handling in prop_oneof![
            Just(RetainHandling::Send),
            Just(RetainHandling::SendIfNew),
            Just(RetainHandling::DoNotSend),
        ],
    ) -> SubscriptionRequest<'static> {
        let is_shared = matches!(filter.share(), Ok(Some(_)));
        let options = SubscriptionOptions {
            qos,
            no_local: no_local && !is_shared,
            retain_as_published,
            retain_handling,
        };
        SubscriptionRequest { filter, options }
    }
}

prop_compose! {
    fn subscribe()(
        packet_id in packet_id(),
        identifier in of(1..=crate::VARIABLE_BYTE_INTEGER_MAX),
        user_properties in user_properties(),
        requests in vec(subscription_request(), 1..4),
    ) -> Packet<'static> {
        let properties = SubscribeProperties {
            subscription_identifier: identifier.and_then(NonZeroU32::new),
            user_properties,
        };
        Packet::Subscribe(Subscribe { packet_id, properties, requests })
    }
}

prop_compose! {
    fn suback()(
        packet_id in packet_id(),
        properties in ack_properties(),
        reason_codes in vec(reason_code(PacketType::Suback), 1..4),
    ) -> Packet<'static> {
        Packet::Suback(Suback { packet_id, properties, reason_codes })
    }
}

prop_compose! {
    fn unsubscribe()(
        packet_id in packet_id(),
        user_properties in user_properties(),
        filters in vec(topic_filter(), 1..4),
    ) -> Packet<'static> {
        let properties = UnsubscribeProperties { user_properties };
        Packet::Unsubscribe(Unsubscribe { packet_id, properties, filters })
    }
}

prop_compose! {
    fn unsuback()(
        packet_id in packet_id(),
        properties in ack_properties(),
        reason_codes in vec(reason_code(PacketType::Unsuback), 1..4),
    ) -> Packet<'static> {
        Packet::Unsuback(Unsuback { packet_id, properties, reason_codes })
    }
}

prop_compose! {
    fn disconnect()(
        reason_code in reason_code(PacketType::Disconnect),
        session_expiry_interval in any::<Option<u32>>(),
        reason_string in of(text()),
        server_reference in of(text()),
        user_properties in user_properties(),
    ) -> Packet<'static> {
        Packet::Disconnect(Disconnect {
            reason_code,
            properties: DisconnectProperties {
                session_expiry_interval,
                reason_string,
                server_reference,
                user_properties,
            },
        })
    }
}

prop_compose! {
    fn auth()(
        reason_code in reason_code(PacketType::Auth),
        authentication_method in text(),
        authentication_data in of(binary()),
        reason_string in of(text()),
        user_properties in user_properties(),
    ) -> Packet<'static> {
        Packet::Auth(Auth {
            reason_code,
            properties: AuthProperties {
                authentication_method: Some(authentication_method),
                authentication_data,
                reason_string,
                user_properties,
            },
        })
    }
}
