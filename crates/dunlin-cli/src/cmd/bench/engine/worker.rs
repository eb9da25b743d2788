//! One thread with a runtime of its own, and the sockets of its clients.
//!
//! All that is ready is read first, each socket into the worker's one large buffer; what is to be
//! sent collects in the clients' buffers; then one flush task writes each of them once.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::poll_fn;
use std::io;
use std::rc::Rc;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::task::{Poll, Waker};
use std::time::Duration;

use dunlin_client::Endpoint;
use dunlin_codec::{Disconnect, Packet, ReasonCode};
use tokio::io::ReadBuf;
use tokio::sync::Semaphore;
use tokio::task::{spawn_local, yield_now};
use tokio::time::sleep;

use super::connect::{Accepted, ConnectError, Writer};
use super::cycle;
use super::plan::{LinkPlan, Pacing, Plan, WorkerPlan};
use super::shared::{Phase, Shared};
use super::state::{Farewell, Home, State};
use super::tally::Account;
use crate::failure::not_connected;

/// Bytes that one read takes at most.
const READ_BYTES: usize = 256 * 1024;
/// How far ahead of a message's due time the pacing stops sleeping: the runtime's timer counts
/// milliseconds.
const PACE_SLACK_NS: u64 = 2_000_000;

/// One thread's clients.
pub(crate) struct Worker {
    pub(crate) plan: Arc<Plan>,
    pub(crate) shared: Arc<Shared>,
    pub(crate) state: RefCell<State>,
    index: usize,
    buffer: RefCell<Vec<u8>>,
    /// The flush task, while it sleeps.
    flusher: Cell<Option<Waker>>,
    /// When which publisher's next message is due, in an open loop; ascending.
    schedule: RefCell<VecDeque<(u64, usize)>>,
}

/// Why a connection is over.
#[derive(Debug, thiserror::Error)]
enum End {
    #[error("broker closed the connection")]
    Eof,
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("{0}")]
    Farewell(#[from] Farewell),
}

