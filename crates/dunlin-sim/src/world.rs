//! A run: a node, clients, the network, and time that passes when nothing is left to be done in it.

use dunlin_codec::{ProtocolVersion, QoS, RetainHandling};

use crate::agenda::{Agenda, Due};
use crate::around::Around;
use crate::client::Client;
use crate::network::{Arrival, Network};
use crate::node::Node;
use crate::random::Random;
use crate::sabotage::Plant;
use crate::schedule::{
    Action, ClientSetup, ConnectPlan, CutPlan, Request, Schedule, Step, StopPlan, SubscribePlan,
};
use crate::stranger;
use crate::trace::{Event, Link, Trace};

/// When the witness subscribes, in ms.
const WITNESS_SUBSCRIBES_MS: u64 = 2_500;

/// After which a client that lost its connection tries again, in ms.
const TRY_AGAIN_MS: u64 = 1_000;

/// Time in which nothing happens after which nothing will, in ms.
const QUIET_MS: u64 = 15_000;

/// What happens in a run, at most: a broker that does not rest is a broken one.
const HAPPENED_MAX: u64 = 1_000_000;

/// How often it is waited for that.
const QUIET_TRIES: usize = 200;

/// Runs a schedule, and gives what could be seen of it.
pub fn run(schedule: &Schedule, plant: Option<Plant>) -> Trace {
    let mut world = World::new(schedule, plant);
    world.run(schedule);
    world.trace
}

struct World {
    agenda: Agenda,
    happened: u64,
    network: Network,
    trace: Trace,
    node: Node,
    clients: Vec<Client>,
    strangers: Vec<Option<Link>>,
    random: Random,
    steps: Vec<Step>,
    /// When the disk works again, in ms.
    disk_fails_until_ms: u64,
    /// What is told of the node as a whole stands under this link.
    node_link: Link,
    /// How much older its clock is when it starts again, in ms.
    back_ms: u64,
    /// How clients connected that lost their connection with the node.
    lost: Vec<Option<ConnectPlan>>,
}

/// Two more clients than the schedule has: one sees every Will Message, and one what is retained at
/// the end.
fn helpers() -> [ClientSetup; 2] {
    ["witness", "heir"].map(|id| ClientSetup {
        id: id.to_owned(),
        version: ProtocolVersion::V5,
        shared: None,
    })
}

/// How those two connect, and everyone at the end.
const fn plain_connect(clean_start: bool) -> ConnectPlan {
    ConnectPlan {
        clean_start,
        keep_alive: 0,
        expiry: if clean_start { 0 } else { 1_000 },
        receive_maximum: u16::MAX,
        packet_bytes_max: None,
        topic_alias_maximum: 0,
        will: None,
        closes_other: true,
    }
}

fn all_of(filter: &str) -> SubscribePlan {
    SubscribePlan {
        requests: vec![Request {
            filter: filter.to_owned(),
            qos: QoS::ExactlyOnce,
            no_local: false,
            retain_as_published: false,
            retain_handling: RetainHandling::Send,
        }],
        identifier: None,
    }
}

impl World {
    fn new(schedule: &Schedule, plant: Option<Plant>) -> Self {
        let Schedule { seed, setup, steps } = schedule;
        let seed = *seed;
        let setups = setup.clients.iter().cloned().chain(helpers());
        let clients = setups.enumerate().map(|(place, client)| {
            let random = Random::of(seed, 500 + place as u64);
            let is_helper = place >= setup.clients.len();
            let acknowledge_ms_max = if is_helper {
                0
            } else {
                setup.acknowledge_ms_max
            };
            let receive_maximum = setup.settings.mqtt.receive_maximum;
            Client::new(place, client, (acknowledge_ms_max, receive_maximum), random)
        });
        let clients: Vec<_> = clients.collect();
        let mut network = Network::new(seed, setup.latency_ms, setup.socket_bytes);
        let node_link = network.open();
        let trace = Trace {
            owners: vec![None],
            ..Trace::default()
        };
        Self {
            agenda: Agenda::new(Random::of(seed, 3)),
            happened: 0,
            network,
            trace,
            node_link,
            back_ms: 0,
            lost: vec![None; clients.len()],
            random: Random::of(seed, 4),
            node: Node::new(setup, seed, plant),
            clients,
            strangers: vec![None; setup.strangers],
            steps: steps.clone(),
            disk_fails_until_ms: 0,
        }
    }

    fn run(&mut self, schedule: &Schedule) {
        let witness = schedule.setup.clients.len();
        let heir = witness + 1;
        self.connect(witness, plain_connect(false));
        self.pass_until(WITNESS_SUBSCRIBES_MS);
        self.with(witness, |client, around| {
            client.subscribe(all_of("w/+"), around)
        });
        for (place, step) in schedule.steps.iter().enumerate() {
            self.agenda.at(step.at_ms, Due::Step(place));
        }
        let last_ms = schedule.steps.last().map_or(0, |step| step.at_ms);
        self.pass_until(last_ms);
        self.become_quiet();
        for place in 0..witness {
            if self.clients[place].link().is_none() {
                self.connect(place, plain_connect(false));
            }
        }
        self.become_quiet();
        self.connect(heir, plain_connect(true));
        self.become_quiet();
        self.with(heir, |client, around| client.subscribe(all_of("#"), around));
        self.become_quiet();
    }

