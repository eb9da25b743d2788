//! Input that is chosen to hurt: as deep, as long and as many as the protocol can say.

use std::num::NonZeroU32;

use dunlin_codec::{
    Ack, Connect, ConnectProperties, Packet, PacketIdentifier, PacketType, ProtocolVersion,
    Publish, PublishProperties, QoS, ReasonCode, Subscribe, SubscribeProperties,
    SubscriptionOptions, SubscriptionRequest, TopicFilter, TopicName, Unsubscribe,
    UnsubscribeProperties, UserPropertiesBuf,
};

use crate::id::ConnectionId;
use crate::settings::Settings;
use crate::tests::harness::World;

/// A broker that allows everything that the protocol can say.
fn without_limits() -> Settings {
    let mut settings = Settings::default();
    settings.mqtt.topic_levels_max = usize::MAX;
    settings.mqtt.topic_bytes_max = usize::MAX;
    settings.mqtt.user_properties_max = u32::MAX;
    settings.mqtt.packet_bytes_max = 16 * 1024 * 1024;
    settings.mqtt.receive_maximum = u16::MAX;
    settings
}

fn send(world: &mut World, id: ConnectionId, packet: &Packet<'_>) {
    let mut bytes = Vec::new();
    packet.encode(ProtocolVersion::V5, &mut bytes).unwrap();
    world.receive(id, &bytes);
}

/// What the broker sent: each packet as its name and whatever `see` finds in it.
fn received<T>(
    world: &mut World,
    id: ConnectionId,
    see: impl Fn(&Packet<'_>) -> T,
) -> Vec<(PacketType, T)> {
    let mut all = Vec::new();
    while let Some(packet) = world
        .peer(id)
        .next_packet(|packet, _| (packet.packet_type(), see(packet)))
        .unwrap()
    {
        all.push(packet);
    }
    all
}

fn types(world: &mut World, id: ConnectionId) -> Vec<PacketType> {
    let all = received(world, id, |_| ());
    all.into_iter()
        .map(|(packet_type, ())| packet_type)
        .collect()
}

fn connected(world: &mut World, client_id: &str) -> ConnectionId {
    let id = world.open();
    let connect = Connect {
        version: ProtocolVersion::V5,
        clean_start: true,
        keep_alive: 0,
        properties: ConnectProperties::default(),
        client_id,
        will: None,
        user_name: None,
        password: None,
    };
    send(world, id, &Packet::Connect(Box::new(connect)));
    assert_eq!(types(world, id), [PacketType::Connack]);
    id
}

fn subscribe(filters: &[String], identifier: Option<u32>) -> Packet<'_> {
    let requests = filters.iter().map(|filter| SubscriptionRequest {
        filter: TopicFilter::parse(filter).unwrap(),
        options: SubscriptionOptions::with_qos(QoS::AtMostOnce),
    });
    Packet::Subscribe(Subscribe {
        packet_id: PacketIdentifier::MIN,
        properties: SubscribeProperties {
            subscription_identifier: identifier.and_then(NonZeroU32::new),
            ..SubscribeProperties::default()
        },
        requests: requests.collect(),
    })
}

fn publish(topic: &str) -> Publish<'_> {
    Publish {
        topic: TopicName::parse(topic).unwrap(),
        payload: b"x",
        ..Publish::default()
    }
}

/// The codes of the SUBACK or UNSUBACK that came alone.
fn codes(world: &mut World, id: ConnectionId) -> Vec<ReasonCode> {
    let mut all = received(world, id, |packet| match packet {
        Packet::Suback(suback) => suback.reason_codes.clone(),
        Packet::Unsuback(unsuback) => unsuback.reason_codes.clone(),
        _ => Vec::new(),
    });
    assert_eq!(all.len(), 1);
    all.remove(0).1
}

fn disconnect_code(world: &mut World, id: ConnectionId) -> Option<ReasonCode> {
    assert!(world.peer(id).is_closed());
    let mut all = received(world, id, |packet| match packet {
        Packet::Disconnect(disconnect) => Some(disconnect.reason_code),
        _ => None,
    });
    all.pop().and_then(|(_, code)| code)
}

