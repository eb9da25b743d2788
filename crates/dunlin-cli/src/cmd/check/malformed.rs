//! Bytes that no client may send: the broker must end the connection.

use dunlin_client::codec::ProtocolVersion::{self, V5, V311};

use super::probe::{Probe, Way};

/// CONNECT with these flags, properties and payload after the client identifier `c`.
fn connect(version: u8, flags: u8, properties: &[u8], rest: &[u8]) -> Vec<u8> {
    connect_of(b"MQTT", version, flags, properties, b"c", rest)
}

fn connect_of(
    name: &[u8],
    version: u8,
    flags: u8,
    properties: &[u8],
    client_id: &[u8],
    rest: &[u8],
) -> Vec<u8> {
    let mut body = text(name);
    body.extend_from_slice(&[version, flags, 0, 60]);
    if version == 5 {
        body.extend(length(properties.len()));
        body.extend_from_slice(properties);
    }
    body.extend(text(client_id));
    body.extend_from_slice(rest);
    packet(0x10, &body)
}

fn packet(first: u8, body: &[u8]) -> Vec<u8> {
    let mut packet = vec![first];
    packet.extend(length(body.len()));
    packet.extend_from_slice(body);
    packet
}

/// A Variable Byte Integer below 128, which is what these packets need.
fn length(length: usize) -> Option<u8> {
    u8::try_from(length).ok().filter(|length| *length < 128)
}

fn text(text: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0];
    bytes.extend(length(text.len()));
    bytes.extend_from_slice(text);
    bytes
}

/// PUBLISH on a topic, with what follows it.
fn publish(flags: u8, topic: &[u8], rest: &[u8]) -> Vec<u8> {
    let mut body = text(topic);
    body.extend_from_slice(rest);
    packet(0x30 | flags, &body)
}

/// SUBSCRIBE with the identifier 1, and without properties in 5.0.
fn subscribe(first: u8, is_v5: bool, rest: &[u8]) -> Vec<u8> {
    let mut body = vec![0, 1];
    body.extend(is_v5.then_some(0));
    body.extend_from_slice(rest);
    packet(first, &body)
}

type Row = (ProtocolVersion, &'static str, &'static str, Way);

/// The table as probes.
pub(super) fn probes() -> Vec<Probe> {
    let rows = [BEFORE, AFTER].concat();
    let probe = |(version, label, says, way)| Probe {
        version,
        label,
        says,
        way,
    };
    rows.into_iter().map(probe).collect()
}

