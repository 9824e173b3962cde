//! What was set in a stored profile.

use pad_api::Preference;
use pad_store::Profile;
use serde::Deserialize;

use crate::ApiError;

/// The preference that was set.
///
/// # Errors
/// 500 if what is stored is no preference.
pub(super) fn preference(profile: &Profile) -> Result<Preference, ApiError> {
    // Not as a header is read, where `a=b` is a weight: here it is a principle. What is wrong may hold the user's words.
    Preference::deserialize(&profile.preference).map_err(|_| {
        tracing::error!("a stored profile is no preference");
        ApiError::internal(format!("the stored profile `{}` cannot be read", profile.name))
    })
}
