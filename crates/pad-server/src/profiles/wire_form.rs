//! Stored profiles as the API shows them.

use pad_api::{ObjectKind, PreferenceProfile};
use pad_store::Profile;

use super::learned::{Learned, served_dimensions};
use super::set;
use crate::ApiError;
use crate::state::Shared;

/// A profile for clients.
///
/// # Errors
/// 500 if what is stored is no preference.
pub(super) fn of(profile: &Profile, shared: &Shared) -> Result<PreferenceProfile, ApiError> {
    let learned = match served_dimensions(shared) {
        Ok(dimensions) => Learned::read(&dimensions, profile).map(|learned| learned.shown(&dimensions)),
        // Nothing can be learned here.
        Err(_) => None,
    };
    Ok(PreferenceProfile {
        object: ObjectKind::PreferenceProfile,
        name: profile.name.clone(),
        version: profile.stamp.version,
        preference: set::preference(profile)?,
        learned,
        choices: profile.choices,
        created_at: seconds(profile.stamp.created_at),
        updated_at: seconds(profile.updated_at),
    })
}

/// Milliseconds since 1970 as seconds.
pub(super) fn seconds(millis: i64) -> i64 {
    millis.div_euclid(1000)
}
