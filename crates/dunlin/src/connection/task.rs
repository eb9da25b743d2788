//! The task of a connection, and what others do to it between its turns.

use std::cell::{Cell, RefCell, RefMut};
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll, Waker};
use std::time::Duration;

use dunlin_codec::ReasonCode;
use dunlin_core::connection::Connection as CoreConnection;
use dunlin_core::id::{ClientIdentifier, ConnectionId};
use dunlin_core::input::{CloseReason, Outcome};
use dunlin_core::output::Output;
use dunlin_core::publishing::{self, Pending};
use dunlin_core::time::Time;
use dunlin_uring::Send;
use tokio::io::ReadBuf;
use tracing::{debug, info};

use super::authenticating::Authentication;
use super::pace::Pace;
use super::read::Input;
use super::transport::Transport;
use super::write::Flushed;
use crate::auth::Caller;
use crate::listener::Admission;
use crate::peer::Peer;
use crate::timers::Tick;
use crate::worker::Worker;

/// Publishes that wait for the store before their connection is read from again.
const PENDING_MAX: usize = 4096;

/// A connection without any deadline is looked at this often all the same.
const IDLE_LOOK: Duration = Duration::from_secs(60);

/// A connection, owned by its worker.
pub(crate) struct Connection {
    id: ConnectionId,
    peer: Peer,
    admission: Admission,
    /// When the wheel brings it up.
    tick: Cell<Tick>,
    is_listed: Cell<bool>,
    /// Whether the next flush asks the core what there is to send.
    asks: Cell<bool>,
    /// Whether it is in the list of those that wait for the store.
    is_held: Cell<bool>,
    /// Whether publishes wait for those of an earlier connection of its session.
    pub(super) is_behind: Cell<bool>,
    inner: RefCell<Inner>,
}

/// A connection that has been asked what there is to send, and has not written it yet.
pub(crate) struct Flushing<'a> {
    connection: &'a Rc<Connection>,
    inner: RefMut<'a, Inner>,
    has_more: bool,
}

/// What only one of the task, the flush and the timer touches at a time.
pub(super) struct Inner {
    pub(super) transport: Transport,
    pub(super) core: CoreConnection,
    pub(super) input: Input,
    pub(super) out: Output,
    pub(super) pending: VecDeque<Pending>,
    pub(super) phase: Phase,
    pub(super) authentication: Authentication,
    pub(super) pace: Pace,
    /// Whether the socket took less than there was.
    pub(super) is_blocked: bool,
    /// Whether the direction to the client is ended.
    is_shut: bool,
    /// Wakes the task.
    pub(super) waker: Option<Waker>,
}

/// There is one for each client: what an allocator gives for this size with the two counts of an `Rc`.
const _: () = assert!(size_of::<Connection>() + 16 <= 448);

/// How far a connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Open,
    /// The core is done with it; what is left is to be written until then.
    Closing(Time),
    /// The socket is of no more use.
    Gone,
}

impl Connection {
    pub(crate) fn new(
        id: ConnectionId,
        transport: Transport,
        peer: Peer,
        admission: Admission,
        now: Time,
    ) -> Self {
        let core = CoreConnection::new(id, now);
        let core = match &admission.listener().terms {
            Some(terms) => core.under(Arc::clone(terms)),
            None => core,
        };
        Self {
            id,
            peer,
            admission,
            tick: Cell::default(),
            is_listed: Cell::new(false),
            asks: Cell::new(false),
            is_held: Cell::new(false),
            is_behind: Cell::new(false),
            inner: RefCell::new(Inner {
                transport,
                core,
                input: Input::default(),
                out: Output::default(),
                pending: VecDeque::new(),
                phase: Phase::Open,
                authentication: Authentication::default(),
                pace: Pace::default(),
                is_blocked: false,
                is_shut: false,
                waker: None,
            }),
        }
    }

    pub(crate) const fn id(&self) -> ConnectionId {
        self.id
    }

    /// Where it came from, for whoever decides who it is.
    pub(super) fn caller(&self, now: Time) -> Caller {
        let listener = self.admission.listener();
        Caller {
            now,
            peer: self.peer.clone(),
            allow_anonymous: listener.allow_anonymous,
            certificate_names: listener.certificate_names,
        }
    }

    pub(super) fn inner(&self) -> &RefCell<Inner> {
        &self.inner
    }

    /// What stands before the topics of its client in the rest of the broker; empty for most.
    pub(super) fn mount_point(&self) -> &str {
        let terms = &self.admission.listener().terms;
        terms.as_ref().map_or("", |terms| &terms.mount_point)
    }

