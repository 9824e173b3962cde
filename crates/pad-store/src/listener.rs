//! Changes of profiles by other servers, as PostgreSQL tells them.

use std::sync::Arc;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgListener, PgPoolOptions};

use crate::Scope;
use crate::cache::ProfileCache;
use crate::health::Pulse;

/// Where a trigger of the table tells `SCOPE NAME` of each profile that changes.
const CHANNEL: &str = "pad_profiles";
/// How long connecting may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// Before another attempt.
const PAUSE: Duration = Duration::from_millis(500);

/// Forget what others change, for ever. Where changes may have been missed, everything is forgotten.
pub(crate) async fn follow(options: PgConnectOptions, cache: Arc<ProfileCache>, pulse: Arc<Pulse>) {
    loop {
        tokio::select! {
            heard = listen(&options, &cache) => {
                if let Err(error) = heard {
                    tracing::debug!(%error, "changes by other servers are not heard of for now");
                }
            }
            // A connection through which nothing comes any more does not say so.
            () = pulse.lost() => {}
        }
        cache.clear();
        pulse.suspect();
        tokio::time::sleep(PAUSE).await;
    }
}

/// Listen until the connection is lost.
async fn listen(options: &PgConnectOptions, cache: &ProfileCache) -> Result<(), sqlx::Error> {
    let connection = PgPoolOptions::new().max_connections(1).acquire_timeout(PATIENCE);
    let mut listener = PgListener::connect_with(&connection.connect_lazy_with(options.clone())).await?;
    listener.eager_reconnect(false);
    listener.listen(CHANNEL).await?;
    // What was changed before is not told any more.
    cache.clear();
    while let Some(notification) = listener.try_recv().await? {
        if let Some((scope, name)) = notification.payload().split_once(' ') {
            cache.forget(&Scope::stored(scope), name);
        }
    }
    Ok(())
}
