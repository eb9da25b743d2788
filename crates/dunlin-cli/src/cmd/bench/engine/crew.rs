//! Starts the workers, leads them through the phases and measures what passes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, bail};
use hdrhistogram::Histogram;

use super::plan::Plan;
use super::process::{self, Usage};
use super::shared::{Phase, Shared, Totals};
use super::state::Home;
use super::tally::{Account, Tally, histogram};
use super::worker::Worker;
use crate::session::Signals;

/// Between two looks.
const LOOK: Duration = Duration::from_millis(20);
/// How long a broker's memory may settle before it is read.
const SETTLE: Duration = Duration::from_millis(500);
/// Draining ends when nothing has come for so long.
const QUIET: Duration = Duration::from_secs(1);

/// How long what takes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Timing {
    pub(crate) warmup: Duration,
    /// Without it the run ends with its limit, or when it is interrupted.
    pub(crate) duration: Option<Duration>,
    /// Draining takes this at most.
    pub(crate) drain_max: Duration,
    /// Messages flow, and are measured, from the first connection on.
    pub(crate) begins_at_once: bool,
}

/// What can be seen of a run while it goes.
#[derive(Clone, Debug)]
pub(crate) struct Progress {
    pub(crate) phase: Phase,
    /// Since the phase began.
    pub(crate) elapsed: Duration,
    pub(crate) connected: u64,
    pub(crate) failed: u64,
    pub(crate) closed: u64,
    pub(crate) clients: u64,
    pub(crate) totals: Totals,
    pub(crate) first_error: Option<String>,
}

/// One point of the measured time.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Sample {
    /// Since the measurement began.
    pub(crate) seconds: f64,
    pub(crate) delivered: u64,
    pub(crate) published: u64,
    pub(crate) cycles: u64,
    /// CPU seconds of the watched process since the measurement began.
    pub(crate) watched_cpu_seconds: f64,
    pub(crate) watched_rss_bytes: u64,
}

/// Memory of the watched process.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Memory {
    /// Before the first connection.
    pub(crate) before: u64,
    /// When all were connected and subscribed.
    pub(crate) ready: u64,
    /// When the measurement ended.
    pub(crate) end: u64,
}

/// What came out.
#[derive(Clone, Debug)]
pub(crate) struct Outcome {
    pub(crate) clients: u64,
    pub(crate) connected: u64,
    pub(crate) failed: u64,
    pub(crate) closed: u64,
    pub(crate) connect_seconds: f64,
    /// CPU seconds of the watched process while they connected.
    pub(crate) connect_cpu_seconds: Option<f64>,
    /// Of the measurement, as all that says `measured`.
    pub(crate) seconds: f64,
    pub(crate) measured: Totals,
    pub(crate) watched_cpu_seconds: Option<f64>,
    pub(crate) own_cpu_seconds: Option<f64>,
    pub(crate) memory: Option<Memory>,
    pub(crate) histogram: Histogram<u64>,
    /// From a message to its PUBACK, or to its PUBCOMP.
    pub(crate) acknowledged: Histogram<u64>,
    pub(crate) samples: Vec<Sample>,
    /// Of the whole run.
    pub(crate) tally: Tally,
    pub(crate) lost: u64,
    pub(crate) unacknowledged: u64,
    pub(crate) first_error: Option<String>,
    pub(crate) is_interrupted: bool,
}

#[cfg(test)]
impl Outcome {
    /// Of a run in which nothing happened.
    pub(crate) fn empty() -> Self {
        Self {
            clients: 0,
            connected: 0,
            failed: 0,
            closed: 0,
            connect_seconds: 0.0,
            connect_cpu_seconds: None,
            seconds: 0.0,
            measured: Totals::default(),
            watched_cpu_seconds: None,
            own_cpu_seconds: None,
            memory: None,
            histogram: histogram(),
            acknowledged: histogram(),
            samples: Vec::new(),
            tally: Tally::default(),
            lost: 0,
            unacknowledged: 0,
            first_error: None,
            is_interrupted: false,
        }
    }
}

