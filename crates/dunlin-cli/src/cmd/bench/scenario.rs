//! From the flags of `bench run` to the parts of the workers.

use std::time::Duration;

use anyhow::{Context as _, Result};
use dunlin_client::{ClientOptions, SubscribeRequest};
use dunlin_codec::{Publish, QoS, SubscriptionOptions, TopicName};

use super::engine::crew;
use super::engine::ledger::Group;
use super::engine::plan::{CyclePlan, LinkPlan, Pacing, Plan, PublisherPlan, Role, WorkerPlan};
use super::engine::template::{Digits, Template};
use super::flags::mqttx::filler;
use super::flags::run::{RunArgs, Scenario};

/// Digits of the level that tells one topic of `routing` from the others.
const ROUTING_DIGITS: usize = 7;

/// Plans a scenario.
pub(crate) struct Planner<'a> {
    args: &'a RunArgs,
    client: ClientOptions,
    run: u32,
    workers: Vec<WorkerPlan>,
}

impl<'a> Planner<'a> {
    /// Nothing planned yet.
    pub(crate) fn new(args: &'a RunArgs, client: ClientOptions, run: u32) -> Self {
        let threads = match args.scenario {
            Scenario::Retained | Scenario::Resume => 1,
            _ => usize::from(args.threads),
        };
        Self {
            args,
            client,
            run,
            workers: vec![WorkerPlan::default(); threads],
        }
    }

    /// The plan of every scenario that is one run; of the others, of their idle connections alone.
    ///
    /// # Errors
    /// If a message cannot be encoded.
    pub(crate) fn plan(mut self) -> Result<Plan> {
        let args = self.args;
        self.idle()?;
        match args.scenario {
            Scenario::P2p => self.pairs()?,
            Scenario::FanOut => self.fan_out()?,
            Scenario::FanIn => self.fan_in()?,
            Scenario::Shared => self.shared()?,
            Scenario::Routing => self.routing()?,
            Scenario::Connect | Scenario::Takeover => self.cycles(),
            Scenario::Idle | Scenario::Retained | Scenario::Resume => {}
        }
        Ok(self.finish())
    }

    fn finish(self) -> Plan {
        let args = self.args;
        let pacing = match args.rate {
            Some(rate) => Pacing::Interval {
                interval_ns: 1_000_000_000 * u64::from(args.publishers.get())
                    / u64::from(rate.get()),
                is_spread: true,
            },
            None => Pacing::Window {
                messages: args.window,
                until_received: !args.until_acknowledged,
                is_eager: args.eager,
            },
        };
        Plan {
            client: self.client,
            qos: args.qos,
            pacing,
            is_stamped: true,
            connect_interval: Duration::ZERO,
            connecting_max: usize::from(args.connecting),
            reconnect: None,
            limit: None,
            deliveries: None,
            run: self.run,
            workers: self.workers,
        }
    }

    fn worker(&mut self, turn: u32) -> Result<&mut WorkerPlan> {
        let threads = self.workers.len();
        let turn = usize::try_from(turn)?;
        self.workers.get_mut(turn % threads).context("no thread")
    }

    fn subscriber(
        &mut self,
        worker: u32,
        number: u32,
        subscriptions: Vec<SubscribeRequest>,
        group: Option<usize>,
    ) -> Result<()> {
        let client_id = format!("{}-s-{number}", self.args.client_id);
        self.worker(worker)?.links.push(LinkPlan {
            client_id,
            subscriptions,
            role: Role::Subscriber { group },
        });
        Ok(())
    }

    /// A subscriber that hears some publishers alone.
    fn listener(&mut self, number: u32, filter: String, heard: (u32, u32, usize)) -> Result<()> {
        let (first, step, count) = heard;
        let qos = self.args.qos;
        let worker = self.worker(number)?;
        worker.groups.push(Group::new(first, step, count, false));
        let group = worker.groups.len() - 1;
        let subscriptions = vec![SubscribeRequest::new(filter, qos)];
        self.subscriber(number, number, subscriptions, Some(group))
    }

    fn template(&self, publish: &Publish<'_>, digits: Option<Digits>) -> Result<Template> {
        let digits = digits.into_iter().collect();
        Ok(Template::new(publish, self.client.connect.version, digits)?)
    }

    /// A publisher to one topic.
    fn publisher(&mut self, number: u32, topic: &str, copies: u64) -> Result<&mut PublisherPlan> {
        let publish = Publish {
            qos: self.args.qos,
            topic: TopicName::parse(topic)?,
            payload: &filler(self.args.payload_size),
            ..Publish::default()
        };
        let template = self.template(&publish, None)?;
        self.publisher_of(number, template, copies)
    }

