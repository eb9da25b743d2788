//! `dunlin bench conn`, `pub` and `sub`: what MQTTX's commands of these names do, and a summary.

use std::io::Write;
use std::num::NonZeroU32;
use std::time::Duration;

use anyhow::{Result, anyhow};
use dunlin_client::ClientOptions;
use dunlin_codec::{Publish, QoS, TopicName};

use super::EXIT_OK;
use super::engine::connect::resolve;
use super::engine::crew::{self, Outcome, Progress, Timing};
use super::engine::plan::{LinkPlan, Pacing, Plan, PublisherPlan, Reconnect, Role, WorkerPlan};
use super::engine::template::Template;
use super::flags::clients::ClientFlags;
use super::flags::mqttx::{ConnArgs, PubArgs, SubArgs};
use super::progress::Bar;
use crate::names::Names;
use crate::status;

/// Connections under way at a time; `--interval` is what spaces them.
const CONNECTING_MAX: usize = 256;
/// How long acknowledgements are waited for after the last message.
const DRAIN_MAX: Duration = Duration::from_secs(10);

/// Connects many clients and holds them.
///
/// # Errors
/// If the host has no address, or flags contradict each other.
pub(crate) fn conn(args: &ConnArgs, out: &mut dyn Write) -> Result<u8> {
    let names = names(&args.clients);
    let mut plan = plan(&args.clients, args.options()?)?;
    for number in 1..=args.clients.count {
        push(&mut plan, number, names.client_id(number), Role::Idle);
    }
    let mut shown = Shown::new(Verb::Connected, false);
    let outcome = go(plan, &args.clients, &mut shown, out)?;
    summary(&outcome, &shown, out)
}

/// Publishes with many clients.
///
/// # Errors
/// If the host has no address, or flags contradict each other.
pub(crate) fn publish(args: &PubArgs, out: &mut dyn Write) -> Result<u8> {
    let names = names(&args.clients);
    let mut plan = plan(&args.clients, args.options()?)?;
    let request = args.message_args.request()?;
    plan.qos = request.qos;
    plan.limit = Some(args.limit).filter(|&limit| limit > 0);
    plan.pacing = match args.message_interval {
        0 => Pacing::Window {
            messages: NonZeroU32::new(1000).unwrap_or(NonZeroU32::MIN),
            until_received: false,
            is_eager: true,
        },
        interval => Pacing::Interval {
            interval_ns: interval * 1_000_000,
            is_spread: false,
        },
    };
    let payloads = args.payloads()?;
    let mut properties = request.properties()?;
    properties.topic_alias = request.topic_alias;
    for number in 1..=args.clients.count {
        let client_id = names.client_id(number);
        let topic = names.fill(args.topic()?, &client_id, number);
        let mut templates = Vec::with_capacity(payloads.len());
        for payload in &payloads {
            let publish = Publish {
                dup: request.dup,
                qos: request.qos,
                retain: request.retain,
                topic: TopicName::parse(&topic)?,
                properties,
                payload,
                packet_id: None,
            };
            templates.push(Template::new(
                &publish,
                plan.client.connect.version,
                Vec::new(),
            )?);
        }
        let workers = plan.workers.len();
        let place = usize::try_from(number - 1)? / workers;
        push(&mut plan, number, client_id, Role::Publisher(place));
        if let Some(worker) = worker(&mut plan, number) {
            worker.publishers.push(PublisherPlan {
                number: number - 1,
                templates,
                copies: 0,
                scatter: None,
                limit: None,
            });
        }
    }
    let mut shown = Shown::new(Verb::Published, args.verbose);
    let outcome = go(plan, &args.clients, &mut shown, out)?;
    if args.limit > 0 && outcome.tally.published == args.limit {
        writeln!(out, "All {} messages have been sent", args.limit)?;
    }
    summary(&outcome, &shown, out)
}

/// Subscribes with many clients.
///
/// # Errors
/// If the host has no address, or flags contradict each other.
pub(crate) fn subscribe(args: &SubArgs, out: &mut dyn Write) -> Result<u8> {
    let names = names(&args.clients);
    let mut plan = plan(&args.clients, args.options()?)?;
    for number in 1..=args.clients.count {
        let client_id = names.client_id(number);
        let fill = |text: &str| names.fill(text, &client_id, number);
        let subscriptions = args.subscription.requests(fill)?;
        let role = Role::Subscriber { group: None };
        push(&mut plan, number, client_id, role);
        let link = worker(&mut plan, number).and_then(|worker| worker.links.last_mut());
        if let Some(link) = link {
            link.subscriptions = subscriptions;
        }
    }
    let mut shown = Shown::new(Verb::Received, args.verbose);
    let outcome = go(plan, &args.clients, &mut shown, out)?;
    summary(&outcome, &shown, out)
}

fn plan(clients: &ClientFlags, mut client: ClientOptions) -> Result<Plan> {
    let reconnect = clients.reconnect();
    let reconnect = (!reconnect.period.is_zero()).then_some(Reconnect {
        period: reconnect.period,
        times_max: reconnect.tries_max,
        insists: clients.insists(),
    });
    client.endpoint = resolve(client.endpoint)?;
    let threads = usize::from(clients.threads);
    Ok(Plan {
        client,
        qos: QoS::AtMostOnce,
        pacing: Pacing::Window {
            messages: NonZeroU32::MIN,
            until_received: false,
            is_eager: true,
        },
        is_stamped: false,
        connect_interval: Duration::from_millis(clients.interval),
        connecting_max: CONNECTING_MAX,
        reconnect,
        limit: None,
        deliveries: None,
        run: 0,
        workers: vec![WorkerPlan::default(); threads],
    })
}

