//! The data representations of section 1.5: integers, strings, binary data, Variable Byte Integers.

use std::num::NonZeroU16;

use crate::error::{Malformed, ProtocolError};
use crate::{DecodeError, EncodeError, TopicFilter, TopicName};

/// The largest value of a Variable Byte Integer, and so of a Remaining Length (section 1.5.5).
pub const VARIABLE_BYTE_INTEGER_MAX: u32 = 268_435_455;

/// A Packet Identifier, which is never 0 [MQTT-2.2.1-3].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PacketIdentifier(NonZeroU16);

impl PacketIdentifier {
    /// The smallest.
    pub const MIN: Self = Self(NonZeroU16::MIN);

    /// The identifier of this number, or `None` for 0.
    pub const fn new(value: u16) -> Option<Self> {
        match NonZeroU16::new(value) {
            Some(value) => Some(Self(value)),
            None => None,
        }
    }

    /// The number.
    pub const fn as_u16(self) -> u16 {
        self.0.get()
    }

    /// The next one; 1 follows 65 535.
    pub const fn next(self) -> Self {
        match self.0.checked_add(1) {
            Some(next) => Self(next),
            None => Self::MIN,
        }
    }
}

impl std::fmt::Display for PacketIdentifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// Reads the fields of a packet, one after the other, from a buffer that holds it whole.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// A reader over these bytes.
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// What has not been read.
    pub const fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// True when all is read.
    pub const fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// The next `length` bytes.
    ///
    /// # Errors
    /// [`Malformed::Truncated`], as in all that follow.
    pub fn bytes(&mut self, length: usize) -> Result<&'a [u8], DecodeError> {
        match self.rest.split_at_checked(length) {
            Some((taken, rest)) => {
                self.rest = rest;
                Ok(taken)
            }
            None => Err(Malformed::Truncated.into()),
        }
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        match self.rest.split_first_chunk::<N>() {
            Some((taken, rest)) => {
                self.rest = rest;
                Ok(*taken)
            }
            None => Err(Malformed::Truncated.into()),
        }
    }

    /// One byte.
    ///
    /// # Errors
    /// If there is none.
    pub fn u8(&mut self) -> Result<u8, DecodeError> {
        self.array::<1>().map(|[byte]| byte)
    }

    /// A Two Byte Integer (section 1.5.2).
    ///
    /// # Errors
    /// If there are fewer bytes.
    pub fn u16(&mut self) -> Result<u16, DecodeError> {
        self.array().map(u16::from_be_bytes)
    }

    /// A Four Byte Integer (section 1.5.3).
    ///
    /// # Errors
    /// If there are fewer bytes.
    pub fn u32(&mut self) -> Result<u32, DecodeError> {
        self.array().map(u32::from_be_bytes)
    }

    /// A Packet Identifier.
    ///
    /// # Errors
    /// If it is 0 [MQTT-2.2.1-3] or cut off.
    pub fn packet_identifier(&mut self) -> Result<PacketIdentifier, DecodeError> {
        Ok(PacketIdentifier::new(self.u16()?).ok_or(ProtocolError::PacketIdentifierZero)?)
    }

    /// Binary Data (section 1.5.6).
    ///
    /// # Errors
    /// If it is cut off.
    pub fn binary(&mut self) -> Result<&'a [u8], DecodeError> {
        let length = self.u16()?;
        self.bytes(usize::from(length))
    }

    /// A UTF-8 Encoded String (section 1.5.4), without U+0000 [MQTT-1.5.4-2].
    ///
    /// # Errors
    /// If it is cut off or not well-formed [MQTT-1.5.4-1].
    pub fn string(&mut self) -> Result<&'a str, DecodeError> {
        let text = self.utf8()?;
        if text.as_bytes().contains(&0) {
            return Err(Malformed::Utf8.into());
        }
        Ok(text)
    }

    /// A string in which whoever parses it further looks for U+0000.
    pub(crate) fn utf8(&mut self) -> Result<&'a str, DecodeError> {
        Ok(std::str::from_utf8(self.binary()?).map_err(|_| Malformed::Utf8)?)
    }

    /// A Topic Name (section 4.7).
    pub(crate) fn topic_name(&mut self) -> Result<TopicName<'a>, DecodeError> {
        TopicName::from_bytes(self.binary()?)
    }

    /// A Topic Filter (section 4.7).
    pub(crate) fn topic_filter(&mut self) -> Result<TopicFilter<'a>, DecodeError> {
        Ok(TopicFilter::parse(self.utf8()?).map_err(Malformed::Topic)?)
    }

    /// A Variable Byte Integer of at most four bytes, and no more than it needs (section 1.5.5).
    ///
    /// # Errors
    /// If it is cut off or longer.
    pub fn variable_byte_integer(&mut self) -> Result<u32, DecodeError> {
        let mut value = 0;
        for shift in [0, 7, 14, 21] {
            let byte = self.u8()?;
            value |= u32::from(byte & 0x7f) << shift;
            if byte == 0 && shift > 0 {
                break;
            }
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(Malformed::VariableByteInteger.into())
    }
}

/// How many bytes a Variable Byte Integer takes.
pub const fn variable_byte_integer_len(value: u32) -> usize {
    match value {
        0..=127 => 1,
        128..=16_383 => 2,
        16_384..=2_097_151 => 3,
        _ => 4,
    }
}

/// A length as it is written: one that a Variable Byte Integer can say.
pub(crate) fn length_to_write(length: usize) -> Result<u32, EncodeError> {
    u32::try_from(length)
        .ok()
        .filter(|&length| length <= VARIABLE_BYTE_INTEGER_MAX)
        .ok_or(EncodeError::PacketTooLong(length))
}

/// Where the fields of a packet are written: a buffer, or a counter to learn their length first.
pub trait Sink {
    /// Writes bytes as they are.
    fn put(&mut self, bytes: &[u8]);

    /// Writes one byte.
    fn put_u8(&mut self, value: u8) {
        self.put(&[value]);
    }

    /// Writes a Two Byte Integer.
    fn put_u16(&mut self, value: u16) {
        self.put(&value.to_be_bytes());
    }

    /// Writes a Four Byte Integer.
    fn put_u32(&mut self, value: u32) {
        self.put(&value.to_be_bytes());
    }

    /// Writes a Variable Byte Integer; the value is at most [`VARIABLE_BYTE_INTEGER_MAX`].
    fn put_variable_byte_integer(&mut self, mut value: u32) {
        debug_assert!(value <= VARIABLE_BYTE_INTEGER_MAX);
        loop {
            let low = value.to_le_bytes()[0] & 0x7f;
            value >>= 7;
            if value == 0 {
                return self.put_u8(low);
            }
            self.put_u8(low | 0x80);
        }
    }

    /// Writes Binary Data or a string with its length.
    ///
    /// # Errors
    /// [`EncodeError::FieldTooLong`] past 65 535 bytes.
    fn put_binary(&mut self, bytes: &[u8]) -> Result<(), EncodeError> {
        let length =
            u16::try_from(bytes.len()).map_err(|_| EncodeError::FieldTooLong(bytes.len()))?;
        self.put_u16(length);
        self.put(bytes);
        Ok(())
    }
}

impl Sink for Vec<u8> {
    #[inline]
    fn put(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }

    #[inline]
    fn put_u8(&mut self, value: u8) {
        self.push(value);
    }
}

/// Counts bytes instead of keeping them.
#[derive(Debug, Default)]
pub(crate) struct Counter(pub(crate) usize);

impl Sink for Counter {
    fn put(&mut self, bytes: &[u8]) {
        self.0 += bytes.len();
    }
}
