//! Stored profiles as the API shows them.

use pad_api::{ObjectKind, PreferenceProfile};
use pad_store::Profile;

use super::named::effective;
use crate::ApiError;

/// A profile for clients.
///
/// # Errors
/// 500 if what is stored is no preference.
pub(super) fn of(profile: &Profile) -> Result<PreferenceProfile, ApiError> {
    Ok(PreferenceProfile {
        object: ObjectKind::PreferenceProfile,
        name: profile.name.clone(),
        version: profile.stamp.version,
        preference: effective(profile)?,
        choices: profile.choices,
        created_at: seconds(profile.stamp.created_at),
        updated_at: seconds(profile.updated_at),
    })
}

/// Milliseconds since 1970 as seconds.
pub(super) fn seconds(millis: i64) -> i64 {
    millis.div_euclid(1000)
}
