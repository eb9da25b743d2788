//! The one who writes: takes all that was appended, writes it at once, and syncs once.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::disk::is_out_of_room;
use crate::frame;
use crate::index::Index;
use crate::log::{Log, Piece, WriteError};
use crate::shared::{Batch, Mark, MarkKind, Reserve, Shared, Work};
use crate::stats::Counters;

/// While the disk is full, what is not for the messages of a rewriting is this part of a segment.
const KEPT_DIVISOR: u64 = 8;

/// A rewriting that has begun.
#[derive(Clone, Copy, Debug)]
struct Rewriting {
    number: u64,
    /// What comes before it goes with the end of the rewriting.
    first_segment: u64,
    /// The counter of bytes when it began.
    begun_at_bytes: u64,
    /// The place of its last record, once that is written.
    done_at: Option<u64>,
}

/// Writes what is appended. It is driven by a thread, or step by step.
pub(crate) struct Writer {
    shared: Arc<Shared>,
    counters: Arc<Counters>,
    log: Log,
    index: Arc<Index>,
    segment_bytes: u64,
    retry_delay: Duration,
    batch: Batch,
    /// How much of `batch` is written.
    written: usize,
    rewriting: Option<Rewriting>,
    /// When to look for room again.
    retry_at: Option<Instant>,
    /// The last append that was written, and the last that has to be synced.
    last_place: u64,
    sync_place: u64,
}

impl Writer {
    pub(crate) fn new(
        shared: Arc<Shared>,
        counters: Arc<Counters>,
        log: Log,
        index: Arc<Index>,
        segment_bytes: u64,
        retry_delay: Duration,
    ) -> Self {
        let last_place = shared.last_place();
        Self {
            shared,
            counters,
            log,
            index,
            segment_bytes,
            retry_delay,
            batch: Batch::default(),
            written: 0,
            rewriting: None,
            retry_at: None,
            last_place,
            sync_place: 0,
        }
    }

    /// Writes until the store is closed or fails.
    pub(crate) fn run(mut self) {
        // A writer that panics has failed; those who wait must hear of it.
        let fails = FailsOnDrop(Arc::clone(&self.shared));
        while !self.shared.has_failed() {
            match self.shared.wait(self.retry_at) {
                Work::Commit => self.commit(),
                Work::Close => {
                    self.close();
                    break;
                }
            }
        }
        std::mem::forget(fails);
    }

    /// Makes the first segment. That there is no room for it is no reason not to start.
    ///
    /// # Errors
    /// What else the operating system says.
    pub(crate) fn begin(&mut self) -> io::Result<()> {
        let result = match self.log.prepare() {
            Err(WriteError::NoRoom(full)) if is_out_of_room(&full) => {
                match self.log.begin_small() {
                    Err(failed @ WriteError::Failed { .. }) => Err(failed),
                    Ok(()) | Err(WriteError::NoRoom(_)) => {
                        self.settle(Err(WriteError::NoRoom(full)));
                        return Ok(());
                    }
                }
            }
            result => result,
        };
        match result {
            Err(error) => Err(error.into()),
            Ok(()) => {
                self.settle(Ok(()));
                Ok(())
            }
        }
    }

    /// Writes and, if someone waits for that, syncs what was appended.
    pub(crate) fn commit(&mut self) {
        if self.shared.has_failed() {
            return;
        }
        let result = self.write_and_sync();
        let result = result.and_then(|()| {
            self.shared.report_progress();
            // Only now, when those who waited know.
            self.log.prepare()
        });
        self.settle(result);
    }

    /// Writes and syncs all, and marks the end of the log.
    pub(crate) fn close(&mut self) {
        if self.shared.has_failed() {
            return;
        }
        let result = self.write_and_sync().and_then(|()| {
            self.sync_place = self.last_place;
            self.write_and_sync()?;
            self.log.close(self.last_place)
        });
        match result {
            Ok(()) => {}
            Err(error) => {
                tracing::error!("the store could not be closed: {error}");
                self.shared.fail();
            }
        }
        self.shared.report_progress();
    }

