//! A distillation from traces to heads.

use std::path::Path;

use candle_core::Var;
use pad_model::Model;
use pad_text::Chat;
use serde::{Deserialize, Serialize};

use super::fit::{Material, Pass, Spread, Values, fold};
use super::hidden;
use super::judgement::{Fidelity, Judgement};
use super::settings::DistilSettings;
use super::state::{At, Targets};
use super::strength::{Told, strength};
use super::trace::Trace;
use super::unembedding::Unembedding;
use crate::TrainError;
use crate::adamw::AdamW;
use crate::checkpoint;
use crate::draws::Draws;
use crate::heads::Head;
use crate::progress::{Progress, Recent, Verbosity};
use crate::schedule::{Schedule, rate};
use crate::states::States;
use crate::trainer::Stop;
use crate::workers::in_order;

/// States that are computed together. It does not depend on the number of threads, so that sums have one order.
const PART: usize = 64;

/// Streams of draws: of the held-out prompts, of the orders of the epochs, and of the first values of each head.
const STREAMS: [u64; 3] = [5000, 5001, 6000];

/// A distillation: traces, model, settings, and the heads that are fitted.
#[derive(Debug)]
pub struct Distiller<'a> {
    settings: DistilSettings,
    model: &'a Model,
    unembedding: &'a Unembedding,
    traces: Vec<Trace>,
    /// Of each trace.
    prompts: Vec<Vec<u32>>,
    training: Vec<At>,
    held_out: Vec<At>,
    /// Prompts that are held out.
    held_out_prompts: usize,
    /// Of the fit.
    threads: usize,
    verbosity: Verbosity,
    heads: Vec<Head>,
}

/// What came of it.
#[derive(Debug)]
pub struct Distilled {
    /// Names of the dimensions.
    pub dimensions: Vec<String>,
    /// One for each, for hidden states as they are.
    pub heads: Vec<Head>,
    /// What each head's rewards were multiplied by, so that weight 1 means as told.
    pub strengths: Vec<f32>,
    /// How well each tells the rewards of held-out tokens, before that; empty if none were held out.
    pub fidelity: Vec<Fidelity>,
}

/// What must be the same for a distillation to go on.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Header {
    step: usize,
    settings: DistilSettings,
    dimensions: Vec<String>,
    tokens: usize,
}

impl<'a> Distiller<'a> {
    /// Ready to start: the heads change nothing yet.
    ///
    /// # Errors
    /// [`TrainError::Setting`] for settings that cannot be used, for no traces, or for tokens that the model does not have;
    /// [`TrainError::Text`] for a conversation that the chat template refuses.
    pub fn new(
        settings: DistilSettings,
        model: &'a Model,
        unembedding: &'a Unembedding,
        chat: &Chat,
        traces: Vec<Trace>,
        threads: usize,
        verbosity: Verbosity,
    ) -> Result<Self, TrainError> {
        let prompts = hidden::prompts(chat, &traces)?;
        Self::of_tokens(settings, model, unembedding, prompts, traces, threads, verbosity)
    }

