//! Progress of a training: a bar on a terminal, an occasional line elsewhere.

use std::fmt;
use std::io::{IsTerminal, Write};
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

/// Figures of the last steps: the loss alone, or loss and accuracy.
#[derive(Clone, Copy, Debug)]
pub struct Recent<const N: usize> {
    sums: [f64; N],
    weight: f64,
}

impl<const N: usize> Default for Recent<N> {
    fn default() -> Self {
        Self { sums: [0.0; N], weight: 0.0 }
    }
}

impl<const N: usize> Recent<N> {
    /// Add one step's figures: its mean loss, and the share of pairs that were right.
    pub fn add(&mut self, step: [f64; N]) {
        const KEEP: f64 = 0.95;
        self.sums.iter_mut().zip(step).for_each(|(sum, figure)| *sum = KEEP * *sum + figure);
        self.weight = KEEP * self.weight + 1.0;
    }

    /// Their running means.
    pub fn means(&self) -> [f64; N] {
        let weight = self.weight.max(f64::MIN_POSITIVE);
        self.sums.map(|sum| sum / weight)
    }
}

impl fmt::Display for Recent<1> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [loss] = self.means();
        write!(f, "loss {loss:.4}")
    }
}

impl fmt::Display for Recent<2> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [loss, right] = self.means();
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
            // Training goes on whether or not somebody reads that.
            let _ = writeln!(std::io::stderr(), "{}: {percent} %, {text}, {left:.0} s left", self.phase);
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
