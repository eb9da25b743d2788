//! What a worker knows of its clients, and what they send. No socket is touched here.

mod receive;

use std::mem;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use dunlin_codec::{ProtocolVersion, QoS};
use hdrhistogram::Histogram;

use super::connect::Writer;
use super::ledger::Group;
use super::plan::{Pacing, Role};
use super::publisher::Publisher;
use super::rest::Rest;
use super::shared::{Credit, Shared};
use super::stamp::Stamp;
use super::tally::{Account, Tally, histogram};
pub(crate) use receive::Farewell;

/// A client stops filling its buffer here until the socket has taken it.
const OUT_BYTES_MAX: usize = 1 << 20;

/// One client.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) role: Role,
    pub(crate) version: ProtocolVersion,
    /// What is to be written.
    pub(crate) out: Vec<u8>,
    /// An incomplete packet.
    rest: Vec<u8>,
    pub(crate) writer: Option<Rc<Writer>>,
    pub(crate) is_dirty: bool,
    /// The socket takes no more for now.
    pub(crate) is_blocked: bool,
    /// When something was written last, on the clock of [`State::second`].
    pub(crate) written_at: u32,
    /// For a member of a divided group: one past the highest number seen of each publisher.
    seen: Vec<u64>,
}

/// The place of a publisher: its worker, and its place there.
pub(crate) type Home = (usize, usize);

/// All that a worker knows.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) shared: Arc<Shared>,
    worker: usize,
    pub(crate) links: Vec<Link>,
    publishers: Vec<Publisher>,
    groups: Vec<Group>,
    homes: Arc<[Home]>,
    qos: QoS,
    pacing: Pacing,
    is_stamped: bool,
    /// Clients with something to write.
    pub(crate) dirty: Vec<usize>,
    /// Clients whose socket takes no more for now.
    pub(crate) blocked: u64,
    /// Publishers that may be able to send.
    ready: Vec<usize>,
    /// Credits for other workers.
    outbox: Vec<(usize, Credit)>,
    pub(crate) histogram: Histogram<u64>,
    /// From a message to its PUBACK, or to its PUBCOMP.
    acknowledged: Histogram<u64>,
    pub(crate) tally: Tally,
    /// Seconds since the run began.
    pub(crate) second: u32,
}

impl State {
    pub(crate) fn new(
        shared: Arc<Shared>,
        worker: usize,
        plan: &super::plan::Plan,
        homes: Arc<[Home]>,
    ) -> Self {
        let own = plan.workers.get(worker).cloned().unwrap_or_default();
        let mut publishers: Vec<Publisher> =
            own.publishers.into_iter().map(Publisher::new).collect();
        let mut links = Vec::with_capacity(own.links.len());
        for (index, link) in own.links.iter().enumerate() {
            let mut seen = Vec::new();
            match link.role {
                Role::Publisher(publisher) => {
                    if let Some(publisher) = publishers.get_mut(publisher) {
                        publisher.link = index;
                    }
                }
                Role::Subscriber { group: Some(group) } => {
                    if let Some(group) = own.groups.get(group).filter(|group| group.is_divided) {
                        seen = vec![0; group.streams.len()];
                    }
                }
                Role::Subscriber { group: None } | Role::Idle => {}
            }
            links.push(Link {
                role: link.role,
                version: plan.client.connect.version,
                out: Vec::new(),
                rest: Vec::new(),
                writer: None,
                is_dirty: false,
                is_blocked: false,
                written_at: 0,
                seen,
            });
        }
        Self {
            shared,
            worker,
            links,
            publishers,
            groups: own.groups,
            homes,
            qos: plan.qos,
            pacing: plan.pacing,
            is_stamped: plan.is_stamped,
            dirty: Vec::new(),
            blocked: 0,
            ready: Vec::new(),
            outbox: Vec::new(),
            histogram: histogram(),
            acknowledged: histogram(),
            tally: Tally::default(),
            second: 0,
        }
    }

