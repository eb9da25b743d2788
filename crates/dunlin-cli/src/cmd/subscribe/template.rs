//! `--template`: what is printed of each message, in the letters of `mosquitto_sub -F`.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use dunlin_client::codec::Publish;
use serde_json::{Map, Value};

use super::print::properties;
use crate::clock::Instant;

/// A template, parsed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Template(Vec<Piece>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(Vec<u8>),
    Letter {
        letter: u8,
        pad: Pad,
    },
    /// A letter after `@`, for a part of the time.
    Time(u8),
}

/// How wide a value is, and on which side it is filled up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Pad {
    is_left: bool,
    has_zeros: bool,
    width: usize,
    /// Characters at most.
    precision: Option<usize>,
}

/// Wider than any screen.
const WIDTH_MAX: usize = 1000;

const LETTERS: &[u8] = b"ACDEFIJPRSTUXjlmpqrtx";
const TIME_LETTERS: &[u8] = b"FHMNSTYdmsz";

/// What the letters are, for `--help`.
pub(crate) const LETTERS_HELP: &str = "\
Letters of --template, as mosquitto_sub -F has them:
  %t topic  %p payload  %l its bytes  %x %X it in hex  %q QoS  %r retain  %m packet identifier
  %j %J a JSON object (payload as text, as JSON)  %I time (ISO 8601)  %U time (seconds)
  %A topic alias  %C content type  %D correlation data  %E expiry  %F format indicator
  %P user properties  %R response topic  %S subscription identifiers
  %@Y %@m %@d %@H %@M %@S %@N %@s %@F %@T %@z parts of the time (UTC), %% a percent sign
  %10t %-10t %.5t wide, and short; \\n \\t \\0 \\\\ as usual";

impl Template {
    /// Reads a template; `--template` as a flag's value.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let mut pieces = Vec::new();
        let mut literal = Vec::new();
        let mut bytes = text.bytes().peekable();
        while let Some(byte) = bytes.next() {
            match byte {
                b'\\' => literal.push(match bytes.next() {
                    Some(b'n') => b'\n',
                    Some(b'r') => b'\r',
                    Some(b't') => b'\t',
                    Some(b'a') => 7,
                    Some(b'e') => 27,
                    Some(b'v') => 11,
                    Some(b'0') => 0,
                    Some(b'\\') => b'\\',
                    other => return Err(unknown('\\', other)),
                }),
                b'%' if bytes.peek() == Some(&b'%') => {
                    bytes.next();
                    literal.push(b'%');
                }
                b'%' => {
                    if !literal.is_empty() {
                        pieces.push(Piece::Text(std::mem::take(&mut literal)));
                    }
                    if bytes.peek() == Some(&b'@') {
                        bytes.next();
                        let letter = bytes.next().filter(|letter| TIME_LETTERS.contains(letter));
                        pieces.push(Piece::Time(letter.ok_or_else(|| {
                            "after %@ one of Y m d H M S N s F T z is expected".to_owned()
                        })?));
                        continue;
                    }
                    let pad = Pad::parse(&mut bytes)?;
                    let letter = bytes.next();
                    match letter.filter(|letter| LETTERS.contains(letter)) {
                        Some(letter) => pieces.push(Piece::Letter { letter, pad }),
                        None => return Err(unknown('%', letter)),
                    }
                }
                byte => literal.push(byte),
            }
        }
        if !literal.is_empty() {
            pieces.push(Piece::Text(literal));
        }
        Ok(Self(pieces))
    }

    /// Appends what is to be printed of a message, without a line's end. `text` is the payload as it
    /// is shown.
    pub(super) fn print(&self, publish: &Publish<'_>, text: &[u8], at: Instant, out: &mut Vec<u8>) {
        for piece in &self.0 {
            match piece {
                Piece::Text(text) => out.extend_from_slice(text),
                Piece::Letter { letter: b'p', pad } if *pad == Pad::default() => {
                    out.extend_from_slice(text)
                }
                Piece::Letter { letter: b't', pad } if *pad == Pad::default() => {
                    out.extend_from_slice(publish.topic.as_str().as_bytes());
                }
                Piece::Letter { letter, pad } => pad.apply(&value(*letter, publish, text, at), out),
                Piece::Time(letter) => out.extend_from_slice(at.part(*letter).as_bytes()),
            }
        }
    }
}

fn unknown(sign: char, letter: Option<u8>) -> String {
    match letter {
        Some(letter) => format!("{sign}{} means nothing here", char::from(letter)),
        None => format!("nothing follows the last {sign}"),
    }
}

