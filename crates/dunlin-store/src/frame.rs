//! Frames: what one append leaves in a segment, whole or not at all.

/// In the length of a body: that everything before the frame was synced when it was written.
const AFTER_SYNC: u32 = 1 << 31;

/// How long a frame's header is.
pub(crate) const HEADER_BYTES: usize = 20;

/// How far ahead of the frame before it a frame may be: enough for whole segments that are missing,
/// and too little for bytes by chance.
const PLACES_AHEAD_MAX: u64 = 1 << 40;

/// The header of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FrameHeader {
    /// Bytes of the body. A frame without any says that the log was closed behind this place.
    pub(crate) length: u32,
    /// Whether everything before it was synced when it was written: what is missing there was lost,
    /// and not only torn by a stop.
    pub(crate) is_after_sync: bool,
    /// Of the body.
    pub(crate) checksum: u32,
    /// The number of the append.
    pub(crate) place: u64,
}

impl FrameHeader {
    pub(crate) fn encode(&self, key: u64) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        let fields = self.fields();
        let check = check(key, &fields).to_le_bytes();
        for (byte, value) in bytes.iter_mut().zip(fields.iter().chain(&check)) {
            *byte = *value;
        }
        bytes
    }

    fn fields(&self) -> [u8; HEADER_BYTES - 4] {
        let flag = if self.is_after_sync { AFTER_SYNC } else { 0 };
        let low = u64::from(self.length | flag) | u64::from(self.checksum) << 32;
        (u128::from(low) | u128::from(self.place) << 64).to_le_bytes()
    }

    /// What the fields of a header say.
    fn parse(fields: &[u8; HEADER_BYTES - 4]) -> Option<Self> {
        let (length, others) = fields.split_first_chunk()?;
        let (checksum, place) = others.split_first_chunk()?;
        let length = u32::from_le_bytes(*length);
        Some(Self {
            length: length & !AFTER_SYNC,
            is_after_sync: length & AFTER_SYNC != 0,
            checksum: u32::from_le_bytes(*checksum),
            place: u64::from_le_bytes(*place.first_chunk()?),
        })
    }

    /// The header that `bytes` begins with, if there is one of a frame that can come after `last_place`.
    fn decode(key: u64, last_place: u64, bytes: &[u8]) -> Option<Self> {
        let (fields, rest) = bytes.split_first_chunk::<{ HEADER_BYTES - 4 }>()?;
        let header = Self::parse(fields)?;
        // First what is cheap, and true of most bytes that are no header.
        let ahead = header.place.checked_sub(last_place)?;
        let is_behind = if header.length == 0 {
            header.place == 0
        } else {
            ahead == 0
        };
        if is_behind || ahead > PLACES_AHEAD_MAX || header.frame_bytes() > bytes.len() {
            return None;
        }
        let stated = u32::from_le_bytes(*rest.first_chunk()?);
        (check(key, fields) == stated).then_some(header)
    }

    /// Bytes of the whole frame.
    fn frame_bytes(&self) -> usize {
        usize::try_from(self.length)
            .map_or(usize::MAX, |length| length.saturating_add(HEADER_BYTES))
    }
}

/// The length of a body; `None` if it is too long for a frame.
pub(crate) fn body_length(body: &[u8]) -> Option<u32> {
    let length = u32::try_from(body.len()).ok()?;
    (length < AFTER_SYNC).then_some(length)
}

fn check(key: u64, fields: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&key.to_le_bytes()), fields)
}

/// What a scan finds in a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Item<'a> {
    /// A frame that is whole.
    Frame {
        offset: usize,
        place: u64,
        /// [`FrameHeader::is_after_sync`].
        is_after_sync: bool,
        body: &'a [u8],
    },
    /// The log was closed here.
    Closed,
    /// Bytes that are no frame, or one that is damaged.
    Damaged { offset: usize, length: usize },
}

/// Reads the frames of a segment, and passes over what is damaged.
#[derive(Debug)]
pub(crate) struct Scan<'a> {
    bytes: &'a [u8],
    key: u64,
    offset: usize,
    /// Behind it there is nothing but zeros.
    end: usize,
    last_place: u64,
}

impl<'a> Scan<'a> {
    /// The frames in `bytes` from `offset` on, which come after `last_place`.
    pub(crate) fn new(bytes: &'a [u8], offset: usize, key: u64, last_place: u64) -> Self {
        let end = bytes.iter().rposition(|&byte| byte != 0);
        Self {
            bytes,
            key,
            offset,
            end: end.map_or(0, |last| last + 1),
            last_place,
        }
    }

    /// How many bytes of the segment are used, once the scan is through.
    pub(crate) fn used(&self) -> usize {
        self.offset.max(self.end)
    }

    fn header(&self, offset: usize) -> Option<FrameHeader> {
        FrameHeader::decode(self.key, self.last_place, self.bytes.get(offset..)?)
    }
}

impl<'a> Iterator for Scan<'a> {
    type Item = Item<'a>;

    fn next(&mut self) -> Option<Item<'a>> {
        if self.offset >= self.end {
            return None;
        }
        let offset = self.offset;
        let Some(header) = self.header(offset) else {
            // A frame never begins with the zeros that a page may have become, so they need no look.
            let next = (offset + 1..self.end).find(|&at| self.header(at).is_some());
            self.offset = next.unwrap_or(self.end);
            let length = self.offset - offset;
            return Some(Item::Damaged { offset, length });
        };
        self.offset = offset + header.frame_bytes();
        let body = self.bytes.get(offset + HEADER_BYTES..self.offset)?;
        self.last_place = header.place;
        Some(if crc32c::crc32c(body) != header.checksum {
            let length = header.frame_bytes();
            Item::Damaged { offset, length }
        } else if body.is_empty() {
            Item::Closed
        } else {
            let place = header.place;
            Item::Frame {
                offset,
                place,
                is_after_sync: header.is_after_sync,
                body,
            }
        })
    }
}

/// How many bytes of `frames`, which are whole and our own, fit into `room`.
pub(crate) fn fitting(frames: &[u8], room: u64) -> usize {
    let mut offset = 0;
    while let Some(length) = frames.get(offset..).and_then(first_frame_bytes) {
        let end = offset + length;
        if end as u64 > room {
            break;
        }
        offset = end;
    }
    offset
}

/// The bytes of the frame that our own `frames` begin with.
pub(crate) fn first_frame_bytes(frames: &[u8]) -> Option<usize> {
    Some(FrameHeader::parse(frames.first_chunk()?)?.frame_bytes())
}

/// Says in the first of our own `frames` that everything before it is synced.
pub(crate) fn mark_after_sync(frames: &mut [u8], key: u64) {
    let Some(bytes) = frames.first_chunk_mut::<HEADER_BYTES>() else {
        return;
    };
    let header = bytes.first_chunk().and_then(FrameHeader::parse);
    if let Some(header) = header {
        let is_after_sync = true;
        *bytes = FrameHeader {
            is_after_sync,
            ..header
        }
        .encode(key);
    }
}

/// How many frames there are in our own `frames`.
pub(crate) fn count(frames: &[u8]) -> u64 {
    let (mut offset, mut count) = (0, 0);
    while let Some(length) = frames.get(offset..).and_then(first_frame_bytes) {
        offset += length;
        count += 1;
    }
    count
}
