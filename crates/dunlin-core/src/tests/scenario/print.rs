//! A packet of the broker as the words of a script line. What has its default value is left out, so
//! that an expectation says everything that the packet has and no more.

use dunlin_codec::{
    Ack, AckProperties, Auth, Connack, Disconnect, Packet, Publish, QoS, ReasonCode, UserProperties,
};

use super::token::{Token, escape};

/// The words of one packet.
#[derive(Default)]
struct Words(Vec<Token>);

impl Words {
    fn word(&mut self, text: impl Into<String>) {
        self.0.push(Token::Word(text.into()));
    }

    fn number(&mut self, key: &str, value: Option<impl Into<u32>>) {
        if let Some(value) = value {
            self.0.push(Token::pair(key, value.into()));
        }
    }

    fn flag(&mut self, key: &str, value: Option<bool>) {
        self.number(key, value);
    }

    fn text(&mut self, key: &str, value: Option<&str>) {
        self.bytes(key, value.map(str::as_bytes));
    }

    fn bytes(&mut self, key: &str, value: Option<&[u8]>) {
        if let Some(value) = value {
            self.0.push(Token::pair(key, escape(value)));
        }
    }

    fn code(&mut self, code: ReasonCode) {
        if code != ReasonCode::Success {
            self.0.push(Token::pair("code", format!("{code:?}")));
        }
    }

    fn user_properties(&mut self, properties: UserProperties<'_>) {
        if !properties.is_empty() {
            let pairs: Vec<_> = properties
                .iter()
                .map(|(name, value)| escape(format!("{name}:{value}").as_bytes()))
                .collect();
            self.0.push(Token::pair("props", pairs.join(",")));
        }
    }

    fn ack_properties(&mut self, properties: &AckProperties<'_>) {
        self.text("reason", properties.reason_string);
        self.user_properties(properties.user_properties);
    }

    /// The identifier of an answer; 1 is the one that requests have by default.
    fn answer(&mut self, packet_id: dunlin_codec::PacketIdentifier) {
        if packet_id.as_u16() != 1 {
            self.0.push(Token::pair("id", packet_id.as_u16()));
        }
    }
}

/// The words of a packet, its name first.
pub(super) fn print(packet: &Packet<'_>) -> Vec<Token> {
    let mut words = Words::default();
    words.word(packet.packet_type().name());
    match packet {
        Packet::Connack(connack) => print_connack(connack, &mut words),
        Packet::Publish(publish) => print_publish(publish, &mut words),
        Packet::Puback(ack) | Packet::Pubrec(ack) | Packet::Pubrel(ack) | Packet::Pubcomp(ack) => {
            print_ack(ack, &mut words);
        }
        Packet::Suback(suback) => {
            words.answer(suback.packet_id);
            suback
                .reason_codes
                .iter()
                .for_each(|code| words.word(granted(*code)));
            words.ack_properties(&suback.properties);
        }
        Packet::Unsuback(unsuback) => {
            words.answer(unsuback.packet_id);
            unsuback
                .reason_codes
                .iter()
                .for_each(|code| words.word(format!("{code:?}")));
            words.ack_properties(&unsuback.properties);
        }
        Packet::Disconnect(disconnect) => print_disconnect(disconnect, &mut words),
        Packet::Auth(auth) => print_auth(auth, &mut words),
        Packet::Connect(_)
        | Packet::Subscribe(_)
        | Packet::Unsubscribe(_)
        | Packet::Pingreq
        | Packet::Pingresp => {}
    }
    words.0
}

/// How SUBACK grants a QoS, or that it does not.
fn granted(code: ReasonCode) -> String {
    match code {
        ReasonCode::Success => "0".to_owned(),
        ReasonCode::GrantedQoS1 => "1".to_owned(),
        ReasonCode::GrantedQoS2 => "2".to_owned(),
        other => format!("{other:?}"),
    }
}

fn print_connack(connack: &Connack<'_>, words: &mut Words) {
    let properties = &connack.properties;
    words.flag("present", Some(connack.session_present).filter(|&is| is));
    words.code(connack.reason_code);
    words.number("expiry", properties.session_expiry_interval);
    words.number(
        "receive_maximum",
        properties.receive_maximum.map(|max| max.get()),
    );
    words.number("maximum_qos", properties.maximum_qos.map(|qos| qos as u8));
    words.flag("retain_available", properties.retain_available);
    words.number(
        "maximum_packet_size",
        properties.maximum_packet_size.map(|max| max.get()),
    );
    words.text("client", properties.assigned_client_identifier);
    words.number("topic_alias_maximum", properties.topic_alias_maximum);
    words.text("reason", properties.reason_string);
    words.flag(
        "wildcard_available",
        properties.wildcard_subscription_available,
    );
    words.flag(
        "identifiers_available",
        properties.subscription_identifiers_available,
    );
    words.flag("shared_available", properties.shared_subscription_available);
    words.number("keep_alive", properties.server_keep_alive);
    words.text("response_information", properties.response_information);
    words.text("server_reference", properties.server_reference);
    words.text("method", properties.authentication_method);
    words.bytes("data", properties.authentication_data);
    words.user_properties(properties.user_properties);
}

fn print_publish(publish: &Publish<'_>, words: &mut Words) {
    let properties = &publish.properties;
    words.word(escape(publish.topic.as_str().as_bytes()));
    if !publish.payload.is_empty() {
        words.word(escape(publish.payload));
    }
    let qos = Some(publish.qos).filter(|&qos| qos > QoS::AtMostOnce);
    words.number("qos", qos.map(|qos| qos as u8));
    words.number("id", publish.packet_id.map(|packet_id| packet_id.as_u16()));
    words.flag("dup", Some(publish.dup).filter(|&is| is));
    words.flag("retain", Some(publish.retain).filter(|&is| is));
    words.flag("format", properties.payload_format_indicator);
    words.number("expiry", properties.message_expiry_interval);
    words.number("alias", properties.topic_alias);
    words.text(
        "response",
        properties.response_topic.map(|topic| topic.as_str()),
    );
    words.bytes("correlation", properties.correlation_data);
    let identifiers: Vec<_> = properties
        .subscription_identifiers
        .iter()
        .map(|identifier| identifier.to_string())
        .collect();
    if !identifiers.is_empty() {
        let text = identifiers.join(",");
        words.text("identifiers", Some(&text));
    }
    words.text("type", properties.content_type);
    words.user_properties(properties.user_properties);
}

fn print_ack(ack: &Ack<'_>, words: &mut Words) {
    words.number("id", Some(ack.packet_id.as_u16()));
    words.code(ack.reason_code);
    words.ack_properties(&ack.properties);
}

fn print_disconnect(disconnect: &Disconnect<'_>, words: &mut Words) {
    let properties = &disconnect.properties;
    words.code(disconnect.reason_code);
    words.number("expiry", properties.session_expiry_interval);
    words.text("reason", properties.reason_string);
    words.text("server_reference", properties.server_reference);
    words.user_properties(properties.user_properties);
}

fn print_auth(auth: &Auth<'_>, words: &mut Words) {
    let properties = &auth.properties;
    words.code(auth.reason_code);
    words.text("method", properties.authentication_method);
    words.bytes("data", properties.authentication_data);
    words.text("reason", properties.reason_string);
    words.user_properties(properties.user_properties);
}
