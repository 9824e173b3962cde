//! The kinds of reward models. Each is one file: the checks of its manifest, its lanes, and the weights to load.
//!
//! To add a kind, add a file here and a variant of [`Kind`]; the compiler then names every place to extend, most of them here.

mod bilinear;
mod checkpoint;
mod contrast;
mod guided;
mod heads;
mod model;
mod one_sign;
mod prompted;
mod vector;

use crate::dimension::Dimension;
use crate::error::RewardError;
use crate::guide::GuideAdapter;
use crate::layout::{Layout, Request};
use crate::manifest::{Kind, Manifest};
use crate::preference::Preference;
use crate::principle::{PAPER_TEMPLATE, TEMPLATE};
use crate::reference_policy::ReferencePolicy;

/// A language model that a reward model brings beside the base model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OwnModel {
    /// The one at this source.
    Source(String),
    /// The one in the folder of the manifest.
    Folder,
}

/// What was trained of a reward model beside a language model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TrainedParts {
    /// Nothing.
    None,
    /// One value head, in the folder of the language model.
    ValueHead,
    /// One head for each dimension and, where it is there, an adapter, in the folder of the manifest.
    HeadsAndAdapter,
    /// Adapters of the base model and of those that it brings.
    Adapters(Vec<GuideAdapter>),
    /// Control vectors of the base model, by their files.
    Vectors(Vec<String>),
    /// An adapter whose core depends on the weights of the dimensions, in the folder of the manifest.
    BilinearAdapter,
}

impl Kind {
    /// Its name in manifests and in the API.
    pub fn name(self) -> &'static str {
        match self {
            Self::Prompted => "prompted",
            Self::Checkpoint => "checkpoint",
            Self::Heads => "heads",
            Self::Model => "model",
            Self::Contrast => "contrast",
            Self::Vector => "vector",
            Self::Bilinear => "bilinear",
        }
    }

    /// Whether every dimension has a term of its own, whatever the others weigh.
    pub fn reads_dimensions_apart(self) -> bool {
        match self {
            Self::Prompted | Self::Heads | Self::Model | Self::Contrast | Self::Vector => true,
            Self::Checkpoint | Self::Bilinear => false,
        }
    }

    /// Whether weights below 0 of a dimension use another lane or head.
    pub(crate) fn has_two_sides(self, dimension: &Dimension, manifest: &Manifest) -> bool {
        match self {
            Self::Prompted => prompted::has_two_sides(dimension, manifest.reference()),
            Self::Heads => heads::has_two_sides(dimension, manifest),
            Self::Checkpoint | Self::Model | Self::Contrast | Self::Bilinear => false,
            Self::Vector => true,
        }
    }

    /// The default user turn of its lanes: released checkpoints were trained on the paper's.
    pub(crate) fn template(self) -> &'static str {
        match self {
            Self::Checkpoint => PAPER_TEMPLATE,
            Self::Prompted | Self::Heads | Self::Model | Self::Contrast | Self::Vector | Self::Bilinear => TEMPLATE,
        }
    }

    /// The default number of candidates per step. The paper has 10; among so few, the token that ends a short answer, or begins one in
    /// another style, is often missing.
    pub(crate) fn top_k(self) -> usize {
        match self {
            Self::Checkpoint => 10,
            Self::Prompted | Self::Heads | Self::Model | Self::Contrast | Self::Vector | Self::Bilinear => 40,
        }
    }

    /// The separator of principles in one prompt: those of a checkpoint are words, others are sentences.
    pub(crate) fn between_principles(self) -> &'static str {
        match self {
            Self::Checkpoint => checkpoint::AND,
            Self::Prompted | Self::Heads | Self::Model | Self::Contrast | Self::Vector | Self::Bilinear => " ",
        }
    }

    /// What rewards are measured against where a manifest does not say.
    pub(crate) fn reference(self) -> ReferencePolicy {
        match self {
            Self::Model | Self::Bilinear => ReferencePolicy::None,
            Self::Prompted | Self::Checkpoint | Self::Heads | Self::Contrast | Self::Vector => ReferencePolicy::Base,
        }
    }

    /// Over which tokens log-probabilities are normalised where a manifest does not say.
    pub(crate) fn normalisation(self) -> pad_decode::Normalisation {
        match self {
            Self::Model | Self::Bilinear => pad_decode::Normalisation::Vocabulary,
            Self::Prompted | Self::Checkpoint | Self::Heads | Self::Contrast | Self::Vector => {
                pad_decode::Normalisation::Candidates
            }
        }
    }

    /// The language models that a reward model of this manifest brings.
    pub fn own_models(self, manifest: &Manifest) -> Vec<OwnModel> {
        let source = manifest.source.clone().map(OwnModel::Source);
        match self {
            Self::Prompted | Self::Vector => Vec::new(),
            Self::Checkpoint => vec![source.unwrap_or(OwnModel::Folder)],
            Self::Heads | Self::Bilinear => source.into_iter().collect(),
            Self::Model | Self::Contrast => guided::models(manifest).into_iter().map(OwnModel::Source).collect(),
        }
    }

    /// What else it brings.
    pub fn trained_parts(self, manifest: &Manifest) -> TrainedParts {
        match self {
            Self::Model | Self::Contrast => TrainedParts::Adapters(guided::adapters(manifest)),
            Self::Vector => TrainedParts::Vectors(vector::files(manifest)),
            Self::Prompted => TrainedParts::None,
            Self::Checkpoint => TrainedParts::ValueHead,
            Self::Heads => TrainedParts::HeadsAndAdapter,
            Self::Bilinear => TrainedParts::BilinearAdapter,
        }
    }

    /// Checks what only this kind asks of a manifest.
    pub(crate) fn check(self, manifest: &Manifest) -> Result<(), RewardError> {
        match self {
            Self::Prompted => prompted::check(manifest),
            Self::Checkpoint => checkpoint::check(manifest),
            Self::Heads => heads::check(manifest),
            Self::Model => model::check(manifest),
            Self::Contrast => contrast::check(manifest),
            Self::Vector => vector::check(manifest),
            Self::Bilinear => bilinear::check(manifest),
        }
    }

    /// Refuses a preference that this kind cannot follow.
    pub(crate) fn check_preference(self, manifest: &Manifest, preference: &Preference) -> Result<(), RewardError> {
        match self {
            Self::Prompted | Self::Heads | Self::Model | Self::Contrast | Self::Vector => Ok(()),
            Self::Checkpoint | Self::Bilinear => one_sign::check_preference(manifest, preference),
        }
    }

    /// Lays out the lanes of a request.
    pub(crate) fn lay_out(self, request: Request<'_>, preference: &Preference) -> Result<Layout, RewardError> {
        match self {
            Self::Prompted => prompted::lay_out(request, preference),
            Self::Checkpoint => checkpoint::lay_out(request, preference),
            Self::Heads => heads::lay_out(request, preference),
            Self::Model => model::lay_out(request, preference),
            Self::Contrast => contrast::lay_out(request, preference),
            Self::Vector => vector::lay_out(request, preference),
            Self::Bilinear => bilinear::lay_out(request, preference),
        }
    }
}

#[cfg(test)]
mod tests;
