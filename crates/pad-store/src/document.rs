//! Documents of limited life, such as responses that later ones may continue.

use std::time::Duration;

use crate::database::{reading, writing};
use crate::time::{millis, now, unique_now};
use crate::{Scope, Store, StoreError};

const KEEP: &str = "INSERT INTO documents (scope, kind, id, person, body, bytes, created_at, expires_at) \
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8) \
     ON CONFLICT (scope, kind, id) DO UPDATE SET person = excluded.person, body = excluded.body, bytes = excluded.bytes, \
     created_at = excluded.created_at, expires_at = excluded.expires_at";
const FIND: &str = "SELECT kind, id, person, body, created_at, expires_at FROM documents \
     WHERE scope = $1 AND kind = $2 AND id = $3 AND expires_at > $4";
const FORGET: &str = "DELETE FROM documents WHERE scope = $1 AND kind = $2 AND id = $3 AND expires_at > $4";
const LIST: &str = "SELECT kind, id, person, body, created_at, expires_at FROM documents \
     WHERE scope = $1 AND person = $2 AND (created_at, id) > ($3, $4) AND expires_at > $5 ORDER BY created_at, id LIMIT $6";

/// A document to be kept.
#[derive(Clone, Debug, PartialEq)]
pub struct Document {
    /// What it is: `response`, for example.
    pub kind: &'static str,
    /// Its name among those of its kind and scope.
    pub id: String,
    /// The user that it is about, with whose profile it is exported and deleted.
    pub person: Option<String>,
    /// Text, usually JSON.
    pub body: String,
    /// How long it is kept.
    pub lifetime: Duration,
}

/// A document that was kept.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredDocument {
    /// What it is.
    pub kind: String,
    /// Its name among those of its kind and scope.
    pub id: String,
    /// The user that it is about.
    pub person: Option<String>,
    /// The text.
    pub body: String,
    /// When it was kept, in milliseconds since 1970. Later ones of a process have later times.
    pub created_at: i64,
    /// When it is forgotten.
    pub expires_at: i64,
}

type DocumentRow = (String, String, Option<String>, String, i64, i64);

impl From<DocumentRow> for StoredDocument {
    fn from((kind, id, person, body, created_at, expires_at): DocumentRow) -> Self {
        Self { kind, id, person, body, created_at, expires_at }
    }
}

impl Store {
    /// Keep a document in the place of one that has its name, and forget the oldest ones if there is no room. Whether it is kept: one that
    /// is larger than all may be together is not.
    ///
    /// # Errors
    /// If the database does not answer.
    pub async fn keep(&self, scope: &Scope, document: Document) -> Result<bool, StoreError> {
        let Document { kind, id, person, body, lifetime } = document;
        let bytes = body.len() as u64;
        if bytes > self.0.limits.document_bytes || self.0.limits.documents == 0 {
            return Ok(false);
        }
        let created_at = unique_now();
        let expires_at = created_at.saturating_add(millis(lifetime));
        self.attempt(async {
            let database = self.database().await?;
            writing!(database, pool => {
                let query = sqlx::query(KEEP).bind(scope.name()).bind(kind).bind(&id).bind(person.as_deref());
                let query = query.bind(&body).bind(bytes as i64).bind(created_at).bind(expires_at);
                query.execute(pool).await?;
            });
            if self.0.growth.add(bytes, self.0.limits.documents, self.0.limits.document_bytes)
                && let Err(error) = self.sweep().await
            {
                // The document is stored all the same.
                tracing::warn!(%error, "old documents could not be deleted");
            }
            Ok(true)
        })
        .await
    }

    /// The document of this name.
    ///
    /// # Errors
    /// If the database does not answer.
    pub async fn document(
        &self,
        scope: &Scope,
        kind: &'static str,
        id: &str,
    ) -> Result<Option<StoredDocument>, StoreError> {
        let row: Option<DocumentRow> = self
            .attempt(async {
                let database = self.database().await?;
                Ok(reading!(database, pool => {
                    let query = sqlx::query_as(FIND).bind(scope.name()).bind(kind).bind(id).bind(now());
                    query.fetch_optional(pool).await?
                }))
            })
            .await?;
        Ok(row.map(StoredDocument::from))
    }

    /// Forget the document of this name; whether there was one.
    ///
    /// # Errors
    /// If the database does not answer.
    pub async fn forget(&self, scope: &Scope, kind: &'static str, id: &str) -> Result<bool, StoreError> {
        self.attempt(async {
            let database = self.database().await?;
            Ok(writing!(database, pool => {
                let query = sqlx::query(FORGET).bind(scope.name()).bind(kind).bind(id).bind(now());
                query.execute(pool).await?.rows_affected() > 0
            }))
        })
        .await
    }

    /// At most `limit` documents about a user, the oldest first, from the one after `after` on.
    ///
    /// # Errors
    /// If the database does not answer.
    pub async fn documents_about(
        &self,
        scope: &Scope,
        person: &str,
        after: Option<&StoredDocument>,
        limit: u32,
    ) -> Result<Vec<StoredDocument>, StoreError> {
        let (created_at, id) = after.map_or((i64::MIN, ""), |after| (after.created_at, after.id.as_str()));
        let rows: Vec<DocumentRow> = self
            .attempt(async {
                let database = self.database().await?;
                Ok(reading!(database, pool => {
                    let query = sqlx::query_as(LIST).bind(scope.name()).bind(person).bind(created_at);
                    query.bind(id).bind(now()).bind(i64::from(limit)).fetch_all(pool).await?
                }))
            })
            .await?;
        Ok(rows.into_iter().map(StoredDocument::from).collect())
    }
}
