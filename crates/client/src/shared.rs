//! The replica, shared between a connection's handles and its background task. The lock is held for
//! moments only, and never across an await.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::replica::Replica;

/// A replica that its clones share.
#[derive(Clone, Debug)]
pub(crate) struct SharedReplica(Arc<Mutex<Replica>>);

impl SharedReplica {
    pub(crate) fn new(replica: Replica) -> Self {
        Self(Arc::new(Mutex::new(replica)))
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Replica> {
        // A program that panicked while it read the replica has not changed it.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
