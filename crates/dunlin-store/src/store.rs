//! The store: a log that was read, and is written.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use dunlin_core::message::Message;
use dunlin_core::storage::{Durability, Position, Record, Storage, StorageFault, Stored};
use parking_lot::Mutex;

use crate::damaged::DamagedFiles;
use crate::disk::{Directory, Disk};
use crate::index::{Index, indexed};
use crate::log::Log;
use crate::replay::{self, Append, ReadError, ReadSegment};
use crate::report::Report;
use crate::shared::Shared;
use crate::stats::{Counters, Stats};
use crate::writer::Writer;

/// A log of many small segments, as many restarts leave it, is rewritten as well.
const SEGMENTS_MAX: u64 = 64;

/// How a store does its work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Bytes of a segment. The room is taken before it is needed; half a segment is what is left for
    /// deletions when the disk is full.
    pub segment_bytes: u64,
    /// Bytes that may wait to be written; what is beyond is refused.
    pub buffer_bytes_max: usize,
    /// How long an append that nobody waits for may wait for others to be written with.
    pub lazy_delay: Duration,
    /// A log of fewer bytes is not rewritten.
    pub rewrite_bytes_min: u64,
    /// A log of more than so many times what was needed last time is rewritten.
    pub rewrite_factor: u64,
    /// How often to look for room on a disk that is full.
    pub retry_delay: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            segment_bytes: 64 << 20,
            buffer_bytes_max: 64 << 20,
            lazy_delay: Duration::from_millis(10),
            rewrite_bytes_min: 256 << 20,
            rewrite_factor: 3,
            retry_delay: Duration::from_secs(1),
        }
    }
}

/// A store cannot be opened. What is in its files is never the reason.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another broker has it.
    #[error(
        "another process has the store open: stop it first, or give this one a directory of its own"
    )]
    Locked,
    /// It cannot be read.
    #[error("cannot read the store: {0}")]
    Read(#[from] ReadError),
    /// It cannot be written.
    #[error("cannot write the store: {0}")]
    Write(io::Error),
}

/// The part of a segment that one step of a rewriting may fill.
const REWRITE_STEP_DIVISOR: u64 = 8;

/// The most that it may: sessions are locked, and clients' messages wait behind it.
const REWRITE_STEP_BYTES_MAX: u64 = 1 << 20;

/// Keeps records in a log on a disk.
pub struct Store {
    shared: Arc<Shared>,
    counters: Arc<Counters>,
    index: Arc<Index>,
    first_place: u64,
    rewrite_bytes_min: u64,
    rewrite_factor: u64,
    segment_bytes: u64,
    thread: Mutex<Option<JoinHandle<()>>>,
    /// Held for as long as the store is open.
    _lock: Box<dyn Send + Sync>,
}

