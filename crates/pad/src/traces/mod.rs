//! Traces: the spans of requests, sent to a receiver in OpenTelemetry's protocol.
//!
//! Requests only put their spans into a queue that drops what does not fit; a thread of the SDK sends them in batches. A receiver that is
//! slow or gone costs spans, never a request.

mod attributes;
mod courier;
mod span_data;

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use opentelemetry::KeyValue;
use opentelemetry_otlp::{SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{BatchSpanProcessor, SpanProcessor};
use pad_server::{RequestSpan, SpanSink, Spans};

use crate::settings::TracesSettings;
use courier::Courier;

/// How long a batch may take to be sent, with all tries; what is not sent then is lost.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long the end of the process waits for the last spans to be sent.
const LAST_SPANS: Duration = Duration::from_secs(3);

/// Sends spans.
pub struct Traces {
    processor: Arc<Processor>,
    share: f64,
}

/// The queue of spans, and the thread behind it.
struct Processor(BatchSpanProcessor);

impl SpanSink for Processor {
    fn take(&self, span: &RequestSpan) {
        for span in span_data::spans(span) {
            self.0.on_end(span);
        }
    }
}

impl Traces {
    /// Starts the thread that sends spans to the receiver of the settings; none if they name none. Nothing is sent yet.
    ///
    /// # Errors
    ///
    /// When a variable of OpenTelemetry's, which its SDK reads itself, is not as it must be.
    pub fn start(settings: &TracesSettings) -> anyhow::Result<Option<Self>> {
        let Some(url) = settings.url() else { return Ok(None) };
        let exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(Courier::new(PATIENCE))
            .with_endpoint(&url)
            .with_timeout(PATIENCE)
            .build()
            .context("traces cannot be sent")?;
        let mut processor = BatchSpanProcessor::builder(exporter).build();
        processor.set_resource(&resource(&settings.service));
        tracing::info!(service = settings.service, sample = settings.sample, "requests are traced");
        Ok(Some(Self { processor: Arc::new(Processor(processor)), share: settings.sample }))
    }

    /// How a server records requests for them.
    pub fn spans(&self) -> Spans {
        Spans::new(Arc::clone(&self.processor) as Arc<dyn SpanSink>, self.share)
    }

    /// Sends what is still there, as far as that is done within three seconds.
    pub fn finish(self) {
        if let Err(error) = self.processor.0.shutdown_with_timeout(LAST_SPANS) {
            tracing::warn!(%error, "the last spans were not sent");
        }
    }
}

/// What the spans are of. `OTEL_RESOURCE_ATTRIBUTES` may add to it.
fn resource(service: &str) -> Resource {
    let version = KeyValue::new("service.version", env!("CARGO_PKG_VERSION"));
    Resource::builder().with_attribute(version).with_service_name(service.to_owned()).build()
}
