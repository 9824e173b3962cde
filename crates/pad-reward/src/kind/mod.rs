//! The kinds of reward models. Each is one file: the checks of its manifest, its lanes, and the weights to load.
//!
//! To add a kind, add a file here and a variant of [`Kind`]; the compiler then names every place to extend, most of them here.

mod checkpoint;
mod heads;
mod prompted;

use crate::dimension::Dimension;
use crate::error::RewardError;
use crate::layout::{Layout, Request};
use crate::manifest::{Kind, Manifest};
use crate::preference::Preference;
use crate::principle::{PAPER_TEMPLATE, TEMPLATE};

/// A language model that a reward model brings beside the base model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OwnModel {
    /// None: its lanes run through the base model's weights.
    None,
    /// The one at the manifest's `source`.
    Source(String),
    /// The one in the folder of the manifest.
    Folder,
}

/// What was trained of a reward model beside a language model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TrainedParts {
    /// Nothing.
    None,
    /// One value head, in the folder of the language model.
    ValueHead,
    /// One head for each dimension and, where it is there, an adapter, in the folder of the manifest.
    HeadsAndAdapter,
}

impl Kind {
    /// Its name in manifests and in the API.
    pub fn name(self) -> &'static str {
        match self {
            Self::Prompted => "prompted",
            Self::Checkpoint => "checkpoint",
            Self::Heads => "heads",
        }
    }

    /// Whether every dimension has a term of its own, whatever the others weigh.
    pub fn reads_dimensions_apart(self) -> bool {
        match self {
            Self::Prompted | Self::Heads => true,
            Self::Checkpoint => false,
        }
    }

    /// Whether weights below 0 of a dimension use another lane or head.
    pub(crate) fn has_two_sides(self, dimension: &Dimension, manifest: &Manifest) -> bool {
        match self {
            Self::Prompted => prompted::has_two_sides(dimension, manifest.reference),
            Self::Heads => heads::has_two_sides(dimension, manifest),
            Self::Checkpoint => false,
        }
    }

    /// The default user turn of its lanes: released checkpoints were trained on the paper's.
    pub(crate) fn template(self) -> &'static str {
        match self {
            Self::Prompted | Self::Heads => TEMPLATE,
            Self::Checkpoint => PAPER_TEMPLATE,
        }
    }

    /// The default number of candidates per step. The paper has 10; among so few, the token that ends a short answer, or begins one in
    /// another style, is often missing.
    pub(crate) fn top_k(self) -> usize {
        match self {
            Self::Prompted | Self::Heads => 40,
            Self::Checkpoint => 10,
        }
    }

    /// The separator of principles in one prompt: those of a checkpoint are words, others are sentences.
    pub(crate) fn between_principles(self) -> &'static str {
        match self {
            Self::Prompted | Self::Heads => " ",
            Self::Checkpoint => checkpoint::AND,
        }
    }

    /// The language model that a reward model of this manifest brings.
    pub fn own_model(self, manifest: &Manifest) -> OwnModel {
        match self {
            Self::Prompted => OwnModel::None,
            Self::Checkpoint => manifest.source.clone().map_or(OwnModel::Folder, OwnModel::Source),
            Self::Heads => manifest.source.clone().map_or(OwnModel::None, OwnModel::Source),
        }
    }

    /// What else it brings.
    pub fn trained_parts(self) -> TrainedParts {
        match self {
            Self::Prompted => TrainedParts::None,
            Self::Checkpoint => TrainedParts::ValueHead,
            Self::Heads => TrainedParts::HeadsAndAdapter,
        }
    }

    /// Checks what only this kind asks of a manifest.
    pub(crate) fn check(self, manifest: &Manifest) -> Result<(), RewardError> {
        match self {
            Self::Prompted => prompted::check(manifest),
            Self::Checkpoint => checkpoint::check(manifest),
            Self::Heads => heads::check(manifest),
        }
    }

    /// Refuses a preference that this kind cannot follow.
    pub(crate) fn check_preference(self, manifest: &Manifest, preference: &Preference) -> Result<(), RewardError> {
        match self {
            Self::Prompted | Self::Heads => Ok(()),
            Self::Checkpoint => checkpoint::check_preference(manifest, preference),
        }
    }

    /// Lays out the lanes of a request.
    pub(crate) fn lay_out(self, request: Request<'_>, preference: &Preference) -> Result<Layout, RewardError> {
        match self {
            Self::Prompted => prompted::lay_out(request, preference),
            Self::Checkpoint => checkpoint::lay_out(request, preference),
            Self::Heads => heads::lay_out(request, preference),
        }
    }
}

#[cfg(test)]
mod tests;
