//! What other users prefer, as the prior of those who have chosen little yet.

use std::sync::Arc;

use pad_learning::Prior;
use pad_store::Scope;

use super::dimensions::LearnedDimensions;
use super::learned::Learned;
use crate::state::Shared;

/// Choices from which on a profile says something about users at large.
const LEAST_CHOICES: u32 = 5;

/// The profiles that were changed last, so many of them, are the population.
const LATEST: u32 = 1000;

/// The prior for the profile of this name: that of the other users of its scope, where the settings want it, else a unit Gaussian.
///
/// A database that does not answer costs the prior, not the feedback.
pub(super) async fn prior(shared: &Shared, dimensions: &LearnedDimensions, scope: &Scope, name: &str) -> Prior {
    let count = dimensions.names.len();
    if !shared.state.profiles.population_prior {
        return Prior::unit(count);
    }
    let population = if let Some(known) = shared.populations.find(scope) {
        known
    } else {
        let read = Arc::new(read(shared, dimensions, scope).await);
        shared.populations.fill(scope, Arc::clone(&read));
        read
    };
    let others: Vec<Prior> =
        population.iter().filter(|(user, _)| user != name).map(|(_, prior)| prior.clone()).collect();
    Prior::of_population(count, &others)
}

async fn read(shared: &Shared, dimensions: &LearnedDimensions, scope: &Scope) -> Vec<(String, Prior)> {
    let Some(store) = &shared.state.store else { return Vec::new() };
    match store.learned_profiles(scope, LEAST_CHOICES, LATEST).await {
        Ok(profiles) => {
            let known = |profile: pad_store::Profile| {
                let learned = Learned::read(dimensions, &profile)?;
                (learned.posterior.choices >= LEAST_CHOICES as usize)
                    .then(|| (profile.name, learned.posterior.as_prior()))
            };
            profiles.into_iter().filter_map(known).collect()
        }
        Err(error) => {
            tracing::debug!(%error, "a profile is learned without the population's prior");
            Vec::new()
        }
    }
}
