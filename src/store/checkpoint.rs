//! Checkpoints of the embedded database: copying the write-ahead log into the database. They run beside
//! the writer, which would otherwise do it in the middle of somebody's commit.
//!
//! SQLite begins the log anew once everything in it is copied, which needs a moment without commits. So
//! that a busy site cannot put this off for ever, the writer copies the rest itself when the log has
//! grown to `wal_autocheckpoint` ([`super::sqlite`]): little by then.

use super::db::Db;
use super::error::Result;
use super::query::Target;

/// Frames of the log (pages of 4 KiB) that are worth a checkpoint. Most of them are the same pages again
/// and again, of which only the last is copied.
const WORTH: i64 = 4_000;

/// Copies what is in the log, if that is much. Waits for nobody, and nobody waits for it.
pub async fn checkpoint(db: &Db) -> Result<()> {
    if !db.is_sqlite() {
        return Ok(());
    }
    let looked = Target::from(db).query("pragma wal_checkpoint(noop)").one().await?;
    let (_, frames, copied): (i64, i64, i64) = looked;
    if frames - copied < WORTH {
        return Ok(());
    }
    let mut lease = db.reader().await?;
    // A slow disk may need a while.
    lease.set_limit(None);
    lease.script("pragma wal_checkpoint(passive)".to_owned()).await
}
