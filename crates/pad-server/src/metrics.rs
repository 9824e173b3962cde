//! Metrics for Prometheus: vLLM's names where the meaning is the same, `pad_` for the rest.

use std::collections::HashMap;
use std::time::Duration;

use pad_api::FinishReason;
use prometheus::{
    Counter, Encoder, Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, Opts, Registry, TextEncoder,
};

use crate::engine_metrics::EngineMetrics;

/// The counters and histograms of requests, and the engine's own figures read at each scrape.
pub(crate) struct Metrics {
    registry: Registry,
    engine: EngineMetrics,
    time_to_first_token: Histogram,
    inter_token_latency: Histogram,
    end_to_end: Histogram,
    prompt_tokens: IntCounter,
    generation_tokens: IntCounter,
    success: IntCounterVec,
    disconnected: IntCounter,
    requests: IntCounterVec,
    grammars: IntCounterVec,
    steered_tokens: IntCounter,
    kl: Counter,
    store_up: IntGauge,
}

/// Upper bounds in seconds, as vLLM's dashboards expect them.
const TTFT_BOUNDS: [f64; 15] = [0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 10.0];
const ITL_BOUNDS: [f64; 13] = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 1.0, 2.5];
const E2E_BOUNDS: [f64; 15] = [0.3, 0.5, 0.8, 1.0, 1.5, 2.0, 2.5, 5.0, 10.0, 15.0, 20.0, 30.0, 60.0, 120.0, 240.0];

impl Metrics {
    /// All figures at zero, labelled with the model's name.
    pub(crate) fn new(model: &str) -> Self {
        let labels = HashMap::from([("model_name".to_owned(), model.to_owned())]);
        Self::register(labels).expect("the metrics' names are constants, valid and distinct")
    }

    fn register(labels: HashMap<String, String>) -> prometheus::Result<Self> {
        let registry = Registry::new_custom(None, Some(labels))?;
        let counter = |name: &str, help: &str| -> prometheus::Result<IntCounter> {
            let counter = IntCounter::new(name, help)?;
            registry.register(Box::new(counter.clone()))?;
            Ok(counter)
        };
        let histogram = |name: &str, help: &str, bounds: &[f64]| -> prometheus::Result<Histogram> {
            let histogram = Histogram::with_opts(HistogramOpts::new(name, help).buckets(bounds.to_vec()))?;
            registry.register(Box::new(histogram.clone()))?;
            Ok(histogram)
        };
        let labelled = |name: &str, help: &str, label: &str| -> prometheus::Result<IntCounterVec> {
            let counters = IntCounterVec::new(Opts::new(name, help), &[label])?;
            registry.register(Box::new(counters.clone()))?;
            Ok(counters)
        };
        let kl =
            Counter::new("pad_kl_nats_total", "Sum over tokens of the KL divergence from the base model, in nats.")?;
        registry.register(Box::new(kl.clone()))?;
        let store_up =
            IntGauge::new("pad_store_up", "1 while the database of profiles and responses answers, or there is none.")?;
        registry.register(Box::new(store_up.clone()))?;
        let success = labelled("vllm:request_success_total", "Choices that ended well.", "finished_reason")?;
        for reason in [FinishReason::Stop, FinishReason::Length] {
            success.with_label_values(&[reason.as_str()]);
        }
        Ok(Self {
            time_to_first_token: histogram(
                "vllm:time_to_first_token_seconds",
                "From the request's arrival to the first token of a choice.",
                &TTFT_BOUNDS,
            )?,
            inter_token_latency: histogram(
                "vllm:inter_token_latency_seconds",
                "Between two tokens of a choice.",
                &ITL_BOUNDS,
            )?,
            end_to_end: histogram(
                "vllm:e2e_request_latency_seconds",
                "From a request's arrival to its last token.",
                &E2E_BOUNDS,
            )?,
            prompt_tokens: counter("vllm:prompt_tokens_total", "Tokens of base prompts.")?,
            generation_tokens: counter("vllm:generation_tokens_total", "Tokens generated.")?,
            success,
            disconnected: counter("pad_requests_disconnected_total", "Generations whose client disconnected.")?,
            requests: labelled("pad_http_responses_total", "Answers by HTTP status.", "status")?,
            grammars: labelled(
                "pad_grammars_total",
                "Grammars requested: compiled (or found in the cache), or rejected.",
                "outcome",
            )?,
            steered_tokens: counter("pad_steered_tokens_total", "Tokens sent that were not the base model's first.")?,
            kl,
            store_up,
            engine: EngineMetrics::register(&registry)?,
            registry,
        })
    }