/// The worker of the client of this number, which is 1 at least.
fn worker(plan: &mut Plan, number: u32) -> Option<&mut WorkerPlan> {
    let workers = plan.workers.len();
    let turn = usize::try_from(number - 1).unwrap_or_default();
    plan.workers.get_mut(turn % workers)
}

fn push(plan: &mut Plan, number: u32, client_id: String, role: Role) {
    if let Some(worker) = worker(plan, number) {
        worker.links.push(LinkPlan {
            client_id,
            subscriptions: Vec::new(),
            role,
        });
    }
}

fn go(
    plan: Plan,
    clients: &ClientFlags,
    shown: &mut Shown,
    out: &mut dyn Write,
) -> Result<Outcome> {
    let timing = Timing {
        warmup: Duration::ZERO,
        duration: clients.duration,
        drain_max: if plan.qos == QoS::AtMostOnce {
            Duration::from_millis(200)
        } else {
            DRAIN_MAX
        },
        begins_at_once: true,
    };
    let mut failed = None;
    let outcome = crew::run(plan, timing, None, &mut |progress| {
        if let Err(error) = shown.look(progress, out) {
            failed.get_or_insert(error);
        }
    })?;
    match (failed, &outcome.first_error) {
        (Some(error), _) => Err(error.into()),
        (None, Some(error)) if outcome.connected == 0 => Err(anyhow!("{error}")),
        _ => Ok(outcome),
    }
}

fn names(clients: &ClientFlags) -> Names {
    let own = || format!("dunlin_{:08x}", crew::random());
    Names {
        client_id: clients.client_id.clone().unwrap_or_else(own),
        user_name: clients.server.user_name(),
        is_alone: clients.count == 1,
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verb {
    Connected,
    Published,
    Received,
}

/// What has been told so far.
struct Shown {
    verb: Verb,
    bar: Option<Bar>,
    is_told: bool,
    /// Of the first error; the others are counted.
    is_warned: bool,
    next_second: u64,
    before: u64,
}

impl Shown {
    fn new(verb: Verb, is_verbose: bool) -> Self {
        use std::io::IsTerminal as _;
        let has_bar = !is_verbose && std::io::stderr().is_terminal();
        Self {
            verb,
            bar: has_bar.then(|| Bar::new(None)),
            is_told: false,
            is_warned: false,
            next_second: 1,
            before: 0,
        }
    }

    fn look(&mut self, progress: &Progress, out: &mut dyn Write) -> std::io::Result<()> {
        if let Some(bar) = &mut self.bar {
            bar.show(progress);
        }
        if !self.is_warned
            && progress.connected > 0
            && let Some(error) = &progress.first_error
        {
            self.is_warned = true;
            status::warn(error);
        }
        if !self.is_told && progress.connected >= progress.clients {
            self.is_told = true;
            writeln!(
                out,
                "Created {} connections in {:.2} s",
                progress.connected,
                progress.elapsed.as_secs_f64()
            )?;
        }
        if self.bar.is_some() || progress.elapsed.as_secs() < self.next_second {
            return Ok(());
        }
        self.next_second = progress.elapsed.as_secs() + 1;
        let (now, line) = match self.verb {
            Verb::Connected if self.is_told => return Ok(()),
            Verb::Connected => {
                let (connected, clients) = (progress.connected, progress.clients);
                return writeln!(out, "[{connected}/{clients}] connected");
            }
            Verb::Published => (progress.totals.published, "Published total: "),
            Verb::Received => (progress.totals.delivered, "Received total: "),
        };
        let rate = now.saturating_sub(self.before);
        self.before = now;
        match self.verb {
            Verb::Published => writeln!(out, "{line}{now}, message rate: {rate}/s"),
            _ => writeln!(out, "{line}{now}, rate: {rate}/s"),
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "a rate to look at")]
fn summary(outcome: &Outcome, shown: &Shown, out: &mut dyn Write) -> Result<u8> {
    writeln!(
        out,
        "clients     {} of {} connected, {} failed, {} connections ended early",
        outcome.connected, outcome.clients, outcome.failed, outcome.closed
    )?;
    let (word, count) = match shown.verb {
        Verb::Connected => ("", 0),
        Verb::Published => ("published", outcome.tally.published),
        Verb::Received => ("received", outcome.tally.delivered),
    };
    if !word.is_empty() {
        writeln!(
            out,
            "{word:<12}{count} in {:.2} s: {:.0} a second",
            outcome.seconds,
            count as f64 / outcome.seconds.max(1e-9)
        )?;
    }
    if outcome.unacknowledged > 0 || outcome.tally.refused > 0 {
        writeln!(
            out,
            "trouble     {} never acknowledged, {} refused",
            outcome.unacknowledged, outcome.tally.refused
        )?;
    }
    Ok(if outcome.connected == 0 { 1 } else { EXIT_OK })
}
