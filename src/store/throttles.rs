//! Allowances that all nodes share: one row a key, with when the allowance is full again. The
//! arithmetic is `domain::rate`'s, in SQL, so that of two who race each is counted.

use crate::domain::rate::Rate;
use crate::domain::time::Timestamp;

use super::db::Tx;
use super::error::Result;
use super::query::Target;

/// Takes `weight` uses of an allowance. False, and nothing is written, where it has fewer left.
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

/// When an allowance is full again, in microseconds since the epoch; 0 where it is.
pub async fn full_at(at: impl Into<Target<'_>>, key: &str) -> Result<i64> {
    let row: Option<(i64,)> = at
        .into()
        .query("select full_at from throttles where key = $1")
        .bind(key)
        .optional()
        .await?;
    Ok(row.map_or(0, |(full_at,)| full_at))
}

/// Forgets allowances that are full.
pub async fn forget_full(tx: &mut Tx, now: Timestamp) -> Result<()> {
    tx.query("delete from throttles where full_at <= $1")
        .bind(now.micros())
        .execute()
        .await
        .map(drop)
}
