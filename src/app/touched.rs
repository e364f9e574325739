//! Sessions that were used recently and whose last use is still to be stored. They are stored in batches,
//! since a transaction for each would cost more than the requests themselves. Bounded; a crash loses one
//! update of the last use.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use crate::domain::ids::SessionId;

/// Sessions that may wait. The use of others is stored after a later request.
const WAITING: usize = 100_000;

/// Sessions that were used.
#[derive(Debug, Default)]
pub struct Touched(Mutex<HashSet<SessionId>>);

impl Touched {
    /// Records that a session was used.
    pub fn note(&self, session: SessionId) {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.len() < WAITING {
            waiting.insert(session);
        }
    }

    /// Takes the recorded sessions, in the order of their ids.
    pub fn take(&self) -> Vec<SessionId> {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut taken: Vec<_> = std::mem::take(&mut *waiting).into_iter().collect();
        taken.sort_unstable();
        taken
    }
}
