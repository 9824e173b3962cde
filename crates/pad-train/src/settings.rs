//! The settings of a training.

use pad_decode::CANDIDATES;
use serde::{Deserialize, Serialize};

use crate::TrainError;
use crate::adapter::Target;

/// Every setting with its default; a file in TOML may give any of them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Whether there is a stage 1 (an adapter) at all.
    pub adapter: bool,
    /// Inner width of the adapter.
    pub rank: usize,
    /// The adapter's scale is `alpha / rank`.
    pub alpha: f32,
    /// The linear layers that have an adapter.
    pub targets: Vec<Target>,
    /// The first layer with an adapter; not given: the upper third has it.
    pub first_layer: Option<usize>,
    /// Inner width of a head.
    pub head_rank: usize,
    /// The longest prompt and answer together, in tokens: answers are cut to fit.
    pub max_tokens: usize,
    /// The longest answer, in tokens: longer ones are cut.
    pub max_answer_tokens: usize,
    /// The most pairs of a dimension; 0 for all.
    pub max_pairs_per_dimension: usize,
    /// Passes over the pairs in stage 1.
    pub epochs: usize,
    /// Passes over a dimension's pairs in stage 2.
    pub stage2_epochs: usize,
    /// Highest learning rate of stage 1.
    pub lr: f64,
    /// Highest learning rate of stage 2.
    pub stage2_lr: f64,
    /// Temperature of the loss.
    pub beta: f64,
    /// Pairs of one step.
    pub batch: usize,
    /// Share of the steps in which the rate rises.
    pub warmup: f64,
    /// Weight decay of the trained parameters, in multiples of the rate.
    pub weight_decay: f32,
    /// Longest gradient; 0 for no limit.
    pub clip: f32,
    /// Whether an answer's log-ratio is divided by its number of tokens (times their mean number); the paper does not.
    pub length_normalised: bool,
    /// Weight of the better answers' own log-probability per token; the paper has none.
    pub anchor: f64,
    /// Whether probabilities are normalised over the whole vocabulary while training, or over the tokens that occur in the pairs,
    /// which is faster and nearly the same.
    pub whole_vocabulary: bool,
    /// Candidates of a decoding step where a request names no other number; it goes into the manifest and changes no weight. The
    /// paper has 10. Among so few, the token that ends a turn is often not found, and no reward can choose it.
    pub top_k: usize,
    /// Rows that are computed together, at most (or one pair).
    pub rows: usize,
    /// Steps from one checkpoint to the next; 0 for none but at an interruption.
    pub checkpoint_steps: usize,
    /// Of all draws.
    pub seed: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            adapter: true,
            rank: 8,
            alpha: 16.0,
            targets: Target::ALL.to_vec(),
            first_layer: None,
            head_rank: 16,
            max_tokens: 256,
            max_answer_tokens: 128,
            max_pairs_per_dimension: 0,
            epochs: 1,
            stage2_epochs: 2,
            lr: 2e-4,
            stage2_lr: 1e-3,
            beta: 0.1,
            batch: 16,
            warmup: 0.05,
            weight_decay: 0.0,
            clip: 1.0,
            length_normalised: false,
            anchor: 0.0,
            whole_vocabulary: true,
            top_k: 40,
            rows: 512,
            checkpoint_steps: 50,
            seed: 0,
        }
    }
}

impl Settings {
    /// From a file's text.
    ///
    /// # Errors
    /// [`TrainError::Setting`] for what cannot be read.
    pub fn from_toml(text: &str) -> Result<Self, TrainError> {
        toml::from_str(text).map_err(|error| TrainError::setting("config", error.to_string()))
    }

    /// Refuse what cannot be used.
    ///
    /// # Errors
    /// [`TrainError::Setting`] naming the setting.
    pub fn check(&self, layers: usize, context: usize) -> Result<(), TrainError> {
        let positive = [
            ("rank", self.rank),
            ("head_rank", self.head_rank),
            ("batch", self.batch),
            ("rows", self.rows),
            ("max_answer_tokens", self.max_answer_tokens),
        ];
        for (field, value) in positive {
            if value == 0 {
                return Err(TrainError::setting(field, "0; 1 is the least"));
            }
        }
        let rates = [("lr", self.lr), ("stage2_lr", self.stage2_lr), ("beta", self.beta)];
        for (field, value) in rates {
            if !(value > 0.0 && value.is_finite()) {
                return Err(TrainError::setting(field, format!("{value}; a positive number is expected")));
            }
        }
        if !(self.anchor >= 0.0 && self.anchor.is_finite()) {
            return Err(TrainError::setting("anchor", format!("{}; a number from 0 is expected", self.anchor)));
        }
        if !CANDIDATES.contains(&self.top_k) {
            let (least, most) = (CANDIDATES.start(), CANDIDATES.end());
            return Err(TrainError::setting("top_k", format!("{}; from {least} to {most}", self.top_k)));
        }
        if !(0.0..=1.0).contains(&self.warmup) {
            return Err(TrainError::setting("warmup", format!("{}; a share from 0 to 1 is expected", self.warmup)));
        }
        if self.max_tokens < 8 || self.max_tokens > context {
            return Err(TrainError::setting("max_tokens", format!("{}; from 8 to {context}", self.max_tokens)));
        }
        if self.first_layer.is_some_and(|first| first >= layers) {
            let first = self.first_layer.unwrap_or_default();
            return Err(TrainError::setting(
                "first_layer",
                format!("{first}; the model has layers 0 to {}", layers - 1),
            ));
        }
        if self.adapter && (self.targets.is_empty() || !(self.alpha > 0.0 && self.alpha.is_finite())) {
            return Err(TrainError::setting("targets", "an adapter needs targets, and an alpha above 0"));
        }
        Ok(())
    }

    /// The first layer with an adapter; without one, the number of layers.
    pub fn first_layer(&self, layers: usize) -> usize {
        if self.adapter { self.first_layer.unwrap_or(layers - layers.div_ceil(3)) } else { layers }
    }
}