    /// What follows from an attempt to write.
    fn settle(&mut self, result: Result<(), WriteError>) {
        self.counters.set_log(self.log.bytes(), self.log.segments());
        match result {
            Ok(()) => {
                if self.retry_at.take().is_some() {
                    tracing::info!("the store has room again");
                    self.shared.set_reserve(None);
                    self.shared.report_progress();
                }
            }
            Err(WriteError::NoRoom(error)) => {
                if self.retry_at.is_none() {
                    tracing::error!(
                        "the store has no room: {error}; messages that must be kept are refused until \
                         there is"
                    );
                }
                self.retry_at = Some(Instant::now() + self.retry_delay);
                let waiting = (self.batch.frames.len() - self.written) as u64;
                self.shared.set_reserve(Some(Reserve {
                    room: self.log.room().saturating_sub(waiting),
                    kept: self.segment_bytes / KEPT_DIVISOR,
                }));
                self.shared.report_progress();
            }
            Err(error @ WriteError::Failed { .. }) => {
                tracing::error!(
                    "{error}; the store takes nothing any more, since nobody can know what is on the \
                     disk: look at the disk, then start again"
                );
                self.shared.fail();
                self.shared.report_progress();
            }
        }
    }

    fn write_and_sync(&mut self) -> Result<(), WriteError> {
        if self.written == self.batch.frames.len() {
            self.shared.take(&mut self.batch);
            self.written = 0;
            self.sync_place = self.sync_place.max(self.batch.sync_place);
            if self.last_place == self.shared.synced() {
                frame::mark_after_sync(&mut self.batch.frames, self.log.key());
            }
        }
        let before = self.last_place;
        let result = self.write();
        self.counters.committed(self.last_place - before);
        self.shared.advance_written(self.last_place);
        if let Err(error @ WriteError::Failed { .. }) = result {
            return Err(error);
        }
        if self.sync_place.min(self.last_place) > self.shared.synced() {
            let begun = Instant::now();
            self.log.sync()?;
            self.counters.synced(begun.elapsed());
            self.shared.advance_synced(self.last_place);
            self.finish_rewriting()?;
        }
        result
    }

    /// Writes the batch, or what there is room for.
    fn write(&mut self) -> Result<(), WriteError> {
        while let Some(&mark) = self.batch.marks.front() {
            self.write_until(mark.offset)?;
            self.pass(mark)?;
            self.batch.marks.pop_front();
        }
        self.write_until(self.batch.frames.len())
    }

    fn write_until(&mut self, end: usize) -> Result<(), WriteError> {
        let Some(frames) = self.batch.frames.get(self.written..end) else {
            return Ok(());
        };
        let (begin, messages) = (self.written, &mut self.batch.messages);
        let index = &self.index;
        let mut placed = |piece: Piece| {
            let end = begin + piece.frames.end;
            let of_piece = std::iter::from_fn(|| messages.pop_front_if(|it| it.0 < end));
            let first = begin + piece.frames.start;
            let at = |offset: usize| piece.offset + (offset - first) as u64;
            index.add(
                piece.segment,
                of_piece.map(|(offset, sequence)| (sequence, at(offset))),
            );
        };
        let (bytes, result) = self.log.write(frames, self.last_place + 1, &mut placed);
        let written = frames.get(..bytes).unwrap_or(frames);
        self.last_place += frame::count(written);
        self.written += bytes;
        self.counters.wrote(bytes as u64);
        result
    }

    /// Comes by the first or last record of a rewriting.
    fn pass(&mut self, mark: Mark) -> Result<(), WriteError> {
        match mark.kind {
            MarkKind::Begun => {
                // A segment of its own, so that all before it can go. While there is no room it stays
                // in the one in use, which is kept then.
                match self.log.begin_segment() {
                    Err(WriteError::NoRoom(_)) | Ok(()) => {}
                    Err(error) => return Err(error),
                }
                self.rewriting = self.log.segment().map(|first_segment| Rewriting {
                    number: mark.number,
                    first_segment,
                    begun_at_bytes: self.counters.bytes(),
                    done_at: None,
                });
            }
            MarkKind::Done => {
                let current = self.rewriting.as_mut();
                if let Some(it) = current.filter(|it| it.number == mark.number) {
                    it.done_at = Some(mark.place);
                }
            }
        }
        Ok(())
    }

    /// Deletes what was written again, once it is safe that it was.
    fn finish_rewriting(&mut self) -> Result<(), WriteError> {
        let synced = self.shared.synced();
        let is_done = |it: &mut Rewriting| it.done_at.is_some_and(|place| place <= synced);
        let Some(done) = self.rewriting.take_if(is_done) else {
            return Ok(());
        };
        self.index.forget_before(done.first_segment);
        let deleted = self.log.delete_before(done.first_segment)?;
        let live = self.counters.bytes() - done.begun_at_bytes;
        self.counters.rewrote(live);
        tracing::debug!(
            "rewriting {} left {live} bytes and deleted {deleted} segments",
            done.number
        );
        Ok(())
    }
}

/// Tells those who wait, should the writer end as it should not.
struct FailsOnDrop(Arc<Shared>);

impl Drop for FailsOnDrop {
    fn drop(&mut self) {
        self.0.fail();
        self.0.report_progress();
    }
}
