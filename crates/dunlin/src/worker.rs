//! A worker: one thread, one current-thread runtime, and the connections that live on it.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Poll, Waker};
use std::time::Duration;

use dunlin_core::id::ConnectionId;
use dunlin_core::publishing::{self, PendingPublication};
use dunlin_core::time::Time;
use dunlin_core::worker::{Notice, Occasion, Publication, Worker as CoreWorker};
use dunlin_uring::Ring;
use slab::Slab;
use tokio::sync::oneshot;
use tokio::task::spawn_local;
use tracing::{debug, warn};

use crate::connection::{self, Connection, Flushed, Flushing, Transport};
use crate::listener::Admission;
use crate::peer::Peer;
use crate::shared::{Command, Shared};
use crate::store;
use crate::timers::{TICK, Tick, Wheel};

/// Bytes that are read from a socket at once; one buffer serves all connections of a worker.
const READ_BUFFER_BYTES: usize = 256 * 1024;

/// Connections that are written to in one system call, and about how many bytes they have together.
const SENT_AT_ONCE_MAX: usize = 64;
const SENT_AT_ONCE_BYTES_MAX: usize = 256 * 1024;

/// Connections for which one call is less than one for each.
const SENT_AT_ONCE_MIN: usize = 3;

/// When no client has published for so long, what is held for the next message is given back.
const REST: Duration = Duration::from_secs(2);

/// What one thread owns. Nothing in it is ever seen by another thread.
pub(crate) struct Worker {
    pub(crate) shared: Arc<Shared>,
    index: usize,
    core: RefCell<CoreWorker>,
    connections: RefCell<Slab<Rc<Connection>>>,
    /// Counts the connections, to tell those that use a slot one after the other apart.
    generation: Cell<u32>,
    /// The connections that have something to send.
    to_flush: RefCell<Vec<Rc<Connection>>>,
    flush_waker: RefCell<Option<Waker>>,
    /// `None` where the kernel does not have it.
    ring: RefCell<Option<Ring>>,
    /// News for connections of other workers, which the flush task passes on: one wake-up of each for
    /// all that the tasks which were ready had for it. At most one of each kind for each connection.
    elsewhere: RefCell<Vec<Notice>>,
    read_buffer: RefCell<Box<[u8]>>,
    wheel: RefCell<Wheel>,
    /// The connections that wait for the store.
    committing: RefCell<VecDeque<Rc<Connection>>>,
    publications: RefCell<VecDeque<PendingPublication>>,
    /// The connections that have something to send that waits for the store.
    held: RefCell<Vec<Rc<Connection>>>,
}

impl Worker {
    pub(crate) fn new(shared: Arc<Shared>, index: usize, core: CoreWorker) -> Rc<Self> {
        let now = shared.clock.now();
        let ring = Ring::new(SENT_AT_ONCE_MAX)
            .inspect_err(|error| {
                debug!(%error, "the system has no io_uring for the broker: each socket is written to by itself");
            })
            .ok();
        Rc::new(Self {
            shared,
            index,
            core: RefCell::new(core),
            connections: RefCell::default(),
            generation: Cell::new(0),
            to_flush: RefCell::default(),
            flush_waker: RefCell::default(),
            ring: RefCell::new(ring),
            elsewhere: RefCell::default(),
            read_buffer: RefCell::new(vec![0; READ_BUFFER_BYTES].into_boxed_slice()),
            wheel: RefCell::new(Wheel::new(now)),
            committing: RefCell::default(),
            publications: RefCell::default(),
            held: RefCell::default(),
        })
    }

    pub(crate) const fn index(&self) -> usize {
        self.index
    }

    pub(crate) fn now(&self) -> Time {
        self.shared.clock.now()
    }

    /// Runs something of the core.
    pub(crate) fn with_core<T>(&self, now: Time, run: impl FnOnce(&mut Occasion<'_>) -> T) -> T {
        let mut core = self.core.borrow_mut();
        let mut context = Occasion {
            broker: &self.shared.broker,
            worker: &mut core,
            now,
        };
        run(&mut context)
    }

    /// The buffer to read into, while nothing else reads.
    pub(crate) fn read_buffer(&self) -> std::cell::RefMut<'_, Box<[u8]>> {
        self.read_buffer.borrow_mut()
    }

