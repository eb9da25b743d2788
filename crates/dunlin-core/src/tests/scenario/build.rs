//! A packet of a client from the words of a script line.

use std::collections::BTreeMap;
use std::num::{NonZeroU16, NonZeroU32};

use dunlin_codec::{
    Ack, AckProperties, Auth, AuthProperties, Connect, ConnectProperties, Disconnect,
    DisconnectProperties, Packet, PacketIdentifier, ProtocolVersion, Publish, PublishProperties,
    QoS, ReasonCode, RetainHandling, Subscribe, SubscribeProperties, SubscriptionIdentifiers,
    SubscriptionOptions, SubscriptionRequest, TopicFilter, TopicName, Unsubscribe,
    UnsubscribeProperties, UserPropertiesBuf, Will, WillProperties, variable_byte_integer_len,
};

use super::token::{Token, unescape, unescape_text};

type Result<T> = std::result::Result<T, String>;

/// The pairs of a line, each of which must be used.
struct Fields(BTreeMap<String, String>);

impl Fields {
    fn text(&mut self, key: &str) -> Result<Option<String>> {
        self.0
            .remove(key)
            .map(|text| unescape_text(&text))
            .transpose()
    }

    fn bytes(&mut self, key: &str) -> Result<Option<Vec<u8>>> {
        self.0.remove(key).map(|text| unescape(&text)).transpose()
    }

    fn number<T: std::str::FromStr>(&mut self, key: &str) -> Result<Option<T>> {
        let text = self.0.remove(key);
        text.map(|text| {
            text.parse()
                .map_err(|_| format!("{key}={text} is no number that fits"))
        })
        .transpose()
    }

    fn flag(&mut self, key: &str) -> Result<Option<bool>> {
        match self.0.remove(key).as_deref() {
            None => Ok(None),
            Some("0") => Ok(Some(false)),
            Some("1") => Ok(Some(true)),
            Some(other) => Err(format!("{key}={other} is neither 0 nor 1")),
        }
    }

    fn qos(&mut self, key: &str) -> Result<QoS> {
        let number = self.number(key)?.unwrap_or(0);
        QoS::from_u8(number).ok_or_else(|| format!("{key}={number}"))
    }

    fn packet_id(&mut self) -> Result<Option<PacketIdentifier>> {
        let number = self.number("id")?;
        number
            .map(|number| PacketIdentifier::new(number).ok_or_else(|| "id=0".to_owned()))
            .transpose()
    }

    fn code(&mut self) -> Result<ReasonCode> {
        self.0
            .remove("code")
            .map_or(Ok(ReasonCode::Success), |name| reason_code(&name))
    }

    fn user_properties(&mut self, key: &str) -> Result<UserPropertiesBuf> {
        let mut properties = UserPropertiesBuf::new();
        let text = self.text(key)?.unwrap_or_default();
        for pair in text.split(',').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair
                .split_once(':')
                .ok_or_else(|| format!("{key}={pair}"))?;
            properties
                .push(name, value)
                .map_err(|error| error.to_string())?;
        }
        Ok(properties)
    }

    fn finish(self) -> Result<()> {
        match self.0.first_key_value() {
            None => Ok(()),
            Some((key, _)) => Err(format!("{key}= does not belong here")),
        }
    }
}

/// The code of this name.
pub(super) fn reason_code(name: &str) -> Result<ReasonCode> {
    let mut all = ReasonCode::ALL.iter().copied();
    all.find(|code| format!("{code:?}") == name)
        .ok_or_else(|| format!("no reason code {name}"))
}

/// The version that a script names so.
pub(super) fn version(name: &str) -> Option<ProtocolVersion> {
    match name {
        "v3.1" => Some(ProtocolVersion::V31),
        "v3.1.1" => Some(ProtocolVersion::V311),
        "v5" => Some(ProtocolVersion::V5),
        _ => None,
    }
}

/// What stands for a line that says nothing about it.
#[derive(Clone, Debug)]
pub(super) struct Defaults {
    pub(super) version: ProtocolVersion,
    pub(super) client_id: String,
}