impl Worker {
    /// Runs a worker until the run has stopped, and gives back what it knows then.
    ///
    /// # Errors
    /// If there is no runtime to be had.
    pub(crate) fn run(
        plan: Arc<Plan>,
        shared: Arc<Shared>,
        index: usize,
        homes: Arc<[Home]>,
    ) -> io::Result<Account> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .enable_time()
            .build()?;
        let state = State::new(Arc::clone(&shared), index, &plan, homes);
        let worker = Rc::new(Self {
            plan,
            shared,
            state: RefCell::new(state),
            index,
            buffer: RefCell::new(vec![0; READ_BYTES]),
            flusher: Cell::new(None),
            schedule: RefCell::new(VecDeque::new()),
        });
        let local = tokio::task::LocalSet::new();
        local.block_on(&runtime, Rc::clone(&worker).work());
        // What still runs ends with the runtime, and with it the last other owner.
        drop(local);
        drop(runtime);
        Rc::into_inner(worker)
            .map(|worker| worker.state.into_inner().into_account())
            .ok_or_else(|| io::Error::other("a task outlived its runtime"))
    }

    async fn work(self: Rc<Self>) {
        let plan = Arc::clone(&self.plan);
        let own = plan.workers.get(self.index).cloned().unwrap_or_default();
        let WorkerPlan { links, cycles, .. } = own;
        spawn_local(Rc::clone(&self).flush_task());
        spawn_local(Rc::clone(&self).every_second());
        let connecting = Rc::new(Semaphore::new(plan.connecting_max.max(1)));
        let step = u32::try_from(plan.workers.len()).unwrap_or(1);
        for (index, link) in (0..).zip(links) {
            let worker = Rc::clone(&self);
            let connecting = Rc::clone(&connecting);
            // The clients of all workers take turns.
            let turn = u32::try_from(self.index).unwrap_or(0) + step * index;
            let begin = plan.connect_interval * turn;
            let index = usize::try_from(index).unwrap_or(usize::MAX);
            spawn_local(worker.client(index, link, begin, connecting));
        }
        if let Some(cycles) = cycles {
            for client_id in cycles.client_ids {
                spawn_local(cycle::run(Rc::clone(&self), client_id, cycles.is_takeover));
            }
        }
        if matches!(plan.pacing, Pacing::Interval { .. }) {
            spawn_local(Rc::clone(&self).pace());
        }
        self.heed().await;
    }

    /// Follows the phases and takes what other workers send, until the run has stopped.
    async fn heed(&self) {
        let shared = Arc::clone(&self.shared);
        let Some(board) = shared.boards.get(self.index) else {
            return;
        };
        let mut phase = Phase::Connecting;
        let mut credits = Vec::new();
        loop {
            board.notify.notified().await;
            {
                let mut inbox = board.inbox.lock().unwrap_or_else(PoisonError::into_inner);
                std::mem::swap(&mut *inbox, &mut credits);
            }
            self.state.borrow_mut().take_inbox(&mut credits);
            let now = shared.phase();
            if now == Phase::Stopped {
                return self.say_goodbye();
            }
            if now != phase && !phase.is_running() && now.is_running() {
                self.begin();
            }
            phase = now;
            self.wake_flusher();
        }
    }

    fn begin(&self) {
        let mut state = self.state.borrow_mut();
        match self.plan.pacing {
            Pacing::Window { .. } => state.mark_all_ready(),
            Pacing::Interval {
                interval_ns,
                is_spread: true,
            } => {
                let count = u64::try_from(state.publishers()).unwrap_or(1).max(1);
                let workers = u64::try_from(self.plan.workers.len()).unwrap_or(1).max(1);
                let own = u64::try_from(self.index).unwrap_or(0);
                let step = interval_ns / count;
                let first = self.shared.now_ns() + step * own / workers;
                let turns = (0..).map(|turn: u64| first + turn * step);
                let mut schedule = self.schedule.borrow_mut();
                schedule.extend(turns.zip(0..state.publishers()));
            }
            Pacing::Interval { .. } => {}
        }
    }

    /// One client, from its first connection to its last.
    async fn client(
        self: Rc<Self>,
        index: usize,
        mut link: LinkPlan,
        begin: Duration,
        connecting: Rc<Semaphore>,
    ) {
        if !begin.is_zero() {
            sleep(begin.saturating_sub(self.shared.epoch.elapsed())).await;
        }
        let (mut is_first, mut failures) = (true, 0);
        loop {
            let permit = connecting.acquire().await;
            let accepted = self.connect(&link).await;
            drop(permit);
            match accepted {
                Ok(accepted) => {
                    if is_first {
                        self.shared.connected.fetch_add(1, Ordering::Relaxed);
                        if self.plan.reconnect.is_none() {
                            // A million filters are worth giving back.
                            link.subscriptions = Vec::new();
                        }
                    }
                    (is_first, failures) = (false, 0);
                    let end = self.attend(index, accepted).await;
                    self.state.borrow_mut().remove(index);
                    if self.shared.phase() == Phase::Stopped {
                        return;
                    }
                    self.shared.closed.fetch_add(1, Ordering::Relaxed);
                    self.shared.report(&end);
                }
                Err(error) => {
                    failures += 1;
                    self.shared.report(&self.told(&error));
                    let reconnect = self.plan.reconnect;
                    let is_given_up = reconnect.is_none_or(|reconnect| !reconnect.insists);
                    if is_given_up && self.shared.connected.load(Ordering::Relaxed) == 0 {
                        self.shared.is_hopeless.store(true, Ordering::Relaxed);
                    }
                }
            }
            match self.plan.reconnect {
                Some(reconnect) if failures <= reconnect.times_max => sleep(reconnect.period).await,
                _ => break,
            }
        }
        if is_first {
            self.shared.failed.fetch_add(1, Ordering::Relaxed);
        }
        self.shared.gone.fetch_add(1, Ordering::Relaxed);
    }

    /// What is said of a client that could not be brought up.
    fn told(&self, error: &ConnectError) -> String {
        match error {
            ConnectError::Open(error) => {
                not_connected(&self.plan.client.endpoint, error).to_string()
            }
            other => other.to_string(),
        }
    }

    async fn connect(&self, link: &LinkPlan) -> Result<Accepted, ConnectError> {
        let mut accepted = Accepted::open(&self.plan.client, &link.client_id).await?;
        accepted.subscribe(&link.subscriptions).await?;
        Ok(accepted)
    }

    /// Reads what comes for a client until its connection ends.
    async fn attend(self: &Rc<Self>, index: usize, accepted: Accepted) -> End {
        let (mut reader, writer) = accepted.stream.into_split();
        let limit = accepted.receive_maximum;
        self.state
            .borrow_mut()
            .install(index, Rc::new(writer), limit);
        if !accepted.rest.is_empty()
            && let Err(farewell) = self.received(index, &accepted.rest)
        {
            return farewell.into();
        }
        match self.plan.pacing {
            Pacing::Interval {
                is_spread: false, ..
            } => self.schedule_link(index),
            _ => self.state.borrow_mut().mark_link_ready(index),
        }
        self.wake_flusher();
        poll_fn(|task| {
            loop {
                let mut buffer = self.buffer.borrow_mut();
                let mut buffer = ReadBuf::new(&mut buffer);
                match reader.poll_read(task, &mut buffer) {
                    Poll::Pending => return Poll::Pending,
                    Poll::Ready(Err(error)) => return Poll::Ready(error.into()),
                    Poll::Ready(Ok(())) if buffer.filled().is_empty() => {
                        return Poll::Ready(End::Eof);
                    }
                    Poll::Ready(Ok(())) => {
                        if let Err(farewell) = self.received(index, buffer.filled()) {
                            return Poll::Ready(farewell.into());
                        }
                    }
                }
            }
        })
        .await
    }

    fn received(&self, index: usize, bytes: &[u8]) -> Result<(), Farewell> {
        let mut state = self.state.borrow_mut();
        let result = state.received(index, bytes);
        let has_work = state.has_work();
        drop(state);
        if has_work {
            self.wake_flusher();
        }
        result
    }

    pub(crate) fn wake_flusher(&self) {
        if let Some(waker) = self.flusher.take() {
            waker.wake();
        }
    }

    async fn flush_task(self: Rc<Self>) {
        // Not while tasks of this thread relay: what is in flight may still be theirs.
        let mut rest = match self.plan.client.endpoint {
            Endpoint::Tcp(_) | Endpoint::Unix(_) => self.state.borrow().rest(),
            _ => None,
        };
        loop {
            poll_fn(|task| {
                if self.state.borrow().has_work() {
                    return Poll::Ready(());
                }
                self.flusher.set(Some(task.waker().clone()));
                Poll::Pending
            })
            .await;
            self.flush();
            if let Some(rest) = &mut rest
                && self.shared.phase().is_running()
            {
                let state = self.state.borrow();
                let pause = rest.next(state.tally.delivered, state.in_flight());
                drop(state);
                if let Some(pause) = pause {
                    // The whole thread: there is nothing else that it should do meanwhile.
                    std::thread::sleep(pause);
                }
            }
            if self.state.borrow().has_work() {
                yield_now().await;
            }
        }
    }

    /// Fills the buffers of publishers that may send, and writes each buffer once.
    fn flush(self: &Rc<Self>) {
        let mut state = self.state.borrow_mut();
        state.fill();
        let mut dirty = std::mem::take(&mut state.dirty);
        let second = state.second;
        for index in dirty.drain(..) {
            let Some(link) = state.links.get_mut(index) else {
                continue;
            };
            link.is_dirty = false;
            if link.is_blocked {
                continue;
            }
            let Some(writer) = &link.writer else {
                link.out.clear();
                continue;
            };
            link.written_at = second;
            match writer.try_write(&link.out) {
                Ok(written) if written == link.out.len() => {
                    link.out.clear();
                    state.written(index);
                    continue;
                }
                Ok(written) => {
                    link.out.drain(..written);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                // The reading side sees the end of the connection as well, and tells it.
                Err(_) => {
                    link.out.clear();
                    continue;
                }
            }
            let writer = Rc::clone(writer);
            link.is_blocked = true;
            state.blocked += 1;
            spawn_local(Rc::clone(self).unblock(index, writer));
        }
        // A buffer that became dirty meanwhile is on the new list.
        if state.dirty.is_empty() {
            state.dirty = dirty;
        }
        state.send_outbox();
        state.show();
    }

    async fn unblock(self: Rc<Self>, index: usize, writer: Rc<Writer>) {
        let writable = writer.writable().await;
        let mut state = self.state.borrow_mut();
        state.blocked -= 1;
        if let Some(link) = state.links.get_mut(index) {
            link.is_blocked = false;
        }
        if writable.is_ok() {
            state.mark_dirty(index);
            state.mark_link_ready(index);
        }
        drop(state);
        self.wake_flusher();
    }

    /// A client's first message is due now, and the others at the interval.
    fn schedule_link(&self, index: usize) {
        let state = self.state.borrow();
        if let Some(super::plan::Role::Publisher(publisher)) =
            state.links.get(index).map(|link| link.role)
        {
            let mut schedule = self.schedule.borrow_mut();
            // After a reconnection it is there already.
            if schedule.iter().all(|&(_, other)| other != publisher) {
                schedule.push_back((self.shared.now_ns(), publisher));
                schedule.make_contiguous().sort_unstable();
            }
        }
    }

    /// Marks messages as due. Between messages that are less than two milliseconds apart it does
    /// not sleep but polls, since a late message must be the broker's doing.
    async fn pace(self: Rc<Self>) {
        let Pacing::Interval { interval_ns, .. } = self.plan.pacing else {
            return;
        };
        loop {
            let now_ns = self.shared.now_ns();
            let next_ns = self.mark_due(now_ns, interval_ns);
            self.wake_flusher();
            match next_ns.map(|next_ns| next_ns.saturating_sub(now_ns)) {
                Some(wait_ns) if wait_ns <= PACE_SLACK_NS => yield_now().await,
                Some(wait_ns) => sleep(Duration::from_nanos(wait_ns - PACE_SLACK_NS / 2)).await,
                None => sleep(Duration::from_millis(1)).await,
            }
        }
    }

    fn mark_due(&self, now_ns: u64, interval_ns: u64) -> Option<u64> {
        let mut schedule = self.schedule.borrow_mut();
        if !self.shared.phase().is_running() {
            return None;
        }
        let mut state = self.state.borrow_mut();
        while let Some(&(due_ns, publisher)) = schedule.front()
            && due_ns <= now_ns
        {
            schedule.pop_front();
            state.due(publisher, due_ns);
            schedule.push_back((due_ns + interval_ns.max(1), publisher));
        }
        schedule.front().map(|&(due_ns, _)| due_ns)
    }

    /// Keep Alive, and publishers that wait for lost messages.
    async fn every_second(self: Rc<Self>) {
        // A quarter earlier than a broker could miss it (section 3.1.2.10).
        let quiet_max = u32::from(self.plan.client.connect.keep_alive) * 3 / 4;
        loop {
            sleep(Duration::from_secs(1)).await;
            let mut state = self.state.borrow_mut();
            state.second += 1;
            let second = state.second;
            if quiet_max > 0 {
                for index in 0..state.links.len() {
                    if let Some(link) = state.links.get_mut(index)
                        && link.writer.is_some()
                        && second - link.written_at >= quiet_max
                        && Packet::Pingreq.encode(link.version, &mut link.out).is_ok()
                    {
                        state.mark_dirty(index);
                    }
                }
            }
            if self.shared.phase().is_running() {
                state.release_stalled();
            }
            drop(state);
            self.wake_flusher();
        }
    }

    /// A cycle is done.
    pub(crate) fn cycled(&self, took_ns: u64) {
        if let Some(board) = self.shared.boards.get(self.index) {
            board.cycles.fetch_add(1, Ordering::Relaxed);
        }
        if self.shared.phase() == Phase::Measuring {
            self.state.borrow_mut().histogram.saturating_record(took_ns);
        }
    }

    /// Says DISCONNECT for every client.
    fn say_goodbye(&self) {
        for link in &mut self.state.borrow_mut().links {
            let goodbye = Packet::Disconnect(Disconnect::new(ReasonCode::Success));
            if let Some(writer) = &link.writer
                && !link.is_blocked
                && goodbye.encode(link.version, &mut link.out).is_ok()
            {
                // A connection that cannot take four bytes any more ends without them.
                drop(writer.try_write(&link.out));
            }
            link.writer = None;
        }
    }
}
