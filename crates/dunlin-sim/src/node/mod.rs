//! A node: the real core, driven as the shell `dunlin` drives it, with everything else simulated.
//!
//! The one place that knows the core. Its workers do one thing at a time, and which one of what is
//! ready, and whose turn it is, is left to the seed: the order of the shell's tasks and threads is one
//! of those that can come about here.

mod connection;
mod disk;
mod power;
mod worker;

use std::collections::BTreeMap;

use dunlin_core::broker::{Broker, PublishPlan, Rewrite};
use dunlin_core::id::ConnectionId;
use dunlin_core::input::{Decision, Grant, Outcome};
use dunlin_core::publishing::{self, Refused};
use dunlin_core::time::Time;
use dunlin_core::worker::{Notice, Occasion};
use dunlin_store::disk::SimulatedDisk;

use crate::agenda::Due;
use crate::around::Around;
use crate::random::Random;
use crate::sabotage::{Plant, Saboteur};
use crate::schedule::Setup;
use crate::trace::{Event, Link};

use connection::{Connection, Phase};
use disk::Disk;
use worker::{Half, Reading, Worker};

/// The time between two looks at the timers, in ms.
pub(crate) const TICK_MS: u64 = 200;

/// For the rest of a packet, in ms.
const PARTIAL_PACKET_MS: u64 = 10_000;

/// For a closing connection to take what is written to it, in ms.
const CLOSE_MS: u64 = 2_000;

/// Virtual time 0 in the core's time, so that nothing depends on its beginning.
const EPOCH_MS: u64 = 1_000_000_000;

/// The clock of a node, which may be set back while the node is down.
#[derive(Clone, Copy, Debug)]
struct Clock {
    /// Virtual time 0.
    zero_ms: u64,
}

impl Clock {
    const fn now(self, around: &Around<'_>) -> Time {
        Time::from_millis(self.zero_ms + around.now_ms())
    }

    /// In ms of virtual time.
    fn virtual_ms(self, time: Time) -> u64 {
        time.as_millis().saturating_sub(self.zero_ms)
    }
}

/// A node.
pub(crate) struct Node {
    setup: Setup,
    broker: Broker,
    /// `None` while it is down.
    disk: Option<Disk>,
    /// What a stop left of the disk.
    device: Option<SimulatedDisk>,
    rewrite: Option<Rewrite>,
    rewritings: u64,
    workers: Vec<Worker>,
    connections: BTreeMap<Link, Connection>,
    /// Which worker each connection lives on, also of those that are over.
    homes: BTreeMap<Link, usize>,
    clock: Clock,
    /// What came before this place in the trace is safe.
    safe: usize,
    random: Random,
    saboteur: Option<Saboteur>,
    /// Whether the store says of everything that it is safe.
    lies: bool,
}

impl Node {
    pub(crate) fn new(setup: &Setup, seed: u64, plant: Option<Plant>) -> Self {
        let mut random = Random::of(seed, 2);
        let lies = plant == Some(Plant::AcknowledgeBeforeSync);
        let (disk, _nothing) = Disk::new(random.next(), setup.store, lies);
        let storage = disk.storage();
        Self {
            broker: power::broker(setup, storage, &mut random),
            disk: Some(disk),
            device: None,
            rewrite: None,
            rewritings: 0,
            workers: power::workers(setup, &mut random),
            connections: BTreeMap::new(),
            homes: BTreeMap::new(),
            clock: Clock { zero_ms: EPOCH_MS },
            safe: 0,
            random,
            saboteur: plant.map(|plant| Saboteur::new(plant, &setup.clients)),
            lies,
            setup: setup.clone(),
        }
    }

    /// Accepts a connection.
    pub(crate) fn accept(&mut self, link: Link, around: &mut Around<'_>) {
        let home = self.random.below(self.workers.len());
        self.homes.insert(link, home);
        let connection = Connection::new(id_of(link), home, self.clock.now(around));
        self.connections.insert(link, connection);
        self.look_again(home, around);
    }

    /// The socket of a connection has something to read, or takes more.
    pub(crate) fn wake(&mut self, link: Link, around: &mut Around<'_>) {
        let Some(connection) = self.connections.get_mut(&link) else {
            return;
        };
        let home = connection.home;
        if connection.is_blocked {
            connection.is_blocked = false;
            self.flush_later(link);
        }
        self.workers[home].wake(link);
        self.schedule_turns(around);
    }