/// The bytes of the packet that a line describes, and the words of the usual answer to it, if it has
/// one.
pub(super) fn build(line: &[Token], defaults: &Defaults) -> Result<(Vec<u8>, Vec<Vec<Token>>)> {
    let mut words = Vec::new();
    let mut pairs = BTreeMap::new();
    for token in line {
        match token {
            Token::Word(word) => words.push(word.clone()),
            Token::Pair(key, value) => {
                if pairs.insert(key.clone(), value.clone()).is_some()
                    && !matches!(
                        words.first().map(String::as_str),
                        Some("SUBSCRIBE" | "UNSUBSCRIBE")
                    )
                {
                    return Err(format!("{key}= stands twice"));
                }
            }
        }
    }
    if words.is_empty() {
        return Err("no packet".to_owned());
    }
    let name = words.remove(0);
    let mut fields = Fields(pairs);
    let mut bytes = Vec::new();
    let mut put = |packet: &Packet<'_>| {
        packet
            .encode(defaults.version, &mut bytes)
            .map_err(|error| error.to_string())
    };
    let mut answers = Vec::new();
    match name.as_str() {
        "CONNECT" => {
            connect(&words, &mut fields, defaults, &mut put)?;
            answers.push(vec![Token::Word("CONNACK".to_owned())]);
        }
        "PUBLISH" => answers = publish(&words, &mut fields, &mut put)?,
        "PUBACK" | "PUBREC" | "PUBREL" | "PUBCOMP" => ack(&name, &mut fields, &mut put)?,
        "SUBSCRIBE" => return subscribe(&line[1..], defaults.version),
        "UNSUBSCRIBE" => answers = unsubscribe(&words, &mut fields, defaults.version, &mut put)?,
        "PINGREQ" => {
            put(&Packet::Pingreq)?;
            answers.push(vec![Token::Word("PINGRESP".to_owned())]);
        }
        "DISCONNECT" => {
            let (reason_string, reference) =
                (fields.text("reason")?, fields.text("server_reference")?);
            let user_properties = fields.user_properties("props")?;
            put(&Packet::Disconnect(Disconnect {
                reason_code: fields.code()?,
                properties: DisconnectProperties {
                    session_expiry_interval: fields.number("expiry")?,
                    reason_string: reason_string.as_deref(),
                    server_reference: reference.as_deref(),
                    user_properties: user_properties.as_view(),
                },
            }))?;
        }
        "AUTH" => {
            let (method, data) = (fields.text("method")?, fields.bytes("data")?);
            let user_properties = fields.user_properties("props")?;
            put(&Packet::Auth(Auth {
                reason_code: fields.code()?,
                properties: AuthProperties {
                    authentication_method: method.as_deref(),
                    authentication_data: data.as_deref(),
                    reason_string: None,
                    user_properties: user_properties.as_view(),
                },
            }))?;
        }
        "RAW" => return Err("RAW stands alone".to_owned()),
        other => return Err(format!("no packet {other}")),
    }
    fields.finish()?;
    Ok((bytes, answers))
}

type Put<'a> = &'a mut dyn FnMut(&Packet<'_>) -> Result<()>;

fn connect(words: &[String], fields: &mut Fields, defaults: &Defaults, put: Put<'_>) -> Result<()> {
    if let Some(word) = words.first() {
        return Err(format!("{word} does not belong here"));
    }
    let client_id = fields.text("client")?;
    let (user_name, password) = (fields.text("user")?, fields.bytes("password")?);
    let (method, data) = (fields.text("method")?, fields.bytes("data")?);
    let user_properties = fields.user_properties("props")?;
    let will_topic = fields.text("will")?;
    let will_payload = fields.bytes("will_payload")?;
    let will_response = fields.text("will_response")?;
    let will_correlation = fields.bytes("will_correlation")?;
    let will_type = fields.text("will_type")?;
    let will_user_properties = fields.user_properties("will_props")?;
    let will = match &will_topic {
        Some(topic) => Some(Will {
            qos: fields.qos("will_qos")?,
            retain: fields.flag("will_retain")?.unwrap_or(false),
            properties: WillProperties {
                will_delay_interval: fields.number("will_delay")?,
                payload_format_indicator: fields.flag("will_format")?,
                message_expiry_interval: fields.number("will_expiry")?,
                content_type: will_type.as_deref(),
                response_topic: topic_name(will_response.as_deref())?,
                correlation_data: will_correlation.as_deref(),
                user_properties: will_user_properties.as_view(),
            },
            topic: TopicName::parse(topic).map_err(|error| error.to_string())?,
            payload: will_payload.as_deref().unwrap_or_default(),
        }),
        None => None,
    };
    put(&Packet::Connect(Box::new(Connect {
        version: defaults.version,
        clean_start: fields.flag("clean")?.unwrap_or(true),
        keep_alive: fields.number("keep_alive")?.unwrap_or(0),
        properties: ConnectProperties {
            session_expiry_interval: fields.number("expiry")?,
            receive_maximum: fields.number("receive_maximum")?.and_then(NonZeroU16::new),
            maximum_packet_size: fields
                .number("maximum_packet_size")?
                .and_then(NonZeroU32::new),
            topic_alias_maximum: fields.number("topic_alias_maximum")?,
            request_response_information: fields.flag("request_response")?,
            request_problem_information: fields.flag("request_problem")?,
            authentication_method: method.as_deref(),
            authentication_data: data.as_deref(),
            user_properties: user_properties.as_view(),
        },
        client_id: client_id.as_deref().unwrap_or(&defaults.client_id),
        will,
        user_name: user_name.as_deref(),
        password: password.as_deref(),
    })))
}

fn topic_name(text: Option<&str>) -> Result<Option<TopicName<'_>>> {
    text.map(|text| TopicName::parse(text).map_err(|error| error.to_string()))
        .transpose()
}

