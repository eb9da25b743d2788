//! The core under sequences of input that nobody chose: packets valid and not, in any order, from
//! clients of all versions, with lost connections, time, and a store that waits or fails.
//!
//! A sequence follows from its seed, and a failure prints the seed with everything that was done.
//! `DUNLIN_RANDOM_CASES` sets how many sequences are tried, `DUNLIN_RANDOM_SEED` where they begin.

use std::fmt::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::time::Duration;

use dunlin_codec::ProtocolVersion;

use crate::id::ConnectionId;
use crate::settings::Settings;
use crate::tests::harness::{Commits, Denied, World};
use crate::tests::scenario::build::{Defaults, build};
use crate::tests::scenario::settings::set;
use crate::tests::scenario::token::tokens;

const CASES: u64 = 1500;
const STEPS: usize = 200;
const CLIENTS: [&str; 4] = ["a", "b", "c", "d"];
const TOPICS: [&str; 8] = [
    "t",
    "t/1",
    "t/2",
    "u/1/2",
    "/",
    "$other/t",
    "$SYS/x",
    "t/1/2/3/4/5",
];
const FILTERS: [&str; 13] = [
    "t",
    "t/+",
    "#",
    "t/#",
    "+/1/#",
    "$other/#",
    "$share/g/t/#",
    "$share/h/#",
    "$queue/t/+",
    "$share//t",
    "$queue/jobs/#",
    "/",
    "t/1/2/3/4/5",
];
const CODES: [&str; 4] = [
    "Success",
    "UnspecifiedError",
    "NotAuthorized",
    "PacketIdentifierNotFound",
];

/// SplitMix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(bound).unwrap()).unwrap()
    }

    fn one_of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())]
    }

    /// True once in this many times.
    fn rarely(&mut self, once_in: usize) -> bool {
        self.below(once_in) == 0
    }
}

/// A client's end, which may have no connection at the moment.
struct Slot {
    connection: Option<ConnectionId>,
    version: ProtocolVersion,
    is_stalled: bool,
}

struct Case {
    random: Random,
    world: World,
    slots: Vec<Slot>,
    log: String,
}

impl Case {
    fn new(seed: u64) -> Self {
        let mut random = Random(seed);
        let mut settings = Settings::default();
        let choices = [
            ("session.queue.messages_max", ["1", "3", "10", "1000"]),
            (
                "session.queue.bytes_max",
                ["300", "1000", "100000", "8000000"],
            ),
            (
                "session.queue.policy",
                ["drop-oldest", "drop-newest", "refuse", "drop-oldest"],
            ),
            ("session.queue.offline_qos_min", ["0", "1", "1", "2"]),
            ("session.in_flight_max", ["1", "2", "8", "1024"]),
            (
                "session.outbox_bytes_max",
                ["100", "1000", "262144", "262144"],
            ),
            ("session.subscriptions_max", ["1", "3", "100", "100"]),
            ("session.count_max", ["2", "3", "100", "100"]),
            ("session.expiry_interval_3x", ["none", "10s", "60s", "1h"]),
            ("mqtt.receive_maximum", ["1", "2", "20", "65535"]),
            ("mqtt.topic_alias_maximum", ["0", "2", "2", "16"]),
            ("mqtt.outbound_topic_alias_max", ["0", "1", "2", "16"]),
            ("mqtt.resend_interval", ["none", "none", "5s", "20s"]),
            ("mqtt.keep_alive_max", ["none", "none", "5s", "20s"]),
            ("mqtt.qos_max", ["2", "2", "2", "1"]),
            ("mqtt.topic_levels_max", ["128", "128", "4", "128"]),
            ("retained.messages_max", ["1", "3", "100", "100"]),
            ("message_expiry_max", ["none", "none", "5s", "60s"]),
            ("will_delay_max", ["none", "none", "5s", "60s"]),
        ];
        let mut log = String::new();
        for (path, values) in choices {
            let value = random.one_of(&values);
            writeln!(log, "set {path} = {value}").unwrap();
            set(&mut settings, path, value).unwrap();
        }
        for (path, value) in [
            ("session.queue.keep_last", "t/2"),
            ("session.queue.priorities", "t/1 5"),
            ("shared.durable_groups", "$queue/t/+"),
        ] {
            if random.rarely(2) {
                writeln!(log, "set {path} = {value}").unwrap();
                set(&mut settings, path, value).unwrap();
            }
        }
        let slots = (0..6).map(|_| Slot {
            connection: None,
            version: ProtocolVersion::V5,
            is_stalled: false,
        });
        Self {
            world: World::new(settings, seed),
            slots: slots.collect(),
            random,
            log,
        }
    }

