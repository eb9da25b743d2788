//! Reading a store: every record in its order, and what is damaged is passed over.

use std::io;

use dunlin_core::storage::Record;

use crate::disk::{Disk, DiskFile};
use crate::frame::{self, Item, Scan};
use crate::read::Place;
use crate::record::{self, Decoded};
use crate::report::{Damage, DamageKind, Range, Report};
use crate::segment::{FORMAT_VERSION, HEADER_BYTES, Header, SegmentName};

/// What the disk does not give back is looked for in pieces of this size.
const BLOCK_BYTES: usize = 4096;

/// A store cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// There is none.
    #[error("there is no store in this directory")]
    NoStore,
    /// The operating system said so.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// A later version wrote it.
    #[error(
        "segment {segment} has format {version}, and this version reads up to {FORMAT_VERSION}: \
         start the version that wrote it, or a later one"
    )]
    Version {
        /// The number of the segment.
        segment: u64,
        /// The version of its format.
        version: u16,
    },
}

/// An append that was read.
#[derive(Debug)]
pub(crate) struct Append<'a> {
    /// The segment that it is in.
    pub(crate) name: SegmentName,
    pub(crate) place: Place,
    /// Of the frame.
    pub(crate) bytes: u64,
    /// How many times something before it was found damaged or missing.
    pub(crate) losses: u64,
    records: &'a [Decoded<'a>],
}

impl Append<'_> {
    /// Gives each record to `each`.
    pub(crate) fn records(&self, each: &mut dyn FnMut(Record<'_>)) {
        for record in self.records {
            record.give(each);
        }
    }
}

/// A segment that was read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ReadSegment {
    pub(crate) name: SegmentName,
    /// Bytes of it that are used; 0 if it holds nothing and never did.
    pub(crate) used: u64,
    /// Bytes of the file.
    pub(crate) length: u64,
}

/// What a whole store was.
#[derive(Debug, Default)]
pub(crate) struct Contents {
    pub(crate) report: Report,
    pub(crate) segments: Vec<ReadSegment>,
    /// The last append.
    pub(crate) last_place: u64,
}

/// A segment that can be read.
pub(crate) type Opened = (SegmentName, Box<dyn DiskFile>);

/// The segments of a store, oldest first, each opened when it is its turn.
pub(crate) fn segments(
    disk: &dyn Disk,
) -> io::Result<impl Iterator<Item = io::Result<Opened>> + use<'_>> {
    let names = disk.list()?;
    let mut names: Vec<_> = names
        .iter()
        .filter_map(|name| SegmentName::parse(name))
        .collect();
    names.sort_unstable();
    let opened = move |name: SegmentName| Ok((name, disk.open(&name.to_string())?));
    Ok(names.into_iter().map(opened))
}

/// Reads all that is in segments. `set_aside` is shown what is damaged, with the bytes.
///
/// # Errors
/// [`ReadError`] if the directory or a file cannot be opened, or is of a later version: never because
/// of what is in a file.
pub(crate) fn replay(
    segments: impl Iterator<Item = io::Result<Opened>>,
    each: &mut dyn FnMut(&Append<'_>),
    set_aside: &mut dyn FnMut(&Damage, &[u8]),
) -> Result<Contents, ReadError> {
    let mut replay = Replay {
        contents: Contents::default(),
        unsettled: Unsettled::default(),
        losses: 0,
        is_begun: false,
        each,
        set_aside,
    };
    for segment in segments {
        let (name, file) = segment?;
        replay.segment(name, &*file)?;
    }
    replay.contents.report.torn = replay.unsettled.torn();
    Ok(replay.contents)
}

/// What was found damaged or missing behind the last place that is known to have been synced. It is
/// what a stop tears, unless something says that it was synced after all.
#[derive(Debug, Default)]
struct Unsettled {
    damages: Vec<Damage>,
    lost_appends: u64,
}

impl Unsettled {
    fn torn(&self) -> Option<Damage> {
        let first = *self.damages.first()?;
        let bytes = self.damages.iter().map(|damage| damage.bytes).sum();
        Some(Damage { bytes, ..first })
    }
}

struct Replay<'a> {
    contents: Contents,
    unsettled: Unsettled,
    /// How many times something was found damaged or missing.
    losses: u64,
    /// Whether an append was read, or a header said which is the first.
    is_begun: bool,
    each: &'a mut dyn FnMut(&Append<'_>),
    set_aside: &'a mut dyn FnMut(&Damage, &[u8]),
}

