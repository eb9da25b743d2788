//! The network: it delays, cuts, lets one side in the dark and stalls, but within a connection nothing
//! is reordered, repeated or changed.

use std::collections::VecDeque;
use std::rc::Rc;

use crate::agenda::{Agenda, Due};
use crate::random::Random;
use crate::trace::{Link, Said};

/// All connections of a run.
#[derive(Debug)]
pub(crate) struct Network {
    links: Vec<State>,
    latency_ms: (u64, u64),
    socket_bytes: usize,
    seed: u64,
}

/// Bytes on their way, or the end of them.
#[derive(Debug)]
enum Item {
    Bytes(Vec<u8>),
    End,
}

/// Bytes that reach a client.
#[derive(Debug)]
pub(crate) struct Chunk {
    /// The bytes.
    pub(crate) bytes: Vec<u8>,
    /// When they left the broker.
    pub(crate) left_ms: u64,
    /// Whether the socket was full at some time before.
    pub(crate) may_have_waited: bool,
}

/// What a look at a client's end of a connection shows.
#[derive(Debug)]
pub(crate) enum Arrival {
    /// Bytes.
    Bytes(Chunk),
    /// The end.
    End,
    /// Nothing.
    Nothing,
}

/// One connection.
#[derive(Debug)]
struct State {
    random: Random,
    up: VecDeque<(u64, Item)>,
    up_last_ms: u64,
    /// Bytes at the broker's socket.
    arrived: Vec<u8>,
    has_ended: bool,
    /// The packets that the bytes are made of, as far as the broker did not take them.
    said: VecDeque<Rc<Said>>,
    down: VecDeque<(u64, Option<Chunk>)>,
    down_last_ms: u64,
    /// Bytes that the broker wrote and the client did not read.
    unread: usize,
    may_have_waited: bool,
    is_cut: bool,
    stalled_until_ms: u64,
}

impl Network {
    /// A network without connections.
    pub(crate) const fn new(seed: u64, latency_ms: (u64, u64), socket_bytes: usize) -> Self {
        Self {
            links: Vec::new(),
            latency_ms,
            socket_bytes,
            seed,
        }
    }

    /// A new connection.
    pub(crate) fn open(&mut self) -> Link {
        let number = self.links.len();
        self.links.push(State {
            random: Random::of(self.seed, 1_000_000 + number as u64),
            up: VecDeque::new(),
            up_last_ms: 0,
            arrived: Vec::new(),
            has_ended: false,
            said: VecDeque::new(),
            down: VecDeque::new(),
            down_last_ms: 0,
            unread: 0,
            may_have_waited: false,
            is_cut: false,
            stalled_until_ms: 0,
        });
        Link(number)
    }

    fn link(&mut self, Link(number): Link) -> &mut State {
        &mut self.links[number]
    }

    fn way_ms(&mut self, link: Link) -> u64 {
        let (least, most) = self.latency_ms;
        self.link(link).random.between(least, most.max(least))
    }

    fn push_up(&mut self, link: Link, item: Item, agenda: &mut Agenda) {
        let due = agenda.now_ms + self.way_ms(link);
        let state = self.link(link);
        if state.is_cut {
            return;
        }
        state.up_last_ms = due.max(state.up_last_ms);
        state.up.push_back((state.up_last_ms, item));
        agenda.at(state.up_last_ms, Due::Up(link));
    }

    /// A client sends a packet, which may arrive in pieces.
    pub(crate) fn send(
        &mut self,
        link: Link,
        mut bytes: Vec<u8>,
        said: Option<Rc<Said>>,
        agenda: &mut Agenda,
    ) {
        let state = self.link(link);
        if state.is_cut {
            return;
        }
        state.said.extend(said);
        if bytes.len() > 1 && state.random.percent(10) {
            let at = 1 + state.random.below(bytes.len() - 1);
            let rest = bytes.split_off(at);
            self.push_up(link, Item::Bytes(bytes), agenda);
            return self.push_up(link, Item::Bytes(rest), agenda);
        }
        self.push_up(link, Item::Bytes(bytes), agenda);
    }

    /// A client closes its side, behind what it sent.
    pub(crate) fn close_by_client(&mut self, link: Link, agenda: &mut Agenda) {
        self.push_up(link, Item::End, agenda);
    }

