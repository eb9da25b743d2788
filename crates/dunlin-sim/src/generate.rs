//! The schedule of a seed. What is likely differs from seed to seed, so that every rare mix is common
//! in some of them.

use std::time::Duration;

use dunlin_codec::{ProtocolVersion, QoS, RetainHandling};
use dunlin_core::settings::{QueuePolicy, RetainedPolicy, Settings, Strategy};

use crate::random::Random;
use crate::schedule::{
    Action, ClientSetup, ConnectPlan, CutPlan, DisconnectPlan, DiskFault, PublishPlan, Request,
    Schedule, Setup, Step, StopPlan, StoreSetup, SubscribePlan, WillPlan,
};

/// When the first step is: the witness has subscribed by then.
const FIRST_STEP_MS: u64 = 5_000;

/// The sequences, from here on, of what is done again at once.
const AGAIN: u64 = 10_000;

const QOS: [QoS; 3] = [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce];

/// The schedule that a seed determines.
pub fn schedule(seed: u64) -> Schedule {
    let mut random = Random::of(seed, 1);
    let mut setup = setup(&mut random);
    // Of a sequence of its own: one more choice changes no other.
    let memory = Random::of(seed, 2).one_of(&[0, 1_000, 1 << 28]);
    setup.settings.session.queues_memory_bytes_max = memory;
    setup.store.memory_bytes_max = memory;
    let mut mix = Mix::new(&mut random, &setup);
    let members = setup.clients.len();
    let is_about_members = is_one_group(&setup) && Random::of(seed, 5).percent(60);
    if is_about_members {
        mix.let_members_leave();
    }
    let mut at_ms = FIRST_STEP_MS;
    let count = random.between(10, 70);
    let again_percent = Random::of(seed, AGAIN).one_of(&[0, 0, 50, 80]);
    let mut last: Option<Step> = None;
    let steps = (0..usize::try_from(count).unwrap_or(10))
        .map(|number| {
            // Each draws from a sequence of its own: one more choice in one changes no other.
            let mut random = Random::of(seed, 1_000 + number as u64);
            if let Some(last) = &last
                && let Action::Publish(..) = last.action
                && Random::of(seed, AGAIN + number as u64).percent(again_percent)
            {
                // A burst of messages that are alike.
                return Step {
                    number,
                    ..last.clone()
                };
            }
            at_ms += mix.gap_ms(&mut random);
            let action = match number {
                _ if !is_about_members || number >= 2 * members => mix.action(&mut random, &setup),
                _ if number < members => Action::Connect(number, mix.connect(&mut random)),
                _ => {
                    let member = number - members;
                    Action::Subscribe(member, mix.join(&mut random, &setup.clients[member]))
                }
            };
            let step = Step {
                number,
                at_ms,
                action,
            };
            last = Some(step.clone());
            step
        })
        .collect();
    Schedule { seed, setup, steps }
}

/// Whether everyone is a member of the same shared subscription now and then.
fn is_one_group(setup: &Setup) -> bool {
    let first = setup.clients.first().and_then(|it| it.shared.as_ref());
    let mut clients = setup.clients.iter();
    first.is_some() && clients.all(|client| client.shared.as_ref() == first)
}

