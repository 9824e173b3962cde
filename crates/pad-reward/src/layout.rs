//! The prompt of each lane, before tokenization.

use pad_decode::{Reference, Term, counts};

use crate::error::RewardError;
use crate::lane::LaneKind;
use crate::manifest::{BasePrompt, Manifest};
use crate::preference::Preference;
use crate::principle::PrincipleTemplate;
use crate::prompt::Prompt;

/// Stands between principles that share a prompt.
pub const AND: &str = " and ";

/// The name of the term that a principle in plain words makes.
const PRINCIPLE: &str = "principle";

/// The prompts of all lanes, and the terms that weigh the reward lanes.
pub struct Layout {
    /// What the base lane reads.
    pub base: Prompt,
    /// What each reward lane reads, and how it runs.
    pub lanes: Vec<(Prompt, LaneKind)>,
    /// The name of each term.
    pub dimensions: Vec<String>,
    /// The terms.
    pub terms: Vec<Term>,
}

/// What lanes are laid out for.
#[derive(Clone, Copy)]
pub struct Request<'a> {
    /// The reward model.
    pub manifest: &'a Manifest,
    /// Its template.
    pub template: &'a PrincipleTemplate,
    /// What the request is to continue.
    pub prompt: &'a Prompt,
    /// Guidance strength.
    pub beta: f32,
}

/// A reward lane to be that reads a principle.
pub struct PrincipleLane {
    /// Its term's name.
    pub name: String,
    /// Its term's weight.
    pub weight: f32,
    /// What it reads beside the prompt.
    pub principle: String,
}

impl PrincipleLane {
    /// The lane of a principle in plain words, of weight 1; none where that cannot count.
    pub fn of_words(request: Request<'_>, words: &str) -> Option<Self> {
        let (name, principle) = (PRINCIPLE.to_owned(), words.to_owned());
        counts(request.beta, 1.0).then_some(Self { name, weight: 1.0, principle })
    }
}

impl Layout {
    /// Lays out the lanes of a request.
    pub fn new(request: Request<'_>, preference: &Preference) -> Result<Self, RewardError> {
        request.manifest.kind.lay_out(request, preference)
    }

    /// Lanes that each read one principle, all through the same weights.
    pub fn of_principles(
        request: Request<'_>,
        lanes: Vec<PrincipleLane>,
        kind: &LaneKind,
    ) -> Result<Self, RewardError> {
        let principles: Vec<&str> = lanes.iter().map(|lane| lane.principle.as_str()).collect();
        let base = request.base(&principles)?;
        let read = |principle: &&str| Ok((request.prompt.under(request.template, principle)?, kind.clone()));
        let prompts = principles.iter().map(read).collect::<Result<Vec<_>, RewardError>>()?;
        let term = |(readout, lane): (usize, &PrincipleLane)| Term {
            weight: lane.weight,
            readout,
            reference: Reference::Base,
        };
        let terms = lanes.iter().enumerate().map(term).collect();
        Ok(Self { base, lanes: prompts, dimensions: lanes.into_iter().map(|lane| lane.name).collect(), terms })
    }
}

impl Request<'_> {
    /// The dimensions whose weights count, by index in the manifest.
    pub fn counting(self, weights: &[f32]) -> Vec<(usize, f32)> {
        weights.iter().copied().enumerate().filter(|(_, weight)| counts(self.beta, *weight)).collect()
    }

    /// What the base lane reads: the prompt as it came, or under these principles.
    pub fn base(self, principles: &[&str]) -> Result<Prompt, RewardError> {
        match self.manifest.base_prompt {
            BasePrompt::Principled if !principles.is_empty() => self.prompt.under(self.template, &principles.join(AND)),
            BasePrompt::Principled | BasePrompt::Plain => Ok(self.prompt.clone()),
        }
    }
}
