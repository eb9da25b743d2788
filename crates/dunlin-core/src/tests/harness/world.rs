//! A broker, its connections and its workers, driven as the shell drives them.

use std::collections::{BTreeMap, VecDeque};
use std::io::IoSlice;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use dunlin_codec::{DecodeError, Packet, ProtocolVersion, decode, fixed_header};

use super::client::Client;
use super::log::{Commits, TestLog};
use super::{AccessRules, Authenticator};
use crate::broker::{Broker, Committed, Forwarded, Origin, Progress, PublishPlan, Rewrite};
use crate::connection::Connection;
use crate::error::Refusal;
use crate::id::ConnectionId;
use crate::input::{Acknowledgement, Outcome, PublishRequest};
use crate::message::{Form, SHARED_PAYLOAD_BYTES_MIN};
use crate::output::Output;
use crate::settings::Settings;
use crate::stats::Stats;
use crate::storage::{Position, Storage, StorageFault, Stored};
use crate::time::Time;
use crate::worker::{Notice, Occasion, Worker};

/// A publish that is not durable yet.
struct Pending {
    /// Whom to acknowledge it to.
    origin: Option<ConnectionId>,
    worker: usize,
    plan: PublishPlan,
    /// Where its record is; `None` if it has none.
    position: Option<Position>,
}

/// One Network Connection, both ends of it.
pub(crate) struct Peer {
    pub(crate) connection: Connection,
    /// The client's end.
    pub(crate) client: Client,
    worker: usize,
    /// Bytes on their way to the broker.
    input: Vec<u8>,
    out: Output,
    /// Bytes on their way to the client.
    wire: Vec<u8>,
    /// Whether the client reads nothing.
    is_stalled: bool,
    /// Whether it hears no news of other connections.
    is_lagging: bool,
    is_closed: bool,
}

impl Peer {
    /// Whether the Network Connection is over.
    pub(crate) const fn is_closed(&self) -> bool {
        self.is_closed
    }

    /// Bytes that wait for the socket.
    pub(crate) fn outbox_len(&self) -> usize {
        self.out.len()
    }

    /// The next packet for the client, which `see` looks at once the client has checked it; `None`
    /// if there is none.
    pub(crate) fn next_packet<T>(
        &mut self,
        see: impl FnOnce(&Packet<'_>, ProtocolVersion) -> T,
    ) -> Result<Option<T>, String> {
        let version = self.client.version();
        let decoded = decode(&self.wire, version, &self.client.limits());
        let Some((packet, length)) = decoded.map_err(|error| format!("{error}"))? else {
            return if self.wire.is_empty() {
                Ok(None)
            } else {
                Err("the packet is not whole".to_owned())
            };
        };
        let kept = self.client.receives(&packet);
        let seen = see(&packet, version);
        self.wire.drain(..length);
        kept.map(|()| Some(seen))
    }

    /// Moves what the broker wrote to the client, in pieces as a socket would take them, as far as it
    /// does not wait for the store.
    fn drain(&mut self, log: &TestLog) -> Result<(), StorageFault> {
        self.out.release(log)?;
        while self.out.writable() > 0 {
            let mut slices = [IoSlice::new(&[]); 4];
            let count = self.out.slices(&mut slices, usize::MAX);
            let mut taken = 0;
            for slice in &slices[..count] {
                self.wire.extend_from_slice(slice);
                taken += slice.len();
            }
            assert!(taken > 0, "output that gives no bytes");
            self.out.advance(taken);
        }
        Ok(())
    }
}

fn broker(settings: &Settings, seed: u64, access: &AccessRules, log: &TestLog) -> Broker {
    let seeds = [seed, seed ^ 1, seed ^ 2, seed ^ 3];
    Broker::new(
        settings.clone(),
        Box::new(access.clone()),
        Arc::new(log.clone()),
        seeds,
    )
}

/// A broker with everything around it.
pub(crate) struct World {
    pub(crate) broker: Broker,
    pub(crate) now: Time,
    pub(crate) access: AccessRules,
    pub(crate) authenticator: Authenticator,
    log: TestLog,
    settings: Settings,
    seed: u64,
    rewritings: u64,
    rewrite: Option<Rewrite>,
    workers: [Worker; 2],
    peers: BTreeMap<ConnectionId, Peer>,
    pending: VecDeque<Pending>,
    /// The last publish of what is being received, which the next one may join.
    planned: Option<PublishPlan>,
    /// News for connections that lag.
    late: Vec<Notice>,
    opened: u64,
}

impl World {
    /// A world whose broker keeps nothing beyond a stop.
    pub(crate) fn new(settings: Settings, seed: u64) -> Self {
        Self::with_log(settings, seed, TestLog::new(false))
    }

