//! What those who append share with the one who writes: the buffer, and how far the log is.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use dunlin_core::message::Message;
use dunlin_core::storage::{Durability, Position, Record, StorageFault};
use parking_lot::{Condvar, Mutex};

use crate::frame::{self, FrameHeader};
use crate::index::indexed;
use crate::record;

/// What a thread keeps of the memory that it encodes in.
const SCRATCH_BYTES_MAX: usize = 1 << 20;

thread_local! {
    static SCRATCH: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Is called after each commit, and when the store fails.
pub(crate) type Progress = Arc<dyn Fn() + Send + Sync>;

/// Frames on their way to the log.
#[derive(Default)]
pub(crate) struct Batch {
    pub(crate) frames: Vec<u8>,
    /// Where in `frames` a rewriting begins or ends.
    pub(crate) marks: VecDeque<Mark>,
    /// Messages that may be read again: where in `frames` the frame of each begins, and its number.
    pub(crate) messages: VecDeque<(usize, u64)>,
    /// The last append that is to be synced.
    pub(crate) sync_place: u64,
}

/// A rewriting begins or ends with the frame at this offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mark {
    pub(crate) offset: usize,
    pub(crate) place: u64,
    pub(crate) kind: MarkKind,
    pub(crate) number: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MarkKind {
    Begun,
    Done,
}

/// The room that is left while the disk is full.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reserve {
    /// Bytes that can still be written.
    pub(crate) room: u64,
    /// How much of it is not for the messages of a rewriting.
    pub(crate) kept: u64,
}

#[derive(Default)]
struct State {
    batch: Batch,
    last_place: u64,
    /// When the oldest append that nobody waits for came.
    lazy_since: Option<Instant>,
    is_urgent: bool,
    /// Whether the writer sleeps until something comes.
    is_idle: bool,
    is_closing: bool,
    /// While the disk is full.
    reserve: Option<Reserve>,
    /// Publishes below it are there already, and written again.
    rewritten_below: u64,
}

/// What the writer has to do next.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Work {
    /// There are frames to write, or it is time to look for room.
    Commit,
    /// Write what there is, and end.
    Close,
}

pub(crate) struct Shared {
    state: Mutex<State>,
    wake: Condvar,
    buffer_bytes_max: usize,
    lazy_delay: Duration,
    key: u64,
    written: AtomicU64,
    synced: AtomicU64,
    has_failed: AtomicBool,
    progress: Mutex<Option<Progress>>,
}

impl Shared {
    pub(crate) fn new(
        key: u64,
        last_place: u64,
        buffer_bytes_max: usize,
        lazy_delay: Duration,
    ) -> Self {
        Self {
            state: Mutex::new(State {
                last_place,
                ..State::default()
            }),
            wake: Condvar::new(),
            buffer_bytes_max,
            lazy_delay,
            key,
            written: AtomicU64::new(last_place),
            synced: AtomicU64::new(last_place),
            has_failed: AtomicBool::new(false),
            progress: Mutex::new(None),
        }
    }

