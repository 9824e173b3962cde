//! Transfers that may stall.
//!
//! The hub's client has no time limits of its own, so it works in a thread that reports, and
//! the waiting thread gives up when there is no report for too long. (The worker then ends with its
//! connection, or with the process.)

use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::time::Duration;

use indicatif::ProgressBar;

use crate::progress::Progress;

/// How long a transfer may be silent.
pub(crate) const SILENCE: Duration = Duration::from_secs(30);

/// What a transfer reports.
enum Report<T> {
    /// A file of this many bytes starts.
    Begins(String, u64),
    /// So many bytes have come.
    Came(u64),
    /// The work is done.
    Done(T),
}

/// The reporting side, in the form that the hub's client calls.
pub(crate) struct Reporter<T>(Sender<Report<T>>);

impl<T> hf_hub::api::Progress for Reporter<T> {
    fn init(&mut self, size: usize, filename: &str) {
        self.send(Report::Begins(filename.to_owned(), size as u64));
    }

    fn update(&mut self, size: usize) {
        self.send(Report::Came(size as u64));
    }

    fn finish(&mut self) {}
}

impl<T> Reporter<T> {
    /// The receiver is closed once the wait was given up.
    fn send(&self, report: Report<T>) {
        let _ = self.0.send(report);
    }
}

/// Runs `work` in a thread and shows what it reports.
///
/// # Errors
/// A sentence, if nothing is reported for as long as `silence`, or the work ends without a result.
pub(crate) fn run<T: Send + 'static>(
    progress: Progress,
    silence: Duration,
    work: impl FnOnce(Reporter<T>) -> T + Send + 'static,
) -> Result<T, String> {
    let (sender, reports) = mpsc::channel();
    let reporter = Reporter(sender.clone());
    std::thread::spawn(move || {
        let done = Report::Done(work(reporter));
        let _ = sender.send(done);
    });
    let mut bar = ProgressBar::hidden();
    let result = loop {
        match reports.recv_timeout(silence) {
            Ok(Report::Begins(name, bytes)) => bar = progress.bar(name, bytes),
            Ok(Report::Came(bytes)) => bar.inc(bytes),
            Ok(Report::Done(result)) => break Ok(result),
            Err(RecvTimeoutError::Timeout) => {
                break Err(format!("no answer for {} s", silence.as_secs()));
            }
            Err(RecvTimeoutError::Disconnected) => {
                break Err("the transfer stopped without a result".into());
            }
        }
    };
    bar.finish_and_clear();
    result
}

#[cfg(test)]
mod tests {
    use super::*;
    use hf_hub::api::Progress as _;

    #[test]
    fn silence_ends_the_wait() {
        let (release, held) = mpsc::channel::<()>();
        let silent = run(Progress::silent(), Duration::from_millis(1), move |_| held.recv());
        assert_eq!(silent, Err("no answer for 0 s".into()));
        drop(release);
    }

    #[test]
    fn reports_and_the_result_come_through() {
        let result = run(Progress::silent(), SILENCE, |mut reporter| {
            reporter.init(2, "file");
            reporter.update(2);
            7
        });
        assert_eq!(result, Ok(7));
    }
}
