//! The prompt of each lane, before tokenization.

use pad_decode::{Reference, Term, counts};

use crate::dimension::Dimension;
use crate::error::RewardError;
use crate::lane::LaneKind;
use crate::manifest::{BasePrompt, Manifest};
use crate::preference::Preference;
use crate::principle::PrincipleTemplate;
use crate::prompt::Prompt;

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

/// A term whose lanes have a principle in their prompt.
pub struct PrincipleTerm<'a> {
    /// Its name.
    pub name: String,
    /// Its weight.
    pub weight: f32,
    /// Its lanes.
    pub lanes: PrincipleLanes<'a>,
}

/// The lanes of a principle's term.
#[derive(Clone, Copy)]
pub enum PrincipleLanes<'a> {
    /// One with the principle, measured against the base lane.
    Told(&'a str),
    /// One with the principle's opposite, which the base lane is measured against.
    Opposing(&'a str),
    /// One with the principle, measured against one with its opposite.
    Contrast {
        /// The principle.
        told: &'a str,
        /// Its opposite.
        opposite: &'a str,
    },
}

impl<'a> PrincipleTerm<'a> {
    /// The term of a principle in plain words, of weight 1; none where that cannot count.
    pub fn of_words(request: Request<'_>, words: &'a str) -> Option<Self> {
        let lanes = PrincipleLanes::Told(words);
        counts(request.beta, 1.0).then(|| Self { name: PRINCIPLE.to_owned(), weight: 1.0, lanes })
    }

    /// The instruction that it steers towards or, without an opposite, away from.
    pub fn followed(&self) -> &'a str {
        match self.lanes {
            PrincipleLanes::Contrast { opposite, .. } if self.weight < 0.0 => opposite,
            PrincipleLanes::Told(words) | PrincipleLanes::Opposing(words) => words,
            PrincipleLanes::Contrast { told, .. } => told,
        }
    }
}

impl Layout {
    /// Lays out the lanes of a request.
    pub fn new(request: Request<'_>, preference: &Preference) -> Result<Self, RewardError> {
        request.manifest.kind.lay_out(request, preference)
    }

    /// Terms whose lanes each have one principle in their prompt, all run through the same model weights.
    pub fn of_principles(request: Request<'_>, of: Vec<PrincipleTerm>, kind: &LaneKind) -> Result<Self, RewardError> {
        let base = request.base(&of.iter().map(PrincipleTerm::followed).collect::<Vec<_>>())?;
        let mut layout = Self { base, lanes: Vec::new(), dimensions: Vec::new(), terms: Vec::new() };
        layout.add_principles(request, of, kind)?;
        Ok(layout)
    }

    /// Adds such terms behind those that are there; the base lane stays. Equal principles share a lane.
    pub fn add_principles(
        &mut self,
        request: Request<'_>,
        of: Vec<PrincipleTerm>,
        kind: &LaneKind,
    ) -> Result<(), RewardError> {
        let before: usize = self.lanes.iter().map(|(_, kind)| kind.heads.len()).sum();
        let mut read: Vec<&str> = Vec::new();
        for term in &of {
            let mut readout = |words| {
                let place = read.iter().position(|known| *known == words).unwrap_or_else(|| {
                    read.push(words);
                    read.len() - 1
                });
                before + place
            };
            let (readout, reference) = match term.lanes {
                PrincipleLanes::Told(words) => (readout(words), Reference::Base),
                PrincipleLanes::Opposing(words) => (readout(words), Reference::Opposing),
                PrincipleLanes::Contrast { told, opposite } => (readout(told), Reference::Readout(readout(opposite))),
            };
            self.terms.push(Term { weight: term.weight, readout, reference });
        }
        for principle in read {
            self.lanes.push((request.prompt.under(request.template, principle)?, kind.clone()));
        }
        self.dimensions.extend(of.into_iter().map(|term| term.name));
        Ok(())
    }
}

impl<'a> Request<'a> {
    /// The dimensions whose weights count, by index in the manifest.
    pub fn counting(self, weights: &[f32]) -> Vec<(usize, f32)> {
        weights.iter().copied().enumerate().filter(|(_, weight)| counts(self.beta, *weight)).collect()
    }

    /// The dimensions whose weights count.
    pub fn weighed(self, weights: &[f32]) -> Vec<(&'a Dimension, f32)> {
        self.counting(weights).into_iter().map(|(index, weight)| (&self.manifest.dimensions[index], weight)).collect()
    }

    /// What the base lane reads: the prompt as it came, or under these principles.
    pub fn base(self, principles: &[&str]) -> Result<Prompt, RewardError> {
        match self.manifest.base_prompt {
            BasePrompt::Principled if !principles.is_empty() => {
                self.prompt.under(self.template, &principles.join(self.manifest.kind.between_principles()))
            }
            BasePrompt::Principled | BasePrompt::Plain => Ok(self.prompt.clone()),
        }
    }
}
