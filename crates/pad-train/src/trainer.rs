//! The parts of a training: pairs, model, settings, and the trained parameters.

use std::collections::BTreeMap;

use crate::adapter::Adapter;
use crate::backbone::{Backbone, Vocabulary};
use crate::corpus::Corpus;
use crate::draws::Draws;
use crate::heads::Head;
use crate::objective::Objective;
use crate::progress::Verbosity;
use crate::{Settings, TrainError};

/// A training from its pairs to the trained parameters.
#[derive(Debug)]
pub struct Trainer<'a> {
    pub(crate) settings: Settings,
    pub(crate) backbone: &'a Backbone,
    /// Names of the dimensions.
    pub dimensions: Vec<String>,
    pub(crate) corpus: Corpus,
    /// What probabilities are normalised over while training.
    pub(crate) vocabulary: Vocabulary,
    pub(crate) objective: Objective,
    pub(crate) threads: usize,
    pub(crate) verbosity: Verbosity,
    /// The parameters of stage 1.
    pub adapter: Option<Adapter>,
    /// The parameters of stage 2, one set per dimension.
    pub heads: Vec<Head>,
}

/// Asked before every step whether to stop.
pub type Stop<'a> = &'a (dyn Fn() -> bool + Sync);

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Both stages are done.
    Finished,
    /// It was stopped; a checkpoint is written if there was anything to keep.
    Stopped,
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
        let head =
            |i: usize| Head::new(config.hidden, settings.head_rank, &mut Draws::new(settings.seed, 100 + i as u64));
        let heads = (0..dimensions.len()).map(head).collect::<Result<_, _>>()?;
        let mean = corpus.targets() as f64 / (2 * corpus.examples.len()) as f64;
        let mean_length = settings.length_normalised.then_some(mean);
        let objective = Objective { beta: settings.beta, mean_length, anchor: settings.anchor };
        let vocabulary = if settings.whole_vocabulary {
            backbone.vocabulary()
        } else {
            backbone.part_of_vocabulary(corpus.tokens())
        };
        Ok(Self { settings, backbone, dimensions, corpus, vocabulary, objective, threads, verbosity, adapter, heads })
    }

    /// All trained parameters, by name.
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
