//! From where a periodic task looks for new rows: some time before its last success, so that it misses nothing
//! while the database is unavailable.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::domain::time::Timestamp;

/// Rows are dated before their transaction commits, which may take as long as the statement timeout.
const MARGIN: Duration = Duration::from_secs(60);

/// The time of a task's last success.
#[derive(Debug)]
pub struct LookBack(Mutex<Times>);

#[derive(Debug)]
struct Times {
    success: Timestamp,
    /// The first failure since.
    failure: Option<Timestamp>,
}

impl LookBack {
    /// For a task that starts `now`.
    pub fn new(now: Timestamp) -> Self {
        Self(Mutex::new(Times { success: now, failure: None }))
    }

    /// The time from which to look, when it is `now`. The clock may have been set back since the last success.
    pub(super) fn since(&self, now: Timestamp) -> Timestamp {
        self.times().success.min(now).minus(MARGIN)
    }

    /// Records that everything up to `now` was found.
    pub(super) fn succeeded(&self, now: Timestamp) {
        *self.times() = Times { success: now, failure: None };
    }

    /// Records a failure. Returns for how long there have been failures alone. (The time since the last success
    /// would include that of a paused process.)
    pub(super) fn failed(&self, now: Timestamp) -> Duration {
        now.since(*self.times().failure.get_or_insert(now))
    }

    fn times(&self) -> MutexGuard<'_, Times> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
