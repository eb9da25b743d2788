//! Messages as text.

use std::borrow::Cow;
use std::io::Write as _;

use dunlin_client::Message;
use dunlin_client::codec::{Publish, PublishProperties, QoS, TopicFilter};
use serde::Serialize;
use serde_json::{Map, Value};

use super::file::Files;
use super::template::Template;
use crate::clock;
use crate::failure::Failure;
use crate::format::Format;
use crate::schema::Schema;
use crate::status;

/// What the output is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    /// A person.
    Text,
    /// A log: each entry begins with its time.
    Log,
    /// A program: JSON objects and nothing else.
    Clean,
}

/// How messages are printed.
#[derive(Debug)]
pub(super) struct Printer {
    pub(super) format: Option<Format>,
    pub(super) schema: Option<Schema>,
    /// With the whole packet.
    pub(super) is_verbose: bool,
    pub(super) style: Style,
    /// Instead of a style.
    pub(super) template: Option<Template>,
    /// Topics that are not printed.
    pub(super) filter_out: Vec<String>,
    pub(super) files: Files,
    pub(super) stamps: clock::Stamps,
}

impl Printer {
    /// Appends a message to `out`, or writes its payload to a file and appends only the rest. Gives
    /// whether it is one to print.
    pub(super) fn print(
        &mut self,
        message: &Message,
        publish: &Publish<'_>,
        out: &mut Vec<u8>,
    ) -> Result<bool, Failure> {
        let mut filters = self.filter_out.iter();
        if filters.any(|filter| {
            TopicFilter::parse(filter).is_ok_and(|filter| filter.matches(publish.topic))
        }) {
            return Ok(false);
        }
        let shown = self.shown(publish);
        let text = &shown.text;
        let path = self.files.write(text)?;
        if let Some(template) = &self.template {
            template.print(publish, text, clock::Instant::now(), out);
            out.push(b'\n');
            return Ok(true);
        }
        if self.style == Style::Clean {
            let object = Object {
                topic: publish.topic.as_str(),
                payload: shown.value(),
                packet: Packet::of(message, publish),
            };
            serde_json::to_writer_pretty(&mut *out, &object)?;
            out.push(b'\n');
            return Ok(true);
        }
        match self.style {
            Style::Log => line(out, format_args!("[{}] › message", self.stamps.now())),
            _ => line(out, format_args!("received_at: {}", self.stamps.now())),
        }
        if self.is_verbose {
            out.extend_from_slice(b"mqtt-packet: ");
            serde_json::to_writer(&mut *out, &Packet::of(message, publish))?;
            out.push(b'\n');
        }
        head(publish, out);
        match path {
            Some(path) => line(out, format_args!("written to {}", path.display())),
            None => {
                out.extend_from_slice(text);
                out.push(b'\n');
            }
        }
        out.push(b'\n');
        Ok(true)
    }

    /// What is shown of a payload.
    fn shown<'a>(&self, publish: &Publish<'a>) -> Shown<'a> {
        let (payload, topic) = (publish.payload, publish.topic);
        let as_it_is = |expected: &str| {
            status::warn(&format!(
                "a payload on {topic} is not {expected}, shown as it is"
            ));
            Shown {
                text: payload.into(),
                is_json: false,
            }
        };
        if let Some(schema) = &self.schema {
            return match schema.decode(payload) {
                Some(value) => Shown {
                    text: format!("{value:#}").into_bytes().into(),
                    is_json: true,
                },
                None => as_it_is(&schema.name()),
            };
        }
        match self.format {
            None => Shown {
                text: payload.into(),
                is_json: false,
            },
            Some(format) => match format.decode(payload) {
                Some(text) => Shown {
                    text,
                    is_json: format.is_json(),
                },
                None => as_it_is(format.name()),
            },
        }
    }
}

/// A payload as it is shown.
struct Shown<'a> {
    text: Cow<'a, [u8]>,
    is_json: bool,
}

impl Shown<'_> {
    /// JSON as it is, all else as text.
    fn value(&self) -> Payload<'_> {
        let json = self
            .is_json
            .then(|| serde_json::from_slice(&self.text).ok());
        match json.flatten() {
            Some(value) => Payload::Json(value),
            None => Payload::Text(String::from_utf8_lossy(&self.text)),
        }
    }
}

