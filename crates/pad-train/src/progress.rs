//! Progress of a training: a bar on a terminal, an occasional line elsewhere.

use std::fmt;
use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

/// How often a line is written if there is no terminal.
const LINE: Duration = Duration::from_secs(20);

/// Whether progress is shown at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verbosity {
    /// A bar or lines on standard error.
    Told,
    /// Nothing, for tests.
    Silent,
}

/// Loss and accuracy of the last steps.
#[derive(Clone, Copy, Debug, Default)]
pub struct Recent {
    loss: f64,
    right: f64,
    weight: f64,
}

impl Recent {
    /// Add one step's mean loss and share of pairs that were right.
    pub fn add(&mut self, loss: f64, right: f64) {
        const KEEP: f64 = 0.95;
        self.loss = KEEP * self.loss + loss;
        self.right = KEEP * self.right + right;
        self.weight = KEEP * self.weight + 1.0;
    }

    /// Running means of both.
    pub fn means(&self) -> (f64, f64) {
        let weight = self.weight.max(f64::MIN_POSITIVE);
        (self.loss / weight, self.right / weight)
    }
}

impl fmt::Display for Recent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (loss, right) = self.means();
        write!(f, "loss {loss:.4}, pairs right {:.1} %", 100.0 * right)
    }
}

/// The progress of one phase.
#[derive(Debug)]
pub struct Progress {
    verbosity: Verbosity,
    phase: String,
    bar: Option<ProgressBar>,
    total: u64,
    done: u64,
    skipped: u64,
    started: Instant,
    told: Instant,
}

impl Progress {
    /// A phase over `total` tokens, of which `skipped` were done in an earlier run.
    pub fn new(verbosity: Verbosity, phase: &str, total: usize, skipped: usize) -> Self {
        let (total, skipped, now) = (total as u64, skipped as u64, Instant::now());
        let shown = verbosity == Verbosity::Told && std::io::stderr().is_terminal();
        let bar = shown.then(|| {
            let style = ProgressStyle::with_template("{prefix} [{wide_bar}] {percent}% {msg} ({eta} left)");
            ProgressBar::new(total)
                .with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
                .with_prefix(phase.to_owned())
                .with_position(skipped)
                .with_elapsed(Duration::ZERO)
        });
        Self { verbosity, phase: phase.to_owned(), bar, total, done: skipped, skipped, started: now, told: now }
    }

    /// So many tokens more; `recent` where something is learnt.
    pub fn advance(&mut self, tokens: usize, recent: Option<&dyn fmt::Display>) {
        self.done += tokens as u64;
        let now = Instant::now();
        let seconds = now.duration_since(self.started).as_secs_f64().max(1e-3);
        let pace = (self.done - self.skipped) as f64 / seconds;
        let learnt = recent.map_or_else(String::new, |recent| format!("{recent}, "));
        let text = format!("{learnt}{pace:.0} tokens/s");
        if let Some(bar) = &self.bar {
            bar.set_position(self.done);
            bar.set_message(text);
        } else if self.verbosity == Verbosity::Told && (now.duration_since(self.told) > LINE || self.done >= self.total)
        {
            self.told = now;
            let left = self.total.saturating_sub(self.done) as f64 / pace.max(1e-3);
            let percent = 100 * self.done / self.total.max(1);
            eprintln!("{}: {percent} %, {text}, {left:.0} s left", self.phase);
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish();
        }
    }
}
