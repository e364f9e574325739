//! The audit table: what staff did to others, written in the same transaction.

use crate::domain::ids::UserId;
use crate::domain::time::Timestamp;

use super::db::Tx;
use super::error::Result;

/// Records an action.
pub async fn insert(
    tx: &mut Tx,
    actor: UserId,
    action: &str,
    target: i64,
    detail: &str,
    now: Timestamp,
) -> Result<()> {
    tx.query(
        "insert into audit (at, actor_id, action, target_id, detail) \
             values ($1, $2, $3, $4, $5)",
    )
    .bind(now)
    .bind(actor)
    .bind(action)
    .bind(target)
    .bind(detail)
    .execute()
    .await
    .map(drop)
}
