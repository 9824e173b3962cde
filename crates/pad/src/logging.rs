//! Sets up the log: to standard error, so that standard output holds results only.

use std::io::{IsTerminal, stderr};

use anyhow::Context;
use tracing::Subscriber;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;

use crate::settings::{LogFormat, LogSettings};

/// Starts logging for the whole process. A log that cannot be written, as to a pipe that was closed, is lost and ends nothing: the
/// libraries would report that on standard error, and panic where that is the closed pipe.
///
/// # Errors
///
/// When a log was set up already, or the level is none.
pub fn start(settings: &LogSettings) -> anyhow::Result<()> {
    let filter = settings.filter().context("log.level is not a valid level")?;
    let lines = tracing_subscriber::registry().with(filter);
    let started = match settings.format {
        LogFormat::Text => {
            // Colours by default, unless NO_COLOR is set.
            let text = tracing_subscriber::fmt::layer().with_writer(stderr).log_internal_errors(false);
            let text = if stderr().is_terminal() { text } else { text.with_ansi(false) };
            lines.with(text).try_init()
        }
        LogFormat::Json => lines.with(json(stderr)).try_init(),
    };
    started.map_err(|error| anyhow::anyhow!("the log cannot be set up: {error}"))
}

/// One object a line: the fields of an event and of the request that it belongs to, side by side.
fn json<S, W>(writer: W) -> json_subscriber::fmt::Layer<S, W>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    W: for<'a> MakeWriter<'a> + 'static,
{
    json_subscriber::fmt::layer()
        .with_writer(writer)
        .log_internal_errors(false)
        .flatten_event(true)
        .with_current_span(false)
        .with_span_list(false)
        .flatten_span_list_on_top_level(true)
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Seek};

    use serde_json::Value;
    use tracing::field::{Empty, display};

    use super::*;

    fn lines(log: impl FnOnce()) -> Vec<Value> {
        let mut written = tempfile::tempfile().expect("a file");
        let subscriber = tracing_subscriber::registry().with(json(written.try_clone().expect("the same file")));
        tracing::subscriber::with_default(subscriber, log);
        written.rewind().expect("its beginning");
        let mut text = String::new();
        written.read_to_string(&mut text).expect("text");
        text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
    }

    #[test]
    fn a_line_of_json_has_what_its_request_is_called() {
        let all = lines(|| {
            let traced = tracing::info_span!("request", request_id = %"r-1", trace_id = Empty);
            traced.record("trace_id", display("ab"));
            traced.in_scope(|| tracing::info!(status = 200, "answered"));
            tracing::info_span!("request", request_id = %"r-2", trace_id = Empty)
                .in_scope(|| tracing::warn!("\"quoted\""));
            tracing::info!("of no request");
        });
        assert_eq!(
            (&all[0]["request_id"], &all[0]["trace_id"], &all[0]["status"]),
            (&"r-1".into(), &"ab".into(), &200.into())
        );
        assert_eq!((&all[0]["message"], &all[0]["level"]), (&"answered".into(), &"INFO".into()));
        assert!(all[0]["timestamp"].is_string() && all[0]["target"].is_string());
        assert_eq!((&all[1]["request_id"], all[1].get("trace_id")), (&"r-2".into(), None));
        assert_eq!(all[1]["message"], "\"quoted\"");
        assert_eq!((all[2].get("request_id"), &all[2]["message"]), (None, &"of no request".into()));
    }
}
