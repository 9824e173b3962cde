//! All that is stored about a user.

use crate::database::{Database, transacting};
use crate::{Expected, Scope, Store, StoreError};

const PROFILE: &str = "DELETE FROM profiles WHERE scope = $1 AND name = $2";
const PROFILE_STATE: &str = "DELETE FROM profiles WHERE scope = $1 AND name = $2 AND created_at = $3 AND version = $4";
const CHOICES: &str = "DELETE FROM choices WHERE scope = $1 AND name = $2";
const DOCUMENTS: &str = "DELETE FROM documents WHERE scope = $1 AND person = $2";

/// What was deleted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Deleted {
    /// Profiles: one, if there was one.
    pub profiles: u64,
    /// Choices.
    pub choices: u64,
    /// Documents.
    pub documents: u64,
}

impl Deleted {
    /// Whether there was nothing.
    pub fn is_nothing(self) -> bool {
        self == Self::default()
    }
}

impl Store {
    /// Delete all that is stored about a user: the profile, its choices, and the documents.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if the profile is not as expected; then nothing is deleted.
    pub async fn delete_person(&self, scope: &Scope, name: &str, expected: Expected) -> Result<Deleted, StoreError> {
        let (store, scope, name) = (self.clone(), scope.clone(), name.to_owned());
        Self::to_the_end(async move { store.delete(&scope, &name, expected).await }).await
    }

    async fn delete(&self, scope: &Scope, name: &str, expected: Expected) -> Result<Deleted, StoreError> {
        let owner = scope.name();
        let deleted = self
            .attempt(async {
                let database = self.database().await?;
                Ok(transacting!(database, transaction => {
                    let query = match expected {
                        Expected::State(stamp) => {
                            let query = sqlx::query(PROFILE_STATE).bind(owner).bind(name);
                            query.bind(stamp.created_at).bind(stamp.version)
                        }
                        _ => sqlx::query(PROFILE).bind(owner).bind(name),
                    };
                    let profiles = query.execute(&mut *transaction).await?.rows_affected();
                    let as_expected = match expected {
                        Expected::Anything => true,
                        Expected::Absent => profiles == 0,
                        Expected::Present | Expected::State(_) => profiles > 0,
                    };
                    if !as_expected {
                        // Dropping the transaction takes back what it did.
                        return Err(StoreError::Conflict);
                    }
                    let query = sqlx::query(CHOICES).bind(owner).bind(name);
                    let choices = query.execute(&mut *transaction).await?.rows_affected();
                    let query = sqlx::query(DOCUMENTS).bind(owner).bind(name);
                    let documents = query.execute(&mut *transaction).await?.rows_affected();
                    transaction.commit().await?;
                    Deleted { profiles, choices, documents }
                }))
            })
            .await;
        self.0.cache.forget(scope, name);
        if deleted.is_ok() {
            self.truncate_log().await;
        }
        deleted
    }

    /// SQLite's log of writes holds what was deleted until it begins anew.
    async fn truncate_log(&self) {
        if let Ok(Database::Sqlite { write, file: Some(_), .. }) = self.database().await
            && let Err(error) = sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").execute(write).await
        {
            tracing::warn!(%error, "the database's log still holds what was deleted");
        }
    }
}
