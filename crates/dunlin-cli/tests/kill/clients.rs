//! Publishers, subscribers and those who die with a will; each is one thread that goes on over stops of
//! the broker as a client that follows the standard.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Condvar, Mutex};
use std::time::{Duration, Instant};

use super::ledger::{Ledger, is_deletion};
use super::wire::{Connect, Packet, Publish, Wire};

/// Messages that a publisher has unacknowledged at most.
const WINDOW: usize = 50;

/// How long clients that are taken over, by themselves, have a connection.
const TAKEOVER: Duration = Duration::from_millis(130);

/// A moment in which a client looks up from its connection.
const MOMENT: Duration = Duration::from_millis(2);

/// Where the broker is, and what the clients are to do.
pub(crate) struct World {
    state: Mutex<State>,
    changed: Condvar,
    ledger: Mutex<Ledger>,
}

#[derive(Clone, Copy)]
struct State {
    /// Counts the starts of the broker; 0 before the first.
    generation: u64,
    port: u16,
    phase: Phase,
    /// Subscribers that were told that they are subscribed.
    subscribed: usize,
    /// Publishers that have nothing left to do.
    finished: usize,
}

/// What is asked of the clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Phase {
    /// Publish, and come and go.
    Busy,
    /// Publish nothing new; subscribers stay.
    Settle,
    /// End.
    Over,
}

impl World {
    pub(crate) fn new() -> Self {
        let state = State {
            generation: 0,
            port: 0,
            phase: Phase::Busy,
            subscribed: 0,
            finished: 0,
        };
        Self {
            state: Mutex::new(state),
            changed: Condvar::new(),
            ledger: Mutex::default(),
        }
    }

    /// The broker listens again.
    pub(crate) fn started(&self, port: u16) {
        let mut state = self.state.lock().unwrap();
        state.port = port;
        state.generation += 1;
        self.changed.notify_all();
    }

    pub(crate) fn set_phase(&self, phase: Phase) {
        self.state.lock().unwrap().phase = phase;
        self.changed.notify_all();
    }

    /// Until so many subscribers are subscribed.
    pub(crate) fn wait_until_subscribed(&self, count: usize) {
        self.wait(Duration::from_secs(20), |state| state.subscribed >= count);
    }

    /// Until so many publishers have nothing left to do; or for this long.
    pub(crate) fn wait_for_publishers(&self, count: usize, most: Duration) {
        self.wait(most, |state| state.finished >= count);
    }

    fn wait(&self, most: Duration, is_so: impl Fn(&State) -> bool) {
        let state = self.state.lock().unwrap();
        let is_waiting = |state: &mut State| !is_so(state);
        let waited = self.changed.wait_timeout_while(state, most, is_waiting);
        drop(waited.unwrap());
    }

    fn count(&self, what: impl FnOnce(&mut State)) {
        what(&mut self.state.lock().unwrap());
        self.changed.notify_all();
    }

    pub(crate) fn with<T>(&self, what: impl FnOnce(&mut Ledger) -> T) -> T {
        what(&mut self.ledger.lock().unwrap())
    }

    fn state(&self) -> State {
        *self.state.lock().unwrap()
    }

    fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.state().port).into()
    }

    /// Connects as soon as the broker is there; `None` at the end.
    fn connect(&self, connect: &Connect<'_>) -> Option<(Wire, bool)> {
        loop {
            let state = self.state();
            if state.phase == Phase::Over {
                return None;
            }
            let address = (Ipv4Addr::LOCALHOST, state.port).into();
            match Wire::connect(address, connect) {
                Ok(connected) => return Some(connected),
                Err(_) => self.wait(Duration::MAX, |now| {
                    now.generation > state.generation || now.phase == Phase::Over
                }),
            }
        }
    }
}

/// A session that must not be forgotten.
struct Session<'a> {
    world: &'a World,
    client_id: &'static str,
    is_known: bool,
}

impl<'a> Session<'a> {
    fn new(world: &'a World, client_id: &'static str) -> Self {
        Self {
            world,
            client_id,
            is_known: false,
        }
    }

    fn resume(&mut self) -> Option<Wire> {
        let (wire, is_present) = self.world.connect(&Connect {
            client_id: self.client_id,
            clean: false,
            will: None,
        })?;
        if self.is_known && !is_present {
            let what = format!("{}: the session was forgotten", self.client_id);
            self.world.with(|ledger| ledger.violate(what));
        }
        self.is_known = true;
        Some(wire)
    }
}

/// What a publisher publishes.
pub(crate) struct Flow {
    pub(crate) client_id: &'static str,
    /// Numbers go to these in turn; each has its own.
    pub(crate) topics: &'static [&'static str],
    pub(crate) qos: u8,
    pub(crate) retain: bool,
    pub(crate) rate: u32,
    /// Whether it often goes on with a new connection and leaves the one before open.
    pub(crate) takes_over: bool,
}

