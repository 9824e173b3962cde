//! Names for the model combined with a preference, for clients that can only choose a model.

use pad_api::Preference;
use serde_json::Value;

/// A name, and what requests that give it as their model are steered towards.
#[derive(Clone, Debug, PartialEq)]
pub struct Preset {
    /// The name.
    pub(crate) name: String,
    /// If the request has no preference of its own.
    pub(crate) preference: Preference,
}

impl Preset {
    /// A preset as settings give it: weights by dimension, in the reward model's order, or a text as in the header
    /// `x-pad-preference`.
    ///
    /// # Errors
    /// If the value is not a preference.
    pub fn new(name: &str, preference: &Value) -> Result<Self, String> {
        Ok(Self { name: name.to_owned(), preference: Preference::from_value(preference)? })
    }
}