    pub(crate) fn tick(&self) -> Tick {
        self.tick.get()
    }

    pub(crate) fn set_tick(&self, tick: Tick) {
        self.tick.set(tick);
    }

    /// Notes that it is in the list of those to be flushed; false if it was already.
    pub(crate) fn list_for_flush(&self) -> bool {
        !self.is_listed.replace(true)
    }

    /// Notes whether the next flush asks the core what there is to send; gives whether it would have.
    pub(crate) fn set_asks(&self, asks: bool) -> bool {
        self.asks.replace(asks)
    }

    pub(crate) fn unlist(&self) {
        self.is_listed.set(false);
    }

    /// Notes whether it is in the list of those that wait for the store; gives whether it was.
    pub(crate) fn set_flushed_when_stored(&self, is_held: bool) -> bool {
        self.is_held.replace(is_held)
    }

    /// When it has to be looked at, if nothing happens before.
    pub(crate) fn deadline(&self, worker: &Worker, now: Time) -> Time {
        self.inner.borrow().deadline(worker, now)
    }

    /// Its deadline may be there.
    pub(crate) fn handle_timeout(self: &Rc<Self>, worker: &Worker, now: Time) {
        {
            let mut inner = self.inner.borrow_mut();
            let inner = &mut *inner;
            match inner.phase {
                Phase::Gone => return,
                Phase::Closing(until) if until <= now => inner.set_gone(),
                Phase::Closing(_) => {}
                Phase::Open => {
                    if inner.pace.paused_until().is_some_and(|until| until <= now) {
                        inner.wake();
                    }
                    let partial_since = inner.input.partial_since();
                    let is_stuck = partial_since.is_some_and(|since| {
                        since.after(worker.shared.timeouts.partial_packet) <= now
                    });
                    let outcome = worker.with_core(now, |context| {
                        if is_stuck {
                            inner.core.handle_packet_timeout(context, &mut inner.out)
                        } else {
                            inner.core.handle_timeout(context, &mut inner.out)
                        }
                    });
                    inner.close_if(&outcome, worker, now);
                }
            }
        }
        worker.pass_on();
        worker.flush_later(self);
        worker.look_again(self, self.deadline(worker, now));
    }

    /// Nothing happens.
    pub(crate) fn rest(&self) {
        if let Ok(inner) = self.inner.try_borrow() {
            inner.core.give_memory_back();
        }
    }

    /// Another connection has its session.
    pub(crate) fn take_over(self: &Rc<Self>, worker: &Worker) {
        {
            // Busy means that it is in the middle of handling input that ends its session; it finds
            // out by itself.
            let Ok(mut inner) = self.inner.try_borrow_mut() else {
                return;
            };
            let inner = &mut *inner;
            let outcome = inner.core.handle_taken_over(&mut inner.out);
            if inner.out.is_empty() && inner.transport.ends_without_a_word() {
                // Nothing can be said to it, so there is nothing that has to arrive.
                inner.set_gone();
            }
            inner.close_if(&outcome, worker, worker.now());
        }
        worker.flush_later(self);
    }

    /// The broker ends.
    pub(crate) fn shut_down(self: &Rc<Self>, worker: &Worker, now: Time) {
        {
            let mut inner = self.inner.borrow_mut();
            let inner = &mut *inner;
            if inner.phase == Phase::Open {
                let outcome = worker.with_core(now, |context| {
                    inner
                        .core
                        .close(context, ReasonCode::ServerShuttingDown, &mut inner.out)
                });
                inner.close_if(&outcome, worker, now);
            }
        }
        worker.flush_later(self);
    }

    /// Whether publishes wait for those of an earlier connection of its session.
    pub(crate) fn is_behind(&self) -> bool {
        self.is_behind.get()
    }

    /// Finishes the publishes that are safe by now; false if some are not.
    pub(crate) fn finish_commits(&self, worker: &Worker, now: Time) -> bool {
        let Ok(mut inner) = self.inner.try_borrow_mut() else {
            return false;
        };
        if inner.pending.len() >= PENDING_MAX {
            inner.wake();
        }
        let Inner {
            core, pending, out, ..
        } = &mut *inner;
        let is_done = worker.with_core(now, |context| {
            publishing::finish(context, core, pending, out)
        });
        self.is_behind.set(!is_done && inner.core.is_behind());
        if inner.core.close_reason().is_some() {
            inner.close_if(&Outcome::Close, worker, now);
        }
        is_done
    }

