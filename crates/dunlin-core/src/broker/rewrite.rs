//! Writing again what is needed, so that the store can throw away what was written before.
//!
//! A log of changes grows with every message, what is needed does not. While clients are served,
//! every session, every retained message and every message that waits is appended once more, behind
//! [`Record::RewriteBegun`]; behind [`Record::RewriteDone`] nothing older is needed. Each session is
//! written with its lock held, so that later changes of it follow in the log.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::broker::Broker;
use crate::id::SessionNumber;
use crate::message::Message;
use crate::session::SessionRef;
use crate::session::delivery::Delivery;
use crate::storage::{Position, PublishRecord, Receiver, Record, StorageFault};

/// Counts the publishes that are planned and not applied, in two heaps: those since the last
/// rewriting began, and those before.
#[derive(Debug, Default)]
pub(crate) struct Outstandings {
    /// Grows with every rewriting; its lowest bit chooses the heap.
    epoch: AtomicUsize,
    counts: [AtomicUsize; 2],
}

impl Outstandings {
    fn count(&self, epoch: usize) -> &AtomicUsize {
        let [even, odd] = &self.counts;
        if epoch.is_multiple_of(2) { even } else { odd }
    }
}

/// A publish that is planned and not applied.
#[derive(Debug)]
pub(crate) struct Outstanding {
    all: Arc<Outstandings>,
    epoch: usize,
}

impl Drop for Outstanding {
    fn drop(&mut self) {
        self.all.count(self.epoch).fetch_sub(1, Ordering::SeqCst);
    }
}

/// A rewriting under way.
#[derive(Debug)]
pub struct Rewrite {
    number: u64,
    /// Publishes from this number on are behind the beginning already.
    next_sequence: u64,
    /// The heap that has to be empty before sessions are written.
    epoch: usize,
    stage: Stage,
    /// Messages that were written.
    written: HashSet<u64>,
}

#[derive(Debug)]
enum Stage {
    /// Publishes from before the beginning are not applied yet.
    Waiting,
    Sessions(Vec<SessionRef>),
    Groups,
    /// Behind this topic.
    Retained(Option<Box<[u8]>>),
}

/// How far a rewriting is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// There is more to write.
    More,
    /// It waits for publishes that are under way: try again later.
    Waiting,
    /// Everything is written.
    Done(Position),
}

/// Sessions and retained messages that one step writes.
const STEP_MAX: usize = 256;

impl Broker {
    /// Notes that a publish is planned, if the store is one that is rewritten.
    pub(crate) fn outstanding(&self) -> Option<Outstanding> {
        if !self.storage().is_durable() {
            return None;
        }
        loop {
            let all = Arc::clone(&self.outstandings);
            let epoch = all.epoch.load(Ordering::SeqCst);
            all.count(epoch).fetch_add(1, Ordering::SeqCst);
            let noted = Outstanding { all, epoch };
            // A rewriting that began in between may not have seen it.
            if noted.all.epoch.load(Ordering::SeqCst) == epoch {
                return Some(noted);
            }
        }
    }

    /// Begins to write everything that is needed again. One rewriting at a time.
    ///
    /// # Errors
    /// [`StorageFault`]; nothing changed.
    pub fn begin_rewrite(&self, number: u64) -> Result<Rewrite, StorageFault> {
        self.keep(&[Record::RewriteBegun {
            number,
            next_session: self.sessions.next_number(),
            next_sequence: self.next_sequence(),
        }])?;
        // Whatever has a higher number than this is appended behind the beginning.
        let next_sequence = self.next_sequence();
        self.rewritten_before.store(next_sequence, Ordering::SeqCst);
        let epoch = self.outstandings.epoch.fetch_add(1, Ordering::SeqCst);
        Ok(Rewrite {
            number,
            next_sequence,
            epoch,
            stage: Stage::Waiting,
            written: HashSet::new(),
        })
    }