impl Replay<'_> {
    fn segment(&mut self, name: SegmentName, file: &dyn DiskFile) -> Result<(), ReadError> {
        let (bytes, unreadable) = bytes(file)?;
        let number = name.number;
        let length = bytes.len() as u64;
        for &range in &unreadable {
            self.damage(number, range, DamageKind::Unreadable, &[]);
        }
        if unreadable.is_empty() && bytes.iter().all(|&byte| byte == 0) {
            // Made ahead of its use, or of no use at all.
            let used = 0;
            self.contents
                .segments
                .push(ReadSegment { name, used, length });
            return Ok(());
        }
        match Header::decode(&bytes) {
            Some(header) if header.version > FORMAT_VERSION => {
                let (segment, version) = (number, header.version);
                return Err(ReadError::Version { segment, version });
            }
            Some(header) => {
                if header.is_continuation {
                    self.settle();
                } else {
                    // A start knew of it, and went on.
                    self.unsettled = Unsettled::default();
                }
                self.continues_at(header.first_place);
                self.settle();
            }
            None => {
                let damaged = bytes.get(..HEADER_BYTES.min(bytes.len())).unwrap_or(&bytes);
                let range = (0, damaged.len() as u64);
                self.perhaps_torn(Damage::new(number, range, DamageKind::Header), damaged);
            }
        }
        let used = self.frames(name, &bytes) as u64;
        // What cannot be read today may be there tomorrow.
        let used = if unreadable.is_empty() { used } else { length };
        let report = &mut self.contents.report;
        report.segments += 1;
        report.bytes += used;
        self.contents
            .segments
            .push(ReadSegment { name, used, length });
        Ok(())
    }

    /// Reads the frames of a segment and says how much of it is used.
    fn frames(&mut self, name: SegmentName, bytes: &[u8]) -> usize {
        let mut scan = Scan::new(bytes, HEADER_BYTES, name.key, self.contents.last_place);
        let mut records = Vec::new();
        for item in &mut scan {
            self.contents.report.is_closed = matches!(item, Item::Closed);
            match item {
                Item::Closed => self.settle(),
                Item::Damaged { offset, length } => {
                    let damaged = bytes.get(offset..offset + length).unwrap_or_default();
                    let range = (offset as u64, length as u64);
                    let damage = Damage::new(name.number, range, DamageKind::Checksum);
                    self.perhaps_torn(damage, damaged);
                }
                Item::Frame {
                    offset,
                    place,
                    is_after_sync,
                    body,
                } => {
                    self.continues_at(place);
                    if is_after_sync {
                        // The header of a segment is written with its first frame.
                        let is_first = offset == HEADER_BYTES;
                        let header = self
                            .unsettled
                            .damages
                            .pop_if(|it| is_first && it.is_header());
                        self.settle();
                        self.unsettled.damages.extend(header);
                    }
                    self.contents.last_place = place;
                    let frame_bytes = frame::HEADER_BYTES + body.len();
                    if let Err(error) = record::decode(body, &mut records) {
                        let kind = DamageKind::Record(error);
                        let range = (offset as u64, frame_bytes as u64);
                        let damaged = bytes.get(offset..offset + frame_bytes);
                        self.damage(name.number, range, kind, damaged.unwrap_or(body));
                        continue;
                    }
                    let report = &mut self.contents.report;
                    report.appends += 1;
                    report.records += records.len() as u64;
                    (self.each)(&Append {
                        name,
                        place: Place {
                            segment: name.number,
                            offset: offset as u64,
                            append: place,
                        },
                        bytes: frame_bytes as u64,
                        losses: self.losses,
                        records: &records,
                    });
                }
            }
        }
        scan.used()
    }

    /// The next append is that at `place`: those between were lost.
    fn continues_at(&mut self, place: u64) {
        let next = self.contents.last_place + 1;
        let missing = place.saturating_sub(next);
        if self.is_begun && missing > 0 {
            self.unsettled.lost_appends += missing;
            self.losses += 1;
        }
        self.contents.last_place = self.contents.last_place.max(place.saturating_sub(1));
        self.is_begun = true;
    }

    /// Everything up to here was synced: what is missing was lost.
    fn settle(&mut self) {
        let Unsettled {
            damages,
            lost_appends,
        } = std::mem::take(&mut self.unsettled);
        self.contents.report.lost_appends += lost_appends;
        for damage in damages {
            self.contents.report.add(damage);
        }
    }

    /// Damage as a stop makes it.
    fn perhaps_torn(&mut self, damage: Damage, bytes: &[u8]) {
        (self.set_aside)(&damage, bytes);
        self.unsettled.damages.push(damage);
        self.losses += 1;
    }

    /// Damage that no stop makes.
    fn damage(&mut self, segment: u64, range: Range, kind: DamageKind, bytes: &[u8]) {
        let damage = Damage::new(segment, range, kind);
        (self.set_aside)(&damage, bytes);
        self.contents.report.add(damage);
        self.losses += 1;
    }
}

/// All bytes of a file; those that the disk does not give back are zero, and named.
pub(crate) fn bytes(file: &dyn DiskFile) -> io::Result<(Vec<u8>, Vec<Range>)> {
    let length = usize::try_from(file.length()?).map_err(io::Error::other)?;
    let mut bytes = vec![0; length];
    let mut unreadable = Vec::new();
    match file.read_at(0, &mut bytes) {
        Ok(read) => bytes.truncate(read),
        Err(_) => {
            for (index, block) in bytes.chunks_mut(BLOCK_BYTES).enumerate() {
                let offset = (index * BLOCK_BYTES) as u64;
                if file.read_at(offset, block).is_err() {
                    block.fill(0);
                    unreadable.push((offset, block.len() as u64));
                }
            }
        }
    }
    Ok((bytes, unreadable))
}
