//! The preference of a request, which may come from elsewhere than the body's `preference`, for clients that cannot add a field.
//!
//! ```text
//! body  >  header  >  metadata  >  the user's profile  >  key  >  model preset  >  the server's default
//! ```

use axum::http::HeaderMap;
use pad_api::{Preference, PreferenceChoice, PreferenceSource};
use pad_store::Scope;
use serde_json::{Map, Value};

use crate::auth::Caller;
use crate::generation::guidance::preference_input;
use crate::profiles::{name, named};
use crate::state::{AppState, Shared};
use crate::{ApiError, ApiKey};

/// The header, in one of the forms that [`PreferenceChoice::from_text`] reads.
const HEADER: &str = "x-pad-preference";
/// The same in OpenAI's map of notes.
const NOTE: &str = "pad_preference";

/// What a request brings beside its body.
#[derive(Clone, Debug)]
pub(crate) struct Standing {
    header: Option<PreferenceChoice>,
    key: Option<Preference>,
    scope: Scope,
}

/// The parts of a body that decide its preference.
#[derive(Clone, Debug, Default)]
pub(crate) struct Asked<'a> {
    pub(crate) preference: Option<PreferenceChoice>,
    pub(crate) metadata: Option<&'a Map<String, Value>>,
    /// The user on whose behalf the request is made.
    pub(crate) user: Option<&'a str>,
    pub(crate) model: Option<&'a str>,
}

/// What a request is steered towards.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Steering {
    /// None: the reward model's default.
    pub(crate) preference: Option<Preference>,
    /// Where that came from.
    pub(crate) source: PreferenceSource,
    /// Whom the request is about: its user, else the profile that it names.
    pub(crate) person: Option<String>,
    /// The stored profile that the preference is of.
    profile: Option<String>,
}

impl Steering {
    /// The name of the stored profile that applies.
    pub(crate) fn profile(&self) -> Option<&str> {
        self.profile.as_deref()
    }
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
                Some(read(PreferenceSource::Header, PreferenceChoice::from_text(text))?)
            }
        };
        Ok(Self { header, key: caller.key().and_then(ApiKey::preference).cloned(), scope: caller.scope() })
    }

    /// The preference of the first place that has one; a profile that is named is looked up.
    ///
    /// # Errors
    /// 400 if the metadata contain a text that is not a preference, or weights are to replace those of a profile in words. 404 if a named
    /// profile does not exist, 503 if it cannot be looked up.
    pub(crate) async fn settle(self, asked: Asked<'_>, shared: &Shared) -> Result<Steering, ApiError> {
        // What no profile can be called names nobody.
        let user = asked.user.filter(|user| name::is_valid(user)).map(str::to_owned);
        let note = asked.metadata.and_then(|notes| notes.get(NOTE)).filter(|note| !note.is_null());
        let given = match (asked.preference, self.header, note) {
            (Some(body), ..) => Some((body, PreferenceSource::Body)),
            (None, Some(header), _) => Some((header, PreferenceSource::Header)),
            (None, None, Some(note)) => {
                let source = PreferenceSource::Metadata;
                Some((read(source, PreferenceChoice::from_value(note))?, source))
            }
            (None, None, None) => None,
        };
        match given {
            Some((PreferenceChoice::Own(preference), source)) => {
                return Ok(Steering { preference: Some(preference), source, person: user, profile: None });
            }
            Some((PreferenceChoice::Profile(profile), source)) => {
                let preference = named::preference(shared, &self.scope, &profile, source).await?;
                let (person, profile) = (user.or_else(|| Some(profile.name.clone())), Some(profile.name));
                return Ok(Steering { preference: Some(preference), source, person, profile });
            }
            None => {}
        }
        if shared.state.profiles.bind_user
            && let Some(name) = &user
            && let Some(preference) = named::bound(shared, &self.scope, name).await
        {
            let source = PreferenceSource::Profile;
            return Ok(Steering { preference: Some(preference), source, person: user.clone(), profile: user });
        }
        let preset = asked.model.and_then(|name| shared.state.model.preset(name));
        let (preference, source) = match (self.key, preset) {
            (Some(preference), _) => (Some(preference), PreferenceSource::Key),
            (None, Some(preset)) => (Some(preset.preference.clone()), PreferenceSource::Model),
            (None, None) => (None, PreferenceSource::Default),
        };
        Ok(Steering { preference, source, person: user, profile: None })
    }

    /// Several preferences of one request, whose profiles are looked up.
    ///
    /// # Errors
    /// As [`Standing::settle`].
    pub(crate) async fn look_up(
        &self,
        choices: Vec<PreferenceChoice>,
        shared: &Shared,
    ) -> Result<Vec<Preference>, ApiError> {
        let mut preferences = Vec::with_capacity(choices.len());
        for choice in choices {
            preferences.push(match choice {
                PreferenceChoice::Own(preference) => preference,
                PreferenceChoice::Profile(profile) => {
                    named::preference(shared, &self.scope, &profile, PreferenceSource::Body).await?
                }
            });
        }
        Ok(preferences)
    }
}

fn read<T>(source: PreferenceSource, preference: Result<T, String>) -> Result<T, ApiError> {
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
