//! What was found when a store was read.

use std::fmt;

/// How many single damages a report names; the rest is only counted.
const NAMED_DAMAGES_MAX: usize = 100;

/// What was found when a store was read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Segments that hold something.
    pub segments: u64,
    /// Bytes in them that are used.
    pub bytes: u64,
    /// Appends that were read.
    pub appends: u64,
    /// Records in them.
    pub records: u64,
    /// Appends that are known to be missing.
    pub lost_appends: u64,
    /// How many times bytes were set aside because they are damaged.
    pub damages: u64,
    /// How many bytes were.
    pub damaged_bytes: u64,
    /// The first damages.
    pub named: Vec<Damage>,
    /// Bytes behind the last sync that a stop left half written, which is what a power cut does:
    /// nothing that was promised was in them, unless a disk lost what it had confirmed.
    pub torn: Option<Damage>,
    /// Whether the store was closed, and not only stopped.
    pub is_closed: bool,
}

impl Report {
    /// Whether anything was set aside that should have been there.
    pub fn is_damaged(&self) -> bool {
        self.damages > 0 || self.lost_appends > 0
    }

    pub(crate) fn add(&mut self, damage: Damage) {
        self.damages += 1;
        self.damaged_bytes += damage.bytes;
        if self.named.len() < NAMED_DAMAGES_MAX {
            self.named.push(damage);
        }
    }
}

/// Bytes that were set aside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Damage {
    /// The number of the segment.
    pub segment: u64,
    /// Where in the segment, in bytes.
    pub offset: u64,
    /// How many.
    pub bytes: u64,
    /// What is wrong with them.
    pub kind: DamageKind,
}

/// Offset and length.
pub(crate) type Range = (u64, u64);

impl Damage {
    pub(crate) const fn new(segment: u64, (offset, bytes): Range, kind: DamageKind) -> Self {
        Self {
            segment,
            offset,
            bytes,
            kind,
        }
    }

    pub(crate) fn is_header(&self) -> bool {
        self.kind == DamageKind::Header
    }
}

/// What is wrong with bytes that were set aside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DamageKind {
    /// The header of a segment is damaged. Its name says what is needed, so nothing else is lost.
    Header,
    /// A checksum is wrong.
    Checksum,
    /// The checksum is right, and yet there is something that this version cannot read.
    Record(crate::record::RecordError),
    /// The disk does not give them back.
    Unreadable,
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            segment,
            offset,
            bytes,
            kind,
        } = self;
        write!(f, "segment {segment}, offset {offset}, {bytes} bytes: ")?;
        match kind {
            DamageKind::Header => f.write_str("the segment's header is damaged"),
            DamageKind::Checksum => f.write_str("the checksum is wrong"),
            DamageKind::Record(error) => write!(f, "cannot be understood: {error}"),
            DamageKind::Unreadable => f.write_str("the disk does not give them back"),
        }
    }
}