    fn run(&mut self) {
        for _ in 0..STEPS {
            self.step();
            self.check();
        }
        // Everything ends, and nothing is left of it.
        writeln!(self.log, "the end").unwrap();
        self.world.release_commits();
        for slot in 0..self.slots.len() {
            if let Some(id) = self.slots[slot].connection {
                self.world.lose(id);
            }
        }
        self.world.forget_closed();
        self.world.pass(Duration::from_secs(400 * 24 * 3600));
        if self
            .world
            .broker
            .settings()
            .session
            .expiry_interval_3x
            .is_some()
        {
            assert_eq!(self.world.broker.session_count(), 0);
            assert_eq!(self.world.broker.subscription_count(), 0);
        }
    }

    fn step(&mut self) {
        let slot = self.random.below(self.slots.len());
        match self.random.below(40) {
            0 => self.pass(),
            1 => {
                let commits = [
                    Commits::AtOnce,
                    Commits::Held,
                    Commits::Full,
                    Commits::Failing,
                ];
                let commits = self.random.one_of(&commits);
                self.world.set_commits(commits);
                writeln!(self.log, "commits {commits:?}").unwrap();
            }
            2 => {
                writeln!(self.log, "commits released").unwrap();
                self.world.release_commits();
            }
            3 => self.change_access(),
            _ => self.act(slot),
        }
    }

    fn pass(&mut self) {
        let millis = self.random.one_of(&[1, 900, 1500, 6000, 30_000, 600_000]);
        writeln!(self.log, "+{millis}ms").unwrap();
        self.world.pass(Duration::from_millis(millis));
    }

    fn change_access(&mut self) {
        let rule = Denied {
            is_publish: self.random.rarely(2),
            filter: self.random.one_of(&["t/1", "t/#", "#"]).to_owned(),
            client_id: Some(self.random.one_of(&CLIENTS).to_owned()),
        };
        writeln!(self.log, "deny or allow {rule:?}").unwrap();
        if self.random.rarely(2) {
            self.world.access.deny(rule);
        } else {
            self.world.access.allow(&rule);
        }
        self.world.tell_access_change();
    }

    fn act(&mut self, slot: usize) {
        let Some(id) = self.slots[slot].connection else {
            return self.connect(slot);
        };
        if self.slots[slot].is_stalled && !self.random.rarely(10) {
            writeln!(self.log, "{slot}: reads").unwrap();
            self.slots[slot].is_stalled = false;
            return self.world.set_stalled(id, false);
        }
        match self.random.below(24) {
            0 => {
                writeln!(self.log, "{slot}: lost").unwrap();
                self.world.lose(id);
            }
            // A client that does not read says nothing either: what it had said would be in another
            // order than what it sees.
            _ if self.slots[slot].is_stalled => {}
            1 => {
                writeln!(self.log, "{slot}: stalls").unwrap();
                self.slots[slot].is_stalled = true;
                self.world.set_stalled(id, true);
            }
            2..=6 => self.acknowledge(slot, id),
            7 => {
                let bytes: Vec<u8> = (0..self.random.below(20))
                    .map(|_| self.random.next().to_le_bytes()[0])
                    .collect();
                writeln!(self.log, "{slot}> RAW {bytes:02x?}").unwrap();
                self.world.receive(id, &bytes);
            }
            _ => {
                let line = self.line(slot);
                self.send(slot, id, &line);
            }
        }
    }