    fn publisher_of(
        &mut self,
        number: u32,
        template: Template,
        copies: u64,
    ) -> Result<&mut PublisherPlan> {
        let client_id = format!("{}-p-{number}", self.args.client_id);
        let worker = self.worker(number)?;
        worker.links.push(LinkPlan {
            client_id,
            subscriptions: Vec::new(),
            role: Role::Publisher(worker.publishers.len()),
        });
        worker.publishers.push(PublisherPlan {
            number,
            templates: vec![template],
            copies,
            scatter: None,
            limit: None,
        });
        worker.publishers.last_mut().context("just pushed")
    }

    fn topic(&self, number: u32) -> String {
        format!("{}/{number:06}", self.args.topic_prefix)
    }

    fn idle(&mut self) -> Result<()> {
        for number in 0..self.args.idle {
            let filter = format!("{}/idle/{number:06}/state", self.args.topic_prefix);
            let subscriptions = if self.args.idle_subscribe {
                vec![SubscribeRequest::new(filter, self.args.qos)]
            } else {
                Vec::new()
            };
            let client_id = format!("{}-i-{number}", self.args.client_id);
            self.worker(number)?.links.push(LinkPlan {
                client_id,
                subscriptions,
                role: Role::Idle,
            });
        }
        Ok(())
    }

    fn pairs(&mut self) -> Result<()> {
        for number in 0..self.args.publishers.get() {
            let topic = self.topic(number);
            self.listener(number, topic.clone(), (number, 1, 1))?;
            self.publisher(number, &topic, 1)?;
        }
        Ok(())
    }

    fn fan_out(&mut self) -> Result<()> {
        let (publishers, subscribers) = (self.args.publishers.get(), self.args.subscribers.get());
        let topic = self.topic(0);
        for number in 0..subscribers {
            let heard = (0, 1, usize::try_from(publishers)?);
            self.listener(number, topic.clone(), heard)?;
        }
        for number in 0..publishers {
            self.publisher(number, &topic, u64::from(subscribers))?;
        }
        Ok(())
    }

    fn fan_in(&mut self) -> Result<()> {
        let (publishers, subscribers) = (self.args.publishers.get(), self.args.subscribers.get());
        for number in 0..subscribers.min(publishers) {
            let count = (publishers - number).div_ceil(subscribers);
            let heard = (number, subscribers, usize::try_from(count)?);
            self.listener(number, self.topic(number), heard)?;
        }
        for number in 0..publishers {
            let topic = self.topic(number % subscribers);
            self.publisher(number, &topic, 1)?;
        }
        Ok(())
    }

    /// The members of a group stay on one thread, since they share the account of what came.
    fn shared(&mut self) -> Result<()> {
        let publishers = self.args.publishers.get();
        let topic = self.topic(0);
        for number in 0..self.args.groups.get() {
            let group = Group::new(0, 1, usize::try_from(publishers)?, true);
            let groups = &mut self.worker(number)?.groups;
            groups.push(group);
            let group = groups.len() - 1;
            for member in 0..self.args.subscribers.get() {
                let filter = format!("$share/g{number}/{topic}");
                let subscriptions = vec![SubscribeRequest::new(filter, self.args.qos)];
                let client = number * self.args.subscribers.get() + member;
                self.subscriber(number, client, subscriptions, Some(group))?;
            }
        }
        for number in 0..publishers {
            self.publisher(number, &topic, u64::from(self.args.groups.get()))?;
        }
        Ok(())
    }

    /// Subscription `i` matches the topic `P/device/000000i/temperature` and no other, whatever its
    /// wildcards are; the topics are published in scattered order.
    fn routing(&mut self) -> Result<()> {
        let args = self.args;
        let (publishers, subscribers) = (args.publishers.get(), args.subscribers.get());
        let subscriptions = args.subscriptions.get();
        let prefix = &args.topic_prefix;
        let group = Group::new(0, 1, usize::try_from(publishers)?, true);
        self.worker(0)?.groups.push(group);
        let options = SubscriptionOptions::with_qos(args.qos);
        for number in 0..subscribers {
            let own = (number..subscriptions).step_by(usize::try_from(subscribers)?);
            let requests = own.map(|index| (routing_filter(prefix, index), options));
            let subscriptions = vec![SubscribeRequest {
                filters: requests.collect(),
                ..SubscribeRequest::default()
            }];
            self.subscriber(0, number, subscriptions, Some(0))?;
        }
        let topic = format!("{prefix}/device/{:0ROUTING_DIGITS$}/temperature", 0);
        let digits = Digits {
            at: prefix.len() + "/device/".len(),
            width: ROUTING_DIGITS,
            modulus: u64::MAX,
        };
        let publish = Publish {
            qos: args.qos,
            topic: TopicName::parse(&topic)?,
            payload: &filler(args.payload_size),
            ..Publish::default()
        };
        let template = self.template(&publish, Some(digits))?;
        for number in 0..publishers {
            let publisher = self.publisher_of(number, template.clone(), 1)?;
            publisher.scatter = Some(u64::from(subscriptions));
        }
        Ok(())
    }

