//! An estimate of a training's duration, measured on a few of its own pairs before it starts.

use std::fmt;
use std::time::Instant;

use crate::TrainError;
use crate::layout::{Example, parts};
use crate::progress::{Progress, Verbosity};
use crate::trainer::{Stop, Trainer};
use crate::workers::in_order;

/// Sizes and speeds. Rows are tokens that are computed, targets those that count.
#[derive(Clone, Debug)]
pub struct Plan {
    pairs: usize,
    rows: usize,
    targets: usize,
    left_out: usize,
    cut: usize,
    /// The frozen layers and the reference, once; rows.
    reference: Phase,
    /// The adapter; `None` where the heads are trained on the base model itself.
    stage1: Option<Stage1>,
    /// The states that the heads read, once; rows.
    finals: Phase,
    /// The heads; targets.
    stage2: Phase,
    /// Steps of stage 2 by dimension.
    head_steps: Vec<usize>,
}

/// A phase of the training.
#[derive(Clone, Copy, Debug)]
struct Phase {
    /// Tokens per second.
    pace: f64,
    seconds: f64,
}

/// The training of the adapter.
#[derive(Clone, Copy, Debug)]
struct Stage1 {
    phase: Phase,
    steps: usize,
    /// Multiply-adds per row, counted twice as usual.
    flops: f64,
}

impl Plan {
    /// Run a few pairs through everything once, without learning.
    ///
    /// # Errors
    /// What the training itself would say.
    pub fn measure(trainer: &Trainer) -> Result<Self, TrainError> {
        let (corpus, settings) = (&trainer.corpus, &trainer.settings);
        // Pairs from all over the corpus, one part for every thread.
        let wanted = 2 * trainer.threads;
        let stride = (corpus.examples.len() / (64 * trainer.threads)).max(1);
        let spread: Vec<&Example> = corpus.examples.iter().step_by(stride).collect();
        let cut = parts(&spread, settings.rows, |e| e.rows());
        let count: usize = cut.iter().take(wanted).map(|part| part.len()).sum();
        let examples = &spread[..count];
        let rows = examples.iter().map(|e| e.rows()).sum::<usize>() as f64;
        let targets = examples.iter().map(|e| e.targets()).sum::<usize>() as f64;
        let measured = trainer.sample(examples, &|| false)?;
        let (all_rows, all_targets) = (corpus.rows() as f64, corpus.targets() as f64);
        let phase = |tokens: f64, seconds: f64, all: f64| {
            let pace = tokens / seconds;
            Phase { pace, seconds: all / pace }
        };
        let (steps, head_steps) = trainer.planned_steps();
        let stage1 = trainer.adapter.is_some().then(|| Stage1 {
            phase: phase(rows, measured[1], settings.epochs as f64 * all_rows),
            steps,
            flops: trainer.stage1_flops(targets / rows),
        });
        Ok(Self {
            pairs: corpus.examples.len(),
            rows: corpus.rows(),
            targets: corpus.targets(),
            left_out: corpus.left_out,
            cut: corpus.cut,
            reference: phase(rows, measured[0], all_rows),
            stage1,
            finals: phase(rows, measured[2], all_rows),
            stage2: phase(targets, measured[3], settings.stage2_epochs as f64 * all_targets),
            head_steps,
        })
    }
}

impl Trainer<'_> {
    /// Seconds that reference, stage 1, final states and stage 2 take for these pairs.
    fn sample(&self, examples: &[&Example], never: Stop<'_>) -> Result<[f64; 4], TrainError> {
        let mut seconds = [0.0; 4];
        let mut at = Instant::now();
        let mut lap = |i: usize| {
            seconds[i] = at.elapsed().as_secs_f64().max(1e-6);
            at = Instant::now();
        };
        let quiet = || Progress::new(Verbosity::Silent, "", 0, 0);
        let prepared = self.prepare(examples, &self.vocabulary, quiet(), never)?.unwrap_or_default();
        lap(0);
        if self.adapter.is_some() {
            let batch: Vec<_> = examples.iter().copied().zip(&prepared).collect();
            let cut = parts(&batch, self.settings.rows, |(e, _)| e.rows());
            in_order(self.threads, &cut, |part| Ok(self.pass1(part)?.sum.backward()?))?;
        }
        lap(1);
        let finals = self.finals(examples, &prepared, quiet(), never)?.unwrap_or_default();
        lap(2);
        let kept = examples.iter().zip(&finals).zip(&prepared);
        let batch: Vec<_> = kept.map(|((example, finals), prepared)| (*example, finals, prepared.reference)).collect();
        let cut = parts(&batch, self.settings.rows, |(e, ..)| e.targets());
        in_order(self.threads, &cut, |part| Ok(self.pass2(part, &self.heads[0])?.sum.backward()?))?;
        lap(3);
        Ok(seconds)
    }

    /// Of one row in stage 1: forward and back through the upper layers, and through the unembedding for what counts.
    fn stage1_flops(&self, share: f64) -> f64 {
        let config = self.backbone.config();
        let layers = config.layers - self.settings.first_layer(config.layers);
        let layer: usize = crate::adapter::Target::ALL.iter().map(|t| t.shape(config)).map(|(o, i)| o * i).sum();
        4.0 * ((layers * layer) as f64 + share * (self.vocabulary.tokens() * config.hidden) as f64)
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { reference, stage1, finals, stage2, .. } = self;
        writeln!(
            f,
            "{} pairs, {} tokens ({:.0} a pair), {} of them in answers; {} pairs left out, {} answers cut",
            self.pairs,
            self.rows,
            self.rows as f64 / self.pairs as f64,
            self.targets,
            self.left_out,
            self.cut
        )?;
        writeln!(f, "reference     {:6.0} s  {:6.0} tokens/s, once", reference.seconds, reference.pace)?;
        match stage1 {
            None => writeln!(f, "stage 1         none: the heads read the base model itself")?,
            Some(Stage1 { phase, steps, flops }) => writeln!(
                f,
                "stage 1       {:6.0} s  {:6.0} tokens/s ({:.0} MFLOP each: {:.0} GFLOP/s), {steps} steps",
                phase.seconds,
                phase.pace,
                flops / 1e6,
                flops * phase.pace / 1e9
            )?,
        }
        writeln!(f, "final states  {:6.0} s  {:6.0} tokens/s, once", finals.seconds, finals.pace)?;
        let heads = self.head_steps.iter().map(ToString::to_string).collect::<Vec<_>>().join(" + ");
        writeln!(f, "stage 2       {:6.0} s  {:6.0} answer tokens/s, {heads} steps", stage2.seconds, stage2.pace)?;
        let stage1 = stage1.map_or(0.0, |stage1| stage1.phase.seconds);
        let all = reference.seconds + stage1 + finals.seconds + stage2.seconds;
        write!(f, "about {:.0} minutes together", all / 60.0)
    }
}