struct Sent {
    publish: Publish,
    number: u64,
    is_released: bool,
}

/// Publishes at a rate, and again what was not acknowledged, until nothing is left to do.
pub(crate) fn publish(world: &World, flow: &Flow) {
    let mut session = Session::new(world, flow.client_id);
    let mut publisher = Publisher {
        world,
        flow,
        sent: VecDeque::new(),
        count: 0,
        last_id: 0,
    };
    let start = Instant::now();
    let mut before = None;
    while let Some(mut wire) = session.resume() {
        drop(before.take());
        match publisher.run(&mut wire, start) {
            Ok(true) => {
                wire.disconnect();
                return world.count(|state| state.finished += 1);
            }
            Ok(false) => before = Some(wire),
            // Broken connections are what this is about.
            Err(_) => {}
        }
    }
}

struct Publisher<'a> {
    world: &'a World,
    flow: &'a Flow,
    sent: VecDeque<Sent>,
    count: u64,
    last_id: u16,
}

impl Publisher<'_> {
    /// Until all is acknowledged and nothing new is asked for; or, false, until it is time for another
    /// connection.
    fn run(&mut self, wire: &mut Wire, start: Instant) -> io::Result<bool> {
        let begun = Instant::now();
        for sent in &self.sent {
            if sent.is_released {
                wire.answer(0x62, sent.publish.packet_id);
            } else {
                wire.publish(&sent.publish, true);
            }
        }
        wire.flush()?;
        loop {
            let is_busy = self.world.state().phase == Phase::Busy;
            if !is_busy && self.sent.is_empty() {
                return Ok(true);
            }
            if is_busy && self.flow.takes_over && begun.elapsed() > TAKEOVER {
                return Ok(false);
            }
            let due = start.elapsed().as_secs_f64() * f64::from(self.flow.rate);
            // What was due while the broker was down is not made up for.
            let behind = (due - self.count as f64) > WINDOW as f64;
            while is_busy && self.sent.len() < WINDOW && (behind || (self.count as f64) < due) {
                self.publish_next(wire);
            }
            wire.flush()?;
            let mut wait = MOMENT;
            while let Some(packet) = wire.next(wait)? {
                self.handle(wire, &packet);
                wait = Duration::ZERO;
            }
            wire.flush()?;
        }
    }

    fn publish_next(&mut self, wire: &mut Wire) {
        let count = self.count;
        self.count += 1;
        let topics = self.flow.topics.len() as u64;
        let topic = self.flow.topics[usize::try_from(count % topics).unwrap()];
        let number = count / topics + 1;
        self.last_id = self.last_id.checked_add(1).unwrap_or(1);
        let is_empty = self.flow.retain && is_deletion(number);
        let publish = Publish {
            retain: self.flow.retain,
            qos: self.flow.qos,
            topic: topic.to_owned(),
            packet_id: self.last_id,
            payload: if is_empty {
                String::new()
            } else {
                // The payloads of the larger ones wait in the store.
                let width = if number.is_multiple_of(3) { 300 } else { 40 };
                format!("{number} {:>width$}", "")
            },
        };
        self.world.with(|ledger| ledger.sent(topic, number));
        wire.publish(&publish, false);
        self.sent.push_back(Sent {
            publish,
            number,
            is_released: false,
        });
    }

    fn handle(&mut self, wire: &mut Wire, packet: &Packet) {
        let (id, is_done) = match packet {
            Packet::Puback(id) | Packet::Pubcomp(id) => (*id, true),
            Packet::Pubrec(id) => (*id, false),
            _ => return,
        };
        let place = self
            .sent
            .iter()
            .position(|sent| sent.publish.packet_id == id);
        if !is_done {
            // Also for one that is not known any more (section 4.3.3 knows no other answer).
            wire.answer(0x62, id);
        }
        let Some(place) = place else { return };
        let sent = &mut self.sent[place];
        let (topic, number) = (&sent.publish.topic, sent.number);
        self.world.with(|ledger| ledger.acknowledged(topic, number));
        sent.is_released = true;
        if is_done {
            self.sent.remove(place);
        }
    }
}

/// How a subscriber lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manner {
    /// Connected whenever the broker is there.
    Stays,
    /// Away most of the time.
    ComesAndGoes,
    /// A new connection takes the session over from the one before, which is not closed.
    TakesOver,
}