impl Pad {
    fn parse(bytes: &mut std::iter::Peekable<std::str::Bytes<'_>>) -> Result<Self, String> {
        let mut pad = Self::default();
        loop {
            match bytes.peek() {
                Some(b'-') => pad.is_left = true,
                Some(b'0') => pad.has_zeros = true,
                _ => break,
            }
            bytes.next();
        }
        let mut number = || -> Result<Option<usize>, String> {
            let mut value = None;
            while let Some(digit) = bytes.peek().filter(|byte| byte.is_ascii_digit()) {
                let digit = usize::from(digit - b'0');
                bytes.next();
                let next = value.unwrap_or(0) * 10 + digit;
                if next > WIDTH_MAX {
                    return Err(format!("a width is {WIDTH_MAX} at most"));
                }
                value = Some(next);
            }
            Ok(value)
        };
        pad.width = number()?.unwrap_or(0);
        if bytes.peek() == Some(&b'.') {
            bytes.next();
            let mut digits = 0;
            while let Some(digit) = bytes.peek().filter(|byte| byte.is_ascii_digit()) {
                digits = (digits * 10 + usize::from(digit - b'0')).min(WIDTH_MAX);
                bytes.next();
            }
            pad.precision = Some(digits);
        }
        Ok(pad)
    }

    fn apply(self, value: &[u8], out: &mut Vec<u8>) {
        let text = String::from_utf8_lossy(value);
        let mut text = text.as_ref();
        if let Some(precision) = self.precision
            && let Some((end, _)) = text.char_indices().nth(precision)
        {
            text = text.get(..end).unwrap_or(text);
        }
        let missing = self.width.saturating_sub(text.chars().count());
        let fill = |byte: u8, out: &mut Vec<u8>| out.extend(std::iter::repeat_n(byte, missing));
        match (self.is_left, self.has_zeros) {
            (true, _) => {
                push(value, text, out);
                fill(b' ', out);
            }
            (false, has_zeros) => {
                fill(if has_zeros { b'0' } else { b' ' }, out);
                push(value, text, out);
            }
        }
    }
}

/// Bytes that are no UTF-8 stay as they are, unless they were cut.
fn push(value: &[u8], text: &str, out: &mut Vec<u8>) {
    match std::str::from_utf8(value) {
        Err(_) if !text.is_empty() => out.extend_from_slice(value),
        _ => out.extend_from_slice(text.as_bytes()),
    }
}

fn value(letter: u8, publish: &Publish<'_>, text: &[u8], at: Instant) -> Vec<u8> {
    let properties = &publish.properties;
    let number = |number: Option<u32>| number.map(|number| number.to_string());
    let owned = |text: Option<&str>| text.map(str::to_owned);
    let value = match letter {
        b'p' => return text.to_vec(),
        b'D' => return properties.correlation_data.unwrap_or_default().to_vec(),
        b't' => owned(Some(publish.topic.as_str())),
        b'l' => Some(publish.payload.len().to_string()),
        b'x' => Some(hex(publish.payload, false)),
        b'X' => Some(hex(publish.payload, true)),
        b'q' => Some((publish.qos as u8).to_string()),
        b'r' => Some(u8::from(publish.retain).to_string()),
        b'm' => number(Some(publish.packet_id.map_or(0, |id| id.as_u16().into()))),
        b'A' => number(properties.topic_alias.map(u32::from)),
        b'C' => owned(properties.content_type),
        b'E' => number(properties.message_expiry_interval),
        b'F' => number(properties.payload_format_indicator.map(u32::from)),
        b'R' => owned(properties.response_topic.map(|topic| topic.as_str())),
        b'S' => {
            let identifiers = properties.subscription_identifiers.iter();
            let texts: Vec<_> = identifiers.map(|id| id.to_string()).collect();
            Some(texts.join(" "))
        }
        b'P' => {
            let pairs = properties.user_properties.iter();
            let texts: Vec<_> = pairs
                .map(|(name, value)| format!("{name}:{value}"))
                .collect();
            Some(texts.join(" "))
        }
        b'I' => Some(at.to_the_second()),
        b'U' => Some(at.seconds()),
        b'j' => Some(object(publish, text, at, false).to_string()),
        b'J' => Some(object(publish, text, at, true).to_string()),
        _ => None,
    };
    value.unwrap_or_default().into_bytes()
}

