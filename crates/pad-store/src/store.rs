//! The store: a database, what is cached of it, and whether it answers.

use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::OnceCell;
use tokio::task::AbortHandle;

use crate::cache::ProfileCache;
use crate::database::Database;
use crate::growth::Growth;
use crate::health::Pulse;
use crate::turns::Turns;
use crate::{Health, Location, StoreError};

/// Documents in memory take no more than this, whatever the limits say.
const MEMORY: u64 = 64 << 20;

/// How much the store may hold, and how long it is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoreLimits {
    /// How long an operation may take; then it fails.
    pub patience: Duration,
    /// Connections to PostgreSQL, besides one that listens.
    pub connections: u32,
    /// How long a profile is served from the cache, if no change of it is heard of.
    pub cached_for: Duration,
    /// Profiles in the cache.
    pub cached: u64,
    /// Documents, of which the latest are kept.
    pub documents: u64,
    /// Bytes of their bodies.
    pub document_bytes: u64,
}

impl Default for StoreLimits {
    fn default() -> Self {
        Self {
            patience: Duration::from_secs(5),
            connections: 8,
            cached_for: Duration::from_secs(5),
            cached: 10_000,
            documents: 100_000,
            document_bytes: 1 << 30,
        }
    }
}

/// A handle of the store; clones share it.
#[derive(Clone)]
pub struct Store(pub(crate) Arc<Shared>);

/// What the handles share.
pub(crate) struct Shared {
    pub(crate) location: Location,
    pub(crate) limits: StoreLimits,
    database: OnceCell<Database>,
    pub(crate) cache: Arc<ProfileCache>,
    pub(crate) pulse: Arc<Pulse>,
    /// What has been added since old documents were last looked for.
    pub(crate) growth: Growth,
    pub(crate) turns: Turns,
    tasks: Mutex<Vec<AbortHandle>>,
}

impl Store {
    /// A store that will connect when it is first used.
    pub fn new(location: Location, limits: StoreLimits) -> Self {
        let memory = matches!(location, Location::Memory);
        let document_bytes = if memory { limits.document_bytes.min(MEMORY) } else { limits.document_bytes };
        Self(Arc::new(Shared {
            location,
            limits: StoreLimits { document_bytes, ..limits },
            database: OnceCell::new(),
            cache: Arc::new(ProfileCache::new(limits.cached, limits.cached_for)),
            pulse: Arc::new(Pulse::new()),
            growth: Growth::default(),
            turns: Turns::default(),
            tasks: Mutex::default(),
        }))
    }

    /// A store in memory.
    pub fn in_memory(limits: StoreLimits) -> Self {
        Self::new(Location::Memory, limits)
    }

    /// Connects now, and brings the schema up to date.
    ///
    /// # Errors
    /// If the database cannot be reached or written, or is of a newer version.
    pub async fn open(&self) -> Result<(), StoreError> {
        let opened = self.bounded(async { self.database().await.map(|_| ()) }).await;
        if let Err(error) = &opened {
            self.0.pulse.found(Health::Down(error.reason()));
        }
        opened
    }

    /// Waits for what is being done, and closes all connections.
    pub async fn close(&self) {
        if let Some(database) = self.0.database.get() {
            // What was acknowledged is on the disk already.
            let _ = tokio::time::timeout(self.0.limits.patience, database.close()).await;
        }
    }

    /// Whether the database answers.
    pub fn health(&self) -> Health {
        self.0.pulse.health()
    }

    /// Where it is, without user and password.
    pub fn place(&self) -> String {
        self.0.location.to_string()
    }

    /// The database, which is connected to if it is not yet.
    pub(crate) async fn database(&self) -> Result<&Database, StoreError> {
        let Shared { database, location, limits, .. } = &*self.0;
        let open = || Database::open(location.clone(), limits.connections, limits.patience);
        database.get_or_try_init(open).await
    }

    /// Do an operation, unless the database is known not to answer, and give it up when it takes too long.
    pub(crate) async fn bounded<T, E: From<StoreError>>(
        &self,
        work: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        self.0.pulse.check()?;
        let patience = self.0.limits.patience;
        tokio::time::timeout(patience, work).await.unwrap_or_else(|_| {
            self.0.pulse.suspect();
            Err(StoreError::Unavailable(format!("it did not answer within {} s", patience.as_secs_f32())).into())
        })
    }

    /// The same for an operation that fails only where the store does.
    pub(crate) async fn attempt<T>(&self, work: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
        let outcome = self.bounded(work).await;
        if outcome.as_ref().is_err_and(StoreError::is_suspicious) {
            self.0.pulse.suspect();
        }
        outcome
    }

    /// Runs work to its end, also if the caller is dropped meanwhile: what was written is then forgotten in the cache, and no connection
    /// goes back to its pool with a transaction that was just begun.
    pub(crate) async fn to_the_end<T, E>(work: impl Future<Output = Result<T, E>> + Send + 'static) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        match tokio::spawn(work).await {
            Ok(outcome) => outcome,
            Err(error) => Err(StoreError::Unavailable(format!("a write did not come to its end: {error}")).into()),
        }
    }

    /// A task that ends with the store.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let handle = tokio::spawn(task).abort_handle();
        self.0.tasks.lock().unwrap_or_else(PoisonError::into_inner).push(handle);
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.tasks.get_mut().unwrap_or_else(PoisonError::into_inner).iter().for_each(AbortHandle::abort);
    }
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").field("place", &self.place()).field("health", &self.health()).finish_non_exhaustive()
    }
}
