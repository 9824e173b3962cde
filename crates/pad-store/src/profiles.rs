//! Profiles: read, written, listed.

use std::sync::Arc;

use serde_json::Value;

use crate::database::{reading, transacting};
use crate::profile::{ProfileRow, columns};
use crate::time::unique_now;
use crate::{Profile, Scope, Stamp, Store, StoreError};

const FIND: &str = concat!("SELECT ", columns!(), " FROM profiles WHERE scope = $1 AND name = $2");
const LIST: &str =
    concat!("SELECT ", columns!(), " FROM profiles WHERE scope = $1 AND name > $2 ORDER BY name LIMIT $3");
const LEARNED: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM profiles WHERE scope = $1 AND choices >= $2 AND learned IS NOT NULL ORDER BY updated_at DESC, name LIMIT $3"
);
const PUT: &str = concat!(
    "INSERT INTO profiles (scope, name, version, preference, created_at, updated_at) VALUES ($1, $2, 1, $3, $4, $4) \
     ON CONFLICT (scope, name) DO UPDATE SET preference = excluded.preference, version = profiles.version + 1, \
     updated_at = excluded.updated_at RETURNING ",
    columns!()
);
const MAKE: &str = concat!(
    "INSERT INTO profiles (scope, name, version, preference, created_at, updated_at) VALUES ($1, $2, 1, $3, $4, $4) \
     ON CONFLICT (scope, name) DO NOTHING RETURNING ",
    columns!()
);
const REPLACE: &str = concat!(
    "UPDATE profiles SET preference = $3, version = version + 1, updated_at = $4 WHERE scope = $1 AND name = $2 RETURNING ",
    columns!()
);
const REPLACE_STATE: &str = concat!(
    "UPDATE profiles SET preference = $3, version = version + 1, updated_at = $4 \
     WHERE scope = $1 AND name = $2 AND created_at = $5 AND version = $6 RETURNING ",
    columns!()
);

/// What a profile must be for a change of it to be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected {
    /// Whatever it is.
    Anything,
    /// There is one.
    Present,
    /// There is none.
    Absent,
    /// It is in this state.
    State(Stamp),
}

/// A profile that was written.
#[derive(Clone, Debug, PartialEq)]
pub struct Written {
    /// As it is now.
    pub profile: Profile,
    /// Whether there was none before.
    pub created: bool,
}

impl Store {
    /// The profile of this name, from the cache if it is there.
    ///
    /// # Errors
    /// If the database does not answer.
    pub async fn profile(&self, scope: &Scope, name: &str) -> Result<Option<Arc<Profile>>, StoreError> {
        let cache = &self.0.cache;
        if let Some(known) = cache.find(scope, name) {
            return Ok(known);
        }
        let mark = cache.mark();
        let found = self.fresh_profile(scope, name).await?.map(Arc::new);
        cache.fill(scope, name, found.clone(), mark);
        Ok(found)
    }

    /// The profile of this name, from the database.
    ///
    /// # Errors
    /// If the database does not answer.
    pub async fn fresh_profile(&self, scope: &Scope, name: &str) -> Result<Option<Profile>, StoreError> {
        let row: Option<ProfileRow> = self
            .attempt(async {
                let database = self.database().await?;
                Ok(reading!(database, pool => sqlx::query_as(FIND).bind(scope.name()).bind(name).fetch_optional(pool).await?))
            })
            .await?;
        row.map(Profile::of_row).transpose()
    }

    /// At most `limit` profiles, in the order of the bytes of their names, from the one after `after` on.
    ///
    /// # Errors
    /// If the database does not answer.
    pub async fn profiles(&self, scope: &Scope, after: Option<&str>, limit: u32) -> Result<Vec<Profile>, StoreError> {
        let after = after.unwrap_or_default();
        let rows: Vec<ProfileRow> = self
            .attempt(async {
                let database = self.database().await?;
                let limit = i64::from(limit);
                Ok(reading!(database, pool => {
                    sqlx::query_as(LIST).bind(scope.name()).bind(after).bind(limit).fetch_all(pool).await?
                }))
            })
            .await?;
        rows.into_iter().map(Profile::of_row).collect()
    }

    /// At most `limit` profiles with what was learned from at least so many choices, the latest first. All profiles of the scope are read
    /// for this.
    ///
    /// # Errors
    /// If the database does not answer.
    pub async fn learned_profiles(&self, scope: &Scope, choices: u32, limit: u32) -> Result<Vec<Profile>, StoreError> {
        let rows: Vec<ProfileRow> = self
            .attempt(async {
                let database = self.database().await?;
                let (choices, limit) = (i64::from(choices), i64::from(limit));
                Ok(reading!(database, pool => {
                    sqlx::query_as(LEARNED).bind(scope.name()).bind(choices).bind(limit).fetch_all(pool).await?
                }))
            })
            .await?;
        rows.into_iter().map(Profile::of_row).collect()
    }

    /// Set what a profile prefers; what was learned, and the choices, stay.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if the profile is not as expected.
    pub async fn put_profile(
        &self,
        scope: &Scope,
        name: &str,
        preference: &Value,
        expected: Expected,
    ) -> Result<Written, StoreError> {
        let (store, scope, name, text) = (self.clone(), scope.clone(), name.to_owned(), preference.to_string());
        Self::to_the_end(async move { store.put(&scope, &name, &text, expected).await }).await
    }

    async fn put(&self, scope: &Scope, name: &str, text: &str, expected: Expected) -> Result<Written, StoreError> {
        let now = unique_now();
        let row: Result<Option<ProfileRow>, StoreError> = self
            .attempt(async {
                let database = self.database().await?;
                let (statement, state) = match expected {
                    Expected::Anything => (PUT, None),
                    Expected::Absent => (MAKE, None),
                    Expected::Present => (REPLACE, None),
                    Expected::State(stamp) => (REPLACE_STATE, Some(stamp)),
                };
                // A transaction of its own: SQLite gives the row before it writes, and a failure after that would go unheard.
                Ok(transacting!(database, transaction => {
                    let mut query = sqlx::query_as(statement).bind(scope.name()).bind(name).bind(text).bind(now);
                    if let Some(Stamp { created_at, version }) = state {
                        query = query.bind(created_at).bind(version);
                    }
                    let row = query.fetch_optional(&mut *transaction).await?;
                    transaction.commit().await?;
                    row
                }))
            })
            .await;
        // Even where it failed: it may have been done before the answer was lost.
        self.0.cache.forget(scope, name);
        let profile = Profile::of_row(row?.ok_or(StoreError::Conflict)?)?;
        Ok(Written { created: profile.stamp.version == 1, profile })
    }
}
