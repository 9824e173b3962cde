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
    let known = shared.populations.find(scope);
    let population = match known {
        Some(known) => Some(known),
        None => read(shared, dimensions, scope)
            .await
            .map(Arc::new)
            .inspect(|read| shared.populations.fill(scope, Arc::clone(read))),
    };
    let Some(population) = population else { return Prior::unit(count) };
    let others: Vec<Prior> =
        population.iter().filter(|(user, _)| user != name).map(|(_, prior)| prior.clone()).collect();
    Prior::of_population(count, &others)
}

/// The population; none if it could not be read.
async fn read(shared: &Shared, dimensions: &LearnedDimensions, scope: &Scope) -> Option<Vec<(String, Prior)>> {
    let store = shared.state.store.as_ref()?;
    let known = |profile: pad_store::Profile| {
        let learned = Learned::read(dimensions, &profile)?;
        let enough = learned.posterior.choices >= LEAST_CHOICES as usize;
        enough.then(|| (profile.name, learned.posterior.as_prior()))
    };
    match store.learned_profiles(scope, LEAST_CHOICES, LATEST).await {
        Ok(profiles) => Some(profiles.into_iter().filter_map(known).collect()),
        Err(error) => {
            tracing::debug!(%error, "a profile is learned without the population's prior");
            None
        }
    }
}