/// Runs a plan. `watched` is a process, such as the broker, whose CPU time and memory are read;
/// `observe` is called several times a second.
///
/// # Errors
/// If a worker cannot run, or a client cannot be brought up that the plan does not bring up again.
pub(crate) fn run(
    plan: Plan,
    timing: Timing,
    watched: Option<u32>,
    observe: &mut dyn FnMut(&Progress),
) -> Result<Outcome> {
    if let Some(pid) = watched {
        process::usage(watched).with_context(|| format!("cannot read usage of process {pid}"))?;
    }
    let shared = Arc::new(Shared::new(&plan));
    let homes: Arc<[Home]> = homes(&plan).into();
    let clients = plan.workers.iter().map(|worker| {
        worker.links.len()
            + worker
                .cycles
                .as_ref()
                .map_or(0, |cycles| cycles.client_ids.len())
    });
    let lead = Lead {
        shared: Arc::clone(&shared),
        timing,
        watched,
        clients: u64::try_from(clients.sum::<usize>()).unwrap_or(u64::MAX),
        must_all_connect: plan.reconnect.is_none(),
        interrupted: Arc::new(AtomicBool::new(false)),
    };
    let plan = Arc::new(plan);
    let (course, accounts) = std::thread::scope(|scope| -> Result<_> {
        let threads: Vec<_> = (0..plan.workers.len())
            .map(|index| {
                let (plan, shared) = (Arc::clone(&plan), Arc::clone(&shared));
                let homes = Arc::clone(&homes);
                scope.spawn(move || Worker::run(plan, shared, index, homes))
            })
            .collect();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        let course = runtime
            .map_err(anyhow::Error::from)
            .and_then(|runtime| runtime.block_on(lead.lead(observe)));
        // Whatever happened, the workers must end for the scope to end.
        shared.enter(Phase::Stopped);
        let mut accounts = Vec::new();
        for thread in threads {
            let account = thread.join().map_err(|_| anyhow!("a worker panicked"))?;
            accounts.push(account?);
        }
        Ok((course?, accounts))
    })?;
    Ok(lead.conclude(course, accounts))
}

/// A number for a run, from the hasher's random keys.
pub(crate) fn random() -> u32 {
    use std::hash::{BuildHasher as _, Hasher as _};
    let hasher = std::collections::hash_map::RandomState::new().build_hasher();
    let [a, b, c, d, ..] = hasher.finish().to_le_bytes();
    u32::from_le_bytes([a, b, c, d])
}

/// The worker of each publisher and its place there, by the publisher's number.
fn homes(plan: &Plan) -> Vec<Home> {
    let count = plan.workers.iter().map(|worker| worker.publishers.len());
    let mut homes = vec![(0, 0); count.sum()];
    for (index, worker) in plan.workers.iter().enumerate() {
        for (place, publisher) in worker.publishers.iter().enumerate() {
            let number = usize::try_from(publisher.number).unwrap_or(usize::MAX);
            if let Some(home) = homes.get_mut(number) {
                *home = (index, place);
            }
        }
    }
    homes
}

struct Lead {
    shared: Arc<Shared>,
    timing: Timing,
    watched: Option<u32>,
    clients: u64,
    must_all_connect: bool,
    interrupted: Arc<AtomicBool>,
}

/// A moment: its time and what had been done and used by then.
#[derive(Clone, Copy, Debug)]
struct Moment {
    at: Instant,
    totals: Totals,
    watched: Option<Usage>,
    own: Option<Usage>,
}

struct Course {
    connect_seconds: f64,
    before: Moment,
    ready: Moment,
    start: Moment,
    end: Moment,
    samples: Vec<Sample>,
}