    /// A worker learns that the disk was done.
    pub(crate) fn commits(&mut self, worker: usize, around: &mut Around<'_>) {
        if let Some(worker) = self.workers.get_mut(worker) {
            worker.are_commits_due = true;
        }
        self.schedule_turns(around);
    }

    /// The timers of a worker are to be looked at.
    pub(crate) fn tick(&mut self, worker: usize, around: &mut Around<'_>) {
        let Some(state) = self.workers.get_mut(worker) else {
            return;
        };
        if state.tick_ms == Some(around.agenda.now_ms) {
            state.tick_ms = None;
            state.is_tick_due = true;
        }
        self.schedule_turns(around);
    }

    /// A worker does one thing.
    pub(crate) fn turn(&mut self, worker: usize, around: &mut Around<'_>) {
        if !self.is_up() {
            return;
        }
        self.workers[worker].has_turn = false;
        if let Some(reading) = self.workers[worker].reading.take() {
            self.go_on_reading(worker, reading, around);
        } else {
            match self.workers[worker].choose(&mut self.random) {
                Some(worker::Task::Mailbox) => self.read_mailbox(worker, around),
                Some(worker::Task::Poll(link)) => self.poll(link, around),
                Some(worker::Task::Flush(link)) => {
                    self.flush(link, around);
                    self.wake_if_closing(link);
                }
                Some(worker::Task::Timers) => self.look_at_timers(worker, around),
                Some(worker::Task::Commits) => self.finish_commits(worker, around),
                None => {}
            }
        }
        self.look_again(worker, around);
        // The first worker looks at what no connection has.
        self.look_again(0, around);
        self.after(around);
    }

    fn schedule_turns(&mut self, around: &mut Around<'_>) {
        for (index, worker) in self.workers.iter_mut().enumerate() {
            if worker.has_turn || !worker.is_ready() {
                continue;
            }
            worker.has_turn = true;
            // In the middle of a read it goes on at once; others may still come between.
            let lag = if worker.reading.is_none() && self.random.percent(20) {
                self.random.between(0, self.setup.worker_lag_max_ms)
            } else {
                0
            };
            around
                .agenda
                .at(around.agenda.now_ms + lag, Due::Turn(index));
        }
    }

    /// Sees to it that the timers of a worker are looked at when the first of them is due.
    fn look_again(&mut self, worker: usize, around: &mut Around<'_>) {
        let broker = &self.broker;
        let of_connections = self
            .connections
            .values()
            .filter(|connection| connection.home == worker)
            .filter_map(|connection| connection.deadline(broker));
        let of_broker = (worker == 0).then(|| broker.poll_timeout()).flatten();
        let Some(first) = of_connections.chain(of_broker).min() else {
            return;
        };
        // A worker looks once in a tick.
        let next = around.agenda.now_ms + 1;
        let at_ms = self
            .clock
            .virtual_ms(first)
            .max(next)
            .next_multiple_of(TICK_MS);
        let state = &mut self.workers[worker];
        if state.tick_ms.is_none_or(|tick| tick > at_ms) {
            state.tick_ms = Some(at_ms);
            around.agenda.at(at_ms, Due::Tick(worker));
        }
    }

    fn read_mailbox(&mut self, worker: usize, around: &mut Around<'_>) {
        for notice in std::mem::take(&mut self.workers[worker].mailbox) {
            self.handle_notice(notice, around);
        }
    }

    fn handle_notice(&mut self, notice: Notice, around: &mut Around<'_>) {
        match notice {
            Notice::Output(id) => self.flush_later(link_of(id)),
            Notice::TakenOver(id) => self.take_over(link_of(id), around),
        }
    }

    /// A connection that closes goes on when it has written something.
    fn wake_if_closing(&mut self, link: Link) {
        if let Some(connection) = self.connections.get(&link)
            && connection.phase != Phase::Open
        {
            self.workers[connection.home].wake(link);
        }
    }

    fn flush_later(&mut self, link: Link) {
        if let Some(connection) = self.connections.get_mut(&link)
            && connection.phase != Phase::Gone
            && !std::mem::replace(&mut connection.is_listed, true)
        {
            let home = connection.home;
            self.workers[home].to_flush.push_back(link);
        }
    }

