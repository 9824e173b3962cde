//! What was set in a stored profile.

use pad_api::Preference;
use pad_store::Profile;

use crate::ApiError;

/// The preference that was set.
///
/// # Errors
/// 500 if what is stored is no preference.
pub(super) fn preference(profile: &Profile) -> Result<Preference, ApiError> {
    Preference::from_value(&profile.preference).map_err(|error| {
        tracing::error!(%error, "a stored profile is no preference");
        ApiError::internal(format!("the stored profile `{}` cannot be read", profile.name))
    })
}