    /// An empty buffer for output.
    pub(crate) fn take_buffer(&self) -> Vec<u8> {
        self.core.borrow_mut().buffers.take()
    }

    /// A buffer that is not needed for now.
    pub(crate) fn give_buffer_back(&self, buffer: Vec<u8>) {
        self.core.borrow_mut().buffers.give_back(buffer);
    }

    /// Serves a connection from now on.
    pub(crate) fn serve(self: &Rc<Self>, transport: Transport, peer: Peer, admission: Admission) {
        let now = self.now();
        let connection = {
            let mut connections = self.connections.borrow_mut();
            let entry = connections.vacant_entry();
            let generation = self.generation.get();
            self.generation.set(generation.wrapping_add(1));
            let id = connection_id(self.index, generation, entry.key());
            let connection = Rc::new(Connection::new(id, transport, peer, admission, now));
            entry.insert(Rc::clone(&connection));
            connection
        };
        self.look_again(&connection, connection.deadline(self, now));
        let worker = Rc::clone(self);
        spawn_local(async move {
            // The guard also runs when the task panics: that ends this connection and no other.
            let _end = EndOfConnection {
                worker: Rc::clone(&worker),
                connection: Rc::clone(&connection),
            };
            connection::run(&worker, &connection).await;
        });
    }

    pub(crate) fn connection(&self, id: ConnectionId) -> Option<Rc<Connection>> {
        let connections = self.connections.borrow();
        let connection = connections.get(slot_of(id))?;
        (connection.id() == id).then(|| Rc::clone(connection))
    }

    /// Sees to it that a connection is looked at when this time is there.
    pub(crate) fn look_again(&self, connection: &Connection, at: Time) {
        let tick = self.wheel.borrow_mut().insert(at, connection.id());
        connection.set_tick(tick);
    }

    /// Sees to it that a connection is looked at when this time is there, or before.
    pub(crate) fn look_again_by(&self, connection: &Connection, at: Time) {
        if Tick::not_before(at) < connection.tick() {
            self.look_again(connection, at);
        }
    }

    /// Sees to it that what a connection has to send is sent when the tasks that are ready have run.
    pub(crate) fn flush_later(&self, connection: &Rc<Connection>) {
        connection.set_asks(true);
        self.write_later(connection);
    }

    /// The same for what a connection has in its output already.
    pub(crate) fn write_later(&self, connection: &Rc<Connection>) {
        if connection.list_for_flush() {
            let mut to_flush = self.to_flush.borrow_mut();
            to_flush.push(Rc::clone(connection));
            if to_flush.len() == 1 {
                self.wake_flush();
            }
        }
    }

    fn wake_flush(&self) {
        if let Some(waker) = &*self.flush_waker.borrow() {
            waker.wake_by_ref();
        }
    }

    /// Notes that a connection waits for the store.
    pub(crate) fn commit_later(&self, connection: &Rc<Connection>) {
        self.committing
            .borrow_mut()
            .push_back(Rc::clone(connection));
    }

    /// Notes that a connection has something to send that waits for the store.
    pub(crate) fn flush_when_stored(&self, connection: &Rc<Connection>) {
        self.held.borrow_mut().push(Rc::clone(connection));
    }

    /// Finishes what a connection that is gone began: it may be in the store already.
    pub(crate) fn adopt(&self, pending: impl Iterator<Item = PendingPublication>) {
        self.publications.borrow_mut().extend(pending);
    }

    /// Passes on what the last inputs made: messages of the broker, and news for connections.
    pub(crate) fn pass_on(&self) {
        let mut core = self.core.borrow_mut();
        while let Some(publication) = core.next_publication() {
            self.publish_own(&mut core, publication);
        }
        if !core.has_notices() {
            return;
        }
        let mut taken_over = Vec::new();
        for notice in core.take_notices() {
            let (Notice::Output(id) | Notice::TakenOver(id)) = notice;
            if worker_of(id) != self.index {
                self.tell_elsewhere(notice);
            } else if let Some(connection) = self.connection(id) {
                match notice {
                    Notice::Output(_) => {
                        if connection.is_behind() {
                            // Perhaps not any more.
                            self.look_at_commits();
                        }
                        self.flush_later(&connection);
                    }
                    Notice::TakenOver(_) => taken_over.push(connection),
                }
            }
        }
        drop(core);
        for connection in taken_over {
            connection.take_over(self);
        }
    }

