//! What is shown while a bench runs: a line that is drawn anew on a terminal, or nothing.

use std::io::IsTerminal as _;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::engine::crew::Progress;
use super::engine::shared::Phase;

/// A bar for a bench of a known length.
pub(crate) struct Bar {
    bar: Option<ProgressBar>,
    length: Duration,
    before: (f64, u64),
    rate: f64,
}

impl Bar {
    /// A bar on standard error, if that is a terminal.
    pub(crate) fn new(length: Option<Duration>) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = match length {
                Some(length) => {
                    let millis = u64::try_from(length.as_millis()).unwrap_or(u64::MAX);
                    ProgressBar::with_draw_target(Some(millis), ProgressDrawTarget::stderr())
                }
                None => ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr()),
            };
            let template = if length.is_some() {
                "{prefix:>10} [{bar:30}] {msg}"
            } else {
                "{prefix:>10} {msg}"
            };
            if let Ok(style) = ProgressStyle::with_template(template) {
                bar.set_style(style.progress_chars("=> "));
            }
            bar
        });
        Self {
            bar,
            length: length.unwrap_or_default(),
            before: (0.0, 0),
            rate: 0.0,
        }
    }

    /// Draws it.
    #[expect(clippy::cast_precision_loss, reason = "a rate to look at")]
    pub(crate) fn show(&mut self, progress: &Progress) {
        let Some(bar) = &self.bar else {
            return;
        };
        let seconds = progress.elapsed.as_secs_f64();
        let totals = &progress.totals;
        let done = totals.delivered.max(totals.published) + totals.cycles;
        if seconds < self.before.0 {
            self.before = (0.0, done);
        } else if seconds - self.before.0 >= 0.5 {
            self.rate = done.saturating_sub(self.before.1) as f64 / (seconds - self.before.0);
            self.before = (seconds, done);
        }
        let (name, message) = match progress.phase {
            Phase::Connecting => (
                "connect",
                format!("{} of {}", progress.connected, progress.clients),
            ),
            Phase::Warmup => ("warm up", format!("{:.0} a second", self.rate)),
            Phase::Measuring => (
                "measure",
                format!("{:.0} a second, {done} in all", self.rate),
            ),
            Phase::Draining | Phase::Stopped => ("drain", format!("{} pending", totals.pending)),
        };
        let position = match progress.phase {
            Phase::Measuring => progress.elapsed.min(self.length),
            _ => Duration::ZERO,
        };
        bar.set_prefix(name);
        bar.set_message(message);
        bar.set_position(u64::try_from(position.as_millis()).unwrap_or(0));
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