    /// Begins to flush: asks the core what waits to be sent.
    pub(crate) fn begin_flush(self: &Rc<Self>, worker: &Worker, now: Time) -> Option<Flushing<'_>> {
        // Busy means that it is in the middle of a read, after which it is listed again.
        let mut inner = self.inner.try_borrow_mut().ok()?;
        let has_more = inner.collect(worker, now, self.set_asks(false));
        Some(Flushing {
            connection: self,
            inner,
            has_more,
        })
    }

    /// Gives the connection up where it stands.
    pub(crate) fn abort(&self) {
        if let Ok(mut inner) = self.inner.try_borrow_mut() {
            inner.set_gone();
        }
    }

    /// The task is over: the core learns it, if it does not know.
    pub(crate) fn end(&self, worker: &Worker) {
        let Ok(mut inner) = self.inner.try_borrow_mut() else {
            return;
        };
        let inner = &mut *inner;
        inner.phase = Phase::Gone;
        worker.with_core(worker.now(), |context| inner.core.handle_lost(context));
        let pending = std::mem::take(&mut inner.pending);
        worker.adopt(pending.into_iter().filter_map(Pending::orphaned));
        inner.out.clear();
        worker.give_buffer_back(inner.out.take_buffer());
    }

    /// Says in the log that it is over and why: what a client did wrong, or was refused, is news;
    /// the usual ends are not.
    fn log_end(&self, client: Option<&ClientIdentifier>, reason: CloseReason) {
        let peer = self.peer.address.map(tracing::field::display);
        let client = client.map(tracing::field::display);
        match reason {
            CloseReason::Violation(_) | CloseReason::Refused(_) => {
                info!(peer, client, "connection closed: {reason}");
            }
            _ => debug!(peer, client, "connection closed: {reason}"),
        }
    }
}

impl<'a> Flushing<'a> {
    pub(crate) const fn connection(&self) -> &'a Rc<Connection> {
        self.connection
    }

    /// Bytes that it has.
    pub(crate) fn len(&self) -> usize {
        self.inner.out.len()
    }

    /// What it has for a socket of the operating system, if it lies in one piece.
    pub(crate) fn as_send(&self) -> Option<Send<'_>> {
        self.inner.as_send()
    }

    /// So many bytes of that are sent.
    pub(crate) fn sent(&mut self, count: usize) {
        self.inner.out.advance(count);
    }

    /// Writes as much as the socket takes.
    pub(crate) fn finish(mut self, worker: &Worker) -> Flushed {
        self.inner.write();
        let flushed = self.inner.end_flush(worker, self.has_more);
        if self.inner.phase != Phase::Open && !self.inner.out.is_held() {
            // The task goes on with closing. It is not woken by its own flushes, or it would never rest.
            self.inner.wake();
        }
        if self.inner.out.is_held() && !self.connection.set_flushed_when_stored(true) {
            worker.flush_when_stored(self.connection);
        }
        flushed
    }
}

impl Inner {
    /// When it has to be looked at, if nothing happens before.
    pub(super) fn deadline(&self, worker: &Worker, now: Time) -> Time {
        let timeout = match self.phase {
            Phase::Open => self.core.poll_timeout(&worker.shared.broker),
            Phase::Closing(until) => Some(until),
            Phase::Gone => None,
        };
        let partial_since = self.input.partial_since();
        let partial = partial_since.map(|since| since.after(worker.shared.timeouts.partial_packet));
        let paused = self.pace.paused_until();
        let deadline = timeout.into_iter().chain(partial).chain(paused).min();
        deadline.unwrap_or_else(|| now.after(IDLE_LOOK))
    }

    /// Begins to close, if the core said so.
    pub(super) fn close_if(&mut self, outcome: &Outcome, worker: &Worker, now: Time) {
        if matches!(outcome, Outcome::Close) && self.phase == Phase::Open {
            self.phase = Phase::Closing(now.after(worker.shared.timeouts.close));
            self.wake();
        }
    }

    /// The socket is of no more use.
    pub(super) fn set_gone(&mut self) {
        self.phase = Phase::Gone;
        self.out.clear();
        self.wake();
    }

    /// Nothing more of MQTT comes. What the transport still has to say to its peer is said, and heard:
    /// a socket that is closed over unread bytes takes back what was written to it.
    pub(super) fn lose(&mut self, worker: &Worker) {
        if !self.transport.has_to_say_goodbye() {
            return self.set_gone();
        }
        let now = worker.now();
        worker.with_core(now, |context| self.core.handle_lost(context));
        self.out.clear();
        self.phase = Phase::Closing(now.after(worker.shared.timeouts.close));
        self.wake();
    }