    /// A world whose broker has a store.
    pub(crate) fn with_store(settings: Settings, seed: u64) -> Self {
        Self::with_log(settings, seed, TestLog::new(true))
    }

    fn with_log(settings: Settings, seed: u64, log: TestLog) -> Self {
        let access = AccessRules::default();
        Self {
            broker: broker(&settings, seed, &access, &log),
            log,
            settings,
            seed,
            rewritings: 0,
            rewrite: None,
            now: Time::from_millis(1_000_000_000),
            access,
            authenticator: Authenticator::default(),
            workers: [Worker::new(seed), Worker::new(!seed)],
            peers: BTreeMap::new(),
            pending: VecDeque::new(),
            planned: None,
            late: Vec::new(),
            opened: 0,
        }
    }

    /// Accepts a Network Connection; every second one belongs to the other worker.
    pub(crate) fn open(&mut self) -> ConnectionId {
        let worker = usize::from(!self.opened.is_multiple_of(2));
        self.opened += 1;
        let id = ConnectionId(self.opened);
        let peer = Peer {
            connection: Connection::new(id, self.now),
            client: Client::default(),
            worker,
            input: Vec::new(),
            out: Output::default(),
            wire: Vec::new(),
            is_stalled: false,
            is_lagging: false,
            is_closed: false,
        };
        self.peers.insert(id, peer);
        id
    }

    pub(crate) fn peer(&mut self, id: ConnectionId) -> &mut Peer {
        self.peers.get_mut(&id).expect("a connection that exists")
    }

    /// Forgets connections that are over.
    pub(crate) fn forget_closed(&mut self) {
        self.peers.retain(|_, peer| !peer.is_closed);
    }

    /// What both workers counted.
    pub(crate) fn stats(&self) -> Stats {
        let mut stats = Stats::default();
        self.workers
            .iter()
            .for_each(|worker| stats.add(&worker.stats));
        stats
    }

    /// Bytes of the client come.
    pub(crate) fn receive(&mut self, id: ConnectionId, bytes: &[u8]) {
        let Some(peer) = self.peers.get_mut(&id) else {
            return;
        };
        peer.input.extend_from_slice(bytes);
        while self.receive_one(id) {
            self.settle(id);
        }
        self.finish_planned(id);
        self.settle(id);
    }