/// Receives until the end.
pub(crate) fn subscribe(world: &World, client_id: &'static str, manner: Manner) {
    let mut session = Session::new(world, client_id);
    let mut subscriber = Subscriber {
        world,
        client_id,
        received: BTreeSet::new(),
        is_subscribed: false,
    };
    let mut before: Option<Wire> = None;
    while let Some(mut wire) = session.resume() {
        drop(before.take());
        // Broken connections are what this is about.
        let _ = subscriber.run(&mut wire, manner);
        match manner {
            Manner::Stays => {}
            Manner::TakesOver => before = Some(wire),
            Manner::ComesAndGoes => {
                wire.disconnect();
                // Over one stop of the broker.
                let generation = world.state().generation;
                world.wait(Duration::MAX, |now| {
                    now.generation > generation + 1 || now.phase != Phase::Busy
                });
            }
        }
    }
}

struct Subscriber<'a> {
    world: &'a World,
    client_id: &'static str,
    /// Packet identifiers of QoS 2 that were not released; part of the client's session state.
    received: BTreeSet<u16>,
    is_subscribed: bool,
}

impl Subscriber<'_> {
    fn run(&mut self, wire: &mut Wire, manner: Manner) -> io::Result<()> {
        if !self.is_subscribed {
            wire.subscribe("#", 2)?;
        }
        let start = Instant::now();
        let stay = match manner {
            Manner::Stays => Duration::MAX,
            Manner::ComesAndGoes => Duration::from_millis(300),
            Manner::TakesOver => TAKEOVER,
        };
        loop {
            let phase = self.world.state().phase;
            if phase == Phase::Over || (phase == Phase::Busy && start.elapsed() > stay) {
                return Ok(());
            }
            let mut wait = MOMENT;
            for _ in 0..WINDOW {
                let Some(packet) = wire.next(wait)? else {
                    break;
                };
                self.handle(wire, packet);
                wait = Duration::ZERO;
            }
            wire.flush()?;
        }
    }

    fn handle(&mut self, wire: &mut Wire, packet: Packet) {
        match packet {
            Packet::Publish(publish) => {
                let id = publish.packet_id;
                let is_new = match publish.qos {
                    0 => true,
                    1 => {
                        wire.answer(0x40, id);
                        true
                    }
                    _ => {
                        wire.answer(0x50, id);
                        self.received.insert(id)
                    }
                };
                if is_new {
                    self.note(&publish);
                }
            }
            Packet::Pubrel(id) => {
                self.received.remove(&id);
                wire.answer(0x70, id);
            }
            // SUBACK.
            Packet::Other(9) => {
                self.is_subscribed = true;
                self.world.count(|state| state.subscribed += 1);
            }
            _ => {}
        }
    }

    fn note(&self, publish: &Publish) {
        let topic = &*publish.topic;
        let who = self.client_id;
        self.world.with(|ledger| {
            if topic.starts_with("w/") {
                ledger.will_arrived(who, topic);
            } else if topic.starts_with('q') {
                match number(&publish.payload) {
                    Some(number) => ledger.arrived(who, topic, number, publish.qos),
                    None => ledger.violate(format!("{who}: a strange payload: {publish:?}")),
                }
            }
        });
    }
}

fn number(payload: &str) -> Option<u64> {
    payload.split_ascii_whitespace().next()?.parse().ok()
}

/// A client that is connected with a will when the broker is killed. Dropping it is a death as well.
pub(crate) fn arm(world: &World, topic: &str) -> io::Result<Wire> {
    world.with(|ledger| ledger.armed(topic, false));
    let connect = Connect {
        client_id: &topic.replace('/', ""),
        clean: true,
        will: Some((topic, "gone")),
    };
    let (wire, _) = Wire::connect(world.address(), &connect)?;
    world.with(|ledger| ledger.armed(topic, true));
    Ok(wire)
}

/// Reads what is retained, by topic, until it is as it should be or for too long.
pub(crate) fn read_retained(
    world: &World,
    is_right: impl Fn(&BTreeMap<String, u64>) -> bool,
) -> io::Result<BTreeMap<String, u64>> {
    let connect = Connect {
        client_id: "reader",
        clean: true,
        will: None,
    };
    let (mut wire, _) = Wire::connect(world.address(), &connect)?;
    let mut there = BTreeMap::new();
    let until = Instant::now() + Duration::from_secs(10);
    // What the first asks for is on its way when the second is answered.
    for filter in ["r/#", "nothing"] {
        wire.subscribe(filter, 0)?;
        while !take_retained(&mut wire, &mut there)? && Instant::now() < until {}
    }
    while !is_right(&there) && Instant::now() < until {
        take_retained(&mut wire, &mut there)?;
    }
    wire.disconnect();
    Ok(there)
}

/// Takes a packet; says whether it was SUBACK.
fn take_retained(wire: &mut Wire, there: &mut BTreeMap<String, u64>) -> io::Result<bool> {
    match wire.next(MOMENT)? {
        Some(Packet::Publish(publish)) if publish.retain => {
            if let Some(number) = number(&publish.payload) {
                there.insert(publish.topic, number);
            }
            Ok(false)
        }
        Some(Packet::Other(9)) => Ok(true),
        _ => Ok(false),
    }
}