/// What may not come first.
#[rustfmt::skip]
const BEFORE: &[Row] = &[
    (V5, "MQTT-3.1.0-1", "the first packet is CONNECT: PINGREQ is refused", Way::First(|| vec![0xc0, 0])),
    (V5, "MQTT-3.1.0-1", "the first packet is CONNECT: PUBLISH is refused", Way::First(|| publish(0, b"t", &[0]))),
    (V5, "MQTT-3.1.2-1", "another protocol name is refused", Way::First(|| connect_of(b"MQTX", 5, 2, &[], b"c", &[]))),
    (V5, "MQTT-3.1.2-2", "an unknown protocol version is refused", Way::First(|| connect(99, 2, &[], &[]))),
    (V5, "MQTT-3.1.2-3", "the reserved connect flag is 0", Way::First(|| connect(5, 3, &[], &[]))),
    (V5, "MQTT-3.1.2-9", "a will without its fields is refused", Way::First(|| connect(5, 0x06, &[], &[]))),
    (V5, "MQTT-3.1.2-11", "a Will QoS without a will is refused", Way::First(|| connect(5, 0x0a, &[], &[]))),
    (V5, "MQTT-3.1.2-12", "a Will QoS of 3 is refused", Way::First(|| connect(5, 0x1e, &[], &[0, 0, 1, b't', 0, 0]))),
    (V5, "MQTT-3.1.2-13", "Will Retain without a will is refused", Way::First(|| connect(5, 0x22, &[], &[]))),
    (V5, "MQTT-3.1.2-17", "a user name that is announced must be there", Way::First(|| connect(5, 0x82, &[], &[]))),
    (V5, "MQTT-3.1.2-19", "a password that is announced must be there", Way::First(|| connect(5, 0x42, &[], &[]))),
    (V5, "MQTT-3.1.4-1", "nothing follows the payload of CONNECT", Way::First(|| connect(5, 2, &[], &[0, 1, b'u']))),
    (V5, "MQTT-2.1.3-1", "the flags of CONNECT's header are 0", Way::First(|| {
        let mut bytes = connect(5, 2, &[], &[]);
        bytes.splice(..1, [0x11]);
        bytes
    })),
    (V5, "MQTT-1.5.4-1", "a client identifier with a surrogate is refused", Way::First(|| connect_of(b"MQTT", 5, 2, &[], b"\xed\xa0\x80", &[]))),
    (V5, "MQTT-1.5.4-2", "a client identifier with a null character is refused", Way::First(|| connect_of(b"MQTT", 5, 2, &[], b"a\0b", &[]))),
    (V5, "MQTT-3.1.3-11", "a Will Topic that is no UTF-8 is refused", Way::First(|| connect(5, 0x06, &[], &[0, 0, 1, 0xff, 0, 0]))),
    (V5, "MQTT-3.1.3-12", "a user name that is no UTF-8 is refused", Way::First(|| connect(5, 0x82, &[], &[0, 1, 0xff]))),
    (V5, "section 3.1.2.11.3", "a Receive Maximum of 0 is refused", Way::First(|| connect(5, 2, &[0x21, 0, 0], &[]))),
    (V5, "section 3.1.2.11.4", "a Maximum Packet Size of 0 is refused", Way::First(|| connect(5, 2, &[0x27, 0, 0, 0, 0], &[]))),
    (V5, "section 3.1.2.11.2", "a Session Expiry Interval comes once", Way::First(|| connect(5, 2, &[0x11, 0, 0, 0, 9, 0x11, 0, 0, 0, 9], &[]))),
    (V5, "section 3.1.2.11.7", "Request Problem Information is 0 or 1", Way::First(|| connect(5, 2, &[0x17, 2], &[]))),
    (V5, "section 3.1.2.11.10", "Authentication Data needs a method", Way::First(|| connect(5, 2, &[0x16, 0, 1, b'a'], &[]))),
    (V5, "section 2.2.2.2", "a property of another packet is refused in CONNECT", Way::First(|| connect(5, 2, &[0x23, 0, 1], &[]))),
    (V5, "section 2.2.2.2", "a property that does not exist is refused", Way::First(|| connect(5, 2, &[0x7f, 0], &[]))),
    (V5, "section 1.5.5", "a Remaining Length of five bytes is refused", Way::First(|| vec![0x10, 0xff, 0xff, 0xff, 0xff, 1])),
    (V311, "MQTT-3.1.0-1", "the first packet is CONNECT", Way::First(|| vec![0xc0, 0])),
    (V311, "MQTT-3.1.2-3", "the reserved connect flag is 0", Way::First(|| connect(4, 3, &[], &[]))),
    (V311, "MQTT-3.1.2-14", "a Will QoS of 3 is refused", Way::First(|| connect(4, 0x1e, &[], &[0, 1, b't', 0, 0]))),
    (V311, "MQTT-3.1.2-22", "a password needs a user name", Way::First(|| connect(4, 0x42, &[], &[0, 1, b'p']))),
    (V311, "MQTT-1.5.3-1", "a client identifier with a surrogate is refused", Way::First(|| connect_of(b"MQTT", 4, 2, &[], b"\xed\xa0\x80", &[]))),
    (V311, "MQTT-1.5.3-2", "a client identifier with a null character is refused", Way::First(|| connect_of(b"MQTT", 4, 2, &[], b"a\0b", &[]))),
];