    /// Handles one packet; false if none is whole.
    fn receive_one(&mut self, id: ConnectionId) -> bool {
        let Some(peer) = self.peers.get_mut(&id).filter(|peer| !peer.is_closed) else {
            return false;
        };
        let is_publish = peer.input.first().is_some_and(|first| first >> 4 == 3);
        if let Some(plan) = &self.planned {
            let comes_first = plan.comes_first();
            if is_publish && self.join(id) {
                return true;
            }
            if !is_publish || comes_first {
                self.finish_planned(id);
                self.settle(id);
            }
        }
        let peer = self.peers.get_mut(&id).expect("it was there before");
        let input = std::mem::take(&mut peer.input);
        let (version, limits) = (
            peer.connection.version(),
            peer.connection.limits(&self.broker),
        );
        let mut context = Occasion {
            broker: &self.broker,
            worker: &mut self.workers[peer.worker],
            now: self.now,
        };
        peer.connection.look_ahead(&mut context, &input, &limits);
        let (outcome, length) = match decode(&input, version, &limits) {
            Ok(None) => {
                peer.input = input;
                return false;
            }
            Ok(Some((packet, length))) => {
                peer.client.sends(&packet);
                let header = fixed_header(&input, &limits).unwrap().unwrap();
                let form = match &packet {
                    Packet::Publish(publish)
                        if publish.payload.len() >= SHARED_PAYLOAD_BYTES_MIN =>
                    {
                        Form::Payload(Bytes::copy_from_slice(publish.payload))
                    }
                    _ => Form::Whole(&input[header.header_len..length]),
                };
                let connection = &mut peer.connection;
                let acks = connection.handle_acks(&mut context, &input[..length], &mut peer.out);
                let outcome = match acks {
                    0 => connection.handle_packet(&mut context, packet, form, &mut peer.out),
                    _ => Outcome::Continue,
                };
                (outcome, length)
            }
            Err(error) => {
                if let DecodeError::UnsupportedProtocolVersion { level } = error {
                    peer.client.set_version(if level < 5 {
                        ProtocolVersion::V311
                    } else {
                        ProtocolVersion::V5
                    });
                }
                let connection = &mut peer.connection;
                let outcome = connection.handle_decode_error(&mut context, error, &mut peer.out);
                assert!(
                    matches!(outcome, Outcome::Close),
                    "a connection goes on after {error}"
                );
                (outcome, input.len())
            }
        };
        peer.input.extend_from_slice(&input[length..]);
        self.carry_out(id, outcome);
        true
    }

    /// Adds the next packet to what is planned; false if it is not like that.
    fn join(&mut self, id: ConnectionId) -> bool {
        let peer = self.peers.get_mut(&id).expect("a connection that exists");
        let plan = self.planned.as_mut().expect("a plan");
        let limits = peer.connection.limits(&self.broker);
        let mut context = Occasion {
            broker: &self.broker,
            worker: &mut self.workers[peer.worker],
            now: self.now,
        };
        let unread = (peer.input.as_slice(), &limits);
        let (length, count) = peer.connection.join(&mut context, plan, unread, 1);
        if count > 0 {
            let version = peer.connection.version();
            let (packet, _) = decode(&peer.input, version, &limits).unwrap().unwrap();
            peer.client.sends(&packet);
            peer.input.drain(..length);
        }
        count > 0
    }

    fn carry_out(&mut self, id: ConnectionId, outcome: Outcome) {
        match outcome {
            Outcome::Continue => {}
            Outcome::Close => self.close(id),
            Outcome::Publish(request) => self.publish(id, request),
            Outcome::Authenticate(attempt) => {
                let decision = self.authenticator.decide(&attempt);
                let outcome = self.with(id, |connection, context, out| {
                    connection.handle_decision(context, &decision, out)
                });
                self.carry_out(id, outcome);
            }
        }
    }