    /// Writes a bounded number of sessions or retained messages.
    ///
    /// # Errors
    /// [`StorageFault`]; the rewriting is of no use then, and does no harm.
    pub fn rewrite(&self, rewrite: &mut Rewrite) -> Result<Progress, StorageFault> {
        match &mut rewrite.stage {
            Stage::Waiting => {
                let before = self.outstandings.count(rewrite.epoch);
                if before.load(Ordering::SeqCst) > 0 {
                    return Ok(Progress::Waiting);
                }
                rewrite.stage = Stage::Sessions(self.sessions.all());
            }
            Stage::Sessions(sessions) => {
                let at = sessions.len().saturating_sub(STEP_MAX);
                let step = sessions.split_off(at);
                if step.is_empty() {
                    rewrite.stage = Stage::Groups;
                }
                for session in step {
                    self.rewrite_session(rewrite, &session)?;
                }
            }
            Stage::Groups => {
                self.rewrite_groups(rewrite)?;
                rewrite.stage = Stage::Retained(None);
            }
            Stage::Retained(after) => {
                let after = after.take();
                let retained = self.retained.read();
                let mut last = None;
                for message in retained.after(after.as_deref()).take(STEP_MAX) {
                    last = Some(message.topic_bytes());
                    if message.sequence() < rewrite.next_sequence {
                        // With the lock held, so that what takes its place is behind it.
                        let record = message_record(message, true, &[]);
                        self.keep(&[Record::Publish(record)])?;
                    }
                }
                let Some(last) = last else {
                    drop(retained);
                    let number = rewrite.number;
                    let position = self.keep(&[Record::RewriteDone { number }])?;
                    return Ok(Progress::Done(position));
                };
                rewrite.stage = Stage::Retained(Some(last.into()));
            }
        }
        Ok(Progress::More)
    }

    /// What has to be written before a session is given a message that may have been written before
    /// the last rewriting only, and that this session, written already, did not have.
    pub(crate) fn message_again<'a>(&self, message: &'a Arc<Message>) -> Option<Record<'a>> {
        let is_older = message.sequence() < self.rewritten_before.load(Ordering::SeqCst);
        is_older.then(|| Record::Publish(message_record(message, false, &[])))
    }

    fn rewrite_session(
        &self,
        rewrite: &mut Rewrite,
        session: &SessionRef,
    ) -> Result<(), StorageFault> {
        let state = session.lock();
        if state.is_ended {
            return Ok(());
        }
        let sent = state.in_flight.iter().filter_map(|sent| sent.delivery());
        let kept = sent.chain(state.queue.iter());
        for delivery in kept.filter(|delivery| delivery.is_kept) {
            let message = &delivery.message;
            // Those of a session that is not kept wait for their group again after a stop.
            let receiver = (!session.is_kept()).then(|| of_group(session.number(), delivery));
            let is_new = rewrite.is_to_be_written(message);
            if (is_new || receiver.is_some())
                && let Some(message) = self.with_payload(message)
            {
                let record = message_record(&message, false, receiver.as_slice());
                self.keep(&[Record::Publish(record)])?;
            }
        }
        if state.is_recorded {
            self.keep(&Self::whole(session, &state))?;
        }
        Ok(())
    }

    /// What shared subscriptions keep while they have no members.
    fn rewrite_groups(&self, rewrite: &Rewrite) -> Result<(), StorageFault> {
        for group in self.all_groups() {
            for message in group.kept() {
                if message.sequence() >= rewrite.next_sequence {
                    continue;
                }
                let receiver = Receiver {
                    session: SessionNumber::NONE,
                    qos: message.qos(),
                    retain: message.retain(),
                    identifiers: &[],
                    group: Some(group.text()),
                };
                let record = message_record(&message, false, std::slice::from_ref(&receiver));
                self.keep(&[Record::Publish(record)])?;
            }
        }
        Ok(())
    }
}

impl Rewrite {
    /// Whether a message has to be written, which it has then.
    fn is_to_be_written(&mut self, message: &Message) -> bool {
        message.sequence() < self.next_sequence && self.written.insert(message.sequence())
    }
}

fn of_group(session: SessionNumber, delivery: &Delivery) -> Receiver<'_> {
    Receiver {
        session,
        qos: delivery.qos,
        retain: delivery.retain,
        identifiers: delivery.identifiers(),
        group: delivery.group.as_ref().map(|group| group.text()),
    }
}

pub(super) fn message_record<'a>(
    message: &'a Arc<Message>,
    retains: bool,
    receivers: &'a [Receiver<'a>],
) -> PublishRecord<'a> {
    PublishRecord {
        message: Some(message),
        retains,
        receivers,
        received: None,
        will_of: None,
    }
}