    fn tell_elsewhere(&self, notice: Notice) {
        let mut elsewhere = self.elsewhere.borrow_mut();
        elsewhere.push(notice);
        if elsewhere.len() == 1 {
            self.wake_flush();
        }
    }

    /// One batch, and one wake-up, for each other worker.
    fn send_elsewhere(&self) {
        let mut notices = self.elsewhere.borrow_mut();
        let worker = |notice: &Notice| {
            let (Notice::Output(id) | Notice::TakenOver(id)) = *notice;
            worker_of(id)
        };
        notices.sort_by_key(worker);
        for batch in notices.chunk_by(|one, other| worker(one) == worker(other)) {
            let mailbox = batch
                .first()
                .and_then(|first| self.shared.mailboxes.get(worker(first)));
            if let Some(mailbox) = mailbox {
                mailbox.put(batch.iter().copied().map(Command::Notice));
            }
        }
        notices.clear();
    }

    /// Writes what the listed connections have to send, at once; the flush task goes on where one has
    /// more.
    pub(crate) fn flush(&self) {
        if self.flush_once() {
            self.wake_flush();
        }
    }

    /// Writes what the listed connections have to send, and says whether one has more.
    fn flush_once(&self) -> bool {
        self.send_elsewhere();
        let now = self.now();
        let mut batch = std::mem::take(&mut *self.to_flush.borrow_mut());
        // Several are asked what they have before any of it is written.
        let mut flushing: Vec<Flushing<'_>> = Vec::with_capacity(batch.len().min(SENT_AT_ONCE_MAX));
        let mut bytes = 0;
        for connection in &batch {
            connection.unlist();
            guard(connection, || {
                if let Some(begun) = connection.begin_flush(self, now) {
                    bytes += begun.len();
                    flushing.push(begun);
                }
            });
            if flushing.len() >= SENT_AT_ONCE_MAX || bytes >= SENT_AT_ONCE_BYTES_MAX {
                self.write(&mut flushing);
                bytes = 0;
            }
        }
        self.write(&mut flushing);
        drop(flushing);
        batch.clear();
        let mut to_flush = self.to_flush.borrow_mut();
        let has_more = !to_flush.is_empty();
        if !has_more {
            *to_flush = batch;
        }
        has_more
    }

    /// Writes what these have to send, in one system call where that can be.
    fn write(&self, flushing: &mut Vec<Flushing<'_>>) {
        if let Some(ring) = &mut *self.ring.borrow_mut()
            && flushing.len() >= SENT_AT_ONCE_MIN
        {
            let sends: Vec<_> = flushing.iter().map(Flushing::as_send).collect();
            let sent = ring.send(&sends);
            for (flushing, sent) in flushing.iter_mut().zip(sent) {
                flushing.sent(*sent);
            }
        }
        for flushing in flushing.drain(..) {
            let connection = flushing.connection();
            guard(connection, || {
                let flushed = flushing.finish(self);
                if flushed == Flushed::More && connection.list_for_flush() {
                    connection.set_asks(true);
                    self.to_flush.borrow_mut().push(Rc::clone(connection));
                }
            });
        }
    }

    /// The task that sends.
    async fn run_flush(self: Rc<Self>) {
        loop {
            std::future::poll_fn(|context| {
                let mut waker = self.flush_waker.borrow_mut();
                if waker
                    .as_ref()
                    .is_none_or(|waker| !waker.will_wake(context.waker()))
                {
                    *waker = Some(context.waker().clone());
                }
                drop(waker);
                match self.flush_once() {
                    true => Poll::Ready(()),
                    false => Poll::Pending,
                }
            })
            .await;
            // Who has more to send waits for a look at the sockets: a task that wakes itself is run
            // many times before that.
            tokio::task::yield_now().await;
        }
    }