impl Lead {
    fn moment(&self) -> Moment {
        Moment {
            at: Instant::now(),
            totals: self.shared.totals(),
            watched: self.watched.and_then(|pid| process::usage(Some(pid))),
            own: process::usage(None),
        }
    }

    fn is_interrupted(&self) -> bool {
        self.interrupted.load(Ordering::Relaxed)
    }

    fn progress(&self, began: Instant) -> Progress {
        Progress {
            phase: self.shared.phase(),
            elapsed: began.elapsed(),
            connected: self.shared.connected.load(Ordering::Relaxed),
            failed: self.shared.failed.load(Ordering::Relaxed),
            closed: self.shared.closed.load(Ordering::Relaxed),
            clients: self.clients,
            totals: self.shared.totals(),
            first_error: self.shared.first_error(),
        }
    }

    async fn lead(&self, observe: &mut dyn FnMut(&Progress)) -> Result<Course> {
        let (interrupted, shared) = (Arc::clone(&self.interrupted), Arc::clone(&self.shared));
        let mut signals = Signals::catch()?;
        tokio::spawn(async move {
            signals.next().await;
            interrupted.store(true, Ordering::Relaxed);
            shared.finished.notify_one();
        });
        let before = self.moment();
        if self.timing.begins_at_once {
            self.shared.enter(Phase::Measuring);
            let (samples, end) = self.measure(&before, observe).await;
            let connect_seconds = 0.0;
            self.drain(observe).await;
            return Ok(Course {
                connect_seconds,
                before,
                ready: before,
                start: before,
                end,
                samples,
            });
        }
        self.connect(observe).await?;
        let connect_seconds = before.at.elapsed().as_secs_f64();
        if self.watched.is_some() {
            tokio::time::sleep(SETTLE).await;
        }
        let ready = self.moment();
        self.shared.enter(Phase::Warmup);
        self.wait(self.timing.warmup, observe).await;
        let start = self.moment();
        self.shared.enter(Phase::Measuring);
        let (samples, end) = self.measure(&start, observe).await;
        self.drain(observe).await;
        Ok(Course {
            connect_seconds,
            before,
            ready,
            start,
            end,
            samples,
        })
    }