fn publish(words: &[String], fields: &mut Fields, put: Put<'_>) -> Result<Vec<Vec<Token>>> {
    let [topic, payload @ ..] = words else {
        return Err("no topic".to_owned());
    };
    let topic = unescape_text(topic)?;
    let payload = match payload {
        [] => Vec::new(),
        [one] => unescape(one)?,
        [_, two, ..] => return Err(format!("{two} does not belong here")),
    };
    let (response, correlation) = (fields.text("response")?, fields.bytes("correlation")?);
    let content_type = fields.text("type")?;
    let user_properties = fields.user_properties("props")?;
    let identifiers: Vec<_> = fields.number("identifier")?.into_iter().collect();
    let (qos, packet_id) = (fields.qos("qos")?, fields.packet_id()?);
    put(&Packet::Publish(Publish {
        dup: fields.flag("dup")?.unwrap_or(false),
        qos,
        retain: fields.flag("retain")?.unwrap_or(false),
        topic: topic_name(Some(&topic).filter(|topic| !topic.is_empty()).map(|t| &**t))?
            .unwrap_or(TopicName::EMPTY),
        packet_id,
        properties: PublishProperties {
            payload_format_indicator: fields.flag("format")?,
            message_expiry_interval: fields.number("expiry")?,
            topic_alias: fields.number("alias")?,
            response_topic: topic_name(response.as_deref())?,
            correlation_data: correlation.as_deref(),
            user_properties: user_properties.as_view(),
            subscription_identifiers: SubscriptionIdentifiers::List(&identifiers),
            content_type: content_type.as_deref(),
        },
        payload: &payload,
    }))?;
    let answer = |name: &str| {
        let id = packet_id.map_or(0, |packet_id| packet_id.as_u16());
        vec![Token::Word(name.to_owned()), Token::pair("id", id)]
    };
    Ok(match qos {
        QoS::AtMostOnce => Vec::new(),
        QoS::AtLeastOnce => vec![answer("PUBACK")],
        QoS::ExactlyOnce => vec![answer("PUBREC")],
    })
}

fn ack(name: &str, fields: &mut Fields, put: Put<'_>) -> Result<()> {
    let reason_string = fields.text("reason")?;
    let user_properties = fields.user_properties("props")?;
    let ack = Ack {
        packet_id: fields.packet_id()?.ok_or("no id")?,
        reason_code: fields.code()?,
        properties: AckProperties {
            reason_string: reason_string.as_deref(),
            user_properties: user_properties.as_view(),
        },
    };
    put(&match name {
        "PUBACK" => Packet::Puback(ack),
        "PUBREC" => Packet::Pubrec(ack),
        "PUBREL" => Packet::Pubrel(ack),
        _ => Packet::Pubcomp(ack),
    })
}

/// SUBSCRIBE, whose options belong to the filter before them.
fn subscribe(line: &[Token], version: ProtocolVersion) -> Result<(Vec<u8>, Vec<Vec<Token>>)> {
    let mut packet_id = PacketIdentifier::MIN;
    let mut identifier = None;
    let mut user_properties = UserPropertiesBuf::new();
    let mut wanted: Vec<(String, SubscriptionOptions)> = Vec::new();
    for token in line {
        match token {
            Token::Word(filter) => {
                wanted.push((unescape_text(filter)?, SubscriptionOptions::default()));
            }
            Token::Pair(key, value) => {
                let mut fields = Fields(BTreeMap::from([(key.clone(), value.clone())]));
                match (key.as_str(), wanted.last_mut()) {
                    ("id", _) => packet_id = fields.packet_id()?.ok_or("no id")?,
                    ("identifier", _) => identifier = fields.number("identifier")?,
                    ("props", _) => user_properties = fields.user_properties("props")?,
                    ("qos", Some((_, options))) => options.qos = fields.qos("qos")?,
                    ("no_local", Some((_, options))) => {
                        options.no_local = fields.flag("no_local")? == Some(true);
                    }
                    ("rap", Some((_, options))) => {
                        options.retain_as_published = fields.flag("rap")? == Some(true);
                    }
                    ("rh", Some((_, options))) => {
                        options.retain_handling = match value.as_str() {
                            "0" => RetainHandling::Send,
                            "1" => RetainHandling::SendIfNew,
                            "2" => RetainHandling::DoNotSend,
                            _ => return Err(format!("rh={value}")),
                        };
                    }
                    _ => return Err(format!("{key}= does not belong here")),
                }
            }
        }
    }
    let requests: Vec<_> = wanted
        .iter()
        .map(|(filter, options)| {
            let filter = TopicFilter::parse(filter).map_err(|error| error.to_string())?;
            Ok(SubscriptionRequest {
                filter,
                options: *options,
            })
        })
        .collect::<Result<_>>()?;
    let mut answer = vec![Token::Word("SUBACK".to_owned())];
    if packet_id != PacketIdentifier::MIN {
        answer.push(Token::pair("id", packet_id.as_u16()));
    }
    answer.extend(requests.iter().map(|request| {
        let qos = request.options.qos as u8;
        Token::Word(qos.to_string())
    }));
    let packet = Packet::Subscribe(Subscribe {
        packet_id,
        properties: SubscribeProperties {
            subscription_identifier: identifier,
            user_properties: user_properties.as_view(),
        },
        requests,
    });
    let mut bytes = Vec::new();
    packet
        .encode(version, &mut bytes)
        .map_err(|error| error.to_string())?;
    Ok((bytes, vec![answer]))
}

