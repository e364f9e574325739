//! The site's one row, and whether the database takes writes at all.

use super::db::{Db, Target};
use super::error::Result;

/// The epoch: it changes when the data's past does.
pub async fn epoch(at: impl Into<Target<'_>>) -> Result<String> {
    let (epoch,): (String,) = at.into().query("select epoch from site where id = 1").one().await?;
    Ok(epoch)
}

/// Writes and commits as small a thing as there is, so that a full disk or a read-only server
/// shows. On SQLite it is a number in the file's header that nobody reads, which takes a frame of
/// the log; on PostgreSQL a record of the log that no table is in.
pub async fn try_to_write(db: &Db) -> Result<()> {
    let mut tx = db.begin().await?;
    Target::from(&mut tx)
        .either(
            "pragma user_version = 1",
            "select pg_logical_emit_message(true, 'meowsenger', 'ready')",
        )
        .execute()
        .await?;
    tx.commit().await
}