    /// The task that looks at what is due.
    async fn run_timers(self: Rc<Self>) {
        let mut interval = tokio::time::interval(TICK);
        interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut due: Vec<(Tick, ConnectionId)> = Vec::new();
        // What was published, and when that was seen to be more than before.
        let mut activity = (0, None);
        loop {
            interval.tick().await;
            let now = self.now();
            self.wheel.borrow_mut().take_due(now, &mut due);
            self.shared.sys.note(self.index, &self.core.borrow().stats);
            let published = self.shared.sys.sum().publish_received;
            if published != activity.0 {
                activity = (published, Some(now));
            } else if activity.1.is_some_and(|last| last.after(REST) <= now) {
                activity.1 = None;
                self.rest();
            }
            if self.index == 0 {
                self.shared.limits.memory.look();
                self.say_how_it_is(now);
            }
            for (tick, id) in due.drain(..) {
                if let Some(connection) = self.connection(id)
                    && connection.tick() == tick
                {
                    connection.handle_timeout(&self, now);
                }
            }
            // One worker is enough for what no connection has.
            while self.index == 0
                && self
                    .shared
                    .broker
                    .poll_timeout()
                    .is_some_and(|at| at <= now)
            {
                self.with_core(now, |context| context.broker.handle_timeout(context));
                self.pass_on();
                tokio::task::yield_now().await;
            }
        }
    }

    /// Publishes what the broker says of itself, when it is time.
    fn say_how_it_is(&self, now: Time) {
        let publications = self.shared.sys.publications(&self.shared.broker, now);
        if publications.is_empty() {
            return;
        }
        let mut core = self.core.borrow_mut();
        for publication in publications {
            self.publish_own(&mut core, publication);
        }
        drop(core);
        self.pass_on();
    }

    fn publish_own(&self, core: &mut CoreWorker, publication: Publication) {
        let pending = publishing::begin_publication(&self.shared.broker, core, publication);
        let left = pending
            .and_then(|pending| publishing::finish_publication(&self.shared.broker, core, pending));
        self.publications.borrow_mut().extend(left);
    }

    /// The store got on: finishes the publishes whose records are safe by now, and sends what
    /// waited.
    fn handle_progress(&self) {
        let now = self.now();
        let waiting = self.publications.borrow().len();
        for _ in 0..waiting {
            let Some(pending) = self.publications.borrow_mut().pop_front() else {
                break;
            };
            let mut core = self.core.borrow_mut();
            let left = publishing::finish_publication(&self.shared.broker, &mut core, pending);
            self.publications.borrow_mut().extend(left);
        }
        let waiting = self.committing.borrow().len();
        for _ in 0..waiting {
            let Some(connection) = self.committing.borrow_mut().pop_front() else {
                break;
            };
            if !connection.finish_commits(self, now) {
                self.commit_later(&connection);
            }
            self.flush_later(&connection);
        }
        for connection in std::mem::take(&mut *self.held.borrow_mut()) {
            connection.set_flushed_when_stored(false);
            self.flush_later(&connection);
        }
        self.pass_on();
    }

