//! Documents that are too old, or too many, are deleted.

use crate::database::writing;
use crate::time::now;
use crate::{Store, StoreError};

const EXPIRED: &str = "DELETE FROM documents WHERE expires_at <= $1";
/// Of each scope its latest go first, so that whoever has most loses most, and nobody forgets what others have stored.
const SURPLUS: &str = "DELETE FROM documents WHERE (scope, kind, id) IN (\
     SELECT scope, kind, id FROM (\
     SELECT scope, kind, id, ROW_NUMBER() OVER (ORDER BY own, created_at DESC, id DESC) AS place, \
     SUM(bytes) OVER (ORDER BY own_bytes, created_at DESC, id DESC) AS total FROM (\
     SELECT scope, kind, id, bytes, created_at, ROW_NUMBER() OVER latest AS own, SUM(bytes) OVER latest AS own_bytes \
     FROM documents WINDOW latest AS (PARTITION BY scope ORDER BY created_at DESC, id DESC)) AS ranked) AS aged \
     WHERE place > CAST($1 AS BIGINT) OR total > CAST($2 AS BIGINT))";

impl Store {
    /// Delete expired documents, and the oldest of those beyond the limits.
    ///
    /// # Errors
    /// If the database does not answer.
    pub(crate) async fn sweep(&self) -> Result<(), StoreError> {
        let database = self.database().await?;
        let most = i64::try_from(self.0.limits.documents).unwrap_or(i64::MAX);
        let most_bytes = i64::try_from(self.0.limits.document_bytes).unwrap_or(i64::MAX);
        writing!(database, pool => {
            sqlx::query(EXPIRED).bind(now()).execute(pool).await?;
            sqlx::query(SURPLUS).bind(most).bind(most_bytes).execute(pool).await?;
        });
        Ok(())
    }
}
