//! Sessions, and the rotation of their refresh tokens.

use std::collections::HashMap;

use constcat::concat;
use serde::Deserialize;

use crate::domain::ids::{SessionId, UserId};
use crate::domain::session::{Device, SessionInfo};
use crate::domain::time::Timestamp;
use crate::domain::user::User;

use super::db::Tx;
use super::error::Result;
use super::query::{Dialects, Target};
use super::users;

/// The refresh token that a session currently accepts.
#[derive(Debug, Deserialize)]
pub struct CurrentRefresh {
    /// Its `jti`.
    pub refresh_jti: String,
    /// When it was created.
    pub refreshed_at: Timestamp,
    /// When the presented token, an earlier one, was used; none if it is no longer known.
    pub spent_at: Option<Timestamp>,
    /// Whether that token was retired by a password change.
    pub retired: Option<bool>,
}

/// Creates a session; `jti` is that of its first refresh token.
pub async fn insert(
    tx: &mut Tx,
    user: UserId,
    jti: &str,
    device: &Device,
    now: Timestamp,
    expires_at: Timestamp,
) -> Result<SessionId> {
    let (id,): (SessionId,) = tx
        .query(
            "insert into sessions (user_id, created_at, last_used_at, expires_at, refresh_jti, \
                                   refreshed_at, ip, user_agent) \
             values ($1, $2, $2, $3, $4, $2, $5, $6) returning id",
        )
        .bind(user)
        .bind(now)
        .bind(expires_at)
        .bind(jti)
        .bind(device.ip.to_string())
        .bind(device.user_agent.as_str())
        .one()
        .await?;
    Ok(id)
}

/// A session that has not ended, and its active user.
#[derive(Clone, Debug, Deserialize)]
pub struct Live {
    /// The user.
    pub user: User,
    /// The time of the login.
    pub created_at: Timestamp,
    /// The time of its last use, to the minute.
    pub last_used_at: Timestamp,
    /// The `jti` of the only refresh token that is valid now.
    pub refresh_jti: String,
}

/// The columns of a [`Live`].
const LIVE: &str = concat!(users::COLUMNS, ", s.created_at, s.last_used_at, s.refresh_jti");
/// What ends queries of live sessions. `$2` is the time.
const IS_LIVE: &str = " and s.ended_at is null and s.expires_at > $2 and u.is_active";

/// A session that has not ended and whose user is active.
pub async fn live(
    at: impl Into<Target<'_>>,
    id: SessionId,
    now: Timestamp,
) -> Result<Option<Live>> {
    at.into()
        .query(concat!(
            "select ",
            LIVE,
            " from sessions s join users u on u.id = s.user_id where s.id = $1",
            IS_LIVE
        ))
        .brief()
        .bind(id)
        .bind(now)
        .optional()
        .await
}

/// [`live`] for many sessions at once.
pub async fn all_live(
    at: impl Into<Target<'_>>,
    ids: &[SessionId],
    now: Timestamp,
) -> Result<HashMap<SessionId, Live>> {
    let found: Vec<(SessionId, Live)> = at
        .into()
        .query(Dialects {
            sqlite: concat!(
                "select s.id, ",
                LIVE,
                " from sessions s join users u on u.id = s.user_id \
                 where s.id in (select value from json_each($1))",
                IS_LIVE
            ),
            postgres: concat!(
                "select s.id, ",
                LIVE,
                " from sessions s join users u on u.id = s.user_id where s.id = any($1)",
                IS_LIVE
            ),
        })
        .bind_list(ids)
        .bind(now)
        .all()
        .await?;
    Ok(found.into_iter().collect())
}

/// Makes a session one of the admin site, for the cookie with this hash.
pub async fn set_admin_hash(tx: &mut Tx, id: SessionId, hash: &str) -> Result<()> {
    tx.query("update sessions set admin_hash = $2 where id = $1")
        .bind(id)
        .bind(hash)
        .execute()
        .await
        .map(drop)
}

/// [`live`] for a session of the admin site, with the hash of its cookie.
pub async fn admin(
    at: impl Into<Target<'_>>,
    id: SessionId,
    now: Timestamp,
) -> Result<Option<(Live, String)>> {
    at.into()
        .query(concat!(
            "select ",
            LIVE,
            ", s.admin_hash from sessions s join users u on u.id = s.user_id \
             where s.id = $1 and s.admin_hash is not null",
            IS_LIVE
        ))
        .brief()
        .bind(id)
        .bind(now)
        .optional()
        .await
}