    /// A client is connected.
    pub(crate) fn install(&mut self, index: usize, writer: Rc<Writer>, limit: u32) {
        let Some(link) = self.links.get_mut(index) else {
            return;
        };
        link.writer = Some(writer);
        link.is_blocked = false;
        link.written_at = self.second;
        link.out.clear();
        link.rest.clear();
        if let Role::Publisher(publisher) = link.role
            && let Some(publisher) = self.publishers.get_mut(publisher)
        {
            publisher.receive_maximum = limit;
        }
    }

    /// A client's connection has ended; a publisher gives up what it waited for.
    pub(crate) fn remove(&mut self, index: usize) {
        let Some(link) = self.links.get_mut(index) else {
            return;
        };
        link.writer = None;
        link.out = Vec::new();
        link.rest = Vec::new();
        if let Role::Publisher(publisher) = link.role
            && let Some(publisher) = self.publishers.get_mut(publisher)
        {
            self.tally.unacknowledged -= u64::from(publisher.unacknowledged);
            publisher.unacknowledged = 0;
            publisher.sent_at_ns.clear();
        }
    }

    /// A client's buffer is written: a publisher that only the socket holds back may go on.
    pub(crate) fn written(&mut self, index: usize) {
        if let Some(Role::Publisher(publisher)) = self.links.get(index).map(|link| link.role)
            && let Some(found) = self.publishers.get(publisher)
            && found.plan.copies == 0
            && matches!(self.pacing, Pacing::Window { .. })
        {
            self.mark_ready(publisher);
        }
    }

    /// The publisher of a client may be able to send.
    pub(crate) fn mark_link_ready(&mut self, index: usize) {
        if let Some(Role::Publisher(publisher)) = self.links.get(index).map(|link| link.role) {
            self.mark_ready(publisher);
        }
    }

    fn mark_ready(&mut self, index: usize) {
        if let Some(publisher) = self.publishers.get_mut(index)
            && !publisher.is_ready
        {
            publisher.is_ready = true;
            self.ready.push(index);
        }
    }

    /// All publishers may be able to send.
    pub(crate) fn mark_all_ready(&mut self) {
        for index in 0..self.publishers.len() {
            self.mark_ready(index);
        }
    }

    pub(crate) fn mark_dirty(&mut self, index: usize) {
        if let Some(link) = self.links.get_mut(index)
            && !link.is_dirty
        {
            link.is_dirty = true;
            self.dirty.push(index);
        }
    }

    /// Whether a flush has something to do.
    pub(crate) const fn has_work(&self) -> bool {
        !self.dirty.is_empty() || !self.ready.is_empty() || !self.outbox.is_empty()
    }

    /// Takes what other workers have sent.
    pub(crate) fn take_inbox(&mut self, credits: &mut Vec<Credit>) {
        for credit in credits.drain(..) {
            self.apply(credit);
        }
    }

    /// Gives each ready publisher's messages to its client.
    pub(crate) fn fill(&mut self) {
        if self.ready.is_empty() {
            return;
        }
        let now_ns = self.shared.now_ns();
        let is_running = self.shared.phase().is_running();
        let mut ready = mem::take(&mut self.ready);
        for index in ready.drain(..) {
            if let Some(publisher) = self.publishers.get_mut(index) {
                publisher.is_ready = false;
                if is_running {
                    self.fill_one(index, now_ns);
                }
            }
        }
        // Filling marks nobody ready, so the list is still empty and its memory can be kept.
        self.ready = ready;
    }

    fn fill_one(&mut self, index: usize, now_ns: u64) {
        let Some(publisher) = self.publishers.get_mut(index) else {
            return;
        };
        let link_index = publisher.link;
        let Some(link) = self.links.get_mut(link_index) else {
            return;
        };
        if link.writer.is_none() || link.is_blocked {
            return;
        }
        if !publisher.may_begin(self.qos, self.pacing) {
            return;
        }
        let mut sent = 0;
        while publisher.may_send(self.qos, self.pacing)
            && link.out.len() < OUT_BYTES_MAX
            && self.shared.take_from_budget()
        {
            let time_ns = publisher.take_due(self.pacing).unwrap_or(now_ns);
            let stamp = self.is_stamped.then_some(Stamp {
                run: self.shared.run,
                publisher: publisher.plan.number,
                sequence: publisher.sent,
                time_ns,
            });
            publisher.append(&mut link.out, stamp);
            publisher.outstanding += publisher.plan.copies;
            if self.qos != QoS::AtMostOnce {
                publisher.unacknowledged += 1;
                publisher.sent_at_ns.push_back(time_ns);
            }
            sent += 1;
        }
        if sent == 0 {
            return;
        }
        self.tally.outstanding += sent * publisher.plan.copies;
        self.tally.published += sent;
        if self.qos != QoS::AtMostOnce {
            self.tally.unacknowledged += sent;
        }
        self.mark_dirty(link_index);
    }