// [v3 MQTT-4.7.3-3] [v5 MQTT-4.7.3-3]
#[test]
fn a_topic_of_65535_slashes() {
    let topic = "/".repeat(65_535);
    let mut world = World::new(without_limits(), 1);
    let id = connected(&mut world, "a");
    for filter in [topic.clone(), "#".to_owned()] {
        send(&mut world, id, &subscribe(&[filter], None));
        assert_eq!(codes(&mut world, id), [ReasonCode::Success]);
    }
    send(&mut world, id, &Packet::Publish(publish(&topic)));
    assert_eq!(types(&mut world, id), [PacketType::Publish]);

    // By default it is one level too deep by far.
    let mut world = World::new(Settings::default(), 1);
    let id = connected(&mut world, "a");
    send(&mut world, id, &Packet::Publish(publish(&topic)));
    assert_eq!(
        disconnect_code(&mut world, id),
        Some(ReasonCode::TopicNameInvalid)
    );
}

#[test]
fn a_filter_of_32768_levels() {
    let filter = vec!["+"; 32_768].join("/");
    let topic = "/".repeat(32_767);
    let mut world = World::new(without_limits(), 1);
    let (a, b) = (connected(&mut world, "a"), connected(&mut world, "b"));
    send(
        &mut world,
        a,
        &subscribe(std::slice::from_ref(&filter), None),
    );
    assert_eq!(codes(&mut world, a), [ReasonCode::Success]);
    send(&mut world, b, &Packet::Publish(publish(&topic)));
    assert_eq!(types(&mut world, a), [PacketType::Publish]);
    // Nothing is left of it when its session ends.
    world.lose(a);
    assert_eq!(world.broker.subscription_count(), 0);

    let mut world = World::new(Settings::default(), 1);
    let id = connected(&mut world, "a");
    send(&mut world, id, &subscribe(&[filter], None));
    assert_eq!(codes(&mut world, id), [ReasonCode::TopicFilterInvalid]);
}

#[test]
fn a_thousand_user_properties() {
    let mut properties = UserPropertiesBuf::new();
    for number in 0..1000 {
        properties.push(&format!("name {number}"), "value").unwrap();
    }
    let message = Packet::Publish(Publish {
        properties: PublishProperties {
            user_properties: properties.as_view(),
            ..PublishProperties::default()
        },
        ..publish("t")
    });
    let mut world = World::new(without_limits(), 1);
    let id = connected(&mut world, "a");
    send(&mut world, id, &subscribe(&["t".to_owned()], None));
    codes(&mut world, id);
    send(&mut world, id, &message);
    let passed_on = received(&mut world, id, |packet| match packet {
        Packet::Publish(publish) => {
            let all = publish.properties.user_properties.iter();
            all.map(|(name, _)| name.to_owned()).collect()
        }
        _ => Vec::new(),
    });
    let names: Vec<_> = (0..1000).map(|number| format!("name {number}")).collect();
    assert_eq!(passed_on, [(PacketType::Publish, names)]);

    let mut world = World::new(Settings::default(), 1);
    let id = connected(&mut world, "a");
    send(&mut world, id, &message);
    assert_eq!(
        disconnect_code(&mut world, id),
        Some(ReasonCode::QuotaExceeded)
    );
}

#[test]
fn every_packet_identifier_without_a_pubrel() {
    let mut world = World::new(without_limits(), 1);
    let id = connected(&mut world, "a");
    let message = |number: u16| {
        Packet::Publish(Publish {
            qos: QoS::ExactlyOnce,
            packet_id: PacketIdentifier::new(number),
            ..publish("t")
        })
    };
    // From the highest down: the list of them is sorted the other way.
    for number in (1..=u16::MAX).rev() {
        send(&mut world, id, &message(number));
    }
    assert_eq!(types(&mut world, id).len(), 65_535);
    let received = || {
        let session = world.broker.sessions.get("a").unwrap();
        session.lock().received.len()
    };
    assert_eq!(received(), 65_535);
    for number in 1..=u16::MAX {
        let packet_id = PacketIdentifier::new(number).unwrap();
        send(&mut world, id, &Packet::Pubrel(Ack::success(packet_id)));
    }
    assert_eq!(types(&mut world, id), vec![PacketType::Pubcomp; 65_535]);

    // By default a client has far fewer.
    let mut world = World::new(Settings::default(), 1);
    let id = connected(&mut world, "a");
    for number in 1..=1025 {
        send(&mut world, id, &message(number));
    }
    let code = disconnect_code(&mut world, id);
    assert_eq!(code, Some(ReasonCode::ReceiveMaximumExceeded));
}

