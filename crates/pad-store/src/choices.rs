//! The choices that profiles are learned from.

use std::time::Duration;

use serde_json::Value;

use crate::database::{Database, begin, reading};
use crate::profile::{ProfileRow, columns};
use crate::time::now;
use crate::{Profile, Scope, Store, StoreError};

const LOCK_SQLITE: &str = concat!("SELECT ", columns!(), " FROM profiles WHERE scope = $1 AND name = $2");
const LOCK_POSTGRES: &str = concat!("SELECT ", columns!(), " FROM profiles WHERE scope = $1 AND name = $2 FOR UPDATE");
/// The latest first; those that stand.
const EVIDENCE: &str = "SELECT number, evidence, NULL, created_at, undone_at FROM choices \
     WHERE scope = $1 AND name = $2 AND undone_at IS NULL ORDER BY number DESC LIMIT $3";
const FORGET: &str = "DELETE FROM choices WHERE scope = $1 AND name = $2 AND number <= $3";
const LIST: &str = "SELECT number, evidence, content, created_at, undone_at FROM choices \
     WHERE scope = $1 AND name = $2 AND number > $3 ORDER BY number LIMIT $4";
const APPEND: &str = "INSERT INTO choices (scope, name, number, evidence, content, created_at) \
     VALUES ($1, $2, $3, $4, $5, $6)";
const UNDO: &str = "UPDATE choices SET undone_at = $4 \
     WHERE scope = $1 AND name = $2 AND number = $3 AND undone_at IS NULL";
const REVISE: &str = concat!(
    "UPDATE profiles SET learned = $3, choices = $4, version = version + 1, updated_at = $5 \
     WHERE scope = $1 AND name = $2 RETURNING ",
    columns!()
);

/// Choices that a revision reads.
pub const READ: u32 = 1000;

/// Choices of a profile that are kept.
const MOST: i64 = 10_000;

/// How long a change of a profile waits for others of the same profile.
const TURN: Duration = Duration::from_mins(1);

/// A choice that a user has made.
#[derive(Clone, Debug, PartialEq)]
pub struct Choice {
    /// 1 for the first of a profile.
    pub number: i64,
    /// What the profile is computed from, as JSON.
    pub evidence: Value,
    /// The texts, as JSON; none where they were not asked for.
    pub content: Option<Value>,
    /// When it was made, in milliseconds since 1970.
    pub created_at: i64,
    /// When it was undone, if it was.
    pub undone_at: Option<i64>,
}

/// A choice to be added.
#[derive(Clone, Debug, PartialEq)]
pub struct NewChoice {
    /// What the profile is computed from. It is read whenever the profile is revised: texts do not belong here.
    pub evidence: Value,
    /// The texts.
    pub content: Value,
}

/// How a profile and its choices change.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Revision<T = ()> {
    /// A choice that is added; its number is one more than the profile's `choices`.
    pub append: Option<NewChoice>,
    /// The numbers of choices that are undone.
    pub undo: Vec<i64>,
    /// What is known now; none leaves what was known.
    pub learned: Option<Value>,
    /// What the caller is told besides.
    pub outcome: T,
}

/// A profile that was revised.
#[derive(Clone, Debug, PartialEq)]
pub struct Revised<T = ()> {
    /// As it is now.
    pub profile: Profile,
    /// That of the [`Revision`].
    pub outcome: T,
}

type ChoiceRow = (i64, String, Option<String>, i64, Option<i64>);

impl Choice {
    fn of_row((number, evidence, content, created_at, undone_at): ChoiceRow) -> Result<Self, StoreError> {
        let content = content.map(|content| serde_json::from_str(&content)).transpose()?;
        Ok(Self { number, evidence: serde_json::from_str(&evidence)?, content, created_at, undone_at })
    }
}