/// What may not come from a client that is connected. In 5.0 a broker is bound where the standard says
/// what a Server does with such a packet, or where it cannot be read at all; of the rest it is said
/// that no Client sends it, and 3.1.1 has every violation end the connection [MQTT-4.8.0-1].
#[rustfmt::skip]
const AFTER: &[Row] = &[
    (V5, "MQTT-3.1.0-2", "a second CONNECT ends the connection", Way::Then(|| connect(5, 2, &[], &[]))),
    (V5, "MQTT-3.3.1-4", "PUBLISH with QoS 3 is malformed", Way::Then(|| publish(6, b"t", &[0, 1, 0]))),
    (V5, "MQTT-3.3.2-1", "a topic that is no UTF-8 is malformed", Way::Unwelcome(|| publish(0, b"a\xff", &[0]))),
    (V5, "MQTT-3.3.2-2", "a topic with a wildcard is refused", Way::Unwelcome(|| publish(0, b"a/#", &[0]))),
    (V5, "section 3.3.2.1", "a topic of no letters needs an alias", Way::Then(|| publish(0, b"", &[0]))),
    (V5, "MQTT-4.7.3-2", "a topic with a null character is refused", Way::Unwelcome(|| publish(0, b"a\0b", &[0]))),
    (V5, "MQTT-2.2.1-3", "PUBLISH with the packet identifier 0 is refused", Way::Unwelcome(|| publish(2, b"t", &[0, 0, 0]))),
    (V5, "MQTT-2.2.1-3", "SUBSCRIBE with the packet identifier 0 is refused", Way::Unwelcome(|| packet(0x82, &[0, 0, 0, 0, 1, b't', 0]))),
    (V5, "MQTT-3.3.4-6", "PUBLISH of a client has no Subscription Identifier", Way::Unwelcome(|| publish(0, b"t", &[2, 0x0b, 1]))),
    (V5, "MQTT-3.3.2-8", "a Topic Alias of 0 is refused", Way::Then(|| publish(0, b"t", &[3, 0x23, 0, 0]))),
    (V5, "MQTT-3.3.2-14", "a Response Topic with a wildcard is refused", Way::Unwelcome(|| publish(0, b"t", &[4, 0x08, 0, 1, b'#']))),
    (V5, "section 3.3.2.3.2", "a Payload Format Indicator is 0 or 1", Way::Unwelcome(|| publish(0, b"t", &[2, 0x01, 2]))),
    (V5, "section 3.3.2.3.3", "a Message Expiry Interval comes once", Way::Unwelcome(|| publish(0, b"t", &[10, 2, 0, 0, 0, 9, 2, 0, 0, 0, 9]))),
    (V5, "MQTT-3.6.1-1", "the flags of PUBREL are 2", Way::Then(|| vec![0x60, 2, 0, 1])),
    (V5, "MQTT-3.8.1-1", "the flags of SUBSCRIBE are 2", Way::Then(|| subscribe(0x80, true, &[0, 1, b't', 0]))),
    (V5, "MQTT-3.8.3-1", "a Topic Filter that is no UTF-8 is malformed", Way::Unwelcome(|| subscribe(0x82, true, &[0, 1, 0xff, 0]))),
    (V5, "MQTT-3.8.3-2", "SUBSCRIBE has a Topic Filter", Way::Unwelcome(|| subscribe(0x82, true, &[]))),
    (V5, "MQTT-3.8.3-4", "No Local is no option of a shared subscription", Way::Unwelcome(|| subscribe(0x82, true, b"\0\x0a$share/g/t\x04"))),
    (V5, "MQTT-3.8.3-5", "the reserved bits of Subscription Options are 0", Way::Then(|| subscribe(0x82, true, &[0, 1, b't', 0x40]))),
    (V5, "section 3.8.3.1", "a subscription at QoS 3 is refused", Way::Unwelcome(|| subscribe(0x82, true, &[0, 1, b't', 3]))),
    (V5, "section 3.8.3.1", "a Retain Handling of 3 is refused", Way::Unwelcome(|| subscribe(0x82, true, &[0, 1, b't', 0x30]))),
    (V5, "section 3.8.2.1.2", "a Subscription Identifier of 0 is refused", Way::Unwelcome(|| packet(0x82, &[0, 1, 2, 0x0b, 0, 0, 1, b't', 0]))),
    (V5, "MQTT-3.10.1-1", "the flags of UNSUBSCRIBE are 2", Way::Then(|| subscribe(0xa0, true, &[0, 1, b't']))),
    (V5, "MQTT-3.10.3-2", "UNSUBSCRIBE has a Topic Filter", Way::Unwelcome(|| subscribe(0xa2, true, &[]))),
    (V5, "MQTT-2.1.3-1", "the flags of PINGREQ are 0", Way::Unwelcome(|| vec![0xc1, 0])),
    (V5, "MQTT-3.14.1-1", "the flags of DISCONNECT are 0", Way::Then(|| vec![0xe1, 0])),
    (V5, "MQTT-3.15.1-1", "the flags of AUTH are 0", Way::Then(|| vec![0xf1, 0])),
    (V5, "MQTT-4.12.0-7", "AUTH needs an Authentication Method in CONNECT", Way::Unwelcome(|| vec![0xf0, 0])),
    (V5, "MQTT-4.13.1-1", "a packet of the type 0 is malformed", Way::Then(|| vec![0, 0])),
    (V5, "MQTT-4.13.1-1", "CONNACK from a client is refused", Way::Unwelcome(|| vec![0x20, 3, 0, 0, 0])),
    (V5, "MQTT-4.13.1-1", "PINGRESP from a client is refused", Way::Unwelcome(|| vec![0xd0, 0])),
    (V5, "MQTT-4.13.1-1", "PUBLISH that is shorter than its topic is malformed", Way::Then(|| vec![0x30, 3, 0, 9, b't'])),
    (V311, "MQTT-3.1.0-2", "a second CONNECT ends the connection", Way::Then(|| connect(4, 2, &[], &[]))),
    (V311, "MQTT-3.3.1-4", "PUBLISH with QoS 3 is refused", Way::Then(|| publish(6, b"t", &[0, 1]))),
    (V311, "MQTT-3.3.2-2", "a topic with a wildcard is refused", Way::Then(|| publish(0, b"a/+", &[]))),
    (V311, "MQTT-2.3.1-1", "PUBLISH with the packet identifier 0 is refused", Way::Then(|| publish(2, b"t", &[0, 0]))),
    (V311, "MQTT-3.8.1-1", "the flags of SUBSCRIBE are 2", Way::Then(|| subscribe(0x80, false, &[0, 1, b't', 0]))),
    (V311, "MQTT-3.8.3-3", "SUBSCRIBE has a Topic Filter", Way::Then(|| subscribe(0x82, false, &[]))),
    (V311, "MQTT-3-8.3-4", "a subscription at QoS 3 is refused", Way::Then(|| subscribe(0x82, false, &[0, 1, b't', 3]))),
    (V311, "MQTT-3.10.3-2", "UNSUBSCRIBE has a Topic Filter", Way::Then(|| subscribe(0xa2, false, &[]))),
    (V311, "MQTT-3.14.1-1", "the flags of DISCONNECT are 0", Way::Then(|| vec![0xe1, 0])),
];