    /// Another message of a publisher is due.
    pub(crate) fn due(&mut self, index: usize, due_ns: u64) {
        if let Some(publisher) = self.publishers.get_mut(index) {
            if publisher.due == 0 {
                publisher.due_since_ns = due_ns;
            }
            publisher.due += 1;
            self.mark_ready(index);
        }
    }

    /// Deliveries that publishers wait for.
    pub(crate) const fn in_flight(&self) -> u64 {
        self.tally.outstanding
    }

    /// What the worker may rest for, where it may rest at all.
    pub(crate) fn rest(&self) -> Option<Rest> {
        let may_rest = matches!(
            self.pacing,
            Pacing::Window {
                until_received: true,
                is_eager: false,
                ..
            }
        );
        let hears = |link: &&Link| matches!(link.role, Role::Subscriber { .. });
        let subscribers = self.links.iter().filter(hears).count();
        let templates = self.publishers.iter().flat_map(|one| &one.plan.templates);
        let bytes = templates.map(super::template::Template::len).max()?;
        let is_acknowledged = self.qos != QoS::AtMostOnce;
        (may_rest && subscribers > 0).then(|| Rest::new(subscribers, bytes, is_acknowledged))
    }

    /// How many publishers there are.
    pub(crate) const fn publishers(&self) -> usize {
        self.publishers.len()
    }

    /// Credits for other workers go out.
    pub(crate) fn send_outbox(&mut self) {
        for (worker, credit) in self.outbox.drain(..) {
            if let Some(board) = self.shared.boards.get(worker) {
                let mut inbox = board
                    .inbox
                    .lock()
                    .unwrap_or_else(std::sync::PoisonError::into_inner);
                let is_first = inbox.is_empty();
                inbox.push(credit);
                drop(inbox);
                if is_first {
                    board.notify.notify_one();
                }
            }
        }
    }

    /// Lets go of messages that seem lost; called once a second.
    pub(crate) fn release_stalled(&mut self) {
        for index in 0..self.publishers.len() {
            let stalled = self
                .publishers
                .get_mut(index)
                .filter(|publisher| publisher.is_full(self.pacing))
                .and_then(Publisher::release_if_quiet);
            if let Some(deliveries) = stalled {
                self.tally.outstanding -= deliveries;
                self.tally.stalls += 1;
                self.mark_ready(index);
            }
        }
    }

    /// Shows the counts to who watches.
    pub(crate) fn show(&self) {
        if let Some(board) = self.shared.boards.get(self.worker) {
            let tally = &self.tally;
            board.delivered.store(tally.delivered, Ordering::Relaxed);
            board
                .delivered_bytes
                .store(tally.delivered_bytes, Ordering::Relaxed);
            board.published.store(tally.published, Ordering::Relaxed);
            let pending = tally.outstanding + tally.unacknowledged + self.blocked;
            board.pending.store(pending, Ordering::Relaxed);
        }
        if self.shared.is_delivered() {
            self.shared.finished.notify_one();
        }
    }

    /// What is known when all is over.
    pub(crate) fn into_account(self) -> Account {
        let sent = self.publishers.iter();
        let sent = sent.map(|publisher| (publisher.plan.number, publisher.sent));
        let got = self.groups.iter().flat_map(|group| {
            let numbers = (group.first..).step_by(usize::try_from(group.step).unwrap_or(1));
            numbers.zip(group.streams.iter().map(super::ledger::Stream::distinct))
        });
        Account {
            sent: sent.collect(),
            got: got.collect(),
            histogram: self.histogram,
            acknowledged: self.acknowledged,
            tally: self.tally,
        }
    }
}
