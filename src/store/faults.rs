//! What is known to be wrong with a database, shared by all its connections. Nothing here uses a
//! connection.

use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::watch;

use super::error::{Result, StoreError};

/// A database's faults, shared by all its connections.
#[derive(Debug, Default)]
pub(super) struct Faults {
    /// Incremented when a connection turns out to be dead. Connections opened before are not used
    /// again.
    generation: AtomicU64,
    /// Why all writes are refused: the disk did not keep what was written to it.
    lost: watch::Sender<Option<String>>,
}

impl Faults {
    pub(super) fn generation(&self) -> u64 {
        self.generation.load(Ordering::Relaxed)
    }

    /// Records that a connection of this generation is dead. An earlier generation is ignored.
    pub(super) fn note(&self, generation: u64) {
        let counted = self.generation.compare_exchange(
            generation,
            generation + 1,
            Ordering::Relaxed,
            Ordering::Relaxed,
        );
        if counted.is_ok() {
            tracing::warn!("a connection to the database is dead; those opened before are dropped");
        }
    }

    /// Fails if all writes are refused.
    pub(super) fn check(&self) -> Result<()> {
        match &*self.lost.borrow() {
            Some(reason) => Err(StoreError::unavailable(reason.clone())),
            None => Ok(()),
        }
    }

    /// Refuses all writes from now on.
    pub(super) fn refuse_writes(&self, reason: String) {
        self.lost.send_replace(Some(reason));
    }

    /// Waits until all writes are refused. Returns the reason.
    pub(super) async fn lost(&self) -> String {
        let mut lost = self.lost.subscribe();
        match lost.wait_for(Option::is_some).await.map(|reason| reason.clone()) {
            Ok(Some(reason)) => reason,
            // The sender lives as long as `self`.
            _ => std::future::pending().await,
        }
    }
}
