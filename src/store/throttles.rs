//! Rate limits that all nodes share: one row per key, with the time at which the full burst is available
//! again. The arithmetic of `domain::rate` in SQL, so that concurrent calls are all counted.

use crate::domain::rate::Rate;
use crate::domain::time::Timestamp;

use super::db::Tx;
use super::error::Result;
use super::query::Target;

/// Counts `weight` uses against a limit. False, without a write, if fewer are left.
pub async fn take(tx: &mut Tx, key: &str, rate: Rate, weight: i64, now: Timestamp) -> Result<bool> {
    if weight > rate.burst() {
        return Ok(false);
    }
    let (latest, absurd) = rate.bounds(weight, now);
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
        .bind(rate.cost(weight))
        .bind(latest)
        .bind(absurd)
        .execute()
        .await?;
    Ok(taken > 0)
}

/// When the full burst is available again, in microseconds since 1970; 0 if it is available now.
pub async fn full_at(at: impl Into<Target<'_>>, key: &str) -> Result<i64> {
    let row: Option<(i64,)> = at
        .into()
        .query("select full_at from throttles where key = $1")
        .bind(key)
        .optional()
        .await?;
    Ok(row.map_or(0, |(full_at,)| full_at))
}

/// Removes limits that are not in use.
pub async fn forget_full(tx: &mut Tx, now: Timestamp) -> Result<()> {
    tx.query("delete from throttles where full_at <= $1")
        .bind(now.micros())
        .execute()
        .await
        .map(drop)
}
