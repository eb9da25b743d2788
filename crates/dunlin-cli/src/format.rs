//! Payloads as text, and text as payloads.

use std::borrow::Cow;
use std::fmt::Write as _;

use clap::ValueEnum;
use serde_json::Value;

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
    /// Known only to be refused.
    #[value(hide = true)]
    Cbor,
    /// Known only to be refused.
    #[value(hide = true)]
    Msgpack,
}

impl Format {
    /// Whether this version knows it.
    pub(crate) const fn is_served(self) -> bool {
        !matches!(self, Self::Cbor | Self::Msgpack)
    }

    /// The payload that a text stands for.
    pub(crate) fn encode(self, text: Vec<u8>) -> Result<Vec<u8>, String> {
        match self {
            Self::Base64 => from_base64(&text).ok_or_else(|| "not base64".to_owned()),
            Self::Hex => from_hex(&text).ok_or_else(|| "not hexadecimal".to_owned()),
            Self::Json => match serde_json::from_slice::<Value>(&text) {
                Ok(value) => Ok(value.to_string().into_bytes()),
                Err(error) => Err(format!("not JSON: {error}")),
            },
            Self::Binary | Self::Cbor | Self::Msgpack => Ok(text),
        }
    }

    /// The text for a payload; `Err` with the payload itself if it is none of this format.
    pub(crate) fn decode(self, payload: &[u8]) -> Result<Cow<'_, [u8]>, &[u8]> {
        match self {
            Self::Base64 => Ok(Cow::Owned(to_base64(payload).into_bytes())),
            Self::Hex => Ok(Cow::Owned(to_hex(payload).into_bytes())),
            Self::Json => {
                let value = serde_json::from_slice::<Value>(payload).map_err(|_| payload)?;
                Ok(Cow::Owned(format!("{value:#}").into_bytes()))
            }
            Self::Binary | Self::Cbor | Self::Msgpack => Ok(Cow::Borrowed(payload)),
        }
    }
}

const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// RFC 4648, section 4.
fn to_base64(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let byte = |index: usize| u32::from(chunk.get(index).copied().unwrap_or(0));
        let group = byte(0) << 16 | byte(1) << 8 | byte(2);
        for position in 0..4 {
            let index = usize::try_from((group >> (18 - 6 * position)) & 63).unwrap_or(0);
            let is_padding = position > u32::try_from(chunk.len()).unwrap_or(3);
            let letter = BASE64.get(index).copied().unwrap_or(b'=');
            text.push(char::from(if is_padding { b'=' } else { letter }));
        }
    }
    text
}

fn from_base64(text: &[u8]) -> Option<Vec<u8>> {
    let mut digits: Vec<u8> = text
        .iter()
        .copied()
        .filter(|byte| !byte.is_ascii_whitespace())
        .collect();
    if digits.len().is_multiple_of(4) {
        for _ in 0..2 {
            digits.pop_if(|last| *last == b'=');
        }
    }
    if digits.len() % 4 == 1 {
        return None;
    }
    let mut bytes = Vec::with_capacity(digits.len() / 4 * 3 + 2);
    let (mut group, mut bits) = (0_u32, 0);
    for digit in digits {
        let value = BASE64.iter().position(|&letter| letter == digit)?;
        group = group << 6 | u32::try_from(value).ok()?;
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            bytes.push((group >> bits).to_le_bytes()[0]);
        }
    }
    Some(bytes)
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