    /// Something reaches the broker's socket, unless it got lost meanwhile.
    pub(crate) fn arrive(&mut self, link: Link, now_ms: u64) {
        let state = self.link(link);
        if state.up.front().is_none_or(|(due, _)| *due > now_ms) {
            return;
        }
        match state.up.pop_front() {
            Some((_, Item::Bytes(bytes))) => state.arrived.extend_from_slice(&bytes),
            Some((_, Item::End)) => state.has_ended = true,
            None => {}
        }
    }

    /// Whether the broker's socket has something to read: bytes or the end.
    pub(crate) fn is_readable(&self, Link(number): Link) -> bool {
        let state = &self.links[number];
        !state.arrived.is_empty() || state.has_ended
    }

    /// Whether the end has reached the broker's socket.
    pub(crate) fn has_ended(&self, Link(number): Link) -> bool {
        self.links[number].has_ended
    }

    /// What the broker's socket has; nothing is the end.
    pub(crate) fn read(&mut self, link: Link) -> Vec<u8> {
        std::mem::take(&mut self.link(link).arrived)
    }

    /// The packet that the broker took from the bytes it read.
    pub(crate) fn taken(&mut self, link: Link) -> Option<Rc<Said>> {
        self.link(link).said.pop_front()
    }

    /// The broker writes; says how many bytes the socket takes.
    pub(crate) fn write(&mut self, link: Link, bytes: &[u8], agenda: &mut Agenda) -> usize {
        let room = self.socket_bytes.saturating_sub(self.link(link).unread);
        let taken = bytes.len().min(room);
        let state = self.link(link);
        state.may_have_waited |= taken < bytes.len();
        if taken == 0 {
            return 0;
        }
        state.unread += taken;
        let chunk = Chunk {
            bytes: bytes[..taken].to_vec(),
            left_ms: agenda.now_ms,
            may_have_waited: state.may_have_waited,
        };
        self.push_down(link, Some(chunk), agenda);
        taken
    }

    /// What the broker writes from now on may have waited for its store, behind what is owed.
    pub(crate) fn note_waited(&mut self, link: Link) {
        self.link(link).may_have_waited = true;
    }

    /// The broker closes its side, behind what it wrote.
    pub(crate) fn close_by_broker(&mut self, link: Link, agenda: &mut Agenda) {
        self.push_down(link, None, agenda);
    }

    fn push_down(&mut self, link: Link, item: Option<Chunk>, agenda: &mut Agenda) {
        let due = agenda.now_ms + self.way_ms(link);
        let state = self.link(link);
        // What is written into a connection that is cut fills the socket and reaches nobody.
        if state.is_cut {
            return;
        }
        state.down_last_ms = due.max(state.down_last_ms);
        state.down.push_back((state.down_last_ms, item));
        agenda.at(state.down_last_ms, Due::Down(link));
    }

    /// What reaches the client now.
    pub(crate) fn deliver(&mut self, link: Link, agenda: &mut Agenda) -> Arrival {
        let state = self.link(link);
        if state
            .down
            .front()
            .is_none_or(|(due, _)| *due > agenda.now_ms)
        {
            return Arrival::Nothing;
        }
        if state.stalled_until_ms > agenda.now_ms {
            agenda.at(state.stalled_until_ms, Due::Down(link));
            return Arrival::Nothing;
        }
        match state.down.pop_front() {
            Some((_, Some(chunk))) => {
                state.unread -= chunk.bytes.len();
                Arrival::Bytes(chunk)
            }
            Some((_, None)) => Arrival::End,
            None => Arrival::Nothing,
        }
    }

    /// The client reads nothing until then.
    pub(crate) fn stall(&mut self, link: Link, until_ms: u64) {
        let state = self.link(link);
        state.stalled_until_ms = until_ms.max(state.stalled_until_ms);
    }

    /// The connection is cut: what is on its way is lost, in both directions.
    pub(crate) fn cut(&mut self, link: Link) {
        let state = self.link(link);
        state.is_cut = true;
        state.up.clear();
        state.down.clear();
    }

    /// Whether it was cut.
    pub(crate) fn is_cut(&self, Link(number): Link) -> bool {
        self.links[number].is_cut
    }

    /// The broker's side learns that it was cut.
    pub(crate) fn end_at_broker(&mut self, link: Link) {
        self.link(link).has_ended = true;
    }
}