/// Ends a user's sessions of the admin site, and returns them.
pub async fn end_admin(tx: &mut Tx, user: UserId, now: Timestamp) -> Result<Vec<SessionId>> {
    tx.query(
        "update sessions set ended_at = $2 \
         where user_id = $1 and ended_at is null and admin_hash is not null returning id",
    )
    .bind(user)
    .bind(now)
    .all()
    .await
}

/// Rotates a refresh token. False if it is not the session's current one, or the session has ended: of two
/// concurrent calls, one succeeds.
pub async fn rotate(
    tx: &mut Tx,
    id: SessionId,
    spent: &str,
    next: &str,
    now: Timestamp,
    expires_at: Timestamp,
) -> Result<bool> {
    let rotated = tx
        .query(
            "update sessions set refresh_jti = $3, refreshed_at = $4, last_used_at = $4, \
                                 expires_at = $5 \
             where id = $1 and refresh_jti = $2 and ended_at is null and expires_at > $4",
        )
        .bind(id)
        .bind(spent)
        .bind(next)
        .bind(now)
        .bind(expires_at)
        .execute()
        .await?;
    if rotated == 0 {
        return Ok(false);
    }
    tx.query("insert into spent_refreshes (jti, session_id, spent_at) values ($1, $2, $3)")
        .bind(spent)
        .bind(id)
        .bind(now)
        .execute()
        .await?;
    Ok(true)
}

/// What a live session currently accepts, and when `jti` was used.
pub async fn current_refresh(
    at: impl Into<Target<'_>>,
    id: SessionId,
    jti: &str,
) -> Result<Option<CurrentRefresh>> {
    at.into()
        .query(
            "select s.refresh_jti, s.refreshed_at, r.spent_at, r.retired \
             from sessions s left join spent_refreshes r on r.session_id = s.id and r.jti = $2 \
             where s.id = $1 and s.ended_at is null",
        )
        .bind(id)
        .bind(jti)
        .optional()
        .await
}

/// Replaces the refresh token of a session after a password change. The current one, and those that were
/// rotated just before, are retired: refused, but not treated as reuse, since their owner may still have
/// them. `spent_at` is so long ago that they are not in their grace period.
pub async fn retire_refreshes(
    tx: &mut Tx,
    id: SessionId,
    next: &str,
    now: Timestamp,
    spent_at: Timestamp,
) -> Result<()> {
    // Locks the row, so that no rotation happens in between.
    let retired: (String,) = tx
        .query("update sessions set refreshed_at = $2 where id = $1 returning refresh_jti")
        .bind(id)
        .bind(now)
        .one()
        .await?;
    for sql in [
        "update spent_refreshes set retired = true, spent_at = $3 \
         where session_id = $1 and jti <> $2",
        "insert into spent_refreshes (session_id, jti, spent_at, retired) \
         values ($1, $2, $3, true)",
    ] {
        tx.query(sql).bind(id).bind(retired.0.as_str()).bind(spent_at).execute().await?;
    }
    tx.query("update sessions set refresh_jti = $2 where id = $1")
        .bind(id)
        .bind(next)
        .execute()
        .await
        .map(drop)
}

/// Removes tokens of a session that were used before a time. Retired ones stay as long as the session:
/// without their rows, they would count as reused.
pub async fn forget_spent(tx: &mut Tx, id: SessionId, before: Timestamp) -> Result<()> {
    tx.query("delete from spent_refreshes where session_id = $1 and spent_at < $2 and not retired")
        .bind(id)
        .bind(before)
        .execute()
        .await
        .map(drop)
}

/// Removes tokens whose use is dated after a time: a clock was ahead. Like all removed ones, they revoke
/// their session if they are presented again.
pub async fn forget_spent_after(tx: &mut Tx, moment: Timestamp) -> Result<()> {
    let query = tx.query("delete from spent_refreshes where spent_at > $1");
    query.bind(moment).execute().await.map(drop)
}

/// Ends a session. False if it has already ended.
pub async fn end(tx: &mut Tx, id: SessionId, now: Timestamp) -> Result<bool> {
    let ended = tx
        .query("update sessions set ended_at = $2 where id = $1 and ended_at is null")
        .bind(id)
        .bind(now)
        .execute()
        .await?;
    Ok(ended > 0)
}

