//! The training itself: what is computed once, stage 1, stage 2.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use candle_core::{Device, Tensor};

use crate::accuracy::Accuracy;
use crate::adamw::{AdamW, rate};
use crate::adapter::Adapter;
use crate::backbone::{Backbone, Vocabulary};
use crate::checkpoint::{self, Position};
use crate::corpus::Corpus;
use crate::draws::Draws;
use crate::heads::Head;
use crate::layout::{Example, Packed, parts};
use crate::objective::{Loss, Objective};
use crate::progress::{Progress, Recent, Verbosity};
use crate::states::States;
use crate::workers::in_order;
use crate::{Settings, TrainError};

/// A training from its pairs to what it learns.
#[derive(Debug)]
pub struct Trainer<'a> {
    pub(crate) settings: Settings,
    pub(crate) backbone: &'a Backbone,
    /// Names of the dimensions.
    pub dimensions: Vec<String>,
    pub(crate) corpus: Corpus,
    /// What probabilities are normalised over while training.
    pub(crate) vocabulary: Vocabulary,
    objective: Objective,
    pub(crate) threads: usize,
    verbosity: Verbosity,
    /// What stage 1 learns.
    pub adapter: Option<Adapter>,
    /// What stage 2 learns, one per dimension.
    pub heads: Vec<Head>,
}

/// Asked before every step whether to stop.
pub type Stop<'a> = &'a (dyn Fn() -> bool + Sync);

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Both stages are done.
    Finished,
    /// It was asked to stop; a checkpoint is written where there was something to keep.
    Stopped,
}

/// What the frozen layers say of one pair.
#[derive(Debug)]
pub(crate) struct Prepared {
    /// Hidden states before the first layer that learns.
    pub trunk: States,
    /// The reference's log-probability of each answer.
    pub reference: [f64; 2],
}

impl<'a> Trainer<'a> {
    /// Ready to start: the adapter and the heads change nothing yet.
    ///
    /// # Errors
    /// [`TrainError::Setting`] for settings that do not fit the model, or for no pairs.
    pub fn new(
        settings: Settings,
        backbone: &'a Backbone,
        dimensions: Vec<String>,
        corpus: Corpus,
        threads: usize,
        verbosity: Verbosity,
    ) -> Result<Self, TrainError> {
        let config = backbone.config();
        settings.check(config.layers, config.context)?;
        if corpus.examples.is_empty() {
            return Err(TrainError::setting("data", "no pair is left to train on"));
        }
        let first = settings.first_layer(config.layers);
        let adapter = if settings.adapter {
            let size = (settings.rank, settings.alpha);
            let mut draws = Draws::new(settings.seed, 1);
            Some(Adapter::new(config, first..config.layers, size, &settings.targets, &mut draws)?)
        } else {
            None
        };
        let head = |i: usize| Head::new(config.hidden, settings.head_rank, &mut Draws::new(settings.seed, 100 + i as u64));
        let heads = (0..dimensions.len()).map(head).collect::<Result<_, _>>()?;
        let mean = corpus.targets() as f64 / (2 * corpus.examples.len()) as f64;
        let mean_length = settings.length_normalised.then_some(mean);
        let objective = Objective { beta: settings.beta, mean_length };
        let vocabulary = if settings.whole_vocabulary {
            backbone.vocabulary()
        } else {
            backbone.part_of_vocabulary(corpus.tokens())
        };
        Ok(Self { settings, backbone, dimensions, corpus, vocabulary, objective, threads, verbosity, adapter, heads })
    }

    fn progress(&self, phase: &str, examples: &[&Example]) -> Progress {
        Progress::new(self.verbosity, phase, examples.iter().map(|e| e.rows()).sum(), 0)
    }

    /// The layers that learn.
    fn upper(&self) -> Range<usize> {
        let layers = self.backbone.config().layers;
        self.settings.first_layer(layers)..layers
    }

    /// Train: both stages, from the checkpoint in `checkpoint` if `resume`. Checkpoints go there; `stop` is asked before
    /// every step.
    ///
    /// # Errors
    /// [`TrainError::Checkpoint`] for one that does not belong to this training, [`TrainError::Diverged`], or what an operation
    /// says.
    pub fn run(&mut self, folder: &Path, resume: bool, stop: Stop<'_>) -> Result<Ending, TrainError> {
        let (mut position, saved) = if resume {
            let (position, saved) = checkpoint::read(folder, self)?;
            (position, Some(saved))
        } else {
            (Position::default(), None)
        };
        let examples: Vec<&Example> = self.corpus.examples.iter().collect();
        let Some(prepared) = self.prepare(&examples, &self.vocabulary, self.progress("reference", &examples), stop)? else { return Ok(Ending::Stopped) };
        if position.stage == 1 {
            if self.stage1(&prepared, position, saved.as_ref(), folder, stop)? == Ending::Stopped {
                return Ok(Ending::Stopped);
            }
            position = Position { stage: 2, ..Position::default() };
            checkpoint::write(folder, self, position, None)?;
        }
        let Some(finals) = self.finals(&examples, &prepared, self.progress("final states", &examples), stop)? else { return Ok(Ending::Stopped) };
        drop(examples);
        let references: Vec<[f64; 2]> = prepared.iter().map(|p| p.reference).collect();
        drop(prepared);
        for dimension in position.dimension..self.dimensions.len() {
            let fresh = Position { stage: 2, dimension, step: 0 };
            let (from, saved) = match &saved {
                Some(saved) if position == (Position { step: position.step, ..fresh }) => (position, Some(saved)),
                _ => (fresh, None),
            };
            if self.stage2(&finals, &references, from, saved, folder, stop)? == Ending::Stopped {
                return Ok(Ending::Stopped);
            }
        }
        Ok(Ending::Finished)
    }

