//! The profile that a request names, or that its user has.

use std::time::Duration;

use pad_api::{NamedProfile, Preference, PreferenceSource};
use pad_reward::Manifest;
use pad_store::Scope;

use super::learned::with_learned;
use super::{name, set};
use crate::ApiError;
use crate::generation::guidance::preference_input;
use crate::state::Shared;

/// How long a request waits for the profile of its user, without which it is answered as well.
const PATIENCE: Duration = Duration::from_secs(1);

/// What a request that names a profile is steered towards.
///
/// # Errors
/// 404 if there is no such profile, 400 if it does not fit the reward model or has words where weights are to be changed, 503 if it
/// cannot be looked up.
pub(crate) async fn preference(
    shared: &Shared,
    scope: &Scope,
    named: &NamedProfile,
    source: PreferenceSource,
) -> Result<Preference, ApiError> {
    let (name, place) = (&named.name, source.param());
    name::check(name).map_err(|error| error.about(place))?;
    let found = shared.store()?.profile(scope, name).await?;
    let profile = found.ok_or_else(|| ApiError::profile_not_found(name).about(place))?;
    let mut preference = with_learned(set::preference(&profile)?, &profile, shared);
    if !named.weights.is_empty() {
        let Preference::Named(weights) = &mut preference else {
            let message = format!(
                "`{place}` has weights beside the profile `{name}`, which is a principle in words; allowed: the profile alone"
            );
            return Err(ApiError::invalid(place, message));
        };
        for (dimension, weight) in &named.weights {
            match weights.iter_mut().find(|(known, _)| known == dimension) {
                Some((_, known)) => *known = *weight,
                None => weights.push((dimension.clone(), *weight)),
            }
        }
    }
    if let Some(reward) = &shared.state.reward {
        let resolved = reward.model.resolve(&preference_input(Some(preference.clone())));
        resolved.map_err(|error| ApiError::invalid(place, format!("`{place}`, with the profile `{name}`: {error}")))?;
    }
    Ok(preference)
}

/// What the profile of a request's user prefers, as far as the reward model has it; none where there is no profile or it cannot be
/// looked up: a client that does not know of profiles is answered all the same.
pub(crate) async fn bound(shared: &Shared, scope: &Scope, user: &str) -> Option<Preference> {
    let (store, reward) = (shared.state.store.as_ref()?, shared.state.reward.as_ref()?);
    let profile = match tokio::time::timeout(PATIENCE, store.profile(scope, user)).await {
        Ok(Ok(profile)) => profile?,
        Ok(Err(error)) => {
            tracing::debug!(%error, "a request is answered without the profile of its user");
            return None;
        }
        Err(_) => {
            tracing::debug!("a request is answered without the profile of its user: the database is slow");
            return None;
        }
    };
    let preference = with_learned(set::preference(&profile).ok()?, &profile, shared);
    let nothing = matches!(&preference, Preference::Named(weights) if weights.is_empty());
    // A profile that was made by a choice, and is not known yet, does not stand before the key's preference.
    if nothing && profile.choices > 0 {
        return None;
    }
    Some(fitted(preference, reward.model.manifest()))
}

/// Without the dimensions that the reward model does not have, and with weights in its range: the profile may have been made for another
/// one.
fn fitted(preference: Preference, manifest: &Manifest) -> Preference {
    let Preference::Named(weights) = preference else { return preference };
    let [low, high] = manifest.weight_range;
    let known = |name: &str| manifest.dimensions.iter().any(|dimension| dimension.name == name);
    let weights = weights.into_iter().filter(|(name, _)| known(name));
    Preference::Named(weights.map(|(name, weight)| (name, weight.clamp(low, high))).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_profile_of_another_reward_model_applies_as_far_as_it_can() {
        let manifest =
            "kind = \"prompted\"\nweight_range = [-2, 2]\ndimensions = [{ name = \"loud\", principle = \"x\" }]";
        let manifest = Manifest::from_toml(manifest).expect("a manifest");
        let given = |weights: &[(&str, f64)]| {
            Preference::Named(weights.iter().map(|(name, weight)| ((*name).to_owned(), *weight)).collect())
        };
        assert_eq!(fitted(given(&[("quiet", 1.0), ("loud", 3.0)]), &manifest), given(&[("loud", 2.0)]));
        let words = Preference::Principle("be kind".to_owned());
        assert_eq!(fitted(words.clone(), &manifest), words);
    }
}
