//! The figures of a level: counts, rates and latencies.

use std::time::Duration;

use pad_client::TokenUsage;
use serde::Serialize;

use super::answer::Answer;
use super::level::Outcome;
use crate::quantile::{median, quantile};

/// A pace that makes an answer a good one.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Pace {
    /// Longest wait for the first words, in milliseconds.
    pub ttft_ms: f64,
    /// Longest mean time between tokens, in milliseconds.
    pub itl_ms: f64,
}

/// The figures of one server at one level: of one round, or of several together.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Figures {
    /// Requests sent.
    pub requests: usize,
    /// Requests that failed.
    pub failures: usize,
    /// Why the first of them failed, long prompts included.
    pub first_error: Option<String>,
    /// Tokens of all answers, as the server counted them.
    pub completion_tokens: u64,
    /// Chunks with words of all answers.
    pub chunks: u64,
    /// Long prompts that were read meanwhile.
    pub long_prompts: usize,
    /// Long prompts that failed.
    pub long_prompt_failures: usize,
    /// What is not counted but measured.
    #[serde(flatten)]
    pub rates: Rates,
}

/// Rates and latencies; none where nothing was there to be measured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Rates {
    /// Tokens of a prompt as the server counted them, its template included; the median.
    pub prompt_tokens: Option<f64>,
    /// Tokens of a prompt that the server found in a cache; the median.
    pub cached_tokens: Option<f64>,
    /// The same as `prompt_tokens`, of long prompts.
    pub long_prompt_tokens: Option<f64>,
    /// Tokens of all answers per second.
    pub tokens_per_second: Option<f64>,
    /// Time to the first words.
    pub ttft_ms_p50: Option<f64>,
    /// Time to the first words.
    pub ttft_ms_p95: Option<f64>,
    /// Time between chunks with words.
    pub itl_ms_p50: Option<f64>,
    /// Time between chunks with words.
    pub itl_ms_p95: Option<f64>,
    /// Time between chunks with words.
    pub itl_ms_p99: Option<f64>,
    /// Time to the end of the answer.
    pub e2e_ms_p50: Option<f64>,
    /// Share of requests with an answer at a good pace.
    pub goodput: Option<f64>,
}

fn millis(time: Duration) -> f64 {
    1e3 * time.as_secs_f64()
}

impl Pace {
    fn is_kept(self, answer: &Answer) -> bool {
        answer.first.is_some_and(|first| millis(first) <= self.ttft_ms)
            && answer.per_token().is_none_or(|time| millis(time) <= self.itl_ms)
    }
}

impl Figures {
    /// The figures of one round.
    pub fn of(outcome: &Outcome, good: Pace) -> Self {
        let answers: Vec<&Answer> = outcome.streams.iter().flatten().collect();
        let long: Vec<&Answer> = outcome.long_prompts.iter().flatten().collect();
        let mut errors = outcome.streams.iter().chain(&outcome.long_prompts).filter_map(|sent| sent.as_ref().err());
        let completion_tokens = answers.iter().map(|answer| answer.tokens()).sum();
        let usage = |of: fn(&TokenUsage) -> Option<u64>, answers: &[&Answer]| {
            let counts = answers.iter().filter_map(|answer| of(answer.usage.as_ref()?));
            median(&counts.map(|count| count as f64).collect::<Vec<_>>())
        };
        let first: Vec<f64> = answers.iter().filter_map(|answer| answer.first).map(millis).collect();
        let gaps: Vec<f64> = answers.iter().flat_map(|answer| &answer.gaps).copied().map(millis).collect();
        let totals: Vec<f64> = answers.iter().map(|answer| millis(answer.total)).collect();
        let kept = answers.iter().filter(|answer| good.is_kept(answer)).count();
        let requests = outcome.streams.len();
        let rates = Rates {
            prompt_tokens: usage(|usage| Some(usage.prompt_tokens), &answers),
            cached_tokens: usage(TokenUsage::cached_tokens, &answers),
            long_prompt_tokens: usage(|usage| Some(usage.prompt_tokens), &long),
            tokens_per_second: (!answers.is_empty()).then(|| completion_tokens as f64 / outcome.wall.as_secs_f64()),
            ttft_ms_p50: quantile(&first, 0.5),
            ttft_ms_p95: quantile(&first, 0.95),
            itl_ms_p50: quantile(&gaps, 0.5),
            itl_ms_p95: quantile(&gaps, 0.95),
            itl_ms_p99: quantile(&gaps, 0.99),
            e2e_ms_p50: quantile(&totals, 0.5),
            goodput: (requests > 0).then(|| kept as f64 / requests as f64),
        };
        Self {
            requests,
            failures: requests - answers.len(),
            first_error: errors.next().map(ToString::to_string),
            completion_tokens,
            chunks: answers.iter().map(|answer| answer.chunks).sum(),
            long_prompts: long.len(),
            long_prompt_failures: outcome.long_prompts.len() - long.len(),
            rates,
        }
    }

