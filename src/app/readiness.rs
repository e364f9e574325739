//! The result of the last readiness check, reused for checks that follow soon.

use tokio::sync::Mutex;
use tokio::time::Instant;

/// Why a node is not ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unready {
    /// It is draining.
    Draining,
    /// Its database does not answer or does not accept writes.
    Database,
    /// The schema of its database is not one that this program supports.
    Migrations,
}

/// When the database was last checked, with the result. Locked during a check.
pub type LastCheck = Mutex<Option<(Instant, Result<(), Unready>)>>;