impl Store {
    /// Opens the store in a directory, which is made if it does not exist, and gives every record in
    /// it to `each`, in their order.
    ///
    /// # Errors
    /// [`OpenError`] if the directory cannot be read and written, another process has it, or a later
    /// version wrote it.
    pub fn open(
        directory: &Path,
        settings: &Settings,
        each: &mut dyn FnMut(Record<'_>),
    ) -> Result<(Self, Report), OpenError> {
        let disk = Directory::create(directory).map_err(OpenError::Write)?;
        Self::open_on(Arc::new(disk), settings, each)
    }

    /// The same on another disk.
    ///
    /// # Errors
    /// As [`Store::open`].
    pub fn open_on(
        disk: Arc<dyn Disk>,
        settings: &Settings,
        each: &mut dyn FnMut(Record<'_>),
    ) -> Result<(Self, Report), OpenError> {
        let (store, writer, report) = Self::prepare(disk, settings, each)?;
        let thread = thread::Builder::new().name("store".to_owned());
        let thread = thread.spawn(|| writer.run()).map_err(OpenError::Write)?;
        *store.thread.lock() = Some(thread);
        Ok((store, report))
    }

    /// The same without a thread: nothing is written before a step of the [`Stepper`].
    ///
    /// # Errors
    /// As [`Store::open`].
    #[cfg(any(test, feature = "simulated-disk"))]
    pub fn open_stepwise(
        disk: Arc<dyn Disk>,
        settings: &Settings,
        each: &mut dyn FnMut(Record<'_>),
    ) -> Result<(Self, Stepper, Report), OpenError> {
        let (store, writer, report) = Self::prepare(disk, settings, each)?;
        Ok((store, Stepper(writer), report))
    }

    fn prepare(
        disk: Arc<dyn Disk>,
        settings: &Settings,
        each: &mut dyn FnMut(Record<'_>),
    ) -> Result<(Self, Writer, Report), OpenError> {
        let lock = disk.lock().map_err(|error| match error.kind() {
            io::ErrorKind::WouldBlock => OpenError::Locked,
            _ => OpenError::Write(error),
        })?;
        let mut damaged_files = DamagedFiles::new(&*disk).map_err(ReadError::Io)?;
        let mut rewriting = LastRewriting::default();
        let index = Arc::new(Index::new(Arc::clone(&disk)));
        let contents = replay::replay(
            replay::segments(&*disk).map_err(ReadError::Io)?,
            &mut |append| {
                append.records(&mut |record| {
                    rewriting.see(&record, append);
                    let message = indexed(&record).map(|it| (it, append.place.offset));
                    index.add(append.name, message.into_iter());
                    each(record);
                });
                rewriting.bytes += append.bytes;
            },
            &mut |damage, bytes| damaged_files.keep(damage, bytes),
        )?;
        clean_up(&*disk, &contents.segments);
        make_safe(&*disk, &contents.segments).map_err(OpenError::Write)?;
        let (key, next_number) = match contents.segments.last() {
            Some(last) => (last.name.key, last.name.number + 1),
            None => (disk.random().map_err(OpenError::Write)?, 1),
        };
        let shared = Arc::new(Shared::new(
            key,
            contents.last_place,
            settings.buffer_bytes_max,
            settings.lazy_delay,
        ));
        let counters = Arc::new(Counters::default());
        counters.rewrote(rewriting.live_bytes);
        let used = contents.segments.iter().filter(|segment| segment.used > 0);
        let used = used.map(|segment| (segment.name, segment.used));
        let mut log = Log::new(disk, key, settings.segment_bytes, used, next_number);
        if let Some(segment) = rewriting.done_from {
            // A stop came before they were deleted.
            index.forget_before(segment);
            log.delete_before(segment)
                .map_err(|error| OpenError::Write(error.into()))?;
        }
        let mut writer = Writer::new(
            Arc::clone(&shared),
            Arc::clone(&counters),
            log,
            Arc::clone(&index),
            settings.segment_bytes,
            settings.retry_delay,
        );
        writer.begin().map_err(OpenError::Write)?;
        let store = Self {
            shared,
            counters,
            index,
            first_place: contents.last_place,
            rewrite_bytes_min: settings.rewrite_bytes_min,
            rewrite_factor: settings.rewrite_factor,
            segment_bytes: settings.segment_bytes,
            thread: Mutex::new(None),
            _lock: lock,
        };
        Ok((store, writer, contents.report))
    }

    /// Has `progress` called by the thread that writes: after each commit, when the store fails, and
    /// when there is room again or no more. Then is the time to ask [`Storage::stored`]. It must not wait.
    pub fn set_progress(&self, progress: impl Fn() + Send + Sync + 'static) {
        self.shared.set_progress(Arc::new(progress));
    }

    /// Whether so much of the log is not needed any more that everything that is should be written
    /// again, from [`Record::RewriteBegun`] to [`Record::RewriteDone`].
    pub fn wants_rewrite(&self) -> bool {
        let stats = self.counters.stats();
        let needed = stats.live_bytes.saturating_mul(self.rewrite_factor);
        let is_long = stats.log_bytes > needed.max(self.rewrite_bytes_min);
        is_long
            || stats.segments > SEGMENTS_MAX.max(stats.log_bytes / self.rewrite_bytes_min.max(1))
    }

    /// Bytes of messages that a rewriting may append before the store has written them: the disk may
    /// become full in the middle, and then this much and what deletions need has to fit into the
    /// segment in use.
    pub fn rewrite_step_bytes(&self) -> u64 {
        (self.segment_bytes / REWRITE_STEP_DIVISOR).min(REWRITE_STEP_BYTES_MAX)
    }

    /// What the store has done, and how it is.
    pub fn stats(&self) -> Stats {
        Stats {
            appends: self.shared.last_place() - self.first_place,
            is_full: self.shared.is_full(),
            has_failed: self.shared.has_failed(),
            ..self.counters.stats()
        }
    }

    /// Writes and syncs everything and marks the log as closed. From then on nothing is taken.
    ///
    /// # Errors
    /// [`StorageFault::Failed`] if not everything that was taken is safe.
    pub fn close(&self) -> Result<(), StorageFault> {
        self.shared.request_close();
        let thread = self.thread.lock().take();
        if let Some(thread) = thread {
            // A panic of the thread has made the store fail.
            let _ = thread.join();
        }
        match self.shared.has_failed() {
            true => Err(StorageFault::Failed),
            false => Ok(()),
        }
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        // Whoever wants to know how that ended calls it before.
        let _ = self.close();
    }
}

impl Storage for Store {
    fn is_durable(&self) -> bool {
        true
    }

    fn append(
        &self,
        records: &[Record<'_>],
        durability: Durability,
    ) -> Result<Position, StorageFault> {
        self.shared.append(records, durability)
    }

    fn stored(&self, position: Position) -> Result<Option<Stored>, StorageFault> {
        let is_stored = self.shared.is_stored(position)?;
        Ok(is_stored.then(Stored::by_storage))
    }

    fn has_message(&self, sequence: u64) -> bool {
        self.index.has(sequence)
    }

    fn message(&self, sequence: u64) -> Option<Message> {
        self.index.read(sequence)
    }
}

/// Does the work of a store's thread, one commit at a time or on another thread.
#[cfg(any(test, feature = "simulated-disk"))]
pub struct Stepper(Writer);

#[cfg(any(test, feature = "simulated-disk"))]
impl Stepper {
    /// Writes what was appended, and syncs it if someone waits for that.
    pub fn commit(&mut self) {
        self.0.commit();
    }

    /// Writes and syncs everything and marks the log as closed.
    pub fn close(&mut self) {
        self.0.close();
    }

    /// Does all that the thread would do: writes until the store is closed or fails.
    pub fn run(self) {
        self.0.run();
    }
}

/// Gives back what files have and do not need. A disk that refuses that is no reason not to start.
fn clean_up(disk: &dyn Disk, segments: &[ReadSegment]) {
    for segment in segments {
        let name = segment.name.to_string();
        let result = if segment.used == 0 {
            disk.remove(&name)
        } else if segment.used < segment.length {
            disk.truncate(&name, segment.used)
        } else {
            Ok(())
        };
        if let Err(error) = result {
            tracing::warn!("cannot cut {name} to what it holds: {error}");
        }
    }
}

/// Syncs what was read, before anyone is told of it: of what was written last before a stop, the
/// operating system may have given back what is in its memory only. All segments before the last were
/// synced when the next one began.
fn make_safe(disk: &dyn Disk, segments: &[ReadSegment]) -> io::Result<()> {
    match segments.iter().rfind(|segment| segment.used > 0) {
        Some(last) => disk.open(&last.name.to_string())?.sync_data(),
        None => Ok(()),
    }
}

/// The last rewriting that a log holds.
#[derive(Debug, Default)]
struct LastRewriting {
    /// Bytes that were read so far.
    bytes: u64,
    begun: Option<BegunRewriting>,
    /// What comes before this segment is not needed.
    done_from: Option<u64>,
    live_bytes: u64,
}

/// Where a rewriting began.
#[derive(Debug)]
struct BegunRewriting {
    number: u64,
    segment: u64,
    at_bytes: u64,
    losses: u64,
}

impl LastRewriting {
    fn see(&mut self, record: &Record<'_>, append: &Append<'_>) {
        match *record {
            Record::RewriteBegun { number, .. } => {
                self.begun = Some(BegunRewriting {
                    number,
                    segment: append.place.segment,
                    at_bytes: self.bytes,
                    losses: append.losses,
                });
            }
            Record::RewriteDone { number } => {
                let begun = self.begun.take().filter(|begun| begun.number == number);
                // What is missing of it may still be in what is older.
                if let Some(begun) = begun.filter(|begun| begun.losses == append.losses) {
                    self.done_from = Some(begun.segment);
                    self.live_bytes = self.bytes + append.bytes - begun.at_bytes;
                }
            }
            _ => {}
        }
    }
}
