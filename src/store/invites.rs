//! Invites to groups. All changes of an invite happen under the lock of its chat's row.

use constcat::concat;
use serde::Deserialize;

use crate::domain::ids::{ChatId, UserId};
use crate::domain::invites::Invite;
use crate::domain::page::PageRequest;
use crate::domain::time::Timestamp;
use crate::domain::user::UserRef;

use super::db::Tx;
use super::error::Result;
use super::query::Target;

#[derive(Deserialize)]
struct Row {
    invite_id: i64,
    code: String,
    chat_id: ChatId,
    created_at: Timestamp,
    expires_at: Timestamp,
    max_uses: Option<i64>,
    uses: i64,
    id: UserId,
    username: String,
    first_name: String,
    last_name: String,
    avatar: Option<String>,
}

impl From<Row> for Invite {
    fn from(row: Row) -> Self {
        Self {
            id: row.invite_id,
            code: row.code,
            chat: row.chat_id,
            created_by: UserRef {
                id: row.id,
                username: row.username,
                first_name: row.first_name,
                last_name: row.last_name,
                avatar: row.avatar,
            },
            created_at: row.created_at,
            expires_at: row.expires_at,
            max_uses: row.max_uses,
            uses: row.uses,
        }
    }
}

const SELECT: &str = "\
    select i.id as invite_id, i.code, i.chat_id, i.created_at, i.expires_at, i.max_uses, i.uses, \
           u.id, u.username, u.first_name, u.last_name, u.avatar \
    from invites i join users u on u.id = i.created_by where ";

/// An invite to be stored.
#[derive(Debug)]
pub struct InviteRow<'a> {
    /// The code.
    pub code: &'a str,
    /// The group.
    pub chat: ChatId,
    /// The creator.
    pub created_by: UserId,
    /// Until when it is valid.
    pub expires_at: Timestamp,
    /// How many users may join by it.
    pub max_uses: Option<i64>,
}

/// Stores an invite.
pub async fn insert(tx: &mut Tx, new: &InviteRow<'_>, now: Timestamp) -> Result<()> {
    tx.query(
        "insert into invites (code, chat_id, created_by, created_at, expires_at, max_uses) \
         values ($1, $2, $3, $4, $5, $6)",
    )
    .bind(new.code)
    .bind(new.chat)
    .bind(new.created_by)
    .bind(now)
    .bind(new.expires_at)
    .bind(new.max_uses)
    .execute()
    .await
    .map(drop)
}

/// The invite with a code, expired or not.
pub async fn by_code(at: impl Into<Target<'_>>, code: &str) -> Result<Option<Invite>> {
    let row: Option<Row> =
        at.into().query(concat!(SELECT, "i.code = $1")).bind(code).optional().await?;
    Ok(row.map(Into::into))
}

/// Invites of a group that have not expired, the latest first.
pub async fn page(
    at: impl Into<Target<'_>>,
    chat: ChatId,
    request: &PageRequest<i64>,
    limit: i64,
    now: Timestamp,
) -> Result<Vec<Invite>> {
    const NEXT: &str = concat!(
        SELECT,
        "i.chat_id = $1 and i.expires_at > $2 and i.id < $3 order by i.id desc limit $4"
    );
    const PREVIOUS: &str = concat!(
        SELECT,
        "i.chat_id = $1 and i.expires_at > $2 and i.id > $3 order by i.id limit $4"
    );
    let (sql, place) = match request {
        PageRequest::First => (NEXT, i64::MAX),
        PageRequest::After(place) => (NEXT, *place),
        PageRequest::Before(place) => (PREVIOUS, *place),
    };
    let query = at.into().query(sql).bind(chat).bind(now).bind(place).bind(limit);
    let mut rows: Vec<Row> = query.all().await?;
    if matches!(request, PageRequest::Before(_)) {
        rows.reverse();
    }
    Ok(rows.into_iter().map(Into::into).collect())
}

/// How many invites of a group have not expired.
pub async fn count(at: impl Into<Target<'_>>, chat: ChatId, now: Timestamp) -> Result<i64> {
    let (count,): (i64,) = at
        .into()
        .query("select count(*) from invites where chat_id = $1 and expires_at > $2")
        .bind(chat)
        .bind(now)
        .one()
        .await?;
    Ok(count)
}

/// Counts a use.
pub async fn count_use(tx: &mut Tx, code: &str) -> Result<()> {
    let query = tx.query("update invites set uses = uses + 1 where code = $1");
    query.bind(code).execute().await.map(drop)
}

/// Removes an invite of a group. False if there is none with this code.
pub async fn remove(tx: &mut Tx, chat: ChatId, code: &str) -> Result<bool> {
    let query = tx.query("delete from invites where chat_id = $1 and code = $2");
    Ok(query.bind(chat).bind(code).execute().await? > 0)
}

/// Removes invites that expired before this moment.
pub async fn forget(tx: &mut Tx, before: Timestamp) -> Result<()> {
    tx.query("delete from invites where expires_at < $1").bind(before).execute().await.map(drop)
}
