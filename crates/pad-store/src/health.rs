//! Whether the database answers.

use tokio::sync::{Notify, watch};

use crate::StoreError;

/// Whether the database answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Health {
    /// As far as is known, it does.
    Up,
    /// It does not, for this reason. Operations fail at once until it does again.
    Down(String),
}

/// What is known of it.
pub(crate) struct Pulse {
    health: watch::Sender<Health>,
    suspicion: Notify,
}

impl Pulse {
    pub(crate) fn new() -> Self {
        Self { health: watch::Sender::new(Health::Up), suspicion: Notify::new() }
    }

    pub(crate) fn health(&self) -> Health {
        self.health.borrow().clone()
    }

    /// Refuses to try what cannot be done.
    ///
    /// # Errors
    /// If the database is known not to answer.
    pub(crate) fn check(&self) -> Result<(), StoreError> {
        match &*self.health.borrow() {
            Health::Up => Ok(()),
            Health::Down(why) => Err(StoreError::Unavailable(why.clone())),
        }
    }

    /// Something went wrong that makes a closer look worth while.
    pub(crate) fn suspect(&self) {
        self.suspicion.notify_one();
    }

    /// Resolves when there is a suspicion.
    pub(crate) async fn suspected(&self) {
        self.suspicion.notified().await;
    }

    /// Record what a closer look has found; whether that is news.
    pub(crate) fn found(&self, health: Health) -> bool {
        self.health.send_if_modified(|known| {
            let is_up = |health: &Health| *health == Health::Up;
            let news = is_up(known) != is_up(&health);
            *known = health;
            news
        })
    }

    /// Resolves when the database stops answering.
    pub(crate) async fn lost(&self) {
        // The sender lives as long as `self`.
        let _ = self.health.subscribe().wait_for(|health| *health != Health::Up).await;
    }
}