    pub(crate) fn answered(&self, status: u16) {
        self.requests.with_label_values(&[status.to_string().as_str()]).inc();
    }

    pub(crate) fn grammar(&self, compiled: bool) {
        self.grammars.with_label_values(&[if compiled { "compiled" } else { "refused" }]).inc();
    }

    pub(crate) fn admitted(&self, prompt_tokens: usize) {
        self.prompt_tokens.inc_by(prompt_tokens as u64);
    }

    pub(crate) fn first_token(&self, since_arrival: Duration) {
        self.time_to_first_token.observe(since_arrival.as_secs_f64());
    }

    pub(crate) fn next_token(&self, since_last: Duration) {
        self.inter_token_latency.observe(since_last.as_secs_f64());
    }

    pub(crate) fn token(&self, steered: bool, kl: f64) {
        self.generation_tokens.inc();
        self.steered_tokens.inc_by(u64::from(steered));
        // A counter must not fall, and rounding may make a divergence slightly negative.
        self.kl.inc_by(kl.max(0.0));
    }

    pub(crate) fn choice_ended(&self, reason: FinishReason) {
        self.success.with_label_values(&[reason.as_str()]).inc();
    }

    pub(crate) fn request_ended(&self, since_arrival: Duration) {
        self.end_to_end.observe(since_arrival.as_secs_f64());
    }

    pub(crate) fn disconnected(&self) {
        self.disconnected.inc();
    }

    /// The page that Prometheus reads.
    pub(crate) fn page(&self, engine: &pad_engine::Status, store_up: bool) -> Vec<u8> {
        let mut page = Vec::new();
        self.engine.read(engine);
        self.store_up.set(i64::from(store_up));
        if let Err(error) = TextEncoder::new().encode(&self.registry.gather(), &mut page) {
            tracing::error!(%error, "the metrics could not be written");
        }
        page
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_has_vllms_names_and_ours() {
        let metrics = Metrics::new("m");
        metrics.admitted(7);
        metrics.first_token(Duration::from_millis(50));
        metrics.token(true, 0.25);
        metrics.token(false, -1e-9);
        metrics.choice_ended(FinishReason::Stop);
        let status = pad_engine::Status { running: 3, kv_blocks_used: 1, kv_blocks_total: 4, ..Default::default() };
        let page = String::from_utf8(metrics.page(&status, true)).expect("text");
        for line in [
            "vllm:prompt_tokens_total{model_name=\"m\"} 7",
            "vllm:generation_tokens_total{model_name=\"m\"} 2",
            "vllm:request_success_total{finished_reason=\"stop\",model_name=\"m\"} 1",
            "vllm:request_success_total{finished_reason=\"length\",model_name=\"m\"} 0",
            "vllm:time_to_first_token_seconds_count{model_name=\"m\"} 1",
            "vllm:num_requests_running{model_name=\"m\"} 3",
            "vllm:kv_cache_usage_perc{model_name=\"m\"} 0.25",
            "pad_store_up{model_name=\"m\"} 1",
            "pad_steered_tokens_total{model_name=\"m\"} 1",
            "pad_kl_nats_total{model_name=\"m\"} 0.25",
            "# TYPE vllm:prompt_tokens_total counter",
        ] {
            assert!(page.lines().any(|found| found == line), "{line} is in\n{page}");
        }
    }
}
