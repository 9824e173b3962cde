//! Values that are computed once: everything that no step of a stage changes.

use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use candle_core::{Device, Tensor};

use crate::TrainError;
use crate::backbone::Vocabulary;
use crate::layout::{Example, Packed, parts};
use crate::progress::Progress;
use crate::states::{States, cut};
use crate::trainer::{Stop, Trainer};
use crate::workers::in_order;

/// What the frozen layers say of one pair.
#[derive(Debug)]
pub(crate) struct Prepared {
    /// Hidden states before the first trained layer.
    pub trunk: States,
    /// The reference's log-probability of each answer.
    pub reference: [f64; 2],
}

impl Trainer<'_> {
    /// The progress of a phase over the rows of `examples`.
    pub(crate) fn progress(&self, phase: &str, examples: &[&Example]) -> Progress {
        Progress::new(self.verbosity, phase, examples.iter().map(|e| e.rows()).sum(), 0)
    }

    /// The layers that learn.
    pub(crate) fn upper(&self) -> Range<usize> {
        let layers = self.backbone.config().layers;
        self.settings.first_layer(layers)..layers
    }

    /// Runs the frozen layers over every pair once: hidden states below the first trained layer, and the reference's
    /// log-probabilities. None if stopped.
    pub(crate) fn prepare(
        &self,
        examples: &[&Example],
        vocabulary: &Vocabulary,
        progress: Progress,
        stop: Stop<'_>,
    ) -> Result<Option<Vec<Prepared>>, TrainError> {
        // The parts depend on the pairs only, so that a resumed run gets the same numbers.
        self.parts(&parts(examples, self.settings.rows, |e| e.rows()), progress, stop, |part| {
            let packed = Packed::new(part.iter().copied(), self.backbone.ropes());
            let x = self.backbone.embed(&packed.tokens)?;
            let x = self.backbone.layers(x, &packed, 0..self.upper().start, None)?;
            let trunks = cut(&x, part.iter().map(|e| e.rows()))?;
            let x = self.stack(trunks.iter())?;
            let x = self.backbone.layers(x, &packed, self.upper(), None)?;
            let states = self.backbone.read(&x, &packed)?;
            let logs = vocabulary.log_probabilities(&states, &packed.targets, false)?.to_vec1::<f32>()?;
            let sums = sums(&logs, &packed.lengths);
            let all = trunks.into_iter().zip(sums).map(|(trunk, reference)| Prepared { trunk, reference }).collect();
            Ok((all, packed.rows()))
        })
    }

    /// `work` of every part, on all threads: what it gives, and the rows that it took. None if stopped.
    fn parts<T: Sync, R: Send>(
        &self,
        parts: &[T],
        progress: Progress,
        stop: Stop<'_>,
        work: impl Fn(&T) -> Result<(Vec<R>, usize), TrainError> + Sync,
    ) -> Result<Option<Vec<R>>, TrainError> {
        let progress = Mutex::new(progress);
        let all = in_order(self.threads, parts, |part| {
            if stop() {
                return Ok(None);
            }
            let (got, rows) = work(part)?;
            progress.lock().unwrap_or_else(PoisonError::into_inner).advance(rows, None);
            Ok(Some(got))
        })?;
        Ok(all.into_iter().collect::<Option<Vec<_>>>().map(|all| all.into_iter().flatten().collect()))
    }

    /// Kept states, one below the other.
    pub(crate) fn stack<'s>(&self, states: impl Iterator<Item = &'s States>) -> Result<Tensor, TrainError> {
        let hidden = self.backbone.config().hidden;
        let mut values = Vec::new();
        states.for_each(|states| states.append_to(&mut values));
        let rows = values.len() / hidden;
        Ok(Tensor::from_vec(values, (rows, hidden), &Device::Cpu)?)
    }

    /// The final hidden states of what is read, under the adapter. None if stopped.
    pub(crate) fn finals(
        &self,
        examples: &[&Example],
        prepared: &[Prepared],
        progress: Progress,
        stop: Stop<'_>,
    ) -> Result<Option<Vec<States>>, TrainError> {
        let both: Vec<(&Example, &Prepared)> = examples.iter().copied().zip(prepared).collect();
        self.parts(&parts(&both, self.settings.rows, |(e, _)| e.rows()), progress, stop, |part| {
            let packed = Packed::new(part.iter().map(|(e, _)| *e), self.backbone.ropes());
            let mut x = self.stack(part.iter().map(|(_, p)| &p.trunk))?;
            for layer in self.upper() {
                // Detached layer by layer: nothing is kept for a gradient.
                x = self.backbone.layers(x, &packed, layer..layer + 1, self.adapter.as_ref())?.detach();
            }
            let states = self.backbone.read(&x, &packed)?;
            Ok((cut(&states, part.iter().map(|(e, _)| e.targets()))?, packed.rows()))
        })
    }
}

/// Sums over the two answers of each pair.
fn sums(logs: &[f32], lengths: &[[usize; 2]]) -> Vec<[f64; 2]> {
    let mut rest = logs;
    let mut take = |n: usize| {
        let (piece, after) = rest.split_at(n);
        rest = after;
        piece.iter().map(|x| f64::from(*x)).sum()
    };
    lengths.iter().map(|[a, b]| [take(*a), take(*b)]).collect()
}