    pub(crate) fn append(
        &self,
        records: &[Record<'_>],
        durability: Durability,
    ) -> Result<Position, StorageFault> {
        let mut body = SCRATCH.take();
        body.clear();
        for record in records {
            record::encode(record, &mut body);
        }
        let result = self.append_encoded(records, &body, durability);
        body.shrink_to(SCRATCH_BYTES_MAX);
        SCRATCH.set(body);
        result
    }

    fn append_encoded(
        &self,
        records: &[Record<'_>],
        body: &[u8],
        durability: Durability,
    ) -> Result<Position, StorageFault> {
        let length = frame::body_length(body).ok_or(StorageFault::Full)?;
        let checksum = crc32c::crc32c(body);
        let frame_bytes = body.len() + frame::HEADER_BYTES;
        let mut state = self.state.lock();
        if self.has_failed() || state.is_closing {
            return Err(StorageFault::Failed);
        }
        if body.is_empty() {
            let place = state.last_place;
            if durability == Durability::Fsync && place > self.synced() {
                state.batch.sync_place = place;
                let was_urgent = std::mem::replace(&mut state.is_urgent, true);
                self.wake_if(&state, !was_urgent);
            }
            return Ok(Position { place, durability });
        }
        let pending = state.batch.frames.len();
        let is_beyond = pending + frame_bytes > self.buffer_bytes_max;
        if is_beyond && pending > 0 || !state.has_room(records, frame_bytes) {
            return Err(StorageFault::Full);
        }
        state.last_place += 1;
        let place = state.last_place;
        let header = FrameHeader {
            length,
            is_after_sync: false,
            checksum,
            place,
        };
        let is_rewriting_mark = state.mark(records, place);
        let messages = records.iter().filter_map(indexed);
        let messages = messages.map(|sequence| (pending, sequence));
        state.batch.messages.extend(messages);
        state
            .batch
            .frames
            .extend_from_slice(&header.encode(self.key));
        state.batch.frames.extend_from_slice(body);
        if durability == Durability::Fsync || is_rewriting_mark {
            state.batch.sync_place = place;
        }
        let was_known = state.is_urgent || state.lazy_since.is_some();
        if durability > Durability::Memory || state.batch.frames.len() > self.buffer_bytes_max / 2 {
            let was_urgent = std::mem::replace(&mut state.is_urgent, true);
            self.wake_if(&state, !was_urgent);
        } else {
            state.lazy_since.get_or_insert_with(Instant::now);
            self.wake_if(&state, !was_known);
        }
        Ok(Position { place, durability })
    }

    fn wake_if(&self, state: &State, is_news: bool) {
        if is_news && state.is_idle {
            self.wake.notify_one();
        }
    }

    pub(crate) fn is_stored(&self, position: Position) -> Result<bool, StorageFault> {
        let has_failed = self.has_failed();
        let reached = match position.durability {
            // What became durable before the store failed is durable still, and nothing else.
            _ if has_failed => self.synced(),
            Durability::Memory => u64::MAX,
            Durability::Os => self.written.load(Ordering::Acquire),
            Durability::Fsync => self.synced(),
        };
        match position.place <= reached {
            false if has_failed => Err(StorageFault::Failed),
            is_stored => Ok(is_stored),
        }
    }

    pub(crate) fn has_failed(&self) -> bool {
        self.has_failed.load(Ordering::Acquire)
    }

    pub(crate) fn is_full(&self) -> bool {
        self.state.lock().reserve.is_some()
    }

    pub(crate) fn set_progress(&self, progress: Progress) {
        *self.progress.lock() = Some(progress);
    }

    pub(crate) fn last_place(&self) -> u64 {
        self.state.lock().last_place
    }

    pub(crate) fn request_close(&self) {
        self.state.lock().is_closing = true;
        self.wake.notify_one();
    }

    /// Waits until there is something for the writer to do, or until `retry_at`.
    pub(crate) fn wait(&self, retry_at: Option<Instant>) -> Work {
        let mut state = self.state.lock();
        loop {
            if state.is_closing {
                return Work::Close;
            }
            let lazy_at = state.lazy_since.map(|since| since + self.lazy_delay);
            // While there is no room, waiting frames have to wait for the next look.
            let due = match retry_at {
                Some(at) if state.reserve.is_some_and(|reserve| reserve.room == 0) => Some(at),
                _ if state.is_urgent => return Work::Commit,
                _ => [lazy_at, retry_at].into_iter().flatten().min(),
            };
            if due.is_some_and(|due| due <= Instant::now()) {
                return Work::Commit;
            }
            state.is_idle = true;
            match due {
                Some(due) => {
                    self.wake.wait_until(&mut state, due);
                }
                None => self.wake.wait(&mut state),
            }
            state.is_idle = false;
        }
    }

    /// Takes all frames that wait, and leaves `batch` for those that come.
    pub(crate) fn take(&self, batch: &mut Batch) {
        batch.frames.clear();
        batch.marks.clear();
        batch.messages.clear();
        batch.sync_place = 0;
        let mut state = self.state.lock();
        std::mem::swap(&mut state.batch, batch);
        state.is_urgent = false;
        state.lazy_since = None;
        let taken = batch.frames.len() as u64;
        if let Some(reserve) = &mut state.reserve {
            reserve.room = reserve.room.saturating_sub(taken);
        }
    }

    pub(crate) fn set_reserve(&self, reserve: Option<Reserve>) {
        self.state.lock().reserve = reserve;
    }

    pub(crate) fn advance_written(&self, place: u64) {
        self.written.fetch_max(place, Ordering::Release);
    }

    pub(crate) fn advance_synced(&self, place: u64) {
        self.synced.fetch_max(place, Ordering::Release);
    }

    pub(crate) fn synced(&self) -> u64 {
        self.synced.load(Ordering::Acquire)
    }

    /// From now on nothing is taken.
    pub(crate) fn fail(&self) {
        // Under the lock, so that no append is taken after it.
        let state = self.state.lock();
        self.has_failed.store(true, Ordering::Release);
        drop(state);
    }

    pub(crate) fn report_progress(&self) {
        let progress = self.progress.lock().clone();
        if let Some(progress) = progress {
            progress();
        }
    }
}

impl State {
    /// Whether an append may be taken while the disk is full, if it is. New messages may not; what
    /// frees room, the deletion of a retained message among it, or belongs to sessions, may as long as it
    /// can be written.
    fn has_room(&self, records: &[Record<'_>], frame_bytes: usize) -> bool {
        let Some(reserve) = self.reserve else {
            return true;
        };
        let mut needed = (self.batch.frames.len() + frame_bytes) as u64;
        for record in records {
            let Record::Publish(publish) = record else {
                continue;
            };
            let deletes = |message: &Message| publish.retains && message.payload().is_empty();
            match publish.message {
                Some(message) if deletes(message) => {}
                Some(message) if message.sequence() >= self.rewritten_below => return false,
                Some(_) => needed += reserve.kept,
                None => {}
            }
        }
        needed <= reserve.room
    }

    /// Notes where a rewriting begins or ends.
    fn mark(&mut self, records: &[Record<'_>], place: u64) -> bool {
        let mut is_mark = false;
        for record in records {
            let (kind, number) = match *record {
                Record::RewriteBegun {
                    number,
                    next_sequence,
                    ..
                } => {
                    self.rewritten_below = next_sequence;
                    (MarkKind::Begun, number)
                }
                Record::RewriteDone { number } => {
                    self.rewritten_below = 0;
                    (MarkKind::Done, number)
                }
                _ => continue,
            };
            is_mark = true;
            let offset = self.batch.frames.len();
            self.batch.marks.push_back(Mark {
                offset,
                place,
                kind,
                number,
            });
        }
        is_mark
    }
}
