//! What an operator should know about a PostgreSQL server before trusting it with data: whether it survives
//! a power failure, and what its user may do. Only reads settings; what is unsafe, and why, is decided
//! elsewhere.

use serde::Deserialize;

use super::error::Result;
use super::query::Target;

/// The settings of a server that no connection can change for itself, and the rights of its user.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub struct ServerFacts {
    /// Whether commits are flushed to the disk.
    pub fsync: bool,
    /// Whether a page that a power failure tore can be restored.
    pub full_page_writes: bool,
    /// Whether the user may do everything, such as read the server's files.
    pub is_superuser: bool,
}

/// The facts of the server; `None` for the embedded database.
pub async fn server_facts(at: impl Into<Target<'_>>) -> Result<Option<ServerFacts>> {
    let target = at.into();
    if target.is_sqlite() {
        return Ok(None);
    }
    let query = target.query(
        "select current_setting('fsync') = 'on' as fsync, \
                current_setting('full_page_writes') = 'on' as full_page_writes, \
                current_setting('is_superuser') = 'on' as is_superuser",
    );
    Ok(Some(query.one().await?))
}