    /// Lets the task look at its phase and socket.
    pub(super) fn wake(&self) {
        if let Some(waker) = &self.waker {
            waker.wake_by_ref();
        }
    }

    fn remember(&mut self, context: &TaskContext<'_>) {
        if self
            .waker
            .as_ref()
            .is_none_or(|waker| !waker.will_wake(context.waker()))
        {
            self.waker = Some(context.waker().clone());
        }
    }
}

/// Serves a connection until it is over.
pub(crate) async fn run(worker: &Rc<Worker>, connection: &Rc<Connection>) {
    let client = RefCell::new(None);
    std::future::poll_fn(|context| poll(worker, connection, &client, context)).await;
    let inner = connection.inner.borrow();
    let reason = inner.core.close_reason().unwrap_or(CloseReason::Lost);
    connection.log_end(client.take().as_ref(), reason);
}

fn poll(
    worker: &Rc<Worker>,
    connection: &Rc<Connection>,
    client: &RefCell<Option<ClientIdentifier>>,
    context: &mut TaskContext<'_>,
) -> Poll<()> {
    let mut inner = connection.inner.borrow_mut();
    inner.remember(context);
    if inner.is_blocked && inner.phase != Phase::Gone {
        match inner.transport.poll_write_ready(context) {
            Poll::Ready(Ok(())) => {
                inner.is_blocked = false;
                worker.flush_later(connection);
            }
            Poll::Ready(Err(_)) => inner.set_gone(),
            Poll::Pending => {}
        }
    }
    inner.go_on(worker, connection);
    while inner.phase == Phase::Open {
        if client.borrow().is_none()
            && let Some(id) = inner.core.client_id()
        {
            *client.borrow_mut() = Some(id.clone());
            // The deadline is another one now: that of its Keep Alive.
            worker.look_again(connection, inner.deadline(worker, worker.now()));
        }
        // A client that does not read what it is sent is not read from either.
        let out_max = worker.shared.broker.settings().session.outbox_bytes_max;
        let reads_nothing = inner.is_blocked && inner.out.len() > out_max;
        // Nor is one that sent more than its share, or of which nobody knows yet who it is.
        if reads_nothing || inner.waits() || inner.pending.len() >= PENDING_MAX {
            return Poll::Pending;
        }
        let read = inner.read(worker, connection, context);
        match read {
            Poll::Ready(true) => {}
            // The rest waits, so that others have their turn.
            Poll::Ready(false) => {
                context.waker().wake_by_ref();
                return Poll::Pending;
            }
            Poll::Pending => return Poll::Pending,
        }
    }
    inner.poll_closing(worker, connection, context)
}

impl Inner {
    /// Writes what is left, then waits for the client to close its side, so that what it sent and
    /// nobody read does not make the operating system throw away what it was told.
    fn poll_closing(
        &mut self,
        worker: &Rc<Worker>,
        connection: &Rc<Connection>,
        context: &mut TaskContext<'_>,
    ) -> Poll<()> {
        if !matches!(self.phase, Phase::Closing(_)) {
            return Poll::Ready(());
        }
        worker.look_again_by(connection, self.deadline(worker, worker.now()));
        let now = worker.now();
        let _nothing_more_of_the_core = self.flush(worker, now, false);
        if self.phase == Phase::Gone {
            return Poll::Ready(());
        }
        if self.out.is_held() && self.out.writable() == 0 {
            // The store wakes it.
            return Poll::Pending;
        }
        if !self.out.is_empty() {
            return match self.transport.poll_write_ready(context) {
                Poll::Ready(Ok(())) => {
                    self.is_blocked = false;
                    context.waker().wake_by_ref();
                    Poll::Pending
                }
                Poll::Ready(Err(_)) => Poll::Ready(()),
                Poll::Pending => Poll::Pending,
            };
        }
        if matches!(self.core.close_reason(), Some(CloseReason::Disconnected(_))) {
            return Poll::Ready(());
        }
        if !self.is_shut && self.transport.poll_shutdown(context).is_pending() {
            return Poll::Pending;
        }
        self.is_shut = true;
        let mut discarded = [0; 4096];
        loop {
            let mut read = ReadBuf::new(&mut discarded);
            match self.transport.poll_read(context, &mut read) {
                Poll::Ready(Ok(())) if !read.filled().is_empty() => {}
                Poll::Ready(_) => return Poll::Ready(()),
                Poll::Pending => return Poll::Pending,
            }
        }
    }
}
