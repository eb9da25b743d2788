//! Writing again what is needed, so that the store can throw away what was written before.
//!
//! A log of changes grows with every message, what is needed does not. While clients are served,
//! every session, every retained message and every message that waits is appended once more, behind
//! [`Record::RewriteBegun`]; behind [`Record::RewriteDone`] nothing older is needed. What is true of a
//! session is written with its lock held, so that later changes of it follow in the log; the messages
//! that it needs come before that, in pieces, so that a disk which is nearly full is not overrun.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::broker::Broker;
use crate::broker::plan::is_kept_retained;
use crate::id::SessionNumber;
use crate::message::Message;
use crate::router::Group;
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
    /// Messages that were written for the session or group under way, and name it.
    written_for: HashSet<u64>,
    /// Bytes that this step may still write.
    bytes_left: u64,
}

#[derive(Debug)]
enum Stage {
    /// Publishes from before the beginning are not applied yet.
    Waiting,
    Sessions(Vec<SessionRef>),
    Groups(Vec<Arc<Group<SessionRef>>>),
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

/// Sessions, groups or retained messages that one step writes.
const STEP_MAX: usize = 1024;

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
            written_for: HashSet::new(),
            bytes_left: 0,
        })
    }

    /// Writes a bounded number of sessions or retained messages, and of messages about `bytes_max`
    /// bytes, the last of them whole. More is written best when the store has written this.
    ///
    /// # Errors
    /// [`StorageFault`]; the rewriting is of no use then, and does no harm.
    pub fn rewrite(&self, rewrite: &mut Rewrite, bytes_max: u64) -> Result<Progress, StorageFault> {
        rewrite.bytes_left = bytes_max.max(1);
        match std::mem::replace(&mut rewrite.stage, Stage::Waiting) {
            Stage::Waiting => {
                let before = self.outstandings.count(rewrite.epoch);
                if before.load(Ordering::SeqCst) > 0 {
                    return Ok(Progress::Waiting);
                }
                rewrite.stage = Stage::Sessions(self.sessions.all());
            }
            Stage::Sessions(mut sessions) => {
                rewrite.take_step(&mut sessions, |rewrite, session| {
                    self.rewrite_session(rewrite, session)
                })?;
                rewrite.stage = match sessions.is_empty() {
                    true => Stage::Groups(self.all_groups()),
                    false => Stage::Sessions(sessions),
                };
            }
            Stage::Groups(mut groups) => {
                rewrite.take_step(&mut groups, |rewrite, group| {
                    self.rewrite_group(rewrite, group)
                })?;
                rewrite.stage = match groups.is_empty() {
                    true => Stage::Retained(None),
                    false => Stage::Groups(groups),
                };
            }
            Stage::Retained(after) => match self.rewrite_retained(rewrite, after.as_deref())? {
                Some(last) => rewrite.stage = Stage::Retained(Some(last)),
                None => {
                    let number = rewrite.number;
                    let position = self.keep(&[Record::RewriteDone { number }])?;
                    return Ok(Progress::Done(position));
                }
            },
        }
        Ok(Progress::More)
    }

    /// What has to be written before a session is given a message that may have been written before
    /// the last rewriting only, and that this session, written already, did not have.
    pub(crate) fn message_again<'a>(&self, message: &'a Message) -> Option<Record<'a>> {
        let is_older = message.sequence() < self.rewritten_before.load(Ordering::SeqCst);
        is_older.then(|| Record::Publish(message_record(message, false, &[])))
    }

    /// Writes a session; `false` if there is more of it.
    fn rewrite_session(
        &self,
        rewrite: &mut Rewrite,
        session: &SessionRef,
    ) -> Result<bool, StorageFault> {
        let state = session.lock();
        if state.is_ended {
            return Ok(true);
        }
        let sent = state.in_flight.iter().filter_map(|sent| sent.delivery());
        let kept = sent.chain(state.queue.iter());
        for delivery in kept.filter(|delivery| delivery.is_kept) {
            // Those of a session that is not kept wait for their group again after a stop.
            let receiver = (!session.is_kept()).then(|| of_group(session.number(), delivery));
            if !rewrite.is_wanting(&delivery.message, receiver.is_some()) {
                continue;
            }
            if rewrite.bytes_left == 0 {
                return Ok(false);
            }
            if let Some(message) = self.with_payload(&delivery.message) {
                let record = message_record(&message, false, receiver.as_slice());
                self.keep(&[Record::Publish(record)])?;
                rewrite.wrote(&message, receiver.is_some());
            }
        }
        if state.is_recorded {
            self.keep(&Self::whole(session, &state))?;
        }
        Ok(true)
    }

    /// Writes what a shared subscription keeps while it has no members; `false` if there is more.
    fn rewrite_group(
        &self,
        rewrite: &mut Rewrite,
        group: &Group<SessionRef>,
    ) -> Result<bool, StorageFault> {
        // Whoever takes them after this says so behind it.
        let kept = group.kept();
        for message in kept.iter() {
            if message.sequence() >= rewrite.next_sequence || !rewrite.is_wanting(message, true) {
                continue;
            }
            if rewrite.bytes_left == 0 {
                return Ok(false);
            }
            let receiver = Receiver {
                session: SessionNumber::NONE,
                qos: message.qos(),
                retain: message.retain(),
                identifiers: &[],
                group: Some(group.text()),
            };
            let record = message_record(message, false, std::slice::from_ref(&receiver));
            self.keep(&[Record::Publish(record)])?;
            rewrite.wrote(message, true);
        }
        Ok(true)
    }

    /// Writes retained messages behind a topic; gives the last topic that it came by, if there was one.
    fn rewrite_retained(
        &self,
        rewrite: &mut Rewrite,
        after: Option<&[u8]>,
    ) -> Result<Option<Box<[u8]>>, StorageFault> {
        // With the lock held, so that what takes the place of one is behind it.
        let retained = self.retained.read();
        let mut last = None;
        for message in retained.after(after).take(STEP_MAX) {
            if message.sequence() < rewrite.next_sequence && is_kept_retained(message) {
                let record = message_record(message, true, &[]);
                self.keep(&[Record::Publish(record)])?;
                rewrite.spend(message);
            }
            last = Some(message.topic_bytes());
            if rewrite.bytes_left == 0 {
                break;
            }
        }
        Ok(last.map(Box::from))
    }
}

