//! Evaluation on held-out pairs.

use std::sync::Arc;

use candle_core::{Device, Tensor};

use crate::TrainError;
use crate::accuracy::Accuracy;
use crate::corpus::Corpus;
use crate::layout::Example;
use crate::trainer::{Stop, Trainer};
use crate::workers::in_order;

impl Trainer<'_> {
    /// Pairs told right: by the adapter alone, and by their dimension's head.
    ///
    /// # Errors
    /// If an operation fails. None if stopped.
    pub fn evaluate(&self, held_out: &Corpus, stop: Stop<'_>) -> Result<Option<Vec<[Accuracy; 2]>>, TrainError> {
        let examples: Vec<&Example> = held_out.examples.iter().collect();
        let whole = self.backbone.vocabulary();
        let Some(prepared) =
            self.prepare(&examples, &whole, self.progress("held-out pairs, reference", &examples), stop)?
        else {
            return Ok(None);
        };
        let Some(finals) =
            self.finals(&examples, &prepared, self.progress("held-out pairs, final states", &examples), stop)?
        else {
            return Ok(None);
        };
        let kept: Vec<_> = examples.iter().zip(&prepared).zip(&finals).map(|((e, p), f)| (*e, p, f)).collect();
        let margins = in_order(self.threads, &kept, |(example, prepared, finals)| {
            let (lengths, targets) = ([example.answers.each_ref().map(Vec::len)], example.answers.concat());
            let mut states = Vec::new();
            finals.append_to(&mut states);
            let plain = Tensor::from_slice(&states, (targets.len(), self.backbone.config().hidden), &Device::Cpu)?;
            let headed = self.heads[example.dimension].forward(Arc::new(states), self.backbone.pool())?.detach();
            let margin = |states: &Tensor| -> Result<f32, TrainError> {
                let logs = whole.log_probabilities(states, &targets, false)?;
                Ok(self.objective.loss(&logs, &lengths, &[prepared.reference])?.margins[0])
            };
            Ok([margin(&plain)?, margin(&headed)?])
        })?;
        let mut all = vec![[Accuracy::default(); 2]; self.dimensions.len()];
        for (example, margins) in examples.iter().zip(margins) {
            all[example.dimension].iter_mut().zip(margins).for_each(|(accuracy, margin)| accuracy.add(margin));
        }
        Ok(Some(all))
    }
}
