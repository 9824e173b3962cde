//! The histogram of the engine's queue times, made from its counts at each scrape.

use std::sync::{Arc, Mutex, PoisonError};

use pad_engine::{QUEUE_TIME_BOUNDS, QueueTimes};
use prometheus::core::{Collector, Desc};
use prometheus::proto::{Bucket, Histogram, Metric, MetricFamily, MetricType};
use prometheus::{Opts, Registry, core::Describer};

const NAME: &str = "vllm:request_queue_time_seconds";
const HELP: &str = "From a sequence's submission to its first admission.";

/// Queue times as Prometheus reads them. Clones show the same counts.
#[derive(Clone)]
pub(crate) struct QueueTimeMetric {
    times: Arc<Mutex<QueueTimes>>,
    desc: Desc,
}

impl QueueTimeMetric {
    /// No times yet.
    pub(crate) fn register(registry: &Registry) -> prometheus::Result<Self> {
        let metric = Self { times: Arc::default(), desc: Opts::new(NAME, HELP).describe()? };
        registry.register(Box::new(metric.clone()))?;
        Ok(metric)
    }

    /// Bring the counts up to date.
    pub(crate) fn set(&self, times: QueueTimes) {
        *self.times.lock().unwrap_or_else(PoisonError::into_inner) = times;
    }
}

impl Collector for QueueTimeMetric {
    fn desc(&self) -> Vec<&Desc> {
        vec![&self.desc]
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let times = *self.times.lock().unwrap_or_else(PoisonError::into_inner);
        let mut below = 0;
        let buckets = QUEUE_TIME_BOUNDS.iter().zip(times.counts).map(|(bound, count)| {
            below += count;
            let mut bucket = Bucket::default();
            bucket.set_upper_bound(*bound);
            bucket.set_cumulative_count(below);
            bucket
        });
        let mut histogram = Histogram::default();
        histogram.set_bucket(buckets.collect());
        histogram.set_sample_count(times.counts.iter().sum());
        histogram.set_sample_sum(times.micros as f64 / 1e6);
        let mut metric = Metric::default();
        metric.set_histogram(histogram);
        let mut family = MetricFamily::default();
        family.set_name(NAME.to_owned());
        family.set_help(HELP.to_owned());
        family.set_field_type(MetricType::HISTOGRAM);
        family.set_metric(vec![metric]);
        vec![family]
    }
}

#[cfg(test)]
mod tests {
    use prometheus::{Encoder, TextEncoder};

    use super::*;

    #[test]
    fn buckets_hold_all_that_are_at_most_their_bound() {
        let registry = Registry::new();
        let metric = QueueTimeMetric::register(&registry).expect("a valid name");
        let mut times = QueueTimes { micros: 61_000_000, ..QueueTimes::default() };
        (times.counts[0], times.counts[1], times.counts[16]) = (2, 1, 1);
        metric.set(times);
        let mut page = Vec::new();
        TextEncoder::new().encode(&registry.gather(), &mut page).expect("text");
        let page = String::from_utf8(page).expect("UTF-8");
        for line in [
            "vllm:request_queue_time_seconds_bucket{le=\"0.001\"} 2",
            "vllm:request_queue_time_seconds_bucket{le=\"120\"} 3",
            "vllm:request_queue_time_seconds_bucket{le=\"+Inf\"} 4",
            "vllm:request_queue_time_seconds_sum 61",
            "vllm:request_queue_time_seconds_count 4",
        ] {
            assert!(page.lines().any(|found| found == line), "{line} is in\n{page}");
        }
    }
}