/// The object of `%j` and `%J`.
fn object(publish: &Publish<'_>, text: &[u8], at: Instant, is_json: bool) -> Value {
    let mut object = Map::new();
    object.insert("tst".to_owned(), at.iso_8601().into());
    object.insert("topic".to_owned(), publish.topic.as_str().into());
    object.insert("qos".to_owned(), (publish.qos as u8).into());
    object.insert("retain".to_owned(), u8::from(publish.retain).into());
    object.insert("payloadlen".to_owned(), publish.payload.len().into());
    if let Some(packet_id) = publish.packet_id {
        object.insert("mid".to_owned(), packet_id.as_u16().into());
    }
    let given: Map<_, _> = properties(&publish.properties)
        .into_iter()
        .map(|(name, value)| match value {
            Value::Bool(is_set) => (kebab_case(&name), u8::from(is_set).into()),
            value => (kebab_case(&name), value),
        })
        .collect();
    if !given.is_empty() {
        object.insert("properties".to_owned(), given.into());
    }
    let parsed = is_json.then(|| serde_json::from_slice(text).ok()).flatten();
    let payload = parsed.unwrap_or_else(|| match std::str::from_utf8(text) {
        Ok(text) => text.into(),
        Err(_) => STANDARD.encode(text).into(),
    });
    object.insert("payload".to_owned(), payload);
    object.into()
}

/// `contentType` is `content-type`.
fn kebab_case(name: &str) -> String {
    let mut text = String::with_capacity(name.len() + 4);
    for letter in name.chars() {
        if letter.is_uppercase() {
            text.push('-');
        }
        text.extend(letter.to_lowercase());
    }
    text
}

fn hex(bytes: &[u8], is_upper: bool) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        // A String takes everything.
        let _ = if is_upper {
            write!(text, "{byte:02X}")
        } else {
            write!(text, "{byte:02x}")
        };
    }
    text
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use dunlin_client::codec::{
        PacketIdentifier, Publish, PublishProperties, QoS, SubscriptionIdentifiers, TopicName,
        UserPropertiesBuf,
    };

    use super::Template;
    use crate::clock::Instant;

    fn printed(template: &str, payload: &[u8]) -> String {
        let mut user = UserPropertiesBuf::new();
        user.push("a", "1").unwrap();
        user.push("b", "2").unwrap();
        let identifiers = [NonZeroU32::MIN, NonZeroU32::MAX];
        let publish = Publish {
            qos: QoS::AtLeastOnce,
            retain: true,
            topic: TopicName::parse("a/b").unwrap(),
            packet_id: PacketIdentifier::new(7),
            payload,
            properties: PublishProperties {
                content_type: Some("text"),
                message_expiry_interval: Some(60),
                correlation_data: Some(b"cd"),
                response_topic: TopicName::parse("r").ok(),
                user_properties: user.as_view(),
                subscription_identifiers: SubscriptionIdentifiers::List(&identifiers[..1]),
                ..PublishProperties::default()
            },
            ..Publish::default()
        };
        let at = Instant::at(1_700_000_000, 123_456_789);
        let mut out = Vec::new();
        Template::parse(template)
            .unwrap()
            .print(&publish, payload, at, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn each_letter_is_what_mosquitto_has_for_it() {
        for (template, expected) in [
            ("%t %p", "a/b hi"),
            ("%%%q%r%l%m", "%1127"),
            ("%x %X", "6869 6869"),
            ("%C %D %E %R %S", "text cd 60 r 1"),
            ("%P", "a:1 b:2"),
            ("[%A%F]", "[]"),
            ("%5t|%-5t|%05l|%.1t", "  a/b|a/b  |00002|a"),
            ("%I %U", "2023-11-14T22:13:20+0000 1700000000.123456789"),
            (
                "%@Y-%@m-%@d %@H:%@M:%@S.%@N %@s",
                "2023-11-14 22:13:20.123456789 1700000000",
            ),
            ("%@F %@T %@z", "2023-11-14 22:13:20 +0000"),
            ("a\\tb\\n\\\\", "a\tb\n\\"),
        ] {
            assert_eq!(printed(template, b"hi"), expected, "{template}");
        }
        let object: serde_json::Value = serde_json::from_str(&printed("%J", b"{\"n\":1}")).unwrap();
        assert_eq!(object["payload"]["n"], 1);
        assert_eq!((&object["retain"], &object["mid"]), (&1.into(), &7.into()));
        let object: serde_json::Value = serde_json::from_str(&printed("%j", b"{\"n\":1}")).unwrap();
        assert_eq!(object["payload"], "{\"n\":1}");
    }

    #[test]
    fn mistakes_are_told() {
        for (template, told) in [
            ("%y", "%y means nothing here"),
            ("%", "nothing follows the last %"),
            ("\\q", "\\q means nothing here"),
            ("%@q", "after %@ one of"),
            ("%9999t", "a width is 1000 at most"),
        ] {
            let error = Template::parse(template).unwrap_err();
            assert!(error.starts_with(told), "{template}: {error}");
        }
    }
}