    fn connect(&mut self, slot: usize) {
        let versions = [
            ProtocolVersion::V31,
            ProtocolVersion::V311,
            ProtocolVersion::V5,
        ];
        let version = self.random.one_of(&versions);
        let mut line = format!(
            "CONNECT client={} clean={} keep_alive={}",
            self.random.one_of(&CLIENTS),
            self.random.below(2),
            self.random.one_of(&[0, 0, 1, 10])
        );
        if self.random.rarely(3) {
            let topic = self.random.one_of(&TOPICS);
            let (qos, retain) = (self.random.below(3), self.random.below(2));
            write!(
                line,
                " will={topic} will_payload=w will_qos={qos} will_retain={retain}"
            )
            .unwrap();
        }
        if version.is_v5() {
            for (key, values) in [
                ("expiry", [0_u32, 5, 60, 4_294_967_295]),
                ("receive_maximum", [1, 2, 3, 65_535]),
                ("maximum_packet_size", [1, 30, 100, 100_000]),
                ("topic_alias_maximum", [0, 1, 2, 10]),
                ("request_problem", [0, 1, 0, 1]),
            ] {
                if self.random.rarely(2) {
                    write!(line, " {key}={}", self.random.one_of(&values)).unwrap();
                }
            }
            if self.random.rarely(10) {
                line.push_str(" method=two-step data=one");
            }
        }
        let id = self.world.open();
        self.slots[slot] = Slot {
            connection: Some(id),
            version,
            is_stalled: false,
        };
        self.send(slot, id, &line);
    }

    /// Acknowledges what the client was sent, as it should.
    fn acknowledge(&mut self, slot: usize, id: ConnectionId) {
        let known = self.world.peer(id).client.acknowledgements();
        if known.is_empty() {
            return;
        }
        let (answer, packet_id) = self.random.one_of(&known);
        let mut line = format!("{answer} id={packet_id}");
        if self.slots[slot].version.is_v5()
            && answer != dunlin_codec::PacketType::Pubcomp
            && self.random.rarely(6)
        {
            line.push_str(" code=UnspecifiedError");
        }
        self.send(slot, id, &line);
    }

    fn line(&mut self, slot: usize) -> String {
        let is_v5 = self.slots[slot].version.is_v5();
        let random = &mut self.random;
        let id = 1 + random.below(4);
        match random.below(20) {
            0..=8 => {
                let mut line = format!("PUBLISH {}", random.one_of(&TOPICS));
                if is_v5 && random.rarely(4) {
                    line = format!("PUBLISH {}", random.one_of(&["\"\"", "t", "t/1"]));
                    write!(line, " alias={}", 1 + random.below(3)).unwrap();
                }
                if !random.rarely(4) {
                    write!(
                        line,
                        " {}",
                        random.one_of(&["x", "x*40", "x*300", "x*17000"])
                    )
                    .unwrap();
                }
                let qos = random.below(3);
                if qos > 0 {
                    write!(line, " qos={qos} id={id} dup={}", random.below(2)).unwrap();
                }
                write!(line, " retain={}", usize::from(random.rarely(3))).unwrap();
                if is_v5 && random.rarely(3) {
                    write!(line, " expiry={} props=a:b,a:b", random.below(10)).unwrap();
                }
                line
            }
            9..=12 => {
                let mut line = format!("SUBSCRIBE id={id}");
                if is_v5 && random.rarely(2) {
                    write!(line, " identifier={}", 1 + random.below(3)).unwrap();
                }
                for _ in 0..=random.below(3) {
                    let filter = random.one_of(&FILTERS);
                    write!(line, " {filter} qos={}", random.below(3)).unwrap();
                    if is_v5 {
                        let (rap, rh) = (random.below(2), random.below(3));
                        write!(line, " rap={rap} rh={rh}").unwrap();
                        if random.rarely(3) {
                            line.push_str(" no_local=1");
                        }
                    }
                }
                line
            }
            13 => format!("UNSUBSCRIBE id={id} {}", random.one_of(&FILTERS)),
            14 => "PINGREQ".to_owned(),
            15 => {
                let name = random.one_of(&["PUBACK", "PUBREC", "PUBREL", "PUBCOMP"]);
                format!(
                    "{name} id={} code={}",
                    1 + random.below(8),
                    random.one_of(&CODES)
                )
            }
            16 | 17 => format!("PUBREL id={id}"),
            18 if is_v5 && random.rarely(2) => {
                let code = random.one_of(&["ContinueAuthentication", "ReAuthenticate"]);
                let data = random.one_of(&["one", "two", "three"]);
                format!("AUTH code={code} method=two-step data={data}")
            }
            18 if random.rarely(4) => "CONNECT client=a".to_owned(),
            _ if random.rarely(3) => match is_v5 {
                true => format!(
                    "DISCONNECT code={} expiry={}",
                    random.one_of(&["Success", "DisconnectWithWillMessage", "UnspecifiedError"]),
                    random.one_of(&[0, 5])
                ),
                false => "DISCONNECT".to_owned(),
            },
            _ => "PINGREQ".to_owned(),
        }
    }

