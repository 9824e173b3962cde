//! A preference from elsewhere than the body's `preference`, for clients that cannot add a field.
//!
//! ```text
//! body  >  header  >  metadata  >  key  >  model preset  >  the server's default
//! ```

use axum::http::HeaderMap;
use pad_api::{Preference, PreferenceSource};
use serde_json::{Map, Value};

use crate::auth::Caller;
use crate::generation::guidance::preference_input;
use crate::state::AppState;
use crate::{ApiError, ApiKey};

/// The header, in one of the forms that [`Preference::from_text`] reads.
const HEADER: &str = "x-pad-preference";
/// The same in OpenAI's map of notes.
const NOTE: &str = "pad_preference";

/// What a request brings beside its body.
#[derive(Clone, Debug, Default)]
pub(crate) struct Standing {
    header: Option<Preference>,
    key: Option<Preference>,
}

impl Standing {
    /// Read the header, and what the caller's key has.
    ///
    /// # Errors
    /// 400 if the header is not a preference.
    pub(crate) fn read(headers: &HeaderMap, caller: &Caller) -> Result<Self, ApiError> {
        let header = match headers.get(HEADER) {
            None => None,
            Some(value) => {
                let text = std::str::from_utf8(value.as_bytes());
                let text = text.map_err(|_| ApiError::invalid(HEADER, format!("`{HEADER}` is not UTF-8")))?;
                Some(read(PreferenceSource::Header, Preference::from_text(text))?)
            }
        };
        Ok(Self { header, key: caller.key().and_then(ApiKey::preference).cloned() })
    }

    /// Fill in the preference of a body that has none; where it came from.
    ///
    /// # Errors
    /// 400 if the metadata contain a text that is not a preference.
    pub(crate) fn fill(
        self,
        body: &mut Option<Preference>,
        metadata: Option<&Map<String, Value>>,
        model: Option<&str>,
        state: &AppState,
    ) -> Result<PreferenceSource, ApiError> {
        if body.is_some() {
            return Ok(PreferenceSource::Body);
        }
        let note = metadata.and_then(|notes| notes.get(NOTE)).filter(|note| !note.is_null());
        let note = note.map(|note| read(PreferenceSource::Metadata, Preference::from_value(note))).transpose()?;
        let preset = model.and_then(|name| state.model.preset(name)).map(|preset| preset.preference.clone());
        let places = [
            (self.header, PreferenceSource::Header),
            (note, PreferenceSource::Metadata),
            (self.key, PreferenceSource::Key),
            (preset, PreferenceSource::Model),
        ];
        for (preference, source) in places {
            if preference.is_some() {
                *body = preference;
                return Ok(source);
            }
        }
        Ok(PreferenceSource::Default)
    }
}

fn read(source: PreferenceSource, preference: Result<Preference, String>) -> Result<Preference, ApiError> {
    preference.map_err(|why| ApiError::invalid(source.param(), format!("`{}`: {why}", source.param())))
}

impl AppState {
    /// Check that the preferences of presets and keys are ones of the reward model.
    ///
    /// # Errors
    /// What is wrong with the first that is none.
    pub fn check_preferences(&self) -> Result<(), String> {
        let presets = self.model.presets.iter();
        let presets = presets.map(|preset| (format!("model.presets.{}", preset.name), &preset.preference));
        let keys = self.keys.preferences().map(|preference| ("the preference of an API key".to_owned(), preference));
        for (place, preference) in presets.chain(keys) {
            let Some(reward) = &self.reward else {
                return Err(format!("{place}: this server has no reward model to steer with"));
            };
            let resolved = reward.model.resolve(&preference_input(Some(preference.clone())));
            resolved.map_err(|error| format!("{place}: {error}"))?;
        }
        Ok(())
    }
}