/// A message as a program reads it, with the names that MQTTX has.
#[derive(Serialize)]
struct Object<'a> {
    topic: &'a str,
    payload: Payload<'a>,
    packet: Packet<'a>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Payload<'a> {
    Text(Cow<'a, str>),
    Json(Value),
}

/// The PUBLISH without its payload.
#[derive(Serialize)]
struct Packet<'a> {
    cmd: &'static str,
    retain: bool,
    qos: u8,
    dup: bool,
    length: usize,
    topic: &'a str,
    #[serde(rename = "messageId", skip_serializing_if = "Option::is_none")]
    message_id: Option<u16>,
    #[serde(skip_serializing_if = "Map::is_empty")]
    properties: Map<String, Value>,
}

impl<'a> Packet<'a> {
    fn of(message: &Message, publish: &Publish<'a>) -> Self {
        let packet_id = publish.packet_id;
        Self {
            cmd: "publish",
            retain: publish.retain,
            qos: publish.qos as u8,
            dup: publish.dup,
            length: message.received().header().remaining_len,
            topic: publish.topic.as_str(),
            message_id: packet_id
                .filter(|_| publish.qos != QoS::AtMostOnce)
                .map(|id| id.as_u16()),
            properties: properties(&publish.properties),
        }
    }
}

/// The line of the topic.
fn head(publish: &Publish<'_>, out: &mut Vec<u8>) {
    let (topic, qos, size) = (publish.topic, publish.qos, publish.payload.len());
    let retain = if publish.retain { ", retain: true" } else { "" };
    let properties = publish.properties.user_properties;
    if properties.is_empty() {
        line(
            out,
            format_args!("topic: {topic}, qos: {qos}, size: {size}B{retain}"),
        );
    } else {
        let properties = user_properties(&publish.properties);
        line(
            out,
            format_args!(
                "topic: {topic}, qos: {qos}, size: {size}B{retain}, userProperties: {properties}"
            ),
        );
    }
}

/// The properties, by the names that MQTTX has for them.
pub(super) fn properties(properties: &PublishProperties<'_>) -> Map<String, Value> {
    let mut map = Map::new();
    let mut put = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            map.insert(name.to_owned(), value);
        }
    };
    let text = |bytes: &[u8]| Value::from(String::from_utf8_lossy(bytes));
    put(
        "payloadFormatIndicator",
        properties.payload_format_indicator.map(Value::from),
    );
    put(
        "messageExpiryInterval",
        properties.message_expiry_interval.map(Value::from),
    );
    put("topicAlias", properties.topic_alias.map(Value::from));
    put(
        "responseTopic",
        properties.response_topic.map(|topic| topic.as_str().into()),
    );
    put("correlationData", properties.correlation_data.map(text));
    if !properties.user_properties.is_empty() {
        put("userProperties", Some(user_properties(properties)));
    }
    let identifiers: Vec<u32> = properties
        .subscription_identifiers
        .iter()
        .map(|id| id.get())
        .collect();
    match identifiers.as_slice() {
        [] => {}
        [only] => put("subscriptionIdentifier", Some((*only).into())),
        several => put("subscriptionIdentifier", Some(several.into())),
    }
    put("contentType", properties.content_type.map(Value::from));
    map
}

/// An object; the value of a name that stands twice is a list.
fn user_properties(properties: &PublishProperties<'_>) -> Value {
    let mut pairs = Map::new();
    for (name, value) in properties.user_properties.iter() {
        match pairs.get_mut(name) {
            None => drop(pairs.insert(name.to_owned(), value.into())),
            Some(Value::Array(values)) => values.push(value.into()),
            Some(first) => *first = Value::Array(vec![first.take(), value.into()]),
        }
    }
    pairs.into()
}

fn line(out: &mut Vec<u8>, text: std::fmt::Arguments<'_>) {
    // A vector takes everything.
    let _ = writeln!(out, "{text}");
}

#[cfg(test)]
mod tests;
