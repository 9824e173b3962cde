//! The training itself: the values computed once, stage 1, stage 2.

use std::path::Path;
use std::sync::Arc;

use crate::adamw::AdamW;
use crate::checkpoint::{self, Position};
use crate::frozen::Prepared;
use crate::heads::Head;
use crate::layout::{Example, Packed, parts};
use crate::objective::Loss;
use crate::progress::{Progress, Recent};
use crate::schedule::{Schedule, rate};
use crate::states::States;
use crate::trainer::{Ending, Stop, Trainer};
use crate::workers::in_order;
use crate::{Settings, TrainError};

impl Trainer<'_> {
    /// Train: both stages, from the checkpoint in `checkpoint` if `resume`. Checkpoints go there; `stop` is asked before
    /// every step.
    ///
    /// # Errors
    /// [`TrainError::Checkpoint`] for one that does not belong to this training, [`TrainError::Diverged`], or what an operation
    /// says.
    pub fn run(&self, folder: &Path, resume: bool, stop: Stop<'_>) -> Result<Ending, TrainError> {
        let (start, saved) = if resume {
            let (start, saved) = checkpoint::read(folder, self)?;
            (start, Some(saved))
        } else {
            (Position::default(), None)
        };
        // Before a first step there is nothing that an optimizer would remember.
        let saved = saved.as_ref().filter(|_| start.step > 0);
        let examples: Vec<&Example> = self.corpus.examples.iter().collect();
        let phase = self.progress("reference", &examples);
        let Some(prepared) = self.prepare(&examples, &self.vocabulary, phase, stop)? else {
            return Ok(Ending::Stopped);
        };
        if start.stage == 1 {
            if self.stage1(&prepared, start, saved, folder, stop)? == Ending::Stopped {
                return Ok(Ending::Stopped);
            }
            checkpoint::write(folder, self, Position { stage: 2, ..Position::default() }, None)?;
        }
        let phase = self.progress("final states", &examples);
        let Some(finals) = self.finals(&examples, &prepared, phase, stop)? else { return Ok(Ending::Stopped) };
        let references: Vec<[f64; 2]> = prepared.iter().map(|p| p.reference).collect();
        drop(prepared);
        let first = if start.stage == 2 { start.dimension } else { 0 };
        for dimension in first..self.dimensions.len() {
            let fresh = Position { stage: 2, dimension, step: 0 };
            let resumed = start.stage == 2 && start.dimension == dimension;
            let (from, saved) = if resumed { (start, saved) } else { (fresh, None) };
            if self.stage2(&finals, &references, from, saved, folder, stop)? == Ending::Stopped {
                return Ok(Ending::Stopped);
            }
        }
        Ok(Ending::Finished)
    }

    fn stage1(
        &self,
        prepared: &[Prepared],
        from: Position,
        saved: Option<&checkpoint::Saved>,
        folder: &Path,
        stop: Stop<'_>,
    ) -> Result<Ending, TrainError> {
        let Some(adapter) = &self.adapter else { return Ok(Ending::Finished) };
        let mut optimizer = AdamW::new(adapter.variables(), self.settings.weight_decay);
        if let Some(saved) = saved {
            optimizer.restore(from.step, |name, len| saved.find(name, len))?;
        }
        let all: Vec<usize> = (0..self.corpus.examples.len()).collect();
        let Settings { seed, batch, epochs, .. } = self.settings;
        let schedule = Schedule::new(seed, batch, &all, epochs, 1000);
        let size = |i: &usize| self.corpus.examples[*i].rows();
        self.steps("stage 1", &schedule, &mut optimizer, from, self.settings.lr, folder, stop, size, |batch| {
            self.pass1(&batch.iter().map(|i| (&self.corpus.examples[*i], &prepared[*i])).collect::<Vec<_>>())
        })
    }

    /// Loss of some pairs under the adapter.
    pub(crate) fn pass1(&self, batch: &[(&Example, &Prepared)]) -> Result<Loss, TrainError> {
        let packed = Packed::new(batch.iter().map(|(example, _)| *example), self.backbone.ropes());
        let x = self.stack(batch.iter().map(|(_, prepared)| &prepared.trunk))?;
        let x = self.backbone.layers(x, &packed, self.upper(), self.adapter.as_ref())?;
        let states = self.backbone.read(&x, &packed)?;
        let logs = self.vocabulary.log_probabilities(&states, &packed.targets, true)?;
        let references: Vec<[f64; 2]> = batch.iter().map(|(_, prepared)| prepared.reference).collect();
        self.objective.loss(&logs, &packed.lengths, &references)
    }

    fn stage2(
        &self,
        finals: &[States],
        references: &[[f64; 2]],
        from: Position,
        saved: Option<&checkpoint::Saved>,
        folder: &Path,
        stop: Stop<'_>,
    ) -> Result<Ending, TrainError> {
        let (name, head) = (&self.dimensions[from.dimension], &self.heads[from.dimension]);
        let mut optimizer = AdamW::new(head.variables(name), self.settings.weight_decay);
        if let Some(saved) = saved {
            optimizer.restore(from.step, |name, len| saved.find(name, len))?;
        }
        let examples = &self.corpus.examples;
        let own: Vec<usize> = (0..examples.len()).filter(|i| examples[*i].dimension == from.dimension).collect();
        let Settings { seed, batch, stage2_epochs, .. } = self.settings;
        let schedule = Schedule::new(seed, batch, &own, stage2_epochs, 2000 + 1000 * from.dimension as u64);
        let size = |i: &usize| examples[*i].targets();
        let phase = format!("stage 2, {name}");
        self.steps(&phase, &schedule, &mut optimizer, from, self.settings.stage2_lr, folder, stop, size, |batch| {
            let of = |i: &usize| (&examples[*i], &finals[*i], references[*i]);
            self.pass2(&batch.iter().map(of).collect::<Vec<_>>(), head)
        })
    }

    /// Loss of some pairs under a head: each with its final hidden states and its reference.
    pub(crate) fn pass2(&self, batch: &[(&Example, &States, [f64; 2])], head: &Head) -> Result<Loss, TrainError> {
        let targets: Vec<u32> = batch.iter().flat_map(|(e, ..)| e.answers.concat()).collect();
        let lengths: Vec<[usize; 2]> = batch.iter().map(|(e, ..)| e.answers.each_ref().map(Vec::len)).collect();
        let mut states = Vec::new();
        batch.iter().for_each(|(_, finals, _)| finals.append_to(&mut states));
        let states = head.forward(Arc::new(states), self.backbone.pool())?;
        let logs = self.vocabulary.log_probabilities(&states, &targets, true)?;
        let references: Vec<[f64; 2]> = batch.iter().map(|(.., reference)| *reference).collect();
        self.objective.loss(&logs, &lengths, &references)
    }

    /// The steps of one optimizer, from a position on.
    #[expect(clippy::too_many_arguments, reason = "both stages are these steps, with their own of each")]
    fn steps(
        &self,
        phase: &str,
        schedule: &Schedule,
        optimizer: &mut AdamW,
        from: Position,
        highest: f64,
        folder: &Path,
        stop: Stop<'_>,
        size: impl Fn(&usize) -> usize,
        pass: impl Fn(&[usize]) -> Result<Loss, TrainError> + Sync,
    ) -> Result<Ending, TrainError> {
        let total: usize =
            (0..schedule.steps()).map(|step| schedule.batch(step).iter().map(&size).sum::<usize>()).sum();
        let done = (0..from.step).map(|step| schedule.batch(step).iter().map(&size).sum::<usize>()).sum();
        let mut progress = Progress::new(self.verbosity, phase, total, done);
        let mut recent = Recent::<2>::default();
        let every = self.settings.checkpoint_steps;
        for step in from.step..schedule.steps() {
            let here = Position { step, ..from };
            if stop() {
                checkpoint::write(folder, self, here, Some(optimizer))?;
                return Ok(Ending::Stopped);
            }
            if every > 0 && step > from.step && step.is_multiple_of(every) {
                checkpoint::write(folder, self, here, Some(optimizer))?;
            }
            let mut batch = schedule.batch(step);
            // Like with like: the pairs that are computed together are of similar length.
            batch.sort_by_key(|i| (size(i), *i));
            let share = 1.0 / batch.len() as f64;
            let passes = in_order(self.threads, &parts(&batch, self.settings.rows, &size), |part| {
                let got = pass(part)?;
                let mean = (got.sum * share)?;
                let right = got.margins.iter().filter(|m| **m > 0.0).count() as f64;
                Ok((f64::from(mean.to_scalar::<f32>()?), right, mean.backward()?))
            })?;
            let (mut loss, mut right) = (0.0, 0.0);
            for (part_loss, part_right, gradients) in passes {
                (loss, right) = (loss + part_loss, right + part_right);
                optimizer.accumulate(&gradients)?;
            }
            let tokens = batch.iter().map(&size).sum();
            optimizer.step(rate(highest, step, schedule.steps(), self.settings.warmup), self.settings.clip)?;
            recent.add([loss, right * share]);
            progress.advance(tokens, Some(&recent));
        }
        Ok(Ending::Finished)
    }
}
