//! Short labels for arms and preferences.

use crate::figure;
use crate::method::Method;
use crate::preference::Preference;

/// A method and its preference in few words.
pub fn made_by(method: &Method, preference: &Preference) -> String {
    if preference.is_none() { method.to_string() } else { format!("{method} {}", weights(preference)) }
}

/// The weights of a preference, named where there are several.
pub fn weights(preference: &Preference) -> String {
    let all: Vec<String> =
        preference.weights().map(|(name, weight)| format!("{name} {}", figure::weight(weight))).collect();
    all.join(", ")
}