/// Ends every session of a user, and returns them.
pub async fn end_all(tx: &mut Tx, user: UserId, now: Timestamp) -> Result<Vec<SessionId>> {
    tx.query(
        "update sessions set ended_at = $2 where user_id = $1 and ended_at is null \
             returning id",
    )
    .bind(user)
    .bind(now)
    .all()
    .await
}

/// Removes the addresses and clients of a user's sessions.
pub async fn forget_devices(tx: &mut Tx, user: UserId) -> Result<()> {
    tx.query("update sessions set ip = '', user_agent = '' where user_id = $1")
        .bind(user)
        .execute()
        .await
        .map(drop)
}

/// Ends every session of a user except one, and returns them.
pub async fn end_others(
    tx: &mut Tx,
    user: UserId,
    but: SessionId,
    now: Timestamp,
) -> Result<Vec<SessionId>> {
    tx.query(
        "update sessions set ended_at = $3 \
             where user_id = $1 and id <> $2 and ended_at is null returning id",
    )
    .bind(user)
    .bind(but)
    .bind(now)
    .all()
    .await
}

/// Whether a session belongs to a user and has not ended.
pub async fn is_of(
    at: impl Into<Target<'_>>,
    id: SessionId,
    user: UserId,
    now: Timestamp,
) -> Result<bool> {
    let row: Option<(SessionId,)> = at
        .into()
        .query(
            "select id from sessions \
             where id = $1 and user_id = $2 and ended_at is null and expires_at > $3",
        )
        .brief()
        .bind(id)
        .bind(user)
        .bind(now)
        .optional()
        .await?;
    Ok(row.is_some())
}

/// The distinct addresses of a user's latest thousand logins. Empty if there is no such user.
pub async fn addresses(at: impl Into<Target<'_>>, user: UserId) -> Result<Vec<String>> {
    at.into()
        .query(
            "select distinct ip from ( \
                 select ip from sessions where user_id = $1 order by id desc limit 1000 \
             ) latest",
        )
        .bind(user)
        .all()
        .await
}

/// A user's live sessions with an id below `below`, newest first.
pub async fn below(
    at: impl Into<Target<'_>>,
    user: UserId,
    below: SessionId,
    now: Timestamp,
    limit: i64,
) -> Result<Vec<SessionInfo>> {
    at.into()
        .query(
            "select id, created_at, last_used_at, ip, user_agent from sessions \
             where user_id = $1 and id < $2 and ended_at is null and expires_at > $3 \
             order by id desc limit $4",
        )
        .bind(user)
        .bind(below)
        .bind(now)
        .bind(limit)
        .all()
        .await
}

/// A user's live sessions with an id above `above`, oldest first.
pub async fn above(
    at: impl Into<Target<'_>>,
    user: UserId,
    above: SessionId,
    now: Timestamp,
    limit: i64,
) -> Result<Vec<SessionInfo>> {
    at.into()
        .query(
            "select id, created_at, last_used_at, ip, user_agent from sessions \
             where user_id = $1 and id > $2 and ended_at is null and expires_at > $3 \
             order by id limit $4",
        )
        .bind(user)
        .bind(above)
        .bind(now)
        .bind(limit)
        .all()
        .await
}

/// Sessions that were ended or have expired since a time.
pub async fn ended_since(
    at: impl Into<Target<'_>>,
    since: Timestamp,
    now: Timestamp,
) -> Result<Vec<SessionId>> {
    at.into()
        .query(
            "select id from sessions \
             where ended_at >= $1 or (expires_at >= $1 and expires_at <= $2)",
        )
        .bind(since)
        .bind(now)
        .all()
        .await
}

/// Removes sessions that ended or expired before a time.
pub async fn forget_over(tx: &mut Tx, before: Timestamp) -> Result<()> {
    tx.query("delete from sessions where ended_at < $1 or expires_at < $1")
        .bind(before)
        .execute()
        .await
        .map(drop)
}

/// Stores the time of the last use of sessions. On PostgreSQL it skips locked rows, since waiting for
/// several rows could deadlock.
pub async fn touch(tx: &mut Tx, ids: &[SessionId], now: Timestamp) -> Result<()> {
    tx.query(Dialects {
        sqlite: "update sessions set last_used_at = $1 \
             where id in (select value from json_each($2)) and last_used_at < $1",
        postgres: "update sessions set last_used_at = $1 \
             where id in (select id from sessions where id = any($2) and last_used_at < $1 \
                          for no key update skip locked)",
    })
    .bind(now)
    .bind_list(ids)
    .execute()
    .await
    .map(drop)
}