impl Rewrite {
    /// Writes as many of these as one step may, and takes out what is written whole; `write` says
    /// whether it was.
    fn take_step<T>(
        &mut self,
        all: &mut Vec<T>,
        mut write: impl FnMut(&mut Self, &T) -> Result<bool, StorageFault>,
    ) -> Result<(), StorageFault> {
        for _ in 0..STEP_MAX {
            let Some(next) = all.last() else {
                break;
            };
            if !write(self, next)? {
                break;
            }
            all.pop();
            self.written_for.clear();
        }
        Ok(())
    }

    /// Whether a message has to be written, for the session or group under way if it `names` that.
    fn is_wanting(&self, message: &Message, names: bool) -> bool {
        let sequence = message.sequence();
        match names {
            true => !self.written_for.contains(&sequence),
            false => sequence < self.next_sequence && !self.written.contains(&sequence),
        }
    }

    fn wrote(&mut self, message: &Message, names: bool) {
        let sequence = message.sequence();
        self.written.insert(sequence);
        if names {
            self.written_for.insert(sequence);
        }
        self.spend(message);
    }

    fn spend(&mut self, message: &Message) {
        let bytes = message.topic_bytes().len() + message.payload().len();
        self.bytes_left = self.bytes_left.saturating_sub(bytes as u64);
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

pub(crate) fn message_record<'a>(
    message: &'a Message,
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