    /// Run the frozen layers over every pair once: hidden states below the first layer that learns, and the reference's
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
            let packed = Packed::new(part.iter().copied(), self.backbone.rope());
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
    fn stack<'s>(&self, states: impl Iterator<Item = &'s States>) -> Result<Tensor, TrainError> {
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
            let packed = Packed::new(part.iter().map(|(e, _)| *e), self.backbone.rope());
            let mut x = self.stack(part.iter().map(|(_, p)| &p.trunk))?;
            for layer in self.upper() {
                // Detached layer by layer: nothing is kept for a gradient.
                x = self.backbone.layers(x, &packed, layer..layer + 1, self.adapter.as_ref())?.detach();
            }
            let states = self.backbone.read(&x, &packed)?;
            Ok((cut(&states, part.iter().map(|(e, _)| e.targets()))?, packed.rows()))
        })
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
        let schedule = Schedule::new(&self.settings, all, self.settings.epochs, 1000);
        let size = |i: &usize| self.corpus.examples[*i].rows();
        self.steps("stage 1", &schedule, &mut optimizer, from, self.settings.lr, folder, stop, size, |batch| {
            self.pass1(&batch.iter().map(|i| (&self.corpus.examples[*i], &prepared[*i])).collect::<Vec<_>>())
        })
    }

    /// Loss of some pairs under the adapter.
    pub(crate) fn pass1(&self, batch: &[(&Example, &Prepared)]) -> Result<Loss, TrainError> {
        let packed = Packed::new(batch.iter().map(|(example, _)| *example), self.backbone.rope());
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
        let schedule = Schedule::new(&self.settings, own, self.settings.stage2_epochs, 2000 + 1000 * from.dimension as u64);
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
        let total: usize = (0..schedule.steps()).map(|step| schedule.batch(step).iter().map(&size).sum::<usize>()).sum();
        let done = (0..from.step).map(|step| schedule.batch(step).iter().map(&size).sum::<usize>()).sum();
        let mut progress = Progress::new(self.verbosity, phase, total, done);
        let mut recent = Recent::default();
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
            recent.add(loss, right * share);
            progress.advance(tokens, Some(&recent));
        }
        Ok(Ending::Finished)
    }

    /// Pairs told right: by the adapter alone, and by their dimension's head.
    ///
    /// # Errors
    /// If an operation fails. None if stopped.
    pub fn evaluate(&self, heldout: &Corpus, stop: Stop<'_>) -> Result<Option<Vec<[Accuracy; 2]>>, TrainError> {
        let examples: Vec<&Example> = heldout.examples.iter().collect();
        let whole = self.backbone.vocabulary();
        let Some(prepared) = self.prepare(&examples, &whole, self.progress("held-out pairs, reference", &examples), stop)? else { return Ok(None) };
        let Some(finals) = self.finals(&examples, &prepared, self.progress("held-out pairs, final states", &examples), stop)? else { return Ok(None) };
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

    /// Everything that learns, by name.
    pub fn variables(&self) -> Vec<(String, candle_core::Var)> {
        let adapter = self.adapter.iter().flat_map(Adapter::variables);
        adapter.chain(self.heads.iter().zip(&self.dimensions).flat_map(|(head, name)| head.variables(name))).collect()
    }

    /// Pairs of each dimension that are trained on.
    pub fn pairs(&self) -> BTreeMap<String, usize> {
        let count = |i: usize| self.corpus.examples.iter().filter(|e| e.dimension == i).count();
        self.dimensions.iter().enumerate().map(|(i, name)| (name.clone(), count(i))).collect()
    }

    /// Steps of stage 1, and of stage 2 per dimension.
    pub fn planned_steps(&self) -> (usize, Vec<usize>) {
        let steps = |pairs: usize, epochs: usize| epochs * pairs.div_ceil(self.settings.batch);
        let examples = &self.corpus.examples;
        let own = |i: usize| examples.iter().filter(|e| e.dimension == i).count();
        let heads = (0..self.dimensions.len()).map(|i| steps(own(i), self.settings.stage2_epochs)).collect();
        (if self.settings.adapter { steps(examples.len(), self.settings.epochs) } else { 0 }, heads)
    }
}

/// Which pairs every step takes: each epoch all of them once, in an order of its own.
#[derive(Debug)]
struct Schedule {
    orders: Vec<Vec<usize>>,
    batch: usize,
    per_epoch: usize,
}

impl Schedule {
    fn new(settings: &Settings, items: Vec<usize>, epochs: usize, stream: u64) -> Self {
        let per_epoch = items.len().div_ceil(settings.batch);
        let order = |epoch: usize| {
            let mut order = items.clone();
            Draws::new(settings.seed, stream + epoch as u64).shuffle(&mut order);
            order
        };
        Self { orders: (0..epochs).map(order).collect(), batch: settings.batch, per_epoch }
    }

    fn steps(&self) -> usize {
        self.orders.len() * self.per_epoch
    }

    fn batch(&self, step: usize) -> Vec<usize> {
        let order = &self.orders[step / self.per_epoch];
        let start = step % self.per_epoch * self.batch;
        order[start..order.len().min(start + self.batch)].to_vec()
    }
}

/// Rows of `x`, cut into pieces of these lengths.
fn cut(x: &Tensor, rows: impl Iterator<Item = usize>) -> Result<Vec<States>, TrainError> {
    let hidden = x.dim(1)?;
    let values = x.flatten_all()?.to_vec1::<f32>()?;
    let mut rest = values.as_slice();
    let mut all = Vec::new();
    for rows in rows {
        let (piece, after) = rest.split_at(rows * hidden);
        all.push(States::new(piece));
        rest = after;
    }
    Ok(all)
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
