//! Payloads as text, and text as payloads.

use std::borrow::Cow;
use std::fmt::Write as _;

use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use base64::{Engine as _, alphabet};
use clap::ValueEnum;
use serde_json::{Map, Number, Value};

/// RFC 4648, section 4; the padding may be left out.
const STANDARD: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// How a payload is written as text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// Base64
    Base64,
    /// JSON
    Json,
    /// Hexadecimal digits
    Hex,
    /// Bytes as they are
    Binary,
    /// CBOR, as JSON
    Cbor,
    /// MessagePack, as JSON
    Msgpack,
}

impl Format {
    /// Whether what it decodes to is JSON.
    pub(crate) const fn is_json(self) -> bool {
        matches!(self, Self::Json | Self::Cbor | Self::Msgpack)
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Base64 => "base64",
            Self::Json => "JSON",
            Self::Hex => "hexadecimal",
            Self::Binary => "binary",
            Self::Cbor => "CBOR",
            Self::Msgpack => "MessagePack",
        }
    }

    /// The payload that a text stands for.
    pub(crate) fn encode(self, text: Vec<u8>) -> Result<Vec<u8>, String> {
        let json = |text: &[u8]| {
            serde_json::from_slice::<Value>(text).map_err(|error| format!("not JSON: {error}"))
        };
        match self {
            Self::Base64 => {
                let digits: Vec<u8> = text
                    .into_iter()
                    .filter(|byte| !byte.is_ascii_whitespace())
                    .collect();
                STANDARD.decode(digits).map_err(|_| "not base64".to_owned())
            }
            Self::Hex => from_hex(&text).ok_or_else(|| "not hexadecimal".to_owned()),
            Self::Json => Ok(json(&text)?.to_string().into_bytes()),
            Self::Cbor => {
                let mut bytes = Vec::new();
                ciborium::into_writer(&json(&text)?, &mut bytes)
                    .map_err(|error| error.to_string())?;
                Ok(bytes)
            }
            Self::Msgpack => {
                let mut bytes = Vec::new();
                rmpv::encode::write_value(&mut bytes, &to_msgpack(json(&text)?))
                    .map_err(|error| error.to_string())?;
                Ok(bytes)
            }
            Self::Binary => Ok(text),
        }
    }

    /// The text for a payload; `None` if it is none of this format.
    pub(crate) fn decode(self, payload: &[u8]) -> Option<Cow<'_, [u8]>> {
        let pretty = |value: &Value| Cow::Owned(format!("{value:#}").into_bytes());
        match self {
            Self::Base64 => Some(Cow::Owned(STANDARD.encode(payload).into_bytes())),
            Self::Hex => Some(Cow::Owned(to_hex(payload).into_bytes())),
            Self::Json => Some(pretty(&serde_json::from_slice(payload).ok()?)),
            Self::Cbor => {
                let mut rest = payload;
                let value: ciborium::Value = ciborium::from_reader(&mut rest).ok()?;
                rest.is_empty().then(|| pretty(&from_cbor(value)))
            }
            Self::Msgpack => {
                let mut rest = payload;
                let value = rmpv::decode::read_value(&mut rest).ok()?;
                rest.is_empty().then(|| pretty(&from_msgpack(value)))
            }
            Self::Binary => Some(Cow::Borrowed(payload)),
        }
    }
}

/// JSON for a CBOR value: bytes are base64, tags are left out, keys are text.
fn from_cbor(value: ciborium::Value) -> Value {
    use ciborium::Value as Cbor;
    match value {
        Cbor::Integer(number) => {
            let number = i128::from(number);
            Number::from_i128(number).map_or_else(|| number.to_string().into(), Value::Number)
        }
        Cbor::Bytes(bytes) => STANDARD.encode(bytes).into(),
        Cbor::Float(number) => float(number),
        Cbor::Text(text) => text.into(),
        Cbor::Bool(is_true) => is_true.into(),
        Cbor::Tag(_, value) => from_cbor(*value),
        Cbor::Array(values) => values.into_iter().map(from_cbor).collect(),
        Cbor::Map(pairs) => object(
            pairs
                .into_iter()
                .map(|(key, value)| (from_cbor(key), from_cbor(value))),
        ),
        _ => Value::Null,
    }
}

/// JSON for a MessagePack value: bytes and extensions are base64, keys are text.
fn from_msgpack(value: rmpv::Value) -> Value {
    use rmpv::Value as Msgpack;
    match value {
        Msgpack::Nil => Value::Null,
        Msgpack::Boolean(is_true) => is_true.into(),
        Msgpack::Integer(number) => match (number.as_u64(), number.as_i64()) {
            (Some(number), _) => number.into(),
            (None, number) => number.into(),
        },
        Msgpack::F32(number) => float(number.into()),
        Msgpack::F64(number) => float(number),
        Msgpack::String(text) => String::from_utf8_lossy(text.as_bytes()).into(),
        Msgpack::Binary(bytes) | Msgpack::Ext(_, bytes) => STANDARD.encode(bytes).into(),
        Msgpack::Array(values) => values.into_iter().map(from_msgpack).collect(),
        Msgpack::Map(pairs) => object(
            pairs
                .into_iter()
                .map(|(key, value)| (from_msgpack(key), from_msgpack(value))),
        ),
    }
}

fn to_msgpack(value: Value) -> rmpv::Value {
    match value {
        Value::Null => rmpv::Value::Nil,
        Value::Bool(is_true) => is_true.into(),
        Value::Number(number) => match (number.as_u64(), number.as_i64(), number.as_f64()) {
            (Some(number), _, _) => number.into(),
            (None, Some(number), _) => number.into(),
            (None, None, number) => number.unwrap_or_default().into(),
        },
        Value::String(text) => text.into(),
        Value::Array(values) => rmpv::Value::Array(values.into_iter().map(to_msgpack).collect()),
        Value::Object(pairs) => rmpv::Value::Map(
            pairs
                .into_iter()
                .map(|(key, value)| (key.into(), to_msgpack(value)))
                .collect(),
        ),
    }
}

/// JSON has no word for what is no number.
fn float(number: f64) -> Value {
    Number::from_f64(number).map_or_else(|| number.to_string().into(), Value::Number)
}

fn object(pairs: impl Iterator<Item = (Value, Value)>) -> Value {
    let pairs = pairs.map(|(key, value)| match key {
        Value::String(key) => (key, value),
        key => (key.to_string(), value),
    });
    Value::Object(pairs.collect::<Map<_, _>>())
}

/// Groups of four digits.
fn to_hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 5 / 2);
    for (index, byte) in bytes.iter().enumerate() {
        if index > 0 && index % 2 == 0 {
            text.push(' ');
        }
        // A String takes everything.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

fn from_hex(text: &[u8]) -> Option<Vec<u8>> {
    let mut digits = text
        .iter()
        .filter(|byte| !byte.is_ascii_whitespace())
        .map(|&byte| {
            char::from(byte)
                .to_digit(16)
                .and_then(|digit| u8::try_from(digit).ok())
        });
    let mut bytes = Vec::with_capacity(text.len() / 2);
    while let Some(high) = digits.next() {
        let low = digits.next()?;
        bytes.push(high? << 4 | low?);
    }
    Some(bytes)
}

#[cfg(test)]
mod tests;