fn unsubscribe(
    words: &[String],
    fields: &mut Fields,
    version: ProtocolVersion,
    put: Put<'_>,
) -> Result<Vec<Vec<Token>>> {
    let packet_id = fields.packet_id()?.unwrap_or(PacketIdentifier::MIN);
    let user_properties = fields.user_properties("props")?;
    let filters: Vec<_> = words
        .iter()
        .map(|filter| TopicFilter::parse(filter).map_err(|error| error.to_string()))
        .collect::<Result<_>>()?;
    let mut answer = vec![Token::Word("UNSUBACK".to_owned())];
    if packet_id != PacketIdentifier::MIN {
        answer.push(Token::pair("id", packet_id.as_u16()));
    }
    if version.is_v5() {
        let success = || Token::Word("Success".to_owned());
        answer.extend(std::iter::repeat_with(success).take(filters.len()));
    }
    put(&Packet::Unsubscribe(Unsubscribe {
        packet_id,
        properties: UnsubscribeProperties {
            user_properties: user_properties.as_view(),
        },
        filters,
    }))?;
    Ok(vec![answer])
}

/// Raw bytes: `10` is a byte, `"text"` the bytes of a text, `'text'` a text behind its two bytes of
/// length, `[ … ]` bytes behind their length as a variable byte integer; `00*300` is a byte 300
/// times.
pub(super) fn raw(text: &str) -> Result<Vec<u8>> {
    let (bytes, rest) = raw_until_bracket(text)?;
    if rest.is_empty() {
        Ok(bytes)
    } else {
        Err(format!("not closed or opened: {rest}"))
    }
}

fn raw_until_bracket(text: &str) -> Result<(Vec<u8>, &str)> {
    let mut bytes = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        match first {
            ']' => return Ok((bytes, rest)),
            '[' => {
                let (inner, after) = raw_until_bracket(&rest[1..])?;
                put_length(&mut bytes, inner.len());
                bytes.extend(inner);
                rest = after.strip_prefix(']').ok_or("a [ is not closed")?;
            }
            '"' | '\'' => {
                let (inner, after) = rest[1..].split_once(first).ok_or("a quote is not closed")?;
                let inner = unescape(inner)?;
                if first == '\'' {
                    let length = u16::try_from(inner.len()).map_err(|_| "too long")?;
                    bytes.extend(length.to_be_bytes());
                }
                bytes.extend(inner);
                rest = after;
            }
            _ => {
                let end = rest.find([' ', ']']).unwrap_or(rest.len());
                let (word, after) = rest.split_at(end);
                let (hex, count) = word.split_once('*').unwrap_or((word, "1"));
                let count = count.parse::<usize>().map_err(|_| word.to_owned())?;
                if hex.len() % 2 != 0 {
                    return Err(format!("not pairs of hex digits: {word}"));
                }
                let mut unit = Vec::new();
                for at in (0..hex.len()).step_by(2) {
                    let digits = &hex[at..at + 2];
                    unit.push(u8::from_str_radix(digits, 16).map_err(|_| word.to_owned())?);
                }
                bytes.extend(unit.repeat(count));
                rest = after;
            }
        }
        rest = rest.trim_start();
    }
    Ok((bytes, rest))
}

fn put_length(bytes: &mut Vec<u8>, length: usize) {
    let mut rest = u32::try_from(length).unwrap();
    for _ in 0..variable_byte_integer_len(rest) {
        let more = if rest > 0x7f { 0x80 } else { 0 };
        bytes.push(u8::try_from(rest & 0x7f).unwrap() | more);
        rest >>= 7;
    }
}
