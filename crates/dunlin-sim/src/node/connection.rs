//! A connection of a node: what the shell's task of a connection is and does.

use std::collections::VecDeque;
use std::io::IoSlice;
use std::time::Duration;

use dunlin_codec::{decode_body, fixed_header};
use dunlin_core::broker::Broker;
use dunlin_core::broker::PublishPlan;
use dunlin_core::connection::Connection as CoreConnection;
use dunlin_core::id::ConnectionId;
use dunlin_core::input::{CloseReason, Outcome};
use dunlin_core::message::Form;
use dunlin_core::output::Output;
use dunlin_core::publishing::Pending;
use dunlin_core::time::Time;
use dunlin_core::worker::Occasion;

use super::worker::{Half, Reading};
use super::{CLOSE_MS, Node, PARTIAL_PACKET_MS};
use crate::around::Around;
use crate::trace::{Event, Link};

/// From here on a wait shows in a Message Expiry Interval, in ms.
const LONG_MS: u64 = 1000;

/// How far a connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Open,
    /// The core is done with it; what is left is to be written until then.
    Closing(Time),
    /// The socket is of no more use.
    Gone,
}

/// A connection.
pub(super) struct Connection {
    pub(super) core: CoreConnection,
    /// The worker that it lives on.
    pub(super) home: usize,
    /// Bytes that were read and not handled, and since when the rest of a packet is awaited.
    input: Vec<u8>,
    since: Option<Time>,
    pub(super) out: Output,
    /// What a saboteur made of output.
    sabotaged: Vec<u8>,
    pub(super) pending: VecDeque<Pending>,
    /// Whether these wait for a publish of an earlier connection of its session.
    pub(super) is_behind: bool,
    pub(super) phase: Phase,
    pub(super) is_blocked: bool,
    pub(super) is_listed: bool,
    /// Whether it is flushed again when the store got on.
    pub(super) waits_for_store: bool,
    /// Since when something to be sent has waited for the store, in ms.
    held_since_ms: Option<u64>,
    /// Whether its side of the socket is shut.
    is_shut: bool,
}

impl Connection {
    pub(super) fn new(id: ConnectionId, home: usize, now: Time) -> Self {
        Self {
            core: CoreConnection::new(id, now),
            home,
            input: Vec::new(),
            since: None,
            out: Output::default(),
            sabotaged: Vec::new(),
            pending: VecDeque::new(),
            is_behind: false,
            phase: Phase::Open,
            is_blocked: false,
            is_listed: false,
            waits_for_store: false,
            held_since_ms: None,
            is_shut: false,
        }
    }

    /// When it has to be looked at, if nothing happens before.
    pub(super) fn deadline(&self, broker: &Broker) -> Option<Time> {
        match self.phase {
            Phase::Open => {
                let partial = self.since.map(partial_deadline);
                let timeout = self.core.poll_timeout(broker);
                timeout.into_iter().chain(partial).min()
            }
            Phase::Closing(until) => Some(until),
            Phase::Gone => None,
        }
    }

    /// Gives bytes that are one packet, or none at all, to the core.
    pub(super) fn handle(&mut self, occasion: &mut Occasion<'_>, bytes: &[u8]) -> Outcome {
        if self.core.handle_acks(occasion, bytes, &mut self.out) > 0 {
            return Outcome::Continue;
        }
        let limits = self.core.limits(occasion.broker);
        let packet = fixed_header(bytes, &limits).and_then(|header| match header {
            Some(header) => {
                let body = bytes.get(header.header_len..).unwrap_or_default();
                let packet = decode_body(&header, body, self.core.version(), &limits)?;
                Ok(Some((packet, body)))
            }
            None => Ok(None),
        });
        match packet {
            Ok(Some((packet, body))) => {
                self.core
                    .handle_packet(occasion, packet, Form::Whole(body), &mut self.out)
            }
            Ok(None) => Outcome::Continue,
            Err(error) => self
                .core
                .handle_decode_error(occasion, error, &mut self.out),
        }
    }

    /// Adds a packet to a plan, if it is like that; says whether it is.
    pub(super) fn join(
        &mut self,
        occasion: &mut Occasion<'_>,
        plan: &mut PublishPlan,
        bytes: &[u8],
    ) -> bool {
        let limits = self.core.limits(occasion.broker);
        let (_, count) = self.core.join(occasion, plan, (bytes, &limits), 1);
        count > 0
    }

