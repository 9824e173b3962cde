//! The settings of a distillation.

use pad_decode::CANDIDATES;
use serde::{Deserialize, Serialize};

use crate::TrainError;

/// Every setting with its default.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DistilSettings {
    /// Inner width of a head.
    pub head_rank: usize,
    /// Passes over the tokens of the traces.
    pub epochs: usize,
    /// Highest learning rate.
    pub lr: f64,
    /// Tokens of one step.
    pub batch: usize,
    /// Share of the steps in which the rate rises.
    pub warmup: f64,
    /// Weight decay of the trained parameters, in multiples of the rate.
    pub weight_decay: f32,
    /// Share of the prompts that are kept to measure the heads.
    pub held_out_share: f64,
    /// Candidates of a decoding step where a request names no other number; it goes into the manifest.
    pub top_k: usize,
    /// Rows that the model computes together, at most (or those of one answer).
    pub rows: usize,
    /// Steps from one checkpoint to the next; 0 for none but at an interruption.
    pub checkpoint_steps: usize,
    /// Of all draws.
    pub seed: u64,
}

impl Default for DistilSettings {
    fn default() -> Self {
        Self {
            head_rank: 64,
            epochs: 8,
            lr: 2e-3,
            batch: 256,
            warmup: 0.02,
            weight_decay: 0.05,
            held_out_share: 0.1,
            top_k: 40,
            rows: 512,
            checkpoint_steps: 200,
            seed: 0,
        }
    }
}

impl DistilSettings {
    /// Refuses what cannot be used.
    ///
    /// # Errors
    /// [`TrainError::Setting`] naming the setting.
    pub fn check(&self) -> Result<(), TrainError> {
        let positive =
            [("head_rank", self.head_rank), ("epochs", self.epochs), ("batch", self.batch), ("rows", self.rows)];
        for (field, value) in positive {
            if value == 0 {
                return Err(TrainError::setting(field, "0; 1 is the least"));
            }
        }
        if !(self.lr > 0.0 && self.lr.is_finite()) {
            return Err(TrainError::setting("lr", format!("{}; a positive number is expected", self.lr)));
        }
        if !(self.weight_decay >= 0.0 && self.weight_decay.is_finite()) {
            let message = format!("{}; a number from 0 is expected", self.weight_decay);
            return Err(TrainError::setting("weight_decay", message));
        }
        if !(0.0..=1.0).contains(&self.warmup) {
            return Err(TrainError::setting("warmup", format!("{}; a share from 0 to 1 is expected", self.warmup)));
        }
        if !(0.0..1.0).contains(&self.held_out_share) {
            let message = format!("{}; a share from 0 to less than 1 is expected", self.held_out_share);
            return Err(TrainError::setting("held_out_share", message));
        }
        if !CANDIDATES.contains(&self.top_k) {
            let (least, most) = (CANDIDATES.start(), CANDIDATES.end());
            return Err(TrainError::setting("top_k", format!("{}; from {least} to {most}", self.top_k)));
        }
        Ok(())
    }
}