#[test]
fn lengths_that_no_packet_has() {
    for bytes in [
        // Five bytes of length, at once and with the fifth to come.
        [0x10, 0xff, 0xff, 0xff, 0xff, 0x7f].as_slice(),
        [0x10, 0x80, 0x80, 0x80, 0x80].as_slice(),
        // The greatest that there is, and far more than a CONNECT may be.
        [0x10, 0xff, 0xff, 0xff, 0x7f].as_slice(),
    ] {
        let mut world = World::new(Settings::default(), 1);
        let id = world.open();
        world.receive(id, bytes);
        assert!(world.peer(id).is_closed(), "{bytes:02x?}");
        assert_eq!(types(&mut world, id), []);
        let id = connected(&mut world, "a");
        let mut bytes = bytes.to_vec();
        bytes[0] = 0x30;
        world.receive(id, &bytes);
        assert!(disconnect_code(&mut world, id).is_some(), "{bytes:02x?}");
    }
}

#[test]
fn as_many_filters_as_fit_into_a_packet() {
    let mut world = World::new(Settings::default(), 1);
    let id = connected(&mut world, "a");
    let filters: Vec<_> = (0..100_000).map(|number| format!("{number:x}")).collect();
    send(&mut world, id, &subscribe(&filters, None));
    let codes_ = codes(&mut world, id);
    assert_eq!(codes_.len(), 100_000);
    let granted = codes_.iter().filter(|code| !code.is_error()).count();
    assert_eq!(granted, Settings::default().session.subscriptions_max);
    assert_eq!(world.broker.subscription_count(), granted);
    let unsubscribe = Packet::Unsubscribe(Unsubscribe {
        packet_id: PacketIdentifier::MIN,
        properties: UnsubscribeProperties::default(),
        filters: filters
            .iter()
            .map(|filter| TopicFilter::parse(filter).unwrap())
            .collect(),
    });
    send(&mut world, id, &unsubscribe);
    assert_eq!(codes(&mut world, id).len(), 100_000);
    assert_eq!(world.broker.subscription_count(), 0);
}

#[test]
fn thousands_of_filters_that_match_one_topic() {
    let mut world = World::new(Settings::default(), 1);
    let id = connected(&mut world, "a");
    // All filters of twelve levels, each of which is the topic's or `+`.
    let filters: Vec<_> = (0..4096)
        .map(|bits| {
            let level = |at| if bits >> at & 1 == 0 { "a" } else { "+" };
            (0..12).map(level).collect::<Vec<_>>().join("/")
        })
        .collect();
    for (number, filter) in (1..).zip(&filters) {
        send(
            &mut world,
            id,
            &subscribe(std::slice::from_ref(filter), Some(number)),
        );
        assert_eq!(codes(&mut world, id), [ReasonCode::Success]);
    }
    let topic = ["a"; 12].join("/");
    send(&mut world, id, &Packet::Publish(publish(&topic)));
    let identifiers = received(&mut world, id, |packet| match packet {
        Packet::Publish(publish) => publish.properties.subscription_identifiers.iter().count(),
        _ => 0,
    });
    assert_eq!(identifiers, [(PacketType::Publish, 4096)]);
}

#[test]
fn a_connection_that_is_taken_over_again_and_again() {
    let mut world = World::new(Settings::default(), 1);
    let mut id = connected(&mut world, "a");
    send(&mut world, id, &subscribe(&["t".to_owned()], None));
    codes(&mut world, id);
    for _ in 0..5000 {
        let before = std::mem::replace(&mut id, connected(&mut world, "a"));
        let code = disconnect_code(&mut world, before);
        assert_eq!(code, Some(ReasonCode::SessionTakenOver));
        world.forget_closed();
    }
    assert_eq!(world.broker.session_count(), 1);
    assert_eq!(world.broker.subscription_count(), 0);
}

#[test]
fn a_packet_that_comes_byte_by_byte() {
    let mut world = World::new(Settings::default(), 1);
    let id = connected(&mut world, "a");
    send(&mut world, id, &subscribe(&["t".to_owned()], None));
    codes(&mut world, id);
    let payload = vec![7; 40_000];
    let mut bytes = Vec::new();
    let message = Publish {
        payload: &payload,
        ..publish("t")
    };
    Packet::Publish(message)
        .encode(ProtocolVersion::V5, &mut bytes)
        .unwrap();
    for byte in bytes {
        assert_eq!(types(&mut world, id), []);
        world.receive(id, &[byte]);
    }
    let lengths = received(&mut world, id, |packet| match packet {
        Packet::Publish(publish) => publish.payload.len(),
        _ => 0,
    });
    assert_eq!(lengths, [(PacketType::Publish, 40_000)]);
}
