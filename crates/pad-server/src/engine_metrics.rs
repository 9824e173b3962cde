//! The engine's own figures, copied from its status at each scrape.

use std::sync::{Mutex, PoisonError};

use pad_engine::{BLOCK, Status};
use prometheus::{Gauge, IntCounter, IntGauge, IntGaugeVec, Opts, Registry};

use crate::queue_time::QueueTimeMetric;

/// Gauges and counters that mirror [`Status`].
pub(crate) struct EngineMetrics {
    running: IntGauge,
    waiting: IntGauge,
    kv_usage: Gauge,
    kv_blocks_cached: IntGauge,
    lanes_running: IntGauge,
    cache_config: IntGaugeVec,
    queue_times: QueueTimeMetric,
    counters: Vec<Mirrored>,
    /// Two scrapes at once must not both add the same difference.
    scrape: Mutex<()>,
}

/// A counter and where its value comes from.
struct Mirrored {
    counter: IntCounter,
    value: fn(&Status) -> u64,
}

impl EngineMetrics {
    pub(crate) fn register(registry: &Registry) -> prometheus::Result<Self> {
        let int_gauge = |name: &str, help: &str| -> prometheus::Result<IntGauge> {
            let gauge = IntGauge::new(name, help)?;
            registry.register(Box::new(gauge.clone()))?;
            Ok(gauge)
        };
        let kv_usage = Gauge::new("vllm:kv_cache_usage_perc", "Share of the KV cache that sequences hold; 1 is full.")?;
        registry.register(Box::new(kv_usage.clone()))?;
        let cache_config =
            Opts::new("vllm:cache_config_info", "The KV cache: positions of a block, and blocks in all.");
        let cache_config = IntGaugeVec::new(cache_config, &["block_size", "num_gpu_blocks"])?;
        registry.register(Box::new(cache_config.clone()))?;
        let counters = MIRRORED.iter().map(|&(name, help, value)| {
            let counter = IntCounter::new(name, help)?;
            registry.register(Box::new(counter.clone()))?;
            Ok(Mirrored { counter, value })
        });
        Ok(Self {
            running: int_gauge("vllm:num_requests_running", "Sequences being decoded.")?,
            waiting: int_gauge("vllm:num_requests_waiting", "Sequences waiting for admission.")?,
            kv_usage,
            kv_blocks_cached: int_gauge("pad_kv_blocks_cached", "KV blocks that nobody holds but that can be reused.")?,
            lanes_running: int_gauge("pad_lanes_running", "Base and reward lanes of the sequences being decoded.")?,
            cache_config,
            queue_times: QueueTimeMetric::register(registry)?,
            counters: counters.collect::<prometheus::Result<_>>()?,
            scrape: Mutex::new(()),
        })
    }

    /// Bring the figures up to date.
    pub(crate) fn read(&self, status: &Status) {
        let _one_at_a_time = self.scrape.lock().unwrap_or_else(PoisonError::into_inner);
        self.running.set(status.running.cast_signed());
        self.waiting.set(status.waiting.cast_signed());
        self.kv_blocks_cached.set(status.kv_blocks_cached.cast_signed());
        self.kv_usage.set(status.kv_usage());
        self.lanes_running.set(status.lanes_running.cast_signed());
        self.queue_times.set(status.queue_times);
        let labels = [BLOCK.to_string(), status.kv_blocks_total.to_string()];
        self.cache_config.with_label_values(&labels.each_ref().map(String::as_str)).set(1);
        for Mirrored { counter, value } in &self.counters {
            counter.inc_by(value(status).saturating_sub(counter.get()));
        }
    }
}

type Row = (&'static str, &'static str, fn(&Status) -> u64);

const MIRRORED: [Row; 13] = [
    ("pad_engine_steps_total", "Lockstep steps run.", |s| s.steps),
    ("pad_engine_model_microseconds_total", "Time spent in the model.", |s| s.model_micros),
    ("pad_engine_scheduler_microseconds_total", "Time spent planning and committing steps.", |s| s.scheduler_micros),
    ("pad_engine_tokens_prefilled_total", "Prompt rows computed, all lanes together.", |s| s.tokens_prefilled),
    ("pad_engine_reward_rows_total", "Rows of reward lanes computed.", |s| s.reward_rows),
    (
        "pad_engine_reward_microseconds_total",
        "Time of the model that went to reward lanes, by their rows and layers in each batch, and to reading rewards.",
        |s| s.reward_micros,
    ),
    ("pad_engine_tokens_steered_total", "Tokens that were not the base model's first choice.", |s| s.tokens_steered),
    ("pad_engine_sequences_finished_total", "Sequences that were completed.", |s| s.finished),
    ("pad_engine_sequences_cancelled_total", "Sequences whose client disconnected.", |s| s.cancelled),
    ("vllm:prefix_cache_queries_total", "Prompt tokens looked up in the cache, all lanes together.", |s| {
        s.tokens_cached + s.tokens_prefilled
    }),
    ("vllm:prefix_cache_hits_total", "Prompt tokens found in the cache, all lanes together.", |s| s.tokens_cached),
    ("vllm:num_preemptions_total", "Sequences that gave their KV blocks back and began again.", |s| s.preempted),
    ("pad_engine_sequences_failed_total", "Sequences that failed.", |s| s.failed),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_follow_the_status_and_never_fall() {
        let metrics = EngineMetrics::register(&Registry::new()).expect("names are valid");
        let steps = |metrics: &EngineMetrics| metrics.counters[0].counter.get();
        metrics.read(&Status { steps: 5, ..Status::default() });
        metrics.read(&Status { steps: 5, ..Status::default() });
        assert_eq!(steps(&metrics), 5);
        metrics.read(&Status { steps: 9, ..Status::default() });
        assert_eq!(steps(&metrics), 9);
        metrics.read(&Status::default());
        assert_eq!(steps(&metrics), 9);
    }
}
