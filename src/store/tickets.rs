//! Tickets: each opens one WebSocket, once, on any node. Only their hashes are stored.

use crate::domain::ids::SessionId;
use crate::domain::time::Timestamp;

use super::db::Tx;
use super::error::Result;
use super::query::Target;

/// Stores a ticket.
pub async fn insert(
    tx: &mut Tx,
    hash: &str,
    session: SessionId,
    expires_at: Timestamp,
) -> Result<()> {
    tx.query("insert into tickets (hash, session_id, expires_at) values ($1, $2, $3)")
        .bind(hash)
        .bind(session)
        .bind(expires_at)
        .execute()
        .await
        .map(drop)
}

/// Removes expired tickets, and those that expire after `latest`: a clock that was ahead created them.
pub async fn forget_expired(tx: &mut Tx, now: Timestamp, latest: Timestamp) -> Result<()> {
    tx.query("delete from tickets where expires_at <= $1 or expires_at > $2")
        .bind(now)
        .bind(latest)
        .execute()
        .await
        .map(drop)
}

/// Whether a ticket exists; [`take`] decides which request gets it.
pub async fn exists(at: impl Into<Target<'_>>, hash: &str) -> Result<bool> {
    let row: Option<(SessionId,)> = at
        .into()
        .query("select session_id from tickets where hash = $1")
        .bind(hash)
        .optional()
        .await?;
    Ok(row.is_some())
}

/// Uses a ticket that has not expired and expires by `latest`: of two concurrent requests, one gets the
/// session.
pub async fn take(
    tx: &mut Tx,
    hash: &str,
    now: Timestamp,
    latest: Timestamp,
) -> Result<Option<SessionId>> {
    let row: Option<(SessionId,)> = tx
        .query(
            "delete from tickets where hash = $1 and expires_at > $2 and expires_at <= $3 \
             returning session_id",
        )
        .bind(hash)
        .bind(now)
        .bind(latest)
        .optional()
        .await?;
    Ok(row.map(|(session,)| session))
}
