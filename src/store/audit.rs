//! The audit table: what staff did to others, written in the same transaction, and the lists of it, each in
//! the order of an index.

use constcat::concat;
use serde::Deserialize;

use crate::domain::audit::{AuditAction, AuditEntry, AuditFilter};
use crate::domain::ids::UserId;
use crate::domain::time::Timestamp;

use super::db::Tx;
use super::error::Result;
use super::query::Target;

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

#[derive(Deserialize)]
struct Row {
    id: i64,
    at: Timestamp,
    actor_id: UserId,
    actor: Option<String>,
    action: String,
    target_id: i64,
    detail: String,
}

impl From<Row> for AuditEntry {
    fn from(row: Row) -> Self {
        let Row { id, at, actor_id, actor, action, target_id, detail } = row;
        Self { id, at, actor_id, actor, action, target: target_id, detail }
    }
}

/// `$1` and `$2` a place, `$3` the last time, `$4` the limit.
const SELECT: &str = "\
    select a.id, a.at, a.actor_id, (select u.username from users u where u.id = a.actor_id) as actor, \
           a.action, a.target_id, a.detail \
    from audit a where ";
const DOWN: &str = "a.at >= $3 and (a.at, a.id) < ($1, $2) order by a.at desc, a.id desc limit $4";
const UP: &str = "a.at < $3 and (a.at, a.id) > ($1, $2) order by a.at, a.id limit $4";
const ACTOR: &str = "a.actor_id = $5 and ";
const ACTION: &str = "a.action = $5 and ";
const ACTOR_ACTION: &str = "a.actor_id = $5 and a.action = $6 and ";
/// A target has few rows, so the rest is compared one by one.
const TARGET: &str = "a.target_id = $5 and a.action >= $6 and a.action < $7 \
    and ($8 is null or a.actor_id = $8) and ($9 is null or a.action = $9) and ";

/// Rows beyond a place in the order of their times, nearest first: earlier ones, or later ones.
pub async fn beyond(
    at: impl Into<Target<'_>>,
    filter: &AuditFilter,
    upwards: bool,
    place: (Timestamp, i64),
    limit: i64,
) -> Result<Vec<AuditEntry>> {
    let AuditFilter { actor, action, target, from, until } = filter;
    let query = at.into().query(match (target, actor, action, upwards) {
        (Some(_), _, _, false) => concat!(SELECT, TARGET, DOWN),
        (Some(_), _, _, true) => concat!(SELECT, TARGET, UP),
        (None, Some(_), Some(_), false) => concat!(SELECT, ACTOR_ACTION, DOWN),
        (None, Some(_), Some(_), true) => concat!(SELECT, ACTOR_ACTION, UP),
        (None, Some(_), None, false) => concat!(SELECT, ACTOR, DOWN),
        (None, Some(_), None, true) => concat!(SELECT, ACTOR, UP),
        (None, None, Some(_), false) => concat!(SELECT, ACTION, DOWN),
        (None, None, Some(_), true) => concat!(SELECT, ACTION, UP),
        (None, None, None, false) => concat!(SELECT, DOWN),
        (None, None, None, true) => concat!(SELECT, UP),
    });
    // One bound on each side: of two, the database might begin at the wrong one. Ids are greater than 0.
    let (from, until) = (from.unwrap_or(Timestamp::MIN), until.unwrap_or(Timestamp::MAX));
    let (place, last) = match upwards {
        true => (place.max((from, 0)), until),
        false => (place.min((until, 0)), from),
    };
    let query = query.bind(place.0).bind(place.1).bind(last).bind(limit);
    let name = action.map(AuditAction::as_str);
    let rows: Vec<Row> = match (target, actor, name) {
        (Some((kind, id)), actor, name) => {
            // From "user." to "user/": the dot is followed by the slash.
            let query = query.bind(*id).bind(format!("{}.", kind.as_str()));
            query.bind(format!("{}/", kind.as_str())).bind(*actor).bind(name).all().await?
        }
        (None, Some(actor), Some(name)) => query.bind(*actor).bind(name).all().await?,
        (None, Some(actor), None) => query.bind(*actor).all().await?,
        (None, None, Some(name)) => query.bind(name).all().await?,
        (None, None, None) => query.all().await?,
    };
    Ok(rows.into_iter().map(AuditEntry::from).collect())
}
