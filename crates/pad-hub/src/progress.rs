//! Progress on the terminal.

use std::borrow::Cow;
use std::io::IsTerminal;

use indicatif::{ProgressBar, ProgressStyle};

/// Whether progress is shown. It never is if standard error is not a terminal.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Progress {
    shown: bool,
}

impl Progress {
    /// Progress as the user wishes, if there is a terminal.
    pub(crate) fn new(wished: bool) -> Self {
        Self { shown: wished && std::io::stderr().is_terminal() }
    }

    /// No progress.
    #[cfg(test)]
    pub(crate) fn silent() -> Self {
        Self { shown: false }
    }

    /// A bar over this many bytes.
    pub(crate) fn bar(self, what: impl Into<Cow<'static, str>>, bytes: u64) -> ProgressBar {
        self.styled(
            ProgressBar::new(bytes),
            what.into(),
            "{msg} [{wide_bar}] {bytes}/{total_bytes} {bytes_per_sec} ({eta})",
        )
    }

    /// A spinner with the bytes so far, for what has no known end.
    pub(crate) fn spinner(self, what: impl Into<Cow<'static, str>>) -> ProgressBar {
        self.styled(ProgressBar::new_spinner(), what.into(), "{spinner} {msg} {bytes} {bytes_per_sec}")
    }

    fn styled(self, bar: ProgressBar, what: Cow<'static, str>, template: &str) -> ProgressBar {
        if !self.shown {
            return ProgressBar::hidden();
        }
        let style = ProgressStyle::with_template(template);
        bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar())).with_message(what)
    }
}
