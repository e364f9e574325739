//! What was last seen of the node's readiness, for those who ask soon after.

use tokio::sync::Mutex;
use tokio::time::Instant;

/// Why a node cannot serve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unready {
    /// It is about to stop.
    Draining,
    /// Its database does not answer, or takes no writes.
    Database,
    /// Its database's schema is not one that this program knows.
    Migrations,
}

/// When the database was last looked at, and what was seen. Held while somebody looks.
pub type LastLook = Mutex<Option<(Instant, Result<(), Unready>)>>;
