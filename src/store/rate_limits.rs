//! Rate limits that all nodes count together: one row per key, with the time at which the limit is
//! full again. The arithmetic is that of `domain::rate`, in SQL, so that of two concurrent uses both
//! are counted. Times are microseconds on both databases here.

use crate::domain::rate::{Bounds, Rate};
use crate::domain::time::Timestamp;

use super::db::Tx;
use super::error::Result;
use super::query::Target;

/// Takes `weight` uses. Returns false, and writes nothing, if fewer are left.
pub async fn take(tx: &mut Tx, key: &str, rate: Rate, weight: u32, now: Timestamp) -> Result<bool> {
    if weight > rate.burst() {
        return Ok(false);
    }
    let Bounds { latest, absurd } = rate.bounds(weight, now);
    let taken = tx
        .query(
            "insert into throttles (key, full_at) values ($1, $2 + $3) \
             on conflict (key) do update set full_at = $3 + case \
                 when throttles.full_at > $5 then $4 \
                 when throttles.full_at < $2 then $2 \
                 else throttles.full_at end \
             where throttles.full_at <= $4 or throttles.full_at > $5",
        )
        .bind(key)
        .bind(now.micros())
        .bind(now.plus(rate.cost(weight)).micros() - now.micros())
        .bind(latest.micros())
        .bind(absurd.micros())
        .execute()
        .await?;
    Ok(taken > 0)
}

/// When a limit is full again; [`Timestamp::MIN`] if it is.
pub async fn full_at(at: impl Into<Target<'_>>, key: &str) -> Result<Timestamp> {
    let row: Option<(i64,)> = at
        .into()
        .query("select full_at from throttles where key = $1")
        .bind(key)
        .optional()
        .await?;
    Ok(row.map_or(Timestamp::MIN, |(micros,)| Timestamp::from_micros(micros)))
}

/// Deletes the rows of limits that are full.
pub async fn forget_full(tx: &mut Tx, now: Timestamp) -> Result<()> {
    tx.query("delete from throttles where full_at <= $1")
        .bind(now.micros())
        .execute()
        .await
        .map(drop)
}
