//! Sessions that were used of late, until that is stored: a transaction for each would cost more than
//! the requests themselves. Bounded; what a crash loses is one note of the last use.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use crate::domain::ids::SessionId;

/// Sessions that may wait. The use of more is noted with a later request.
const WAITING: usize = 100_000;

/// See the module.
#[derive(Debug, Default)]
pub struct Touched(Mutex<HashSet<SessionId>>);

impl Touched {
    /// Notes that a session was used.
    pub fn note(&self, session: SessionId) {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.len() < WAITING {
            waiting.insert(session);
        }
    }

    /// Takes those that were noted, in the order of their ids.
    pub fn take(&self) -> Vec<SessionId> {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut taken: Vec<_> = std::mem::take(&mut *waiting).into_iter().collect();
        taken.sort_unstable();
        taken
    }
}