    /// Sends the packet of a line, now and then with a byte of it changed.
    fn send(&mut self, slot: usize, id: ConnectionId, line: &str) {
        let defaults = Defaults {
            version: self.slots[slot].version,
            client_id: "a".to_owned(),
        };
        // A code that does not belong into the packet is not even encoded.
        let Ok((mut bytes, _)) = build(&tokens(line).unwrap(), &defaults) else {
            return;
        };
        if self.random.rarely(30) {
            let at = self.random.below(bytes.len());
            bytes[at] ^= 1 << self.random.below(8);
            writeln!(self.log, "{slot}> {line}, byte {at} is {:02x}", bytes[at]).unwrap();
        } else {
            writeln!(self.log, "{slot}> {line}").unwrap();
        }
        self.world.receive(id, &bytes);
    }

    /// What has to hold at every moment.
    fn check(&mut self) {
        let settings = self.world.broker.settings().clone();
        for (index, slot) in self.slots.iter_mut().enumerate() {
            let Some(id) = slot.connection else { continue };
            let peer = self.world.peer(id);
            // A packet of the largest payload that is sent here may stand over the bound.
            assert!(peer.outbox_len() < settings.session.outbox_bytes_max + 20_000);
            loop {
                match peer.next_packet(|packet, _| format!("{packet:?}")) {
                    Ok(None) => break,
                    Ok(Some(packet)) => {
                        let packet: String = packet.chars().take(120).collect();
                        writeln!(self.log, "    {index}< {packet}").unwrap();
                    }
                    Err(rule) => panic!("the broker sends {index} {rule}"),
                }
            }
            if peer.is_closed() {
                writeln!(self.log, "    {index}! closed").unwrap();
                slot.connection = None;
            }
        }
        self.world.forget_closed();
        let broker = &self.world.broker;
        let (mut sessions, mut subscriptions) = (0, 0);
        for client_id in CLIENTS {
            let Some(session) = broker.sessions.get(client_id) else {
                continue;
            };
            let state = session.lock();
            sessions += 1;
            let is_plain =
                |filter: &&str| !filter.starts_with("$share/") && !filter.starts_with("$queue/");
            subscriptions += state.subscriptions.filters().filter(is_plain).count();
            assert!(!state.is_ended);
            let bounds = &settings.session;
            assert!(state.queue.len() <= bounds.queue.messages_max);
            assert!(state.queue.checked_bytes() <= bounds.queue.bytes_max);
            assert!(state.in_flight.len() <= usize::from(bounds.in_flight_max));
            assert!(state.received.len() <= usize::from(settings.mqtt.receive_maximum));
            assert!(state.subscriptions.len() <= bounds.subscriptions_max);
        }
        // A byte that was changed may have made a client identifier of its own.
        assert!(broker.session_count() >= sessions);
        assert!(broker.session_count() <= settings.session.count_max);
        assert!(broker.subscription_count() >= subscriptions);
        assert!(broker.retained_count() <= settings.retained.messages_max);
    }
}

#[test]
fn any_sequence_keeps_the_rules_and_the_bounds() {
    let variable = |name: &str| std::env::var(name).ok().and_then(|text| text.parse().ok());
    let first = variable("DUNLIN_RANDOM_SEED").unwrap_or(1);
    for seed in first..first + variable("DUNLIN_RANDOM_CASES").unwrap_or(CASES) {
        let mut case = Case::new(seed);
        let run = catch_unwind(AssertUnwindSafe(|| case.run()));
        if let Err(panic) = run {
            println!("seed {seed}:\n{}", case.log);
            resume_unwind(panic);
        }
    }
}