    fn outbox_len(&self) -> usize {
        self.out.len() + self.sabotaged.len()
    }

    /// Writes until everything is written (true) or the socket takes no more (false).
    fn write(&mut self, link: Link, around: &mut Around<'_>) -> bool {
        while !self.sabotaged.is_empty() {
            let bytes = &self.sabotaged;
            let count = around.network.write(link, bytes, around.agenda);
            if count == 0 {
                return false;
            }
            self.sabotaged.drain(..count);
        }
        while self.out.writable() > 0 {
            let mut slices = [IoSlice::new(&[]); 8];
            let count = self.out.slices(&mut slices, usize::MAX);
            let mut written = 0;
            for slice in slices.iter().take(count) {
                let taken = around.network.write(link, slice, around.agenda);
                written += taken;
                if taken < slice.len() {
                    break;
                }
            }
            if written == 0 {
                return false;
            }
            self.out.advance(written);
        }
        true
    }
}

fn partial_deadline(since: Time) -> Time {
    since.after(Duration::from_millis(PARTIAL_PACKET_MS))
}

impl Node {
    /// The task of a connection has its turn.
    pub(super) fn poll(&mut self, link: Link, around: &mut Around<'_>) {
        let Some(connection) = self.connections.get_mut(&link) else {
            return;
        };
        if connection.phase == Phase::Open {
            let out_max = self.broker.settings().session.outbox_bytes_max;
            // A client that does not read what it is sent is not read from either.
            let is_behind = connection.is_blocked && connection.outbox_len() > out_max;
            if is_behind || !around.network.is_readable(link) {
                return;
            }
            let bytes = around.network.read(link);
            if !bytes.is_empty() {
                connection.input.extend_from_slice(&bytes);
                let home = connection.home;
                self.workers[home].reading = Some(Reading {
                    link,
                    publish: Half::Done,
                });
                return;
            }
            connection.phase = Phase::Gone;
        }
        self.poll_closing(link, around);
    }

    /// Takes the next whole packet from what was read, or all of it if it is broken.
    pub(super) fn next_packet(&mut self, link: Link, around: &Around<'_>) -> Option<Vec<u8>> {
        let time = self.clock.now(around);
        let connection = self.connections.get_mut(&link)?;
        if connection.phase != Phase::Open {
            connection.input.clear();
        }
        if connection.input.is_empty() {
            connection.since = None;
            return None;
        }
        let limits = connection.core.limits(&self.broker);
        let length = match fixed_header(&connection.input, &limits) {
            Ok(Some(header)) if header.packet_len() <= connection.input.len() => {
                header.packet_len()
            }
            Ok(_) => {
                connection.since = connection.since.or(Some(time));
                return None;
            }
            Err(_) => connection.input.len(),
        };
        connection.since = None;
        self.with(link, around, |connection, occasion| {
            let Connection { core, input, .. } = connection;
            core.look_ahead(occasion, input, &limits);
            input.drain(..length).collect()
        })
    }

    /// Begins to close, if the core said so.
    pub(super) fn close_if(&mut self, link: Link, outcome: &Outcome, around: &mut Around<'_>) {
        let now = self.clock.now(around);
        let Some(connection) = self.connections.get_mut(&link) else {
            return;
        };
        if matches!(outcome, Outcome::Close) && connection.phase == Phase::Open {
            let until = now.after(Duration::from_millis(CLOSE_MS));
            connection.phase = Phase::Closing(until);
            around.see(link, Event::GivenUp);
            self.workers[connection.home].wake(link);
        }
    }

    /// Another connection has its session.
    pub(super) fn take_over(&mut self, link: Link, around: &mut Around<'_>) {
        let outcome = self.with(link, around, |connection, _| {
            connection.core.handle_taken_over(&mut connection.out)
        });
        if let Some(outcome) = outcome {
            self.close_if(link, &outcome, around);
            self.flush_later(link);
        }
    }

    /// Its deadline may be there.
    pub(super) fn handle_timeout(&mut self, link: Link, around: &mut Around<'_>) {
        let time = self.clock.now(around);
        let Some(connection) = self.connections.get_mut(&link) else {
            return;
        };
        let home = connection.home;
        match connection.phase {
            Phase::Gone => return,
            Phase::Closing(until) => {
                if until <= time {
                    connection.phase = Phase::Gone;
                    self.workers[home].wake(link);
                }
            }
            Phase::Open => {
                let is_stuck = connection
                    .since
                    .is_some_and(|since| partial_deadline(since) <= time);
                let outcome = self.with(link, around, |connection, occasion| {
                    let Connection { core, out, .. } = connection;
                    if is_stuck {
                        core.handle_packet_timeout(occasion, out)
                    } else {
                        core.handle_timeout(occasion, out)
                    }
                });
                if let Some(outcome) = outcome {
                    self.close_if(link, &outcome, around);
                }
            }
        }
        self.pass_on(home, around);
        self.flush_later(link);
    }

