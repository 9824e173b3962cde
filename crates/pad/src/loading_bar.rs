//! Progress of loading a model, on the terminal.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Loading that is done before this is not worth a bar.
const PATIENCE: Duration = Duration::from_secs(1);

/// A bar over the layers of a model. It appears once loading has taken a second, if standard error is a terminal, and goes away with
/// this value.
pub struct LoadingBar {
    bar: ProgressBar,
    started: Instant,
    shown: bool,
    terminal: bool,
}

impl LoadingBar {
    /// A bar for `what` of so many layers, whose loading began at `started`.
    pub fn new(what: &str, layers: usize, started: Instant) -> Self {
        let style = ProgressStyle::with_template("loading the {msg} [{wide_bar}] {pos}/{len} layers ({eta})");
        let bar = ProgressBar::with_draw_target(Some(layers as u64), ProgressDrawTarget::hidden())
            .with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
            .with_message(what.to_owned());
        Self { bar, started, shown: false, terminal: std::io::stderr().is_terminal() }
    }

    /// So many layers are loaded.
    pub fn at(&mut self, loaded: usize) {
        if !self.shown && self.is_due(self.started.elapsed()) {
            self.bar.set_draw_target(ProgressDrawTarget::stderr());
            self.shown = true;
        }
        self.bar.set_position(loaded as u64);
    }

    fn is_due(&self, elapsed: Duration) -> bool {
        self.terminal && elapsed >= PATIENCE
    }
}

impl Drop for LoadingBar {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_for_terminals_and_for_what_takes_long() {
        let mut bar = LoadingBar::new("base model", 30, Instant::now());
        for (terminal, elapsed, due) in [(true, 999, false), (true, 1000, true), (false, 60_000, false)] {
            bar.terminal = terminal;
            assert_eq!(bar.is_due(Duration::from_millis(elapsed)), due, "{terminal}, {elapsed} ms");
        }
        bar.at(12);
        assert!(!bar.shown && bar.bar.position() == 12);
    }
}
