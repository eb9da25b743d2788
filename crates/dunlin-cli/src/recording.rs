//! A recording of messages: lines of JSON, the first of which says what the file is.

use std::io::{BufRead, Write};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use dunlin_client::codec::{Publish, QoS, TopicName, UserPropertiesBuf};
use dunlin_client::{MessageProperties, PublishRequest};
use serde::{Deserialize, Serialize};

/// The version of the file's form.
const VERSION: u32 = 1;
/// A line is this long at most: a payload of the greatest length, in base64, with what is around it.
const LINE_BYTES_MAX: u64 = 400 << 20;

#[derive(Debug, Serialize, Deserialize)]
struct Head {
    dunlin_recording: u32,
    /// When it began.
    began: String,
}

/// A message, and when it came.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Entry {
    /// Microseconds since the recording began.
    pub(crate) at_us: u64,
    pub(crate) topic: String,
    #[serde(default, skip_serializing_if = "is_default")]
    qos: u8,
    #[serde(default, skip_serializing_if = "is_default")]
    retain: bool,
    /// The payload, if it is text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    payload: Option<String>,
    /// The payload, if it is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    payload_base64: Option<String>,
    #[serde(default, skip_serializing_if = "is_default")]
    properties: Properties,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Properties {
    #[serde(skip_serializing_if = "Option::is_none")]
    payload_format_indicator: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message_expiry_interval: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    content_type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response_topic: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    correlation_data_base64: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    user_properties: Vec<(String, String)>,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

impl Entry {
    /// The entry of a message.
    pub(crate) fn of(publish: &Publish<'_>, at_us: u64) -> Self {
        let text = std::str::from_utf8(publish.payload).ok();
        let given = &publish.properties;
        Self {
            at_us,
            topic: publish.topic.as_str().to_owned(),
            qos: publish.qos as u8,
            retain: publish.retain,
            payload: text.map(str::to_owned),
            payload_base64: text.is_none().then(|| STANDARD.encode(publish.payload)),
            properties: Properties {
                payload_format_indicator: given.payload_format_indicator,
                message_expiry_interval: given.message_expiry_interval,
                content_type: given.content_type.map(str::to_owned),
                response_topic: given.response_topic.map(|topic| topic.as_str().to_owned()),
                correlation_data_base64: given.correlation_data.map(|data| STANDARD.encode(data)),
                user_properties: given
                    .user_properties
                    .iter()
                    .map(|(name, value)| (name.to_owned(), value.to_owned()))
                    .collect(),
            },
        }
    }

    /// The message to publish again.
    pub(crate) fn request(&self) -> Result<PublishRequest, String> {
        let topic = |name: &str| {
            TopicName::parse(name)
                .map(drop)
                .map_err(|error| format!("{name:?}: {error}"))
        };
        topic(&self.topic)?;
        let bytes = |text: &str| {
            STANDARD
                .decode(text)
                .map_err(|error| format!("{text:?}: {error}"))
        };
        let payload = match (&self.payload, &self.payload_base64) {
            (Some(text), _) => text.clone().into_bytes(),
            (None, Some(text)) => bytes(text)?,
            (None, None) => Vec::new(),
        };
        let given = &self.properties;
        let mut user_properties = UserPropertiesBuf::new();
        for (name, value) in &given.user_properties {
            let pushed = user_properties.push(name, value);
            pushed.map_err(|error| error.to_string())?;
        }
        if let Some(name) = &given.response_topic {
            topic(name)?;
        }
        let data = given.correlation_data_base64.as_deref().map(bytes);
        let properties = MessageProperties {
            payload_format_indicator: given.payload_format_indicator,
            message_expiry_interval: given.message_expiry_interval,
            content_type: given.content_type.clone(),
            response_topic: given.response_topic.clone(),
            correlation_data: data.transpose()?.map(Into::into),
            user_properties,
        };
        let qos = QoS::from_u8(self.qos).ok_or_else(|| format!("qos {} is none", self.qos))?;
        Ok(PublishRequest::new(self.topic.as_str(), payload)
            .with_qos(qos)
            .with_retain(self.retain)
            .with_properties(properties))
    }
}

/// Writes the first line.
pub(crate) fn begin(out: &mut impl Write, began: String) -> std::io::Result<()> {
    let head = Head {
        dunlin_recording: VERSION,
        began,
    };
    serde_json::to_writer(&mut *out, &head)?;
    out.write_all(b"\n")
}

/// Writes a message's line.
pub(crate) fn write(out: &mut impl Write, entry: &Entry) -> std::io::Result<()> {
    serde_json::to_writer(&mut *out, entry)?;
    out.write_all(b"\n")
}

/// A recording that is read line by line.
pub(crate) struct Reader<R> {
    input: R,
    line: u64,
}

impl<R: BufRead> Reader<R> {
    /// Reads the first line.
    pub(crate) fn open(input: R) -> Result<Self, String> {
        let mut reader = Self { input, line: 0 };
        let text = reader.text()?.unwrap_or_default();
        let head = serde_json::from_str::<Head>(&text);
        match head {
            Ok(head) if head.dunlin_recording == VERSION => Ok(reader),
            Ok(head) => {
                let version = head.dunlin_recording;
                Err(format!(
                    "a recording of version {version}, which is not known"
                ))
            }
            Err(_) => Err("no recording: its first line says nothing of one".to_owned()),
        }
    }

    /// The next message, and the number of its line.
    pub(crate) fn next(&mut self) -> Result<Option<(Entry, u64)>, String> {
        let Some(text) = self.text()? else {
            return Ok(None);
        };
        match serde_json::from_str(&text) {
            Ok(entry) => Ok(Some((entry, self.line))),
            Err(error) => Err(format!("line {}: {error}", self.line)),
        }
    }

    fn text(&mut self) -> Result<Option<String>, String> {
        use std::io::Read as _;
        let mut text = String::new();
        self.line += 1;
        let mut input = self.input.by_ref().take(LINE_BYTES_MAX);
        match input.read_line(&mut text) {
            Ok(0) => Ok(None),
            Ok(_) => Ok(Some(text)),
            Err(error) => Err(format!("line {}: {error}", self.line)),
        }
    }
}

#[cfg(test)]
mod tests {
    use dunlin_client::codec::{Publish, PublishProperties, QoS, TopicName, UserPropertiesBuf};

    use super::{Entry, Reader, begin, write};

    #[test]
    fn what_is_written_is_read_again() {
        let mut user = UserPropertiesBuf::new();
        user.push("a", "1").unwrap();
        user.push("a", "2").unwrap();
        let text = Publish {
            qos: QoS::ExactlyOnce,
            retain: true,
            topic: TopicName::parse("a/b").unwrap(),
            payload: b"hello",
            properties: PublishProperties {
                content_type: Some("text"),
                response_topic: TopicName::parse("r").ok(),
                correlation_data: Some(b"\xff"),
                message_expiry_interval: Some(5),
                payload_format_indicator: Some(true),
                user_properties: user.as_view(),
                ..PublishProperties::default()
            },
            ..Publish::default()
        };
        let binary = Publish {
            topic: TopicName::parse("a/c").unwrap(),
            payload: b"\xff\x00",
            ..Publish::default()
        };
        let mut file = Vec::new();
        begin(&mut file, "now".to_owned()).unwrap();
        for (publish, at_us) in [(&text, 0), (&binary, 5)] {
            write(&mut file, &Entry::of(publish, at_us)).unwrap();
        }
        let mut reader = Reader::open(file.as_slice()).unwrap();
        for (publish, at_us) in [(&text, 0), (&binary, 5)] {
            let (entry, _) = reader.next().unwrap().unwrap();
            assert_eq!(
                (entry.at_us, entry.topic.as_str()),
                (at_us, publish.topic.as_str())
            );
            let request = entry.request().unwrap();
            assert_eq!(request.payload.as_ref(), publish.payload);
            assert_eq!((request.qos, request.retain), (publish.qos, publish.retain));
            assert_eq!(request.properties().unwrap(), publish.properties);
        }
        assert_eq!(reader.next(), Ok(None));
    }

    #[test]
    fn what_is_no_recording_is_told_with_its_line() {
        let open = |text: &'static str| Reader::open(text.as_bytes()).map(drop).unwrap_err();
        assert!(open("").starts_with("no recording"));
        assert!(open("{}\n").starts_with("no recording"));
        assert!(open("{\"dunlin_recording\":2,\"began\":\"\"}\n").contains("version 2"));
        let text = "{\"dunlin_recording\":1,\"began\":\"\"}\n{\"at_us\":0}\n";
        let mut reader = Reader::open(text.as_bytes()).unwrap();
        assert!(reader.next().unwrap_err().starts_with("line 2: "));
        let entry = |text: &str| serde_json::from_str::<Entry>(text).unwrap().request();
        assert!(entry("{\"at_us\":0,\"topic\":\"a/#\"}").is_err());
        assert!(entry("{\"at_us\":0,\"topic\":\"a\",\"qos\":3}").is_err());
        assert!(entry("{\"at_us\":0,\"topic\":\"a\",\"payload_base64\":\"?\"}").is_err());
    }
}