    /// Runs something of the core for a connection.
    fn with<T>(
        &mut self,
        link: Link,
        around: &Around<'_>,
        run: impl FnOnce(&mut Connection, &mut Occasion<'_>) -> T,
    ) -> Option<T> {
        let connection = self.connections.get_mut(&link)?;
        let mut occasion = Occasion {
            broker: &self.broker,
            worker: &mut self.workers[connection.home].core,
            now: self.clock.now(around),
        };
        Some(run(connection, &mut occasion))
    }

    /// Passes on what the last inputs made: messages of the broker, and news for connections.
    fn pass_on(&mut self, worker: usize, around: &mut Around<'_>) {
        while let Some(publication) = self.workers[worker].core.next_publication() {
            let broker = &self.broker;
            let state = &mut self.workers[worker];
            let pending = publishing::begin_publication(broker, &mut state.core, publication);
            let left = pending.and_then(|pending| {
                publishing::finish_publication(broker, &mut state.core, pending)
            });
            state.publications.extend(left);
        }
        let notices: Vec<_> = self.workers[worker].core.take_notices().collect();
        for notice in notices {
            let (Notice::Output(id) | Notice::TakenOver(id)) = notice;
            let home = self.homes.get(&link_of(id)).copied().unwrap_or_default();
            if home == worker {
                self.handle_notice(notice, around);
            } else {
                self.workers[home].mailbox.push(notice);
            }
        }
    }

    fn look_at_timers(&mut self, worker: usize, around: &mut Around<'_>) {
        let links: Vec<_> = self
            .connections
            .iter()
            .filter(|(_, connection)| connection.home == worker)
            .map(|(&link, _)| link)
            .collect();
        for link in links {
            self.handle_timeout(link, around);
        }
        let now = self.clock.now(around);
        while worker == 0 && self.broker.poll_timeout().is_some_and(|at| at <= now) {
            let mut occasion = Occasion {
                broker: &self.broker,
                worker: &mut self.workers[worker].core,
                now,
            };
            self.broker.handle_timeout(&mut occasion);
            self.pass_on(worker, around);
        }
    }

    /// Finishes the publishes whose records are safe by now.
    fn finish_commits(&mut self, worker: usize, around: &mut Around<'_>) {
        let broker = &self.broker;
        let state = &mut self.workers[worker];
        for _ in 0..state.publications.len() {
            if let Some(pending) = state.publications.pop_front() {
                let left = publishing::finish_publication(broker, &mut state.core, pending);
                state.publications.extend(left);
            }
        }
        for _ in 0..self.workers[worker].committing.len() {
            let Some(link) = self.workers[worker].committing.pop_front() else {
                break;
            };
            let is_done = self.with(link, around, |connection, occasion| {
                let Connection {
                    core, pending, out, ..
                } = connection;
                let is_done = publishing::finish(occasion, core, pending, out);
                connection.is_behind = !is_done && core.is_behind();
                is_done
            });
            if is_done == Some(false) {
                self.workers[worker].committing.push_back(link);
            }
            let is_over = |connection: &Connection| connection.core.close_reason().is_some();
            if self.connections.get(&link).is_some_and(is_over) {
                self.close_if(link, &Outcome::Close, around);
            }
            self.flush_later(link);
        }
        let mut waiting = Vec::new();
        for (&link, connection) in &mut self.connections {
            if connection.home == worker && std::mem::take(&mut connection.waits_for_store) {
                waiting.push(link);
            }
        }
        for link in waiting {
            self.flush_later(link);
        }
        self.pass_on(worker, around);
    }

    /// Handles one packet of what was read, or the second half of a publish.
    fn go_on_reading(&mut self, worker: usize, reading: Reading, around: &mut Around<'_>) {
        let Reading { link, publish } = reading;
        let planned = match publish {
            Half::Begun(begun) => {
                self.finish_begun(link, *begun, around);
                return self.read_on(worker, link, Half::Done);
            }
            Half::Planned(plan) => Some(plan),
            Half::Done => None,
        };
        let next = match (self.next_packet(link, around), planned) {
            (Some(packet), planned) => self.handle(link, &packet, planned, around),
            (None, Some(plan)) => self.begin(link, Ok(*plan), around),
            (None, None) => {
                self.pass_on(worker, around);
                self.flush_later(link);
                self.workers[worker].wake(link);
                return;
            }
        };
        self.read_on(worker, link, next);
    }

    /// Goes on with what was read when the worker has its next turn.
    fn read_on(&mut self, worker: usize, link: Link, publish: Half) {
        self.workers[worker].reading = Some(Reading { link, publish });
    }

    /// Gives a packet to the core, and does what the core asks for.
    fn handle(
        &mut self,
        link: Link,
        bytes: &[u8],
        mut planned: Option<Box<PublishPlan>>,
        around: &mut Around<'_>,
    ) -> Half {
        if let Some(said) = around.network.taken(link) {
            around.see(link, Event::Taken(said));
        }
        let sabotaged = self
            .saboteur
            .as_mut()
            .map(|saboteur| saboteur.inbound(link, bytes));
        let bytes = sabotaged.as_deref().unwrap_or(bytes);
        let is_publish = bytes.first().is_some_and(|first| first >> 4 == 3);
        if is_publish && let Some(plan) = &mut planned {
            let joins = |connection: &mut Connection, occasion: &mut Occasion<'_>| {
                connection.join(occasion, plan, bytes)
            };
            if self.with(link, around, joins) == Some(true) {
                return planned.map_or(Half::Done, Half::Planned);
            }
        }
        if let Some(before) = planned.take_if(|plan| !is_publish || plan.comes_first()) {
            let begun = publishing::begin(&self.broker, Ok(*before));
            self.finish_begun(link, begun, around);
        }
        let outcome = self.with(link, around, |connection, occasion| {
            let outcome = connection.handle(occasion, bytes);
            let Connection { core, out, .. } = connection;
            match outcome {
                Outcome::Authenticate(_) => {
                    let decision = Decision::Allow(Grant::default());
                    core.handle_decision(occasion, &decision, out)
                }
                other => other,
            }
        });
        let request = match outcome {
            Some(Outcome::Publish(request)) => request,
            Some(outcome) => {
                self.close_if(link, &outcome, around);
                return planned.map_or(Half::Done, Half::Planned);
            }
            None => return planned.map_or(Half::Done, Half::Planned),
        };
        let home = self.homes[&link];
        let request = match planned {
            None => request,
            Some(mut plan) => {
                let worker = &mut self.workers[home].core;
                let Err(back) = self.broker.join(worker, &mut plan, request) else {
                    return Half::Planned(plan);
                };
                let begun = publishing::begin(&self.broker, Ok(*plan));
                self.finish_begun(link, begun, around);
                back
            }
        };
        let Some(connection) = self.connections.get(&link) else {
            return Half::Done;
        };
        let worker = &mut self.workers[home].core;
        match publishing::plan(&self.broker, worker, &connection.core, request) {
            Ok(plan) if plan.may_be_joined() => Half::Planned(Box::new(plan)),
            plan => self.begin(link, plan, around),
        }
    }