fn setup(random: &mut Random) -> Setup {
    let groups = ["$share/g/s/+", "$share/h/s/#", "$queue/s/0", "$share/g/s/0"];
    let group = random.one_of(&groups);
    let other = random.one_of(&groups);
    // In some seeds everyone is a member of one group, so that members often take over from others.
    let is_one_group = random.percent(15);
    let is_of_5 = random.between(0, 100);
    let clients = (0..random.between(2, 5)).map(|number| ClientSetup {
        id: format!("c{number}"),
        version: if random.percent(is_of_5) {
            ProtocolVersion::V5
        } else {
            random.one_of(&[
                ProtocolVersion::V311,
                ProtocolVersion::V311,
                ProtocolVersion::V31,
            ])
        },
        shared: match random.below(4) {
            _ if is_one_group => Some(group.to_owned()),
            0 => Some(group.to_owned()),
            1 => Some(other.to_owned()),
            _ => None,
        },
    });
    let clients = clients.collect();
    let latency = random.one_of(&[0, 1, 5, 50, 300]);
    let sync = random.one_of(&[0, 1, 5, 50, 300, 1_000]);
    Setup {
        settings: settings(random),
        workers: 1 + random.below(3),
        clients,
        strangers: random.one_of(&[0, 0, 2]),
        worker_lag_max_ms: random.one_of(&[0, 0, 1, 10, 50]),
        latency_ms: (random.between(0, latency), latency),
        sync_ms: (random.between(0, sync), sync),
        store: StoreSetup {
            segment_bytes: random.one_of(&[512, 2_048, 16_384]),
            rewrite_bytes_min: random.one_of(&[1_024, 4_096, 65_536]),
            memory_bytes_max: usize::MAX,
        },
        socket_bytes: random.one_of(&[64, 500, 5_000, 100_000]),
        acknowledge_ms_max: random.one_of(&[0, 1, 20, 500, 5_000]),
    }
}

fn settings(random: &mut Random) -> Settings {
    let mut settings = Settings::default();
    let mqtt = &mut settings.mqtt;
    mqtt.receive_maximum = random.one_of(&[1, 2, 10, 1024, 65_535]);
    mqtt.topic_alias_maximum = random.one_of(&[0, 2, 16]);
    mqtt.outbound_topic_alias_max = random.one_of(&[0, 2, 16]);
    mqtt.keep_alive_max = random.one_of(&[None, None, Some(Duration::from_secs(10))]);
    mqtt.resend_interval = random.one_of(&[None, None, None, Some(Duration::from_secs(5))]);
    let session = &mut settings.session;
    session.in_flight_max = random.one_of(&[1, 2, 20, 1024]);
    session.outbox_bytes_max = random.one_of(&[100, 1_000, 256 * 1024]);
    session.expiry_interval_max = random.one_of(&[None, Some(Duration::from_secs(60))]);
    session.expiry_interval_3x = random.one_of(&[None, Some(Duration::from_secs(20))]);
    session.queue.offline_qos_min = random.one_of(&[
        QoS::AtLeastOnce,
        QoS::AtLeastOnce,
        QoS::AtLeastOnce,
        QoS::AtMostOnce,
        QoS::ExactlyOnce,
    ]);
    if random.percent(20) {
        session.queue.messages_max = random.one_of(&[1, 2, 5, 20]);
        session.queue.policy = random.one_of(&[
            QueuePolicy::DropOldest,
            QueuePolicy::DropNewest,
            QueuePolicy::Refuse,
        ]);
    }
    if random.percent(10) {
        settings.retained.messages_max = random.one_of(&[0, 1, 2]);
        settings.retained.policy_at_limit =
            random.one_of(&[RetainedPolicy::Refuse, RetainedPolicy::DropOldest]);
    }
    let strategies = [
        Strategy::Random,
        Strategy::RoundRobin,
        Strategy::Sticky,
        Strategy::HashClient,
        Strategy::HashTopic,
        Strategy::LeastInFlight,
    ];
    settings.session.queues_memory_bytes_max = random.one_of(&[0, 400, 1_000_000, 1_000_000]);
    settings.session.stored_payload_bytes_min = random.one_of(&[1, 40, 256]);
    settings.shared.share_strategy = random.one_of(&strategies);
    settings.shared.queue_strategy = random.one_of(&strategies);
    settings.will_grace = random.one_of(&[
        Duration::ZERO,
        Duration::from_secs(1),
        Duration::from_secs(5),
    ]);
    settings.will_delay_max = random.one_of(&[None, None, Some(Duration::from_secs(3))]);
    settings
}

fn stop(random: &mut Random) -> StopPlan {
    StopPlan {
        is_power_cut: random.percent(60),
        in_commit: random.percent(40).then(|| random.between(0, 6)),
        down_ms: random.one_of(&[0, 10, 1_000, 5_000]),
        clock_back_ms: random.one_of(&[0, 0, 0, 1_500, 20_000]),
        back_ms_max: random.one_of(&[None, Some(0), Some(500), Some(3_000)]),
    }
}

