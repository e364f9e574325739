//! The site's single row, and a test whether the database accepts writes.

use crate::domain::time::Timestamp;

use super::db::{Db, Tx};
use super::error::Result;
use super::query::{Dialects, Target};

/// The epoch: the identity of the data's history.
pub async fn epoch(at: impl Into<Target<'_>>) -> Result<String> {
    let (epoch,): (String,) =
        at.into().query("select epoch from site where id = 1").brief().one().await?;
    Ok(epoch)
}

/// Commits the smallest possible write, to detect a full disk or a read-only server. On SQLite it is a
/// number in the file's header that nobody reads, which takes a frame of the write-ahead log; on
/// PostgreSQL a record of the log without a table.
pub async fn try_to_write(db: &Db) -> Result<()> {
    let mut tx = db.begin().await?;
    tx.query(Dialects {
        sqlite: "pragma user_version = 1",
        postgres: "select pg_logical_emit_message(true, 'meowsenger', 'ready')",
    })
    .execute()
    .await?;
    tx.commit().await
}

/// The database server's clock, read when the statement runs; `None` for the embedded database, which has
/// none.
pub async fn now(at: impl Into<Target<'_>>) -> Result<Option<Timestamp>> {
    let target = at.into();
    if target.is_sqlite() {
        return Ok(None);
    }
    let (now,): (Timestamp,) = target.query("select clock_timestamp()").one().await?;
    Ok(Some(now))
}

/// The time up to which old rows were removed.
pub async fn aged_until(at: impl Into<Target<'_>>) -> Result<Timestamp> {
    let query = at.into().query("select aged_until from site where id = 1");
    let (moment,): (Timestamp,) = query.one().await?;
    Ok(moment)
}

/// Sets the time up to which old rows are removed.
pub async fn set_aged_until(tx: &mut Tx, moment: Timestamp) -> Result<()> {
    let query = tx.query("update site set aged_until = $1 where id = 1");
    query.bind(moment).execute().await.map(drop)
}

/// The highest id that any chat has ever had, even a deleted one; 0 if there was none.
pub async fn last_chat(at: impl Into<Target<'_>>) -> Result<i64> {
    let (id,): (i64,) = at
        .into()
        .query(Dialects {
            sqlite: "select coalesce(max(seq), 0) from sqlite_sequence where name = 'chats'",
            postgres: "select coalesce(pg_sequence_last_value( \
                           pg_get_serial_sequence('chats', 'id')::regclass), 0)",
        })
        .one()
        .await?;
    Ok(id)
}

/// Replaces the epoch if it is still the old one, so only one of several nodes does.
pub async fn renew_epoch(tx: &mut Tx, old: &str, new: &str) -> Result<bool> {
    let renewed = tx
        .query("update site set epoch = $2 where id = 1 and epoch = $1")
        .bind(old)
        .bind(new)
        .execute()
        .await?;
    Ok(renewed > 0)
}
