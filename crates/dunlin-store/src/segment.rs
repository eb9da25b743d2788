//! Segments: the files that the log consists of.
//!
//! A segment's name has its number and the key of the store, so that it can be read even if its header
//! cannot. The key is a random number that goes into each checksum: what looks like a frame inside
//! of a message, whoever published it, is none.

use std::fmt;

/// The version of everything in a segment, records included.
pub const FORMAT_VERSION: u16 = 1;

/// What a segment begins with. The first byte is no text and the last ones show a transfer as text.
const MAGIC: [u8; 8] = *b"\x8aDUNLOG\n";

/// How long a segment's header is.
pub(crate) const HEADER_BYTES: usize = 40;

/// The name of a segment's file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct SegmentName {
    /// The place of the segment among all.
    pub(crate) number: u64,
    /// The key of the store.
    pub(crate) key: u64,
}

impl SegmentName {
    /// What a file with this name is; `None` if it is no segment.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        let (number, key) = name.strip_suffix(".log")?.split_once('-')?;
        let parsed = Self {
            number: number.parse().ok()?,
            key: u64::from_str_radix(key, 16).ok()?,
        };
        // One segment has one name.
        (parsed.to_string() == name).then_some(parsed)
    }
}

impl fmt::Display for SegmentName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:010}-{:016x}.log", self.number, self.key)
    }
}

/// What a segment begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) version: u16,
    /// Whether the segment before it was written by the same process, and synced when this one was
    /// begun. Else whatever had been torn by a stop was known when this one was begun.
    pub(crate) is_continuation: bool,
    pub(crate) number: u64,
    /// The place of the first append in it.
    pub(crate) first_place: u64,
    pub(crate) key: u64,
}

impl Header {
    pub(crate) fn encode(&self) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        let fields = [
            MAGIC.as_slice(),
            &self.version.to_le_bytes(),
            &u16::from(self.is_continuation).to_le_bytes(),
            &self.number.to_le_bytes(),
            &self.first_place.to_le_bytes(),
            &self.key.to_le_bytes(),
        ]
        .concat();
        let checksum = crc32c::crc32c(&fields).to_le_bytes();
        for (byte, value) in bytes.iter_mut().zip(fields.iter().chain(&checksum)) {
            *byte = *value;
        }
        bytes
    }

    /// The header that `bytes` begins with; `None` if it is damaged.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let (fields, rest) = bytes.split_at_checked(HEADER_BYTES - 4)?;
        let checksum = u32::from_le_bytes(*rest.first_chunk()?);
        if crc32c::crc32c(fields) != checksum {
            return None;
        }
        let rest = fields.strip_prefix(&MAGIC)?;
        let (version, rest) = rest.split_first_chunk()?;
        let (flags, rest) = rest.split_first_chunk()?;
        let (number, rest) = rest.split_first_chunk()?;
        let (first_place, rest) = rest.split_first_chunk()?;
        Some(Self {
            version: u16::from_le_bytes(*version),
            is_continuation: u16::from_le_bytes(*flags) & 1 == 1,
            number: u64::from_le_bytes(*number),
            first_place: u64::from_le_bytes(*first_place),
            key: u64::from_le_bytes(*rest.first_chunk()?),
        })
    }
}
