//! A reward model that is ready for requests.

use std::sync::Arc;

use pad_text::{Chat, TextError};

use crate::dimension::Dimension;
use crate::error::RewardError;
use crate::lane::{LanePlan, LaneSource, RewardLane};
use crate::layout::{Layout, Request};
use crate::manifest::Manifest;
use crate::preference::{Preference, PreferenceInput};
use crate::principle::PrincipleTemplate;
use crate::prompt::Prompt;

/// A checked manifest.
#[derive(Clone, Debug)]
pub struct RewardModel {
    manifest: Manifest,
    template: PrincipleTemplate,
    /// The chats of the models that it brings, in their order, where they are not the base model's.
    chats: Vec<Option<Chat>>,
}

impl RewardModel {
    /// Checks a manifest.
    ///
    /// # Errors
    ///
    /// [`RewardError::Manifest`] for a value that is not allowed; a default preference is refused
    /// with the errors of [`RewardModel::resolve`] and [`RewardModel::plan`].
    pub fn new(manifest: Manifest) -> Result<Self, RewardError> {
        let template = manifest.check()?;
        let default = Preference::resolve(&manifest, &PreferenceInput::Absent)?;
        manifest.kind.check_preference(&manifest, &default)?;
        Ok(Self { manifest, template, chats: Vec::new() })
    }

    /// The same with the chats of the models that it brings, in the order of [`crate::Kind::own_models`]; none for those that have the base
    /// model's tokenizer.
    #[must_use]
    pub fn with_chats(self, chats: Vec<Option<Chat>>) -> Self {
        Self { chats, ..self }
    }

    /// The tokens of an answer's beginning, as a lane that runs through this model reads it; none where those are the base model's.
    ///
    /// # Errors
    ///
    /// [`TextError::Encode`] where the vocabulary cannot spell the text.
    pub fn begun(&self, source: LaneSource, text: &str) -> Result<Option<Vec<u32>>, TextError> {
        self.chat(source).map(|chat| chat.encode_text(text)).transpose()
    }

    /// The chat of a lane, where it is not the base model's.
    fn chat(&self, source: LaneSource) -> Option<&Chat> {
        match source {
            LaneSource::Base => None,
            LaneSource::Own(index) => self.chats.get(index)?.as_ref(),
        }
    }

    /// The dimensions, in the order of a preference without names.
    pub fn dimensions(&self) -> &[Dimension] {
        &self.manifest.dimensions
    }

    /// The manifest it was made from.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Fits a request's preference to the dimensions.
    ///
    /// # Errors
    ///
    /// An unknown or repeated name, another length, a weight that is not a number within the range,
    /// an empty principle. [`RewardError::param`] is then `preference`.
    pub fn resolve(&self, input: &PreferenceInput) -> Result<Preference, RewardError> {
        Preference::resolve(&self.manifest, input)
    }

    /// The prompts of all lanes, and the terms that weigh them under a guidance strength. What cannot count
    /// ([`pad_decode::counts`]) has no lane, and where nothing counts the base lane reads the prompt as it came.
    ///
    /// # Errors
    ///
    /// [`RewardError::NoUserMessage`] when a principle has no place to go,
    /// [`RewardError::OppositeSigns`] where one lane reads all dimensions, [`RewardError::Text`] from the template or
    /// the tokenizer.
    pub fn plan(
        &self,
        chat: &Chat,
        prompt: &Prompt,
        preference: &Preference,
        beta: f32,
    ) -> Result<LanePlan, RewardError> {
        let request = Request { manifest: &self.manifest, template: &self.template, prompt, beta };
        let layout = Layout::new(request, preference)?;
        let base = layout.base.encode(chat)?;
        let mut lanes = Vec::with_capacity(layout.lanes.len());
        for (read, kind) in layout.lanes {
            // Mostly what the base lane reads: encoded once.
            let prompt = match self.chat(kind.source) {
                Some(own) => read.encode_anew(&own.with_tools(Arc::clone(chat.tools())))?,
                None if read == layout.base => base.clone(),
                None => read.encode(chat)?,
            };
            lanes.push(RewardLane { prompt, kind });
        }
        Ok(LanePlan { base, lanes, dimensions: layout.dimensions, terms: layout.terms })
    }
}