    /// Asks the core what waits to be sent, and writes as much as the socket takes.
    pub(super) fn flush(&mut self, link: Link, around: &mut Around<'_>) {
        let Some(connection) = self.connections.get_mut(&link) else {
            return;
        };
        connection.is_listed = false;
        if connection.phase == Phase::Gone {
            return;
        }
        let is_open = connection.phase == Phase::Open;
        let out_max = self.broker.settings().session.outbox_bytes_max;
        let has_room = connection.sabotaged.len() < out_max;
        let has_more = is_open
            && has_room
            && self
                .with(link, around, |connection, occasion| {
                    connection.core.poll_output(occasion, &mut connection.out)
                })
                .unwrap_or_default();
        let Some(connection) = self.connections.get_mut(&link) else {
            return;
        };
        if connection.is_behind && !connection.core.is_behind() {
            connection.is_behind = false;
            self.workers[connection.home].are_commits_due = true;
        }
        if connection.out.release(self.broker.storage()).is_err() {
            // What it is owed cannot be kept, so it must not be told.
            self.give_up(link, around);
            return;
        }
        if let Some(saboteur) = &mut self.saboteur {
            let made = saboteur.outbound(link, &mut connection.out);
            connection.sabotaged.extend(made);
        }
        let now_ms = around.now_ms();
        let since_ms = *connection.held_since_ms.get_or_insert(now_ms);
        if now_ms - since_ms >= LONG_MS {
            around.network.note_waited(link);
        }
        if !connection.out.is_held() {
            connection.held_since_ms = None;
        }
        if !connection.is_blocked && !connection.write(link, around) {
            connection.is_blocked = true;
            self.workers[connection.home].wake(link);
        }
        connection.waits_for_store = connection.out.is_held();
        let waits =
            connection.is_blocked || (connection.out.is_held() && connection.out.len() >= out_max);
        if has_more && !waits {
            self.flush_later(link);
        }
    }

    /// The store failed before what a client is owed was safe.
    fn give_up(&mut self, link: Link, around: &mut Around<'_>) {
        self.with(link, around, |connection, occasion| {
            connection.core.handle_lost(occasion);
            connection.phase = Phase::Gone;
            connection.out.clear();
        });
        around.see(link, Event::GivenUp);
        if let Some(connection) = self.connections.get(&link) {
            self.workers[connection.home].wake(link);
        }
    }

    /// Writes what is left, then waits for the client to close its side.
    fn poll_closing(&mut self, link: Link, around: &mut Around<'_>) {
        self.flush(link, around);
        let Some(connection) = self.connections.get_mut(&link) else {
            return;
        };
        if connection.phase != Phase::Gone {
            // The socket or the store wakes it.
            if connection.outbox_len() > 0 {
                return;
            }
            let reason = connection.core.close_reason();
            if !matches!(reason, Some(CloseReason::Disconnected(_))) {
                if !std::mem::replace(&mut connection.is_shut, true) {
                    around.network.close_by_broker(link, around.agenda);
                }
                let _nobody_wants_it = around.network.read(link);
                if !around.network.has_ended(link) {
                    return;
                }
            }
            connection.phase = Phase::Gone;
        }
        self.end(link, around);
    }

    /// The task is over: the core learns it, if it does not know.
    fn end(&mut self, link: Link, around: &mut Around<'_>) {
        let Some(connection) = self.connections.get_mut(&link) else {
            return;
        };
        let home = connection.home;
        if connection.core.close_reason().is_none() {
            around.see(link, Event::Broke);
        }
        if !std::mem::replace(&mut connection.is_shut, true) {
            around.network.close_by_broker(link, around.agenda);
        }
        self.with(link, around, |connection, occasion| {
            connection.core.handle_lost(occasion);
        });
        self.pass_on(home, around);
        if let Some(connection) = self.connections.remove(&link) {
            // It may be in the store already.
            let left = connection.pending.into_iter().filter_map(Pending::orphaned);
            self.workers[home].publications.extend(left);
        }
    }
}