    /// Serves until the broker ends and every connection is gone, or `patience` after that.
    pub(crate) async fn run(self: Rc<Self>, patience: Duration, stop_accepting: impl FnOnce()) {
        let flush = spawn_local(Rc::clone(&self).run_flush());
        let timers = spawn_local(Rc::clone(&self).run_timers());
        let shared = Arc::clone(&self.shared);
        let keeping = (self.index == 0).then(|| {
            let shared = Arc::clone(&shared);
            spawn_local(async move {
                if let Some(store) = &shared.store {
                    store::keep_short(store, &shared.broker).await;
                }
            })
        });
        // What the start made.
        self.pass_on();
        let mut commands = Vec::new();
        if let Some(mailbox) = shared.mailboxes.get(self.index) {
            'serving: loop {
                if mailbox.take(&mut commands).await {
                    self.handle_progress();
                }
                for command in commands.drain(..) {
                    match command {
                        Command::Notice(notice) => self.handle_notice(notice),
                        Command::Serve(accepted) => accepted.go_on(&self),
                        Command::CatchUp(done) => Self::catch_up(done),
                        Command::Recheck => self.recheck(),
                        Command::ShutDown => break 'serving,
                    }
                }
            }
        }
        stop_accepting();
        self.shut_down(patience).await;
        if let Some(keeping) = keeping {
            keeping.abort();
        }
        flush.abort();
        timers.abort();
    }

    /// Looks at the publishes that wait as if the store had got on.
    fn look_at_commits(&self) {
        if let Some(mailbox) = self.shared.mailboxes.get(self.index) {
            mailbox.put_progress();
        }
    }

    /// Answers once what clients have sent until now is read.
    fn catch_up(done: oneshot::Sender<()>) {
        spawn_local(async move {
            // A task that gives way goes on behind those that a look at the sockets wakes.
            tokio::task::yield_now().await;
            // Nobody waits any more if the connection has ended.
            let _ = done.send(());
        });
    }

    fn handle_notice(&self, notice: Notice) {
        let (Notice::Output(id) | Notice::TakenOver(id)) = notice;
        let Some(connection) = self.connection(id) else {
            return;
        };
        match notice {
            Notice::Output(_) => self.flush_later(&connection),
            Notice::TakenOver(_) => connection.take_over(self),
        }
    }

    /// Asks every connection again about what it was granted, a few at a time.
    fn recheck(self: &Rc<Self>) {
        self.to_all(|worker, connection| connection.recheck(worker));
    }

    /// Nothing happens: connections give back what they hold for what may.
    fn rest(self: &Rc<Self>) {
        self.core.borrow_mut().give_memory_back();
        self.to_flush.borrow_mut().shrink_to_fit();
        self.elsewhere.borrow_mut().shrink_to_fit();
        self.to_all(|_, connection| connection.rest());
    }

    /// Does something with every connection.
    fn to_all(self: &Rc<Self>, act: impl Fn(&Self, &Rc<Connection>) + 'static) {
        const AT_ONCE: usize = 64;
        let ids: Vec<_> = {
            let connections = self.connections.borrow();
            connections.iter().map(|(_, open)| open.id()).collect()
        };
        let worker = Rc::clone(self);
        spawn_local(async move {
            for ids in ids.chunks(AT_ONCE) {
                for id in ids {
                    if let Some(connection) = worker.connection(*id) {
                        act(&worker, &connection);
                    }
                }
                worker.pass_on();
                tokio::task::yield_now().await;
            }
        });
    }

    async fn shut_down(&self, patience: Duration) {
        let now = self.now();
        let connections: Vec<_> = {
            let connections = self.connections.borrow();
            connections
                .iter()
                .map(|(_, connection)| Rc::clone(connection))
                .collect()
        };
        for connection in &connections {
            connection.shut_down(self, now);
        }
        self.pass_on();
        drop(connections);
        let all_gone = async {
            while !self.connections.borrow().is_empty() || !self.publications.borrow().is_empty() {
                tokio::time::sleep(Duration::from_millis(5)).await;
                self.handle_progress();
            }
        };
        if tokio::time::timeout(patience, all_gone).await.is_err() {
            let left = self.connections.borrow().len();
            warn!(
                connections = left,
                "clients did not take what was sent to them in time"
            );
        }
    }
}

/// Sends what a connection has. A panic ends that connection only.
fn guard(connection: &Connection, send: impl FnOnce()) {
    if catch_unwind(AssertUnwindSafe(send)).is_err() {
        warn!("a defect of the broker: sending panicked; the connection ends");
        connection.abort();
    }
}

/// Removes a connection when its task ends, however it does.
struct EndOfConnection {
    worker: Rc<Worker>,
    connection: Rc<Connection>,
}

impl Drop for EndOfConnection {
    fn drop(&mut self) {
        let worker = &self.worker;
        let slot = slot_of(self.connection.id());
        let removed = worker.connections.borrow_mut().try_remove(slot);
        debug_assert!(removed.is_some());
        self.connection.end(worker);
        worker.pass_on();
    }
}

/// The number of a connection says where it lives: 8 bits of worker, 24 of generation, 32 of slot.
fn connection_id(worker: usize, generation: u32, slot: usize) -> ConnectionId {
    let slot = u64::from(u32::try_from(slot).unwrap_or(u32::MAX));
    let generation = u64::from(generation & 0x00ff_ffff);
    ConnectionId((worker as u64) << 56 | generation << 32 | slot)
}

pub(crate) fn worker_of(ConnectionId(number): ConnectionId) -> usize {
    usize::try_from(number >> 56).unwrap_or_default()
}

fn slot_of(ConnectionId(number): ConnectionId) -> usize {
    usize::try_from(number & u64::from(u32::MAX)).unwrap_or_default()
}