/// How likely each thing is in one schedule.
struct Mix {
    actions: [u64; 12],
    qos: [u64; 3],
    gaps: [u64; 5],
    topics: Vec<&'static str>,
    retain_percent: u64,
    clean_percent: u64,
    will_percent: u64,
    expiry_percent: u64,
    shared_percent: u64,
    small_window_percent: u64,
    keep_alive_percent: u64,
    half_open_percent: u64,
    /// How often a session ends with DISCONNECT, beside the usual.
    ends_percent: u64,
}

const TOPICS: [&str; 5] = ["t/0", "t/1", "t/2", "s/0", "s/1"];

impl Mix {
    fn new(random: &mut Random, setup: &Setup) -> Self {
        let mut weight = |usual: u64| usual * random.one_of(&[0, 1, 1, 2, 8]);
        // At least some of those without which nothing happens.
        let actions = [
            6 + weight(6),
            10 + weight(12),
            4 + weight(5),
            weight(2),
            weight(2),
            weight(4),
            weight(2),
            weight(2),
            weight(1),
            weight(1),
            weight(1),
            weight(1),
        ];
        let is_one_group = setup.clients.iter().all(|client| client.shared.is_some());
        let topics = if is_one_group { &TOPICS[3..4] } else { &TOPICS };
        let topics = loop {
            let chosen: Vec<_> = topics
                .iter()
                .copied()
                .filter(|_| random.percent(50))
                .collect();
            if !chosen.is_empty() {
                break chosen;
            }
        };
        let mut percent = || random.one_of(&[0, 10, 50, 90]);
        Self {
            actions,
            topics,
            retain_percent: percent(),
            clean_percent: percent(),
            will_percent: percent(),
            expiry_percent: percent(),
            shared_percent: if is_one_group { 90 } else { percent() },
            small_window_percent: percent(),
            keep_alive_percent: percent(),
            half_open_percent: percent(),
            ends_percent: 0,
            qos: [
                random.between(0, 2),
                random.between(0, 5),
                random.between(1, 5),
            ],
            gaps: [
                random.between(1, 5),
                random.between(0, 5),
                random.between(0, 5),
                random.between(0, 1),
                random.between(0, 1),
            ],
        }
    }

    /// Members of shared subscriptions acknowledge late, and leave with messages in flight and queued.
    const fn let_members_leave(&mut self) {
        self.actions = [4, 16, 4, 2, 6, 2, 1, 8, 0, 0, 1, 0];
        self.qos = [0, 4, 1];
        self.retain_percent = 0;
        self.expiry_percent = 0;
        self.ends_percent = 60;
    }

    fn gap_ms(&mut self, random: &mut Random) -> u64 {
        match random.weighted(&self.gaps) {
            0 => 0,
            1 => random.between(0, 10),
            2 => random.between(0, 400),
            3 => random.between(500, 5_000),
            _ => random.between(3_000, 40_000),
        }
    }

    fn action(&mut self, random: &mut Random, setup: &Setup) -> Action {
        let client = random.below(setup.clients.len());
        let ms = |random: &mut Random| random.one_of(&[1, 20, 300, 3_000]);
        match random.weighted(&self.actions) {
            0 => Action::Connect(client, self.connect(random)),
            1 => Action::Publish(client, self.publish(random)),
            2 => Action::Subscribe(client, self.subscribe(random, &setup.clients[client])),
            3 => Action::Unsubscribe(client, self.filter(random, &setup.clients[client])),
            4 => Action::Disconnect(
                client,
                DisconnectPlan {
                    with_will: random.percent(30),
                    expiry: match random.one_of(&[None, None, Some(0), Some(2), Some(30)]) {
                        _ if random.percent(self.ends_percent) => Some(0),
                        expiry => expiry,
                    },
                },
            ),
            5 => Action::Cut(client, self.cut(random)),
            6 => Action::Stall(client, ms(random)),
            7 => Action::Hold(client, ms(random)),
            8 => Action::DiskFails(
                random.one_of(&[DiskFault::Full, DiskFault::Write, DiskFault::Sync]),
                ms(random),
            ),
            9 if setup.strangers > 0 => {
                Action::Stranger(random.below(setup.strangers), random.next())
            }
            10 => Action::Stop(stop(random)),
            _ => Action::Publish(client, self.publish(random)),
        }
    }