    /// Time passes until nothing is left to be done.
    fn become_quiet(&mut self) {
        for _ in 0..QUIET_TRIES {
            let before = self.trace.entries.len();
            self.pass_until(self.agenda.now_ms + QUIET_MS);
            let mut since = self.trace.entries[before..].iter();
            if since.all(|entry| entry.event.is_ping()) {
                break;
            }
        }
        self.trace.quiet.push(self.trace.entries.len());
        let unanswered = self.clients.iter().filter_map(Client::unanswered);
        self.trace.unanswered.extend(unanswered);
    }

    fn pass_until(&mut self, ms: u64) {
        while self.agenda.next_ms().is_some_and(|next| next <= ms) {
            if let Some(due) = self.agenda.next() {
                self.happened += 1;
                assert!(
                    self.happened < HAPPENED_MAX,
                    "it never comes to rest: {due:?}"
                );
                self.happen(due);
            }
        }
        self.agenda.now_ms = ms.max(self.agenda.now_ms);
    }

    fn happen(&mut self, due: Due) {
        let mut around = Around {
            agenda: &mut self.agenda,
            network: &mut self.network,
            trace: &mut self.trace,
        };
        match due {
            Due::Step(place) => {
                let action = self.steps[place].action.clone();
                self.act(action);
            }
            Due::Up(link) => {
                around.network.arrive(link, around.agenda.now_ms);
                self.node.wake(link, &mut around);
            }
            Due::Down(link) => self.deliver(link),
            Due::BrokerLearns(link) => {
                around.network.end_at_broker(link);
                self.node.wake(link, &mut around);
            }
            Due::ClientLearns(link) => self.ended(link),
            Due::Turn(worker) => self.node.turn(worker, &mut around),
            Due::Tick(worker) => self.node.tick(worker, &mut around),
            Due::Commits(worker) => self.node.commits(worker, &mut around),
            Due::Synced => self.node.commit(&mut around),
            Due::Rewrite => self.node.rewrite(&mut around),
            Due::Disk => self.repair_disk(),
            Due::Start => self.start(),
            Due::Back(place) => self.come_back(place),
            Due::Client(place) => self.with(place, Client::wake),
        }
    }

