//! The tasks of a store: one finds out whether the database answers and deletes old documents, one hears of changes by others.

use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use tokio::time::{sleep, timeout};

use crate::database::{Database, greet};
use crate::health::Pulse;
use crate::store::Shared;
use crate::{Health, Location, Store, StoreError, listener};

/// Between two looks at a database that answers.
const CALM: Duration = Duration::from_secs(2);
/// Between two looks at one that does not.
const ALERT: Duration = Duration::from_millis(500);
/// Between two searches for old documents.
const SWEEP: Duration = Duration::from_mins(1);

impl Store {
    /// Starts the tasks, which end with the store. Without them a database that is out of reach is noticed by each operation anew, and
    /// changes that others make only when what is cached is forgotten.
    pub fn watch(&self) {
        let Shared { location, cache, pulse, .. } = &*self.0;
        self.spawn(look_after(Arc::downgrade(&self.0), Arc::clone(pulse)));
        if let Location::Postgres(options) = location {
            self.spawn(listener::follow((**options).clone(), Arc::clone(cache), Arc::clone(pulse)));
        }
    }

    /// Finds out whether the database answers, and deletes what is too old if that is asked for.
    async fn look(&self, sweeps: bool) {
        let patience = self.0.limits.patience;
        let health = match timeout(patience, self.probe()).await {
            Ok(Ok(())) => Health::Up,
            Ok(Err(error)) => Health::Down(error.reason()),
            Err(_) => Health::Down(format!("it did not answer within {} s", patience.as_secs_f32())),
        };
        if self.0.pulse.found(health.clone()) {
            // Others may have changed what is cached.
            self.0.cache.clear();
            match health {
                Health::Up => tracing::info!("the database answers again"),
                Health::Down(why) => tracing::error!(%why, "the database does not answer"),
            }
        }
        if sweeps
            && self.health() == Health::Up
            && let Err(error) = self.sweep().await
        {
            tracing::warn!(%error, "old documents could not be deleted");
        }
    }

    /// Use the database, over a connection of its own: those of the pool may all be busy.
    async fn probe(&self) -> Result<(), StoreError> {
        match (self.database().await?, &self.0.location) {
            (Database::Sqlite { file: Some(file), read, .. }, _) => {
                file.check()?;
                sqlx::query("SELECT 1 FROM profiles LIMIT 1").fetch_optional(read).await?;
            }
            (Database::Postgres(_), Location::Postgres(options)) => {
                greet((**options).clone(), self.0.limits.patience).await?;
            }
            _ => {}
        }
        Ok(())
    }
}

async fn look_after(shared: Weak<Shared>, pulse: Arc<Pulse>) {
    let mut swept = Instant::now();
    loop {
        let pause = if pulse.health() == Health::Up { CALM } else { ALERT };
        tokio::select! {
            () = sleep(pause) => {}
            () = pulse.suspected() => {}
        }
        let Some(shared) = shared.upgrade() else { return };
        let sweeps = swept.elapsed() > SWEEP;
        if sweeps {
            swept = Instant::now();
        }
        Store(shared).look(sweeps).await;
    }
}