/// The body of [`Store::revise`] in a transaction of either database.
macro_rules! revise_in {
    ($transaction:expr, $lock:expr, $scope:ident, $name:ident, $revise:ident) => {{
        let mut transaction = $transaction.await.map_err(StoreError::from)?;
        let row: Option<ProfileRow> = sqlx::query_as($lock)
            .bind($scope)
            .bind($name)
            .fetch_optional(&mut *transaction)
            .await
            .map_err(StoreError::from)?;
        let profile = Profile::of_row(row.ok_or_else(|| StoreError::Missing($name.to_owned()))?)?;
        let rows: Vec<ChoiceRow> = sqlx::query_as(EVIDENCE)
            .bind($scope)
            .bind($name)
            .bind(i64::from(READ))
            .fetch_all(&mut *transaction)
            .await
            .map_err(StoreError::from)?;
        let choices = rows.into_iter().rev().map(Choice::of_row).collect::<Result<Vec<_>, _>>()?;
        let Revision { append, undo, learned, outcome } = $revise(&profile, &choices)?;
        let (now, latest) = (now(), profile.choices + i64::from(append.is_some()));
        if let Some(NewChoice { evidence, content }) = append {
            let query = sqlx::query(APPEND).bind($scope).bind($name).bind(latest);
            let query = query.bind(evidence.to_string()).bind(content.to_string()).bind(now);
            query.execute(&mut *transaction).await.map_err(StoreError::from)?;
            // Of very many the oldest, undone or not, are forgotten.
            let query = sqlx::query(FORGET).bind($scope).bind($name).bind(latest - MOST);
            query.execute(&mut *transaction).await.map_err(StoreError::from)?;
        }
        for number in undo {
            let query = sqlx::query(UNDO).bind($scope).bind($name).bind(number).bind(now);
            query.execute(&mut *transaction).await.map_err(StoreError::from)?;
        }
        let learned = learned.or(profile.learned).map(|learned| learned.to_string());
        let query = sqlx::query_as(REVISE).bind($scope).bind($name).bind(learned).bind(latest).bind(now);
        let row: ProfileRow = query.fetch_one(&mut *transaction).await.map_err(StoreError::from)?;
        transaction.commit().await.map_err(StoreError::from)?;
        Revised { profile: Profile::of_row(row)?, outcome }
    }};
}

impl Store {
    /// Change a profile and its choices by what `revise` makes of them. Nobody else changes the profile meanwhile, in this process or
    /// another one, so none of many concurrent changes is lost. `revise` gets the latest choices that stand, [`READ`] at most, in their
    /// order and without their texts; it holds a lock, and must be quick.
    ///
    /// # Errors
    /// [`StoreError::Missing`] if there is no such profile, [`StoreError::Unavailable`] where too many wait to change it; the error of
    /// `revise`, and then nothing is changed.
    pub async fn revise<T, E>(
        &self,
        scope: &Scope,
        name: &str,
        revise: impl FnOnce(&Profile, &[Choice]) -> Result<Revision<T>, E> + Send + 'static,
    ) -> Result<Revised<T>, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        let turn = tokio::time::timeout(TURN, self.0.turns.wait(scope, name)).await;
        let turn = turn.map_err(|_| StoreError::Unavailable("too many change this profile at once".to_owned()))?;
        let (store, scope, name) = (self.clone(), scope.clone(), name.to_owned());
        Self::to_the_end(async move {
            let _turn = turn;
            let (owner, name) = (scope.name(), name.as_str());
            let revised = store
                .bounded(async {
                    Ok(match store.database().await? {
                        Database::Sqlite { write, .. } => {
                            revise_in!(write.begin_with("BEGIN IMMEDIATE"), LOCK_SQLITE, owner, name, revise)
                        }
                        Database::Postgres(pool) => revise_in!(begin(pool), LOCK_POSTGRES, owner, name, revise),
                    })
                })
                .await;
            store.0.cache.forget(&scope, name);
            revised
        })
        .await
    }

    /// At most `limit` choices of a profile with their texts, in their order, from the one after number `after` on.
    ///
    /// # Errors
    /// If the database does not answer.
    pub async fn choices(&self, scope: &Scope, name: &str, after: i64, limit: u32) -> Result<Vec<Choice>, StoreError> {
        let rows: Vec<ChoiceRow> = self
            .attempt(async {
                let database = self.database().await?;
                Ok(reading!(database, pool => {
                    let query = sqlx::query_as(LIST).bind(scope.name()).bind(name).bind(after).bind(i64::from(limit));
                    query.fetch_all(pool).await?
                }))
            })
            .await?;
        rows.into_iter().map(Choice::of_row).collect()
    }
}