    fn with(&mut self, place: usize, run: impl FnOnce(&mut Client, &mut Around<'_>)) {
        let mut around = Around {
            agenda: &mut self.agenda,
            network: &mut self.network,
            trace: &mut self.trace,
        };
        run(&mut self.clients[place], &mut around);
    }

    /// A connection that the broker has accepted.
    fn open(&mut self, owner: Option<usize>) -> Link {
        let link = self.network.open();
        self.trace.owners.push(owner);
        let mut around = Around {
            agenda: &mut self.agenda,
            network: &mut self.network,
            trace: &mut self.trace,
        };
        self.node.accept(link, &mut around);
        link
    }

    fn connect(&mut self, place: usize, plan: ConnectPlan) {
        if self.node.is_up() && self.clients[place].may_connect() {
            let link = self.open(Some(place));
            self.with(place, |client, around| client.connect(plan, link, around));
        }
    }

    fn deliver(&mut self, link: Link) {
        match self.network.deliver(link, &mut self.agenda) {
            Arrival::Nothing => return,
            Arrival::End => return self.ended(link),
            Arrival::Bytes(chunk) => {
                if let Some(place) = self.trace.owners[link.0] {
                    self.with(place, |client, around| client.receive(link, &chunk, around));
                }
            }
        }
        let mut around = Around {
            agenda: &mut self.agenda,
            network: &mut self.network,
            trace: &mut self.trace,
        };
        // Its socket has room again.
        self.node.wake(link, &mut around);
    }

    fn ended(&mut self, link: Link) {
        let witness = self.clients.len() - 2;
        if self.trace.owners[link.0] == Some(witness) {
            // It always comes back.
            self.lost[witness] = Some(plain_connect(false));
            let at_ms = self.agenda.now_ms + TRY_AGAIN_MS;
            self.agenda.at(at_ms, Due::Back(witness));
        }
        match self.trace.owners[link.0] {
            Some(place) => self.with(place, |client, around| client.ended(link, around)),
            None => self.network.close_by_client(link, &mut self.agenda),
        }
        for stranger in &mut self.strangers {
            stranger.take_if(|other| *other == link);
        }
    }

    fn act(&mut self, action: Action) {
        let now_ms = self.agenda.now_ms;
        match action {
            Action::Connect(place, plan) => self.connect(place, plan),
            Action::Publish(place, plan) => {
                self.with(place, |client, around| client.publish(plan, around));
            }
            Action::Subscribe(place, plan) => {
                self.with(place, |client, around| client.subscribe(plan, around));
            }
            Action::Unsubscribe(place, filter) => {
                self.with(place, |client, around| client.unsubscribe(filter, around));
            }
            Action::Disconnect(place, plan) => {
                self.with(place, |client, around| client.disconnect(plan, around));
            }
            Action::Cut(place, plan) => self.cut(place, plan),
            Action::Stall(place, ms) => {
                if let Some(link) = self.clients[place].link() {
                    self.network.stall(link, now_ms + ms);
                }
            }
            Action::Hold(place, ms) => {
                self.with(place, |client, around| client.hold(now_ms + ms, around));
            }
            Action::DiskFails(fault, ms) => {
                let until_ms = now_ms + ms;
                self.disk_fails_until_ms = until_ms.max(self.disk_fails_until_ms);
                self.trace.disk_faults.push((now_ms, until_ms));
                self.node.set_disk_fault(Some(fault));
                self.agenda.at(self.disk_fails_until_ms, Due::Disk);
            }
            Action::Stop(plan) => self.stop(plan),
            Action::Stranger(place, number) => self.stranger(place, number),
        }
    }

    /// The node stops where it is. Its clients learn that from the network, soon or not so soon.
    fn stop(&mut self, plan: StopPlan) {
        if !self.node.is_up() {
            return;
        }
        let links = self.node.links();
        let mut around = Around {
            agenda: &mut self.agenda,
            network: &mut self.network,
            trace: &mut self.trace,
        };
        let safe = self.node.stop(plan, &around);
        around.see(self.node_link, Event::Stopped { safe });
        let now_ms = self.agenda.now_ms;
        for link in links {
            if plan.is_power_cut {
                // Nobody says goodbye.
                if !self.network.is_cut(link) {
                    self.network.cut(link);
                    let after_ms = self.random.one_of(&[0, 5, 1_000]);
                    self.agenda.at(now_ms + after_ms, Due::ClientLearns(link));
                }
            } else {
                self.network.close_by_broker(link, &mut self.agenda);
            }
        }
        self.back_ms = plan.clock_back_ms;
        self.agenda.at(now_ms + plan.down_ms, Due::Start);
        let helpers_from = self.clients.len() - 2;
        for (place, client) in self.clients.iter().enumerate() {
            let is_helper = place >= helpers_from;
            let back_ms_max = if is_helper { Some(0) } else { plan.back_ms_max };
            if let Some(lost) = client.plan() {
                self.lost[place] = Some(ConnectPlan {
                    clean_start: false,
                    ..lost.clone()
                });
            }
            if let Some(back_ms_max) = back_ms_max {
                let after_ms = plan.down_ms + 1_001 + self.random.between(0, back_ms_max);
                self.agenda.at(now_ms + after_ms, Due::Back(place));
            }
        }
    }

    /// A client that lost its connection has another try.
    fn come_back(&mut self, place: usize) {
        if !self.node.is_up() {
            let at_ms = self.agenda.now_ms + TRY_AGAIN_MS;
            self.agenda.at(at_ms, Due::Back(place));
        } else if let Some(plan) = self.lost[place].take()
            && self.clients[place].link().is_none()
        {
            self.connect(place, plan);
        }
    }

    fn start(&mut self) {
        if self.node.is_up() {
            return;
        }
        let mut around = Around {
            agenda: &mut self.agenda,
            network: &mut self.network,
            trace: &mut self.trace,
        };
        let back_ms = self.back_ms;
        around.see(self.node_link, Event::Started { back_ms });
        self.node.start(&mut around);
    }

    /// The disk works again. A node whose store failed is started again, by whoever looked at it.
    fn repair_disk(&mut self) {
        if self.agenda.now_ms < self.disk_fails_until_ms {
            return;
        }
        self.node.set_disk_fault(None);
        if self.node.has_failed() {
            self.stop(StopPlan {
                is_power_cut: false,
                in_commit: None,
                down_ms: 10,
                clock_back_ms: 0,
                back_ms_max: Some(10),
            });
        }
    }

    fn cut(&mut self, place: usize, plan: CutPlan) {
        let Some(link) = self.clients[place].link() else {
            return;
        };
        if self.network.is_cut(link) {
            return;
        }
        self.network.cut(link);
        let now_ms = self.agenda.now_ms;
        self.agenda
            .at(now_ms + plan.broker_after_ms, Due::BrokerLearns(link));
        self.agenda
            .at(now_ms + plan.client_after_ms, Due::ClientLearns(link));
    }

    fn stranger(&mut self, place: usize, number: u64) {
        let version = match place {
            0 => ProtocolVersion::V5,
            _ => ProtocolVersion::V311,
        };
        if !self.node.is_up() {
            return;
        }
        let link = match self.strangers[place] {
            Some(link) => link,
            None => {
                let link = self.open(None);
                self.strangers[place] = Some(link);
                let connect = stranger::connect(place, version);
                self.network.send(link, connect, None, &mut self.agenda);
                link
            }
        };
        let bytes = stranger::bytes(number, version);
        self.network.send(link, bytes, None, &mut self.agenda);
    }
}