    /// Calls something of a connection with what it needs.
    fn with<T>(
        &mut self,
        id: ConnectionId,
        call: impl FnOnce(&mut Connection, &mut Occasion<'_>, &mut Output) -> T,
    ) -> T {
        let peer = self.peers.get_mut(&id).expect("a connection that exists");
        let mut context = Occasion {
            broker: &self.broker,
            worker: &mut self.workers[peer.worker],
            now: self.now,
        };
        call(&mut peer.connection, &mut context, &mut peer.out)
    }

    fn close(&mut self, id: ConnectionId) {
        let log = self.log.clone();
        let peer = self.peer(id);
        assert!(
            peer.connection.close_reason().is_some(),
            "a connection that is to be closed knows why"
        );
        // What the store does not take is not written.
        let _ = peer.drain(&log);
        peer.is_closed = true;
        peer.input.clear();
    }

    /// The Network Connection breaks, without a DISCONNECT.
    pub(crate) fn lose(&mut self, id: ConnectionId) {
        if self.peer(id).is_closed {
            return;
        }
        self.with(id, |connection, context, _| connection.handle_lost(context));
        let peer = self.peer(id);
        peer.is_closed = true;
        peer.out.clear();
        self.settle(id);
    }

    /// The broker ends a connection, for this reason.
    pub(crate) fn end(&mut self, id: ConnectionId, reason_code: dunlin_codec::ReasonCode) {
        let outcome = self.with(id, |connection, context, out| {
            connection.close(context, reason_code, out)
        });
        self.carry_out(id, outcome);
        self.settle(id);
    }

    /// Access rules changed: every connection is told.
    pub(crate) fn tell_access_change(&mut self) {
        let open = self.peers.iter().filter(|(_, peer)| !peer.is_closed);
        let open: Vec<_> = open.map(|(id, _)| *id).collect();
        for id in open {
            let outcome = self.with(id, |connection, context, out| {
                connection.handle_access_change(context, out)
            });
            self.carry_out(id, outcome);
            self.settle(id);
        }
    }

    /// Whether the client reads what comes.
    pub(crate) fn set_stalled(&mut self, id: ConnectionId, is_stalled: bool) {
        self.peer(id).is_stalled = is_stalled;
        self.settle(id);
    }

    /// Whether the worker of a connection is busy, so that news of others comes late.
    pub(crate) fn set_lagging(&mut self, id: ConnectionId, is_lagging: bool) {
        self.peer(id).is_lagging = is_lagging;
        for notice in std::mem::take(&mut self.late) {
            self.pass_on(notice);
        }
        self.settle_news();
    }

    fn publish(&mut self, id: ConnectionId, mut request: PublishRequest) {
        if let Some(plan) = &mut self.planned {
            let worker = &mut self.workers[self.peers[&id].worker];
            match self.broker.join(worker, plan, request) {
                Ok(()) => return,
                Err(back) => request = back,
            }
        }
        self.finish_planned(id);
        let peer = self.peers.get_mut(&id).expect("a connection that exists");
        let worker = &mut self.workers[peer.worker];
        let identity = peer.connection.identity().expect("it is accepted");
        let origin = Origin::Client(identity);
        let acknowledgement = request.acknowledgement;
        match self.broker.plan_publish(worker, request, origin) {
            Ok(plan) if plan.may_be_joined() => self.planned = Some(plan),
            Ok(plan) => {
                let worker = peer.worker;
                self.commit(Some(id), worker, plan);
            }
            Err(refusal) => self.refuse(id, acknowledgement, refusal),
        }
    }

    fn finish_planned(&mut self, id: ConnectionId) {
        if let Some(plan) = self.planned.take() {
            let worker = self.peers[&id].worker;
            self.commit(Some(id), worker, plan);
        }
    }

    fn refuse(&mut self, id: ConnectionId, acknowledgement: Acknowledgement, refusal: Refusal) {
        if self.peer(id).is_closed {
            return;
        }
        let outcome = self.with(id, |connection, context, out| {
            connection.refuse(context, acknowledgement, refusal, out)
        });
        self.carry_out(id, outcome);
    }

    fn commit(&mut self, origin: Option<ConnectionId>, worker: usize, plan: PublishPlan) {
        let position = match self.broker.store(&plan) {
            Ok(position) => position,
            Err(fault) => {
                for acknowledgement in plan.given_up() {
                    if let Some(id) = origin {
                        self.refuse(id, acknowledgement, fault.into());
                    }
                }
                return;
            }
        };
        self.finish(Pending {
            origin,
            worker,
            plan,
            position,
        });
    }

    /// Applies a publish, or puts it behind those that wait.
    fn finish(&mut self, pending: Pending) {
        // A publish finishes behind those of its connection that were planned before it.
        let mut others = self.pending.iter();
        let waits = pending.origin.is_some() && others.any(|other| other.origin == pending.origin);
        let stored = match pending.position {
            Some(position) => self.log.stored(position).expect("it is not broken"),
            None => Stored::nothing_to_do(&pending.plan),
        };
        let mut origin = pending.origin.and_then(|id| self.peers.get_mut(&id));
        let is_behind = origin
            .as_mut()
            .is_some_and(|peer| peer.connection.is_behind());
        match stored {
            Some(stored) if !waits && !is_behind => {
                let forwarded = Forwarded::nothing_to_do(&pending.plan);
                let forwarded = forwarded.expect("there are no other nodes");
                let committed = pending.plan.committed(stored, forwarded);
                self.apply(pending.origin, pending.worker, committed);
            }
            _ => self.pending.push_back(pending),
        }
    }

    fn apply(&mut self, origin: Option<ConnectionId>, worker: usize, committed: Committed) {
        let worker = &mut self.workers[worker];
        let peer = origin.and_then(|id| self.peers.get_mut(&id));
        let mut peer = peer.filter(|peer| !peer.is_closed);
        self.broker.apply(worker, committed, |receipt| {
            if let Some(peer) = &mut peer {
                peer.connection.acknowledge(receipt, &mut peer.out);
            }
        });
    }

    /// What was held becomes durable, and what comes is durable at once.
    pub(crate) fn release_commits(&mut self) {
        self.finish_from(|_| 0);
    }

    /// The same, and the publishes of later connections are looked at before those of earlier ones, as
    /// if others served them.
    pub(crate) fn release_commits_backwards(&mut self) {
        self.finish_from(|pending| u64::MAX - pending.origin.map_or(0, |id| id.0));
    }

    fn finish_from(&mut self, order: impl Fn(&Pending) -> u64) {
        self.log.set_commits(Commits::AtOnce);
        loop {
            let mut waiting = std::mem::take(&mut self.pending);
            let before = waiting.len();
            waiting.make_contiguous().sort_by_key(&order);
            for pending in waiting {
                self.finish(pending);
            }
            if self.pending.len() == before || self.pending.is_empty() {
                break;
            }
        }
        let open: Vec<_> = self.peers.keys().copied().collect();
        for id in open {
            self.settle(id);
        }
        self.settle_news();
    }

    /// What becomes of records from now on.
    pub(crate) fn set_commits(&mut self, commits: Commits) {
        self.log.set_commits(commits);
    }

    /// The power fails, and the broker starts again. Nobody sees anything of what was under way.
    pub(crate) fn restart(&mut self) {
        let recovery = self.log.after_stop();
        for peer in self.peers.values_mut() {
            peer.is_closed = true;
            peer.out.clear();
            peer.input.clear();
        }
        self.pending.clear();
        self.planned = None;
        self.late.clear();
        self.workers = [Worker::new(self.seed), Worker::new(!self.seed)];
        self.broker = broker(&self.settings, self.seed, &self.access, &self.log);
        let mut context = Occasion {
            broker: &self.broker,
            worker: &mut self.workers[0],
            now: self.now,
        };
        self.broker.recover(&mut context, recovery);
        self.settle_news();
    }

    /// Begins to write everything that is needed again.
    pub(crate) fn begin_rewrite(&mut self) {
        self.rewritings += 1;
        self.rewrite = Some(self.broker.begin_rewrite(self.rewritings).unwrap());
    }

    /// Writes the rest of it, or all; the store forgets what is older.
    pub(crate) fn rewrite(&mut self) {
        if self.rewrite.is_none() {
            self.begin_rewrite();
        }
        let mut rewrite = self.rewrite.take().unwrap();
        loop {
            // Of few bytes, so that sessions are written in pieces.
            match self.broker.rewrite(&mut rewrite, 1).unwrap() {
                Progress::More => {}
                Progress::Waiting => panic!("publishes from before wait for the store"),
                Progress::Done(_) => return,
            }
        }
    }

    /// Writes what this connection has to send, and passes on all news.
    fn settle(&mut self, id: ConnectionId) {
        self.flush(id);
        self.settle_news();
    }

    fn settle_news(&mut self) {
        loop {
            let mut is_quiet = true;
            for index in 0..self.workers.len() {
                while let Some(publication) = self.workers[index].next_publication() {
                    is_quiet = false;
                    let worker = &mut self.workers[index];
                    let plan = self.broker.plan_publication(worker, publication);
                    self.commit(None, index, plan);
                }
                let notices: Vec<_> = self.workers[index].take_notices().collect();
                for notice in notices {
                    is_quiet = false;
                    self.pass_on(notice);
                }
            }
            if is_quiet {
                break;
            }
        }
    }

    fn pass_on(&mut self, notice: Notice) {
        let (Notice::Output(id) | Notice::TakenOver(id)) = notice;
        if self.peers.get(&id).is_some_and(|peer| peer.is_lagging) {
            return self.late.push(notice);
        }
        match notice {
            Notice::Output(id) => self.flush(id),
            Notice::TakenOver(id) => {
                if self.peers.get(&id).is_some_and(|peer| !peer.is_closed) {
                    let outcome =
                        self.with(id, |connection, _, out| connection.handle_taken_over(out));
                    self.carry_out(id, outcome);
                }
            }
        }
    }

    fn flush(&mut self, id: ConnectionId) {
        loop {
            if self.peers.get(&id).is_none_or(|peer| peer.is_closed) {
                return;
            }
            let more = self.with(id, |connection, context, out| {
                connection.poll_output(context, out)
            });
            let log = self.log.clone();
            let peer = self.peer(id);
            if peer.is_stalled {
                return;
            }
            if peer.drain(&log).is_err() {
                return self.end(id, dunlin_codec::ReasonCode::UnspecifiedError);
            }
            if !more {
                return;
            }
        }
    }

    /// Lets time pass, and no timer looks.
    pub(crate) fn pass_unnoticed(&mut self, duration: Duration) {
        self.now = self.now.after(duration);
    }

    /// Lets time pass, with everything that becomes due in it.
    pub(crate) fn pass(&mut self, duration: Duration) {
        let end = self.now.after(duration);
        let mut repeats = 0;
        loop {
            let open = self.peers.values().filter(|peer| !peer.is_closed);
            let connections = open.filter_map(|peer| peer.connection.poll_timeout(&self.broker));
            let due = connections.chain(self.broker.poll_timeout()).min();
            let Some(due) = due.filter(|&due| due <= end) else {
                break;
            };
            repeats = if due > self.now { 0 } else { repeats + 1 };
            assert!(repeats < 1000, "a timeout that stays due");
            self.now = self.now.max(due);
            self.handle_due();
        }
        self.now = end;
    }

    fn handle_due(&mut self) {
        let now = self.now;
        let is_due = |time: Option<Time>| time.is_some_and(|time| time <= now);
        let due: Vec<_> = self
            .peers
            .iter()
            .filter(|(_, peer)| !peer.is_closed)
            .filter(|(_, peer)| is_due(peer.connection.poll_timeout(&self.broker)))
            .map(|(&id, _)| id)
            .collect();
        for id in due {
            if self.peer(id).is_closed {
                continue;
            }
            let outcome = self.with(id, |connection, context, out| {
                connection.handle_timeout(context, out)
            });
            self.carry_out(id, outcome);
            self.settle(id);
        }
        if is_due(self.broker.poll_timeout()) {
            let mut context = Occasion {
                broker: &self.broker,
                worker: &mut self.workers[0],
                now,
            };
            self.broker.handle_timeout(&mut context);
            self.settle_news();
        }
    }
}