    /// All rounds together: sums of what is counted, medians of what is measured.
    pub fn together(rounds: &[Self]) -> Self {
        let middle = |of: fn(&Rates) -> Option<f64>| {
            median(&rounds.iter().filter_map(|round| of(&round.rates)).collect::<Vec<_>>())
        };
        Self {
            requests: rounds.iter().map(|round| round.requests).sum(),
            failures: rounds.iter().map(|round| round.failures).sum(),
            first_error: rounds.iter().find_map(|round| round.first_error.clone()),
            completion_tokens: rounds.iter().map(|round| round.completion_tokens).sum(),
            chunks: rounds.iter().map(|round| round.chunks).sum(),
            long_prompts: rounds.iter().map(|round| round.long_prompts).sum(),
            long_prompt_failures: rounds.iter().map(|round| round.long_prompt_failures).sum(),
            rates: Rates {
                prompt_tokens: middle(|rates| rates.prompt_tokens),
                cached_tokens: middle(|rates| rates.cached_tokens),
                long_prompt_tokens: middle(|rates| rates.long_prompt_tokens),
                tokens_per_second: middle(|rates| rates.tokens_per_second),
                ttft_ms_p50: middle(|rates| rates.ttft_ms_p50),
                ttft_ms_p95: middle(|rates| rates.ttft_ms_p95),
                itl_ms_p50: middle(|rates| rates.itl_ms_p50),
                itl_ms_p95: middle(|rates| rates.itl_ms_p95),
                itl_ms_p99: middle(|rates| rates.itl_ms_p99),
                e2e_ms_p50: middle(|rates| rates.e2e_ms_p50),
                goodput: middle(|rates| rates.goodput),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use pad_client::ClientError;

    use super::*;

    fn answer(first: u64, gaps: &[u64]) -> Answer {
        let gaps: Vec<Duration> = gaps.iter().copied().map(Duration::from_millis).collect();
        let first = Duration::from_millis(first);
        let (chunks, total) = (1 + gaps.len() as u64, first + gaps.iter().sum::<Duration>());
        Answer { first: Some(first), gaps, total, chunks, usage: None }
    }

    #[test]
    fn a_round_is_counted_and_measured() {
        let streams = vec![
            Ok(answer(100, &[10, 10])),
            Err(ClientError::Stream("refused".to_owned())),
            Ok(answer(300, &[10, 50])),
            Ok(answer(2000, &[1, 1])),
        ];
        let long_prompts = vec![Ok(answer(500, &[])), Err(ClientError::Stream("too long".to_owned()))];
        let outcome = Outcome { streams, long_prompts, wall: Duration::from_secs(3) };
        let found = Figures::of(&outcome, Pace { ttft_ms: 1000.0, itl_ms: 25.0 });
        assert_eq!((found.requests, found.failures, found.long_prompts, found.long_prompt_failures), (4, 1, 1, 1));
        assert_eq!((found.completion_tokens, found.chunks), (9, 9));
        assert_eq!(found.first_error.as_deref(), Some("refused"));
        let near = |value: Option<f64>, expected: f64| assert!((value.unwrap() - expected).abs() < 1e-6, "{value:?}");
        near(found.rates.tokens_per_second, 3.0);
        near(found.rates.ttft_ms_p50, 300.0);
        near(found.rates.itl_ms_p99, 48.0);
        near(found.rates.e2e_ms_p50, 360.0);
        // One is late, one is slow (30 ms a token), one has failed.
        near(found.rates.goodput, 0.25);
        assert_eq!(found.rates.prompt_tokens, None, "the servers did not count");
    }

    #[test]
    fn rounds_are_summed_or_their_median_is_taken() {
        let round = |failures, speed| Figures {
            requests: 4,
            failures,
            rates: Rates { tokens_per_second: speed, ..Rates::default() },
            ..Figures::default()
        };
        let rounds = [round(0, Some(10.0)), round(4, None), round(1, Some(30.0)), round(0, Some(12.0))];
        let all = Figures::together(&rounds);
        assert_eq!((all.requests, all.failures, all.rates.tokens_per_second), (16, 5, Some(12.0)));
    }
}