    /// Begins a publish, and ends it unless others have their turn before that, as they do now and then.
    fn begin(
        &mut self,
        link: Link,
        plan: Result<PublishPlan, Refused>,
        around: &mut Around<'_>,
    ) -> Half {
        let begun = publishing::begin(&self.broker, plan);
        if self.random.percent(50) {
            return Half::Begun(Box::new(begun));
        }
        self.finish_begun(link, begun, around);
        Half::Done
    }

    fn finish_begun(&mut self, link: Link, begun: publishing::Pending, around: &mut Around<'_>) {
        let waits = self.with(link, around, |connection, occasion| {
            let Connection {
                core, pending, out, ..
            } = connection;
            let was_idle = pending.is_empty();
            let left = if was_idle {
                publishing::finish_one(occasion, core, begun, out)
            } else {
                Some(begun)
            };
            let waits = was_idle && left.is_some();
            pending.extend(left);
            connection.is_behind = !pending.is_empty() && core.is_behind();
            (waits, core.close_reason().is_some())
        });
        let Some((waits, is_over)) = waits else {
            return;
        };
        if waits {
            let home = self.homes[&link];
            self.workers[home].committing.push_back(link);
        }
        if is_over {
            self.close_if(link, &Outcome::Close, around);
        }
    }
}

const fn id_of(Link(number): Link) -> ConnectionId {
    ConnectionId(number as u64)
}

fn link_of(ConnectionId(number): ConnectionId) -> Link {
    Link(usize::try_from(number).unwrap_or(usize::MAX))
}
