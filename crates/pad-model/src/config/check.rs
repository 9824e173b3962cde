//! Shapes that cannot be run are rejected before anything is read.

use std::path::Path;

use super::ModelConfig;
use crate::ModelError;

/// No figure of a shape is larger: products of two do not overflow, and no model comes near.
const LARGEST: usize = 1 << 24;

/// No head is wider.
const LARGEST_HEAD: usize = 1 << 12;

/// A model has no more layers.
const MOST_LAYERS: usize = 1 << 12;

impl ModelConfig {
    /// Refuse a shape that cannot be run, naming the figure.
    pub(crate) fn check(self, path: &Path) -> Result<Self, ModelError> {
        match self.problem() {
            Some(message) => Err(ModelError::config(path, message)),
            None => Ok(self),
        }
    }

    fn problem(&self) -> Option<String> {
        let figures = [
            ("vocabulary size", self.vocabulary, LARGEST),
            ("hidden size", self.hidden, LARGEST),
            ("intermediate size", self.intermediate, LARGEST),
            ("number of layers", self.layers, MOST_LAYERS),
            ("number of heads", self.heads, LARGEST),
            ("number of KV heads", self.kv_heads, LARGEST),
            ("context length", self.context, LARGEST),
        ];
        if let Some((name, value, most)) = figures.iter().find(|(_, value, most)| !(1..=*most).contains(value)) {
            return Some(format!("{name} is {value}; 1 to {most} are allowed"));
        }
        if !self.heads.is_multiple_of(self.kv_heads) {
            return Some(format!("{} heads are not a multiple of {} KV heads", self.heads, self.kv_heads));
        }
        if !(1..=LARGEST_HEAD).contains(&self.head_dim) || !self.head_dim.is_multiple_of(2) {
            return Some(format!("head dimension {} is not an even number from 2 to {LARGEST_HEAD}", self.head_dim));
        }
        if self.heads > LARGEST / self.head_dim {
            return Some(format!("{} heads of {} are more than {LARGEST} values", self.heads, self.head_dim));
        }
        if let Some(experts) = self.experts.filter(|e| e.count > 4096 || !(1..=e.count).contains(&e.used)) {
            let (used, count) = (experts.used, experts.count);
            return Some(format!("{used} of {count} experts are used; at least 1 of at most 4096 are allowed"));
        }
        self.wrong_number()
    }

    /// Invalid sizes.
    fn wrong_number(&self) -> Option<String> {
        let positive = |value: f32| value.is_finite() && value > 0.0;
        if !(self.norm_eps.is_finite() && self.norm_eps >= 0.0) {
            return Some(format!("the norms' epsilon {} is not a number of at least 0", self.norm_eps));
        }
        for rope in &self.ropes {
            if !positive(rope.theta) {
                return Some(format!("the base of the rotary frequencies {} is not a positive number", rope.theta));
            }
            if !positive(rope.amplitude) {
                return Some(format!("rope scaling: amplitude {} is not a positive number", rope.amplitude));
            }
            if let Some(bad) = rope.scaling.numbers().into_iter().find(|number| !positive(*number)) {
                return Some(format!("rope scaling: {bad} is not a positive number"));
            }
            let (dimensions, head) = (rope.dimensions, self.head_dim);
            if !(2..=head).contains(&dimensions) || !dimensions.is_multiple_of(2) {
                return Some(format!(
                    "{dimensions} rotated values of a head of {head}; an even number of them are allowed"
                ));
            }
            if let pad_kernels::RopeScaling::Factors(factors) = &rope.scaling
                && factors.len() != dimensions / 2
            {
                let (found, wanted) = (factors.len(), dimensions / 2);
                return Some(format!("rope scaling: {found} factors, {wanted} are needed"));
            }
        }
        let caps = self.rules.iter().map(|rule| ("attention's soft cap", rule.soft_cap));
        let scales = self.rules.iter().map(|rule| ("attention's scale", Some(rule.scale)));
        let others = [("the logits' soft cap", self.logit_cap), ("embeddings' scale", Some(self.embedding_scale))];
        let numbers = caps.chain(scales).chain(others);
        let wrong = numbers.filter_map(|(name, value)| Some((name, value?))).find(|(_, value)| !positive(*value));
        wrong.map(|(name, value)| format!("{name} is {value}; a positive number is allowed"))
    }
}