    /// Waits until all clients are connected.
    async fn connect(&self, observe: &mut dyn FnMut(&Progress)) -> Result<()> {
        let began = Instant::now();
        loop {
            let progress = self.progress(began);
            observe(&progress);
            if self.must_all_connect && (progress.failed > 0 || progress.closed > 0) {
                let error = self.shared.first_error().unwrap_or_default();
                let connected = progress.connected;
                bail!("{connected} of {} clients connected: {error}", self.clients);
            }
            if progress.connected + progress.failed >= self.clients {
                return Ok(());
            }
            if self.is_interrupted() {
                bail!("interrupted");
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    async fn wait(&self, duration: Duration, observe: &mut dyn FnMut(&Progress)) {
        let began = Instant::now();
        while let Some(left) = duration.checked_sub(began.elapsed())
            && !self.is_interrupted()
        {
            observe(&self.progress(began));
            tokio::time::sleep(left.min(LOOK * 5)).await;
        }
    }

    async fn measure(
        &self,
        start: &Moment,
        observe: &mut dyn FnMut(&Progress),
    ) -> (Vec<Sample>, Moment) {
        let mut samples = Vec::new();
        loop {
            let elapsed = start.at.elapsed();
            let left = match self.timing.duration {
                Some(duration) => duration.saturating_sub(elapsed),
                None => LOOK * 5,
            };
            let is_over = left.is_zero()
                || self.is_interrupted()
                || self.shared.gone.load(Ordering::Relaxed) >= self.clients
                || self.shared.is_hopeless.load(Ordering::Relaxed)
                || self.shared.is_delivered()
                || self.shared.is_budget_spent() && self.shared.totals().pending == 0;
            let next = u32::try_from(samples.len()).unwrap_or(u32::MAX);
            if is_over || elapsed >= Duration::from_secs(1).saturating_mul(next) {
                let moment = self.moment();
                samples.push(sample(start, &moment));
                if is_over {
                    observe(&self.progress(start.at));
                    return (samples, moment);
                }
            }
            observe(&self.progress(start.at));
            let look = tokio::time::sleep(left.min(LOOK * 5));
            tokio::select! {
                () = look => {}
                () = self.shared.finished.notified() => {}
            }
        }
    }

    /// Lets what is under way arrive.
    async fn drain(&self, observe: &mut dyn FnMut(&Progress)) {
        self.shared.enter(Phase::Draining);
        let began = Instant::now();
        // What comes twice comes late, where each message is looked at.
        let quiet_min = if self.timing.begins_at_once {
            LOOK
        } else {
            LOOK * 5
        };
        let (mut before, mut changed) = (self.shared.totals(), began);
        while began.elapsed() < self.timing.drain_max {
            tokio::time::sleep(LOOK).await;
            observe(&self.progress(began));
            let now = self.shared.totals();
            if now != before {
                (before, changed) = (now, Instant::now());
            }
            if now.pending == 0 && changed.elapsed() >= quiet_min || changed.elapsed() >= QUIET {
                return;
            }
        }
    }

    fn conclude(&self, course: Course, accounts: Vec<Account>) -> Outcome {
        let Course { start, end, .. } = &course;
        let (mut merged, mut acknowledged) = (histogram(), histogram());
        let mut tally = Tally::default();
        let (mut sent, mut got) = (std::collections::HashMap::new(), Vec::new());
        for account in accounts {
            // Both have the same bounds, so there is nothing that could not be added.
            let _ = merged.add(&account.histogram);
            let _ = acknowledged.add(&account.acknowledged);
            tally = tally.plus(&account.tally);
            sent.extend(account.sent);
            got.extend(account.got);
        }
        let lost = got.iter().map(|(number, got)| {
            let sent = sent.get(number).copied().unwrap_or_default();
            sent.saturating_sub(*got)
        });
        let rss = |moment: &Moment| moment.watched.map(|usage| usage.rss_bytes);
        let memory = rss(&course.before).zip(rss(&course.ready)).zip(rss(end));
        Outcome {
            clients: self.clients,
            connected: self.shared.connected.load(Ordering::Relaxed),
            failed: self.shared.failed.load(Ordering::Relaxed),
            closed: self.shared.closed.load(Ordering::Relaxed),
            connect_seconds: course.connect_seconds,
            connect_cpu_seconds: cpu_between(course.before.watched, course.ready.watched),
            seconds: end.at.duration_since(start.at).as_secs_f64(),
            measured: end.totals.since(&start.totals),
            watched_cpu_seconds: cpu_between(start.watched, end.watched),
            own_cpu_seconds: cpu_between(start.own, end.own),
            memory: memory.map(|((before, ready), end)| Memory { before, ready, end }),
            histogram: merged,
            acknowledged,
            samples: course.samples,
            tally,
            lost: lost.sum(),
            unacknowledged: tally.unacknowledged,
            first_error: self.shared.first_error(),
            is_interrupted: self.is_interrupted(),
        }
    }
}

fn cpu_between(start: Option<Usage>, end: Option<Usage>) -> Option<f64> {
    Some(end?.cpu_seconds - start?.cpu_seconds)
}

fn sample(start: &Moment, now: &Moment) -> Sample {
    let totals = now.totals.since(&start.totals);
    Sample {
        seconds: now.at.duration_since(start.at).as_secs_f64(),
        delivered: totals.delivered,
        published: totals.published,
        cycles: totals.cycles,
        watched_cpu_seconds: cpu_between(start.watched, now.watched).unwrap_or_default(),
        watched_rss_bytes: now.watched.map_or(0, |usage| usage.rss_bytes),
    }
}