    /// [`Self::new`] with each trace's prompt as tokens.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn of_tokens(
        settings: DistilSettings,
        model: &'a Model,
        unembedding: &'a Unembedding,
        prompts: Vec<Vec<u32>>,
        traces: Vec<Trace>,
        threads: usize,
        verbosity: Verbosity,
    ) -> Result<Self, TrainError> {
        settings.check()?;
        let mut order: Vec<usize> = (0..traces.len()).collect();
        Draws::new(settings.seed, STREAMS[0]).shuffle(&mut order);
        let held_out_prompts = (settings.held_out_share * traces.len() as f64).round() as usize;
        let out: Vec<usize> = order[..held_out_prompts].to_vec();
        let (mut training, mut held_out, mut answer) = (Vec::new(), Vec::new(), 0);
        for (index, trace) in traces.iter().enumerate() {
            let list = if out.contains(&index) { &mut held_out } else { &mut training };
            for traced in &trace.answers {
                list.extend((0..traced.tokens.len()).map(|step| At { answer, step }));
                answer += 1;
            }
        }
        if training.is_empty() {
            return Err(TrainError::setting("traces", "there is no token to learn from"));
        }
        let context = model.config().context;
        for (trace, prompt) in traces.iter().zip(&prompts) {
            let longest = trace.answers.iter().map(|answer| answer.tokens.len()).max().unwrap_or_default();
            if prompt.is_empty() || prompt.len() + longest > context {
                let message =
                    format!("prompt {} has {} tokens; 1 to {context} with its answers", trace.prompt_id, prompt.len());
                return Err(TrainError::setting("traces", message));
            }
            for step in trace.answers.iter().flat_map(|answer| &answer.steps) {
                step.candidates.iter().try_for_each(|token| unembedding.row(*token).map(drop))?;
            }
        }
        let (hidden, rank) = (unembedding.hidden(), settings.head_rank);
        let dimensions = traces[0].dimensions.len();
        let head = |d: usize| Head::new(hidden, rank, &mut Draws::new(settings.seed, STREAMS[2] + d as u64));
        let heads = (0..dimensions).map(head).collect::<Result<_, _>>()?;
        Ok(Self {
            settings,
            model,
            unembedding,
            traces,
            prompts,
            training,
            held_out,
            held_out_prompts,
            threads,
            verbosity,
            heads,
        })
    }

    /// Names of the dimensions.
    pub fn dimensions(&self) -> &[String] {
        &self.traces[0].dimensions
    }

    /// Prompts that are trained on and that are held out.
    pub fn prompts(&self) -> [usize; 2] {
        [self.traces.len() - self.held_out_prompts, self.held_out_prompts]
    }

    /// Tokens that are trained on and that are held out.
    pub fn tokens(&self) -> [usize; 2] {
        [self.training.len(), self.held_out.len()]
    }

    /// The settings.
    pub fn settings(&self) -> &DistilSettings {
        &self.settings
    }

    /// Compute the hidden states and fit the heads, from the checkpoint in `folder` if `resume`. Checkpoints go there; `stop` is asked
    /// before every step. None if stopped.
    ///
    /// # Errors
    /// [`TrainError::Checkpoint`] for one that does not belong to this distillation, [`TrainError::Diverged`], or what an operation says.
    pub fn run(&self, folder: &Path, resume: bool, stop: Stop<'_>) -> Result<Option<Distilled>, TrainError> {
        // Before the long part.
        let resumed = if resume { Some(self.read(folder)?) } else { None };
        let rows = hidden::rows(&self.traces, &self.prompts);
        let progress = Progress::new(self.verbosity, "hidden states", rows, 0);
        let computed = hidden::states(self.model, &self.traces, &self.prompts, self.settings.rows, progress, stop)?;
        let Some(states) = computed else { return Ok(None) };
        let material = self.material(&states);
        if !self.fit(&material, folder, resumed, stop)? {
            return Ok(None);
        }
        self.finish(&material).map(Some)
    }

    fn material<'s>(&'s self, states: &'s [States]) -> Material<'s> {
        let answers = self.traces.iter().flat_map(|trace| &trace.answers);
        Material {
            unembedding: self.unembedding,
            states,
            steps: answers.map(|answer| answer.steps.as_slice()).collect(),
            dimensions: self.heads.len(),
            spread: Spread::of(states, &self.training, self.unembedding.hidden()),
        }
    }

    /// All steps; false if stopped.
    fn fit(
        &self,
        material: &Material<'_>,
        folder: &Path,
        resumed: Option<(usize, checkpoint::Saved)>,
        stop: Stop<'_>,
    ) -> Result<bool, TrainError> {
        let settings = &self.settings;
        let mut optimizer = AdamW::new(self.variables(), settings.weight_decay);
        let first = resumed.as_ref().map_or(0, |(step, _)| *step);
        if let Some((_, saved)) = resumed.filter(|_| first > 0) {
            optimizer.restore(first, |name, len| saved.find(name, len))?;
        }
        let all: Vec<usize> = (0..self.training.len()).collect();
        let schedule = Schedule::new(settings.seed, settings.batch, &all, settings.epochs, STREAMS[1]);
        let (steps, tokens) = (schedule.steps(), |step: usize| schedule.batch(step).len());
        let mut progress =
            Progress::new(self.verbosity, "heads", (0..steps).map(tokens).sum(), (0..first).map(tokens).sum());
        let mut recent = Recent::<1>::default();
        for step in first..steps {
            if stop() {
                self.save(folder, step, &optimizer)?;
                return Ok(false);
            }
            if settings.checkpoint_steps > 0 && step > first && step.is_multiple_of(settings.checkpoint_steps) {
                self.save(folder, step, &optimizer)?;
            }
            let batch: Vec<At> = schedule.batch(step).into_iter().map(|i| self.training[i]).collect();
            let heads = self.values()?;
            let share = 1.0 / batch.len() as f32;
            let parts: Vec<&[At]> = batch.chunks(PART).collect();
            let mut loss = 0.0;
            for Pass { loss: part, gradients } in
                in_order(self.threads, &parts, |part| material.pass(part, &heads, share))?
            {
                loss += part;
                optimizer.add(&gradients);
            }
            optimizer.step(rate(settings.lr, step, steps, settings.warmup), 0.0)?;
            recent.add([loss]);
            progress.advance(batch.len(), Some(&recent));
        }
        Ok(true)
    }

    /// The heads for hidden states as they are, in the strength that weight 1 means as told.
    fn finish(&self, material: &Material<'_>) -> Result<Distilled, TrainError> {
        let heads = self.values()?;
        let dimensions = heads.len();
        let parts: Vec<&[At]> = self.held_out.chunks(PART).collect();
        let predicted = in_order(self.threads, &parts, |part| material.predictions(part, &heads))?.concat();
        let steps: Vec<_> = self.held_out.iter().map(|at| &material.steps[at.answer][at.step]).collect();
        let targets: Vec<Targets> = steps.iter().map(|step| Targets::of(step, dimensions)).collect();
        let mut judgement = Judgement::new(dimensions);
        predicted.iter().zip(&targets).for_each(|(predicted, targets)| judgement.add(predicted, targets));
        let told: Vec<Told<'_>> = steps
            .iter()
            .zip(&targets)
            .zip(&predicted)
            .map(|((step, targets), predicted)| Told { step, targets, predicted })
            .collect();
        let strengths: Vec<f32> = (0..dimensions).map(|d| strength(&told, d, dimensions)).collect();
        let folded = heads.iter().zip(&strengths).map(|(values, by)| fold(values, &material.spread, *by));
        Ok(Distilled {
            dimensions: self.dimensions().to_vec(),
            heads: folded.collect::<Result<_, _>>()?,
            fidelity: if self.held_out.is_empty() { Vec::new() } else { judgement.fidelity() },
            strengths,
        })
    }

    fn values(&self) -> Result<Vec<Values>, TrainError> {
        self.heads.iter().map(Values::of).collect()
    }

    fn variables(&self) -> Vec<(String, Var)> {
        self.heads.iter().zip(self.dimensions()).flat_map(|(head, name)| head.variables(name)).collect()
    }

    fn header(&self, step: usize) -> Header {
        // How often checkpoints are written changes nothing.
        let settings = DistilSettings { checkpoint_steps: 0, ..self.settings.clone() };
        Header { step, settings, dimensions: self.dimensions().to_vec(), tokens: self.training.len() }
    }

    fn save(&self, folder: &Path, step: usize, optimizer: &AdamW) -> Result<(), TrainError> {
        checkpoint::save(folder, &self.header(step), &self.variables(), Some(optimizer))
    }

    fn read(&self, folder: &Path) -> Result<(usize, checkpoint::Saved), TrainError> {
        let header: Header = checkpoint::read_header(folder)?;
        if header != self.header(header.step) {
            return Err(TrainError::checkpoint(folder, "it was made with other settings or from other traces"));
        }
        Ok((header.step, checkpoint::restore(folder, &self.variables())?))
    }
}