    fn cycles(&mut self) {
        let is_takeover = self.args.scenario == Scenario::Takeover;
        let threads = self.workers.len();
        let numbers: Vec<_> = (0..self.args.publishers.get()).collect();
        for (turn, worker) in self.workers.iter_mut().enumerate() {
            let own = numbers.iter().skip(turn).step_by(threads);
            let client_ids = own.map(|number| format!("{}-c-{number}", self.args.client_id));
            worker.cycles = Some(CyclePlan {
                client_ids: client_ids.collect(),
                is_takeover,
            });
        }
    }

    /// Sets the retained messages, or clears them, with QoS 1.
    ///
    /// # Errors
    /// If a message cannot be encoded.
    pub(crate) fn retained(mut self, is_clearing: bool) -> Result<Plan> {
        let messages = self.args.messages.get();
        let topic = format!("{}/{:07}", self.args.topic_prefix, 0);
        let digits = Digits {
            at: self.args.topic_prefix.len() + 1,
            width: 7,
            modulus: u64::MAX,
        };
        let size = if is_clearing {
            0
        } else {
            self.args.payload_size
        };
        let publish = Publish {
            qos: QoS::AtLeastOnce,
            retain: true,
            topic: TopicName::parse(&topic)?,
            payload: &filler(size),
            ..Publish::default()
        };
        let template = self.template(&publish, Some(digits))?;
        self.publisher_of(0, template, 0)?;
        Ok(Plan {
            qos: QoS::AtLeastOnce,
            is_stamped: !is_clearing,
            pacing: Pacing::Window {
                messages: self.args.window,
                until_received: false,
                is_eager: true,
            },
            limit: Some(u64::from(messages)),
            ..self.finish()
        })
    }

    /// One subscriber that reads all retained messages.
    ///
    /// # Errors
    /// Never so far.
    pub(crate) fn reader(mut self) -> Result<Plan> {
        let filter = format!("{}/#", self.args.topic_prefix);
        let subscriptions = vec![SubscribeRequest::new(filter, self.args.qos)];
        self.subscriber(0, 0, subscriptions, None)?;
        let deliveries = Some(u64::from(self.args.messages.get()));
        Ok(Plan {
            deliveries,
            ..self.finish()
        })
    }

    /// The sessions of `resume`, each with a subscription of its own.
    ///
    /// # Errors
    /// Never so far.
    pub(crate) fn sessions(mut self, with_subscriptions: bool) -> Result<Plan> {
        for number in 0..self.args.subscribers.get() {
            let topic = self.topic(number);
            self.listener(number, topic, (number, 1, 1))?;
            if !with_subscriptions {
                for link in &mut self.worker(0)?.links {
                    link.subscriptions = Vec::new();
                }
            }
        }
        Ok(self.finish())
    }

    /// A publisher for each session, which sends what the session is to find.
    ///
    /// # Errors
    /// If a message cannot be encoded.
    pub(crate) fn queue(mut self) -> Result<Plan> {
        let messages = u64::from(self.args.messages.get());
        for number in 0..self.args.subscribers.get() {
            let topic = self.topic(number);
            self.publisher(number, &topic, 0)?.limit = Some(messages);
        }
        Ok(Plan {
            pacing: Pacing::Window {
                messages: self.args.window,
                until_received: false,
                is_eager: true,
            },
            limit: Some(messages * u64::from(self.args.subscribers.get())),
            ..self.finish()
        })
    }
}

/// 60 % exact, 30 % with a `+` at one of three levels, 10 % that end with `#`.
fn routing_filter(prefix: &str, index: u32) -> String {
    match index % 10 {
        0..=5 => format!("{prefix}/device/{index:0ROUTING_DIGITS$}/temperature"),
        6 => format!("+/device/{index:0ROUTING_DIGITS$}/temperature"),
        7 => format!("{prefix}/+/{index:0ROUTING_DIGITS$}/temperature"),
        8 => format!("{prefix}/device/{index:0ROUTING_DIGITS$}/+"),
        _ => format!("{prefix}/device/{index:0ROUTING_DIGITS$}/#"),
    }
}

/// A number for a run.
pub(crate) fn run_number() -> u32 {
    crew::random()
}

#[cfg(test)]
mod tests;
