//! Populations that were read lately.

use std::sync::Arc;
use std::time::Duration;

use moka::sync::Cache;
use pad_learning::Prior;
use pad_store::Scope;

/// How long a population is used before it is read again.
const LIFETIME: Duration = Duration::from_mins(10);

/// Scopes whose populations are in memory.
const SCOPES: u64 = 1000;

/// Users by name, and what is known of each.
pub(super) type Population = Arc<Vec<(String, Prior)>>;

/// Populations by scope: the users of one key are no prior for those of another.
pub(crate) struct PopulationCache(Cache<Scope, Population>);

impl Default for PopulationCache {
    fn default() -> Self {
        Self(Cache::builder().max_capacity(SCOPES).time_to_live(LIFETIME).build())
    }
}

impl PopulationCache {
    pub(super) fn find(&self, scope: &Scope) -> Option<Population> {
        self.0.get(scope)
    }

    /// Somebody of it was deleted.
    pub(super) fn forget(&self, scope: &Scope) {
        self.0.invalidate(scope);
    }

    pub(super) fn fill(&self, scope: &Scope, population: Population) {
        self.0.insert(scope.clone(), population);
    }
}