    fn cut(&self, random: &mut Random) -> CutPlan {
        let broker_after_ms = if random.percent(self.half_open_percent) {
            random.between(0, 20_000)
        } else {
            random.between(0, 20)
        };
        CutPlan {
            broker_after_ms,
            client_after_ms: random.one_of(&[0, 0, 5, 200, 4_000]),
        }
    }

    fn connect(&self, random: &mut Random) -> ConnectPlan {
        let is_small = random.percent(self.small_window_percent);
        let packet_bytes_max = if random.percent(10) {
            Some(random.one_of(&[64, 200, 100_000]))
        } else {
            None
        };
        let will = random.percent(self.will_percent).then(|| WillPlan {
            qos: random.one_of(&QOS),
            retain: random.percent(30),
            delay: random.one_of(&[0, 0, 1, 5, 40]),
        });
        ConnectPlan {
            clean_start: random.percent(self.clean_percent),
            keep_alive: if random.percent(self.keep_alive_percent) {
                random.one_of(&[1, 2, 20])
            } else {
                0
            },
            expiry: random.one_of(&[0, 1, 5, 30, 1_000, u32::MAX]),
            receive_maximum: if is_small {
                random.one_of(&[1, 1, 2, 3])
            } else {
                random.one_of(&[10, 1_000, 65_535])
            },
            packet_bytes_max,
            topic_alias_maximum: random.one_of(&[0, 0, 1, 2, 10]),
            will,
            closes_other: random.percent(50),
        }
    }

    fn publish(&self, random: &mut Random) -> PublishPlan {
        let retain = random.percent(self.retain_percent);
        let expires = random.percent(self.expiry_percent);
        PublishPlan {
            topic: random.one_of(&self.topics).to_owned(),
            qos: QOS[random.weighted(&self.qos)],
            retain,
            is_empty: retain && random.percent(20),
            bytes: random.one_of(&[0, 0, 0, 40, 300]),
            expiry: expires.then(|| random.one_of(&[1, 2, 5, 60])),
            uses_alias: random.percent(30),
        }
    }

    fn filter(&self, random: &mut Random, client: &ClientSetup) -> String {
        match &client.shared {
            Some(shared) if random.percent(30 + self.shared_percent / 2) => shared.clone(),
            Some(_) => random
                .one_of(&["t/0", "t/1", "t/+", "t/#", "w/+"])
                .to_owned(),
            None => random
                .one_of(&["t/0", "t/1", "t/+", "t/#", "#", "+/0", "s/#", "s/0"])
                .to_owned(),
        }
    }

    /// Becomes a member of its shared subscription.
    fn join(&self, random: &mut Random, client: &ClientSetup) -> SubscribePlan {
        let mut plan = self.subscribe(random, client);
        plan.requests.truncate(1);
        if let (Some(request), Some(shared)) = (plan.requests.first_mut(), &client.shared) {
            request.filter.clone_from(shared);
            request.no_local = false;
        }
        plan
    }

    fn subscribe(&self, random: &mut Random, client: &ClientSetup) -> SubscribePlan {
        let mut requests: Vec<Request> = Vec::new();
        for _ in 0..random.one_of(&[1, 1, 1, 2, 3]) {
            let filter = self.filter(random, client);
            if requests.iter().any(|request| request.filter == filter) {
                continue;
            }
            let is_shared = filter.starts_with('$');
            requests.push(Request {
                filter,
                qos: QOS[random.weighted(&self.qos)],
                no_local: !is_shared && random.percent(10),
                retain_as_published: random.percent(20),
                retain_handling: random.one_of(&[
                    RetainHandling::Send,
                    RetainHandling::Send,
                    RetainHandling::SendIfNew,
                    RetainHandling::DoNotSend,
                ]),
            });
        }
        SubscribePlan {
            requests,
            identifier: random
                .percent(40)
                .then(|| u32::try_from(random.between(1, 3)).unwrap_or(1)),
        }
    }
}
