//! Who is in a chat, as what, and how far each has got.

use std::collections::HashMap;

use crate::domain::chat::Member;
use crate::domain::ids::{ChatId, UserId};
use crate::domain::receipt::LeastMarks;
use crate::domain::role::Role;
use crate::domain::time::Timestamp;
use crate::domain::user::UserRef;

use super::db::{Target, Tx};
use super::error::Result;

/// One user's place in one chat.
#[derive(Debug, sqlx::FromRow)]
pub struct Membership {
    /// What the user may do there.
    #[sqlx(try_from = "String")]
    pub role: Role,
    /// The user's delivered mark.
    pub last_delivered_seq: i64,
    /// The chat's newest message.
    pub last_seq: i64,
}

#[derive(sqlx::FromRow)]
struct Row {
    id: UserId,
    username: String,
    first_name: String,
    last_name: String,
    avatar: Option<String>,
    #[sqlx(try_from = "String")]
    role: Role,
    joined_at: Timestamp,
    last_delivered_seq: i64,
    last_read_seq: i64,
}

impl From<Row> for Member {
    fn from(row: Row) -> Self {
        Self {
            user: UserRef {
                id: row.id,
                username: row.username,
                first_name: row.first_name,
                last_name: row.last_name,
                avatar: row.avatar,
            },
            role: row.role,
            joined_at: row.joined_at,
            last_delivered_seq: row.last_delivered_seq,
            last_read_seq: row.last_read_seq,
        }
    }
}

/// Adds users of one role to a new chat, whose marks start at its beginning.
pub async fn insert(
    tx: &mut Tx,
    chat: ChatId,
    users: Vec<i64>,
    role: Role,
    now: Timestamp,
) -> Result<()> {
    Target::from(tx)
        .either(
            "insert into members (chat_id, user_id, role, joined_at, last_delivered_seq, \
                                  last_read_seq) \
             select $1, value, $2, $3, 0, 0 from json_each($4)",
            "insert into members (chat_id, user_id, role, joined_at, last_delivered_seq, \
                                  last_read_seq) \
             select $1, value, $2, $3, 0, 0 from unnest($4::bigint[]) as value",
        )
        .bind(chat)
        .bind(role.as_str())
        .bind(now)
        .bind_list(users)
        .execute()
        .await
        .map(drop)
}

/// A user's place in a chat; `None` where the user is no member.
pub async fn membership(
    at: impl Into<Target<'_>>,
    chat: ChatId,
    user: UserId,
) -> Result<Option<Membership>> {
    at.into()
        .query(
            "select me.role, me.last_delivered_seq, c.last_seq \
             from members me join chats c on c.id = me.chat_id \
             where me.chat_id = $1 and me.user_id = $2",
        )
        .bind(chat)
        .bind(user)
        .optional()
        .await
}

/// The first members of a chat: owner, admins, then by when they came.
pub async fn first(at: impl Into<Target<'_>>, chat: ChatId, limit: i64) -> Result<Vec<Member>> {
    let rows: Vec<Row> = at
        .into()
        .query(
            "select u.id, u.username, u.first_name, u.last_name, u.avatar, me.role, \
                    me.joined_at, me.last_delivered_seq, me.last_read_seq \
             from members me join users u on u.id = me.user_id \
             where me.chat_id = $1 \
             order by case me.role when 'owner' then 0 when 'admin' then 1 else 2 end, \
                      me.joined_at, me.user_id \
             limit $2",
        )
        .bind(chat)
        .bind(limit)
        .all()
        .await?;
    Ok(rows.into_iter().map(Into::into).collect())
}

/// Who came into which chat since a moment.
pub async fn joined_since(
    at: impl Into<Target<'_>>,
    since: Timestamp,
) -> Result<Vec<(UserId, ChatId)>> {
    at.into()
        .query("select user_id, chat_id from members where joined_at >= $1")
        .bind(since)
        .all()
        .await
}

/// The chats that a user is in.
pub async fn chats_of(at: impl Into<Target<'_>>, user: UserId) -> Result<Vec<ChatId>> {
    let rows: Vec<(ChatId,)> =
        at.into().query("select chat_id from members where user_id = $1").bind(user).all().await?;
    Ok(rows.into_iter().map(|(id,)| id).collect())
}

#[derive(sqlx::FromRow)]
struct LeastRow {
    chat_id: ChatId,
    #[sqlx(flatten)]
    least: LeastMarks,
}

/// The least marks of some chats: the status of all their messages follows from them. Reads every
/// member of each, so a page's worth of chats at a time.
pub async fn least_marks(
    at: impl Into<Target<'_>>,
    chats: Vec<i64>,
) -> Result<HashMap<ChatId, LeastMarks>> {
    let rows: Vec<LeastRow> = at
        .into()
        .either(
            "select chat_id, count(*) as members, min(user_id) as first_member, \
                    min(last_read_seq) as read_seq, min(last_delivered_seq) as delivered_seq \
             from members where chat_id in (select value from json_each($1)) group by chat_id",
            "select chat_id, count(*) as members, min(user_id) as first_member, \
                    min(last_read_seq) as read_seq, min(last_delivered_seq) as delivered_seq \
             from members where chat_id = any($1) group by chat_id",
        )
        .bind_list(chats)
        .all()
        .await?;
    Ok(rows.into_iter().map(|row| (row.chat_id, row.least)).collect())
}

/// Moves a member's read mark forward to `seq`, or the newest message, and the delivered mark with
/// it; never back. The read mark as it is then.
pub async fn mark_read(tx: &mut Tx, chat: ChatId, user: UserId, seq: i64) -> Result<Option<i64>> {
    let row: Option<(i64,)> = Target::from(tx)
        .either(
            "update members set \
                 last_read_seq = max(last_read_seq, min($3, c.last_seq)), \
                 last_delivered_seq = max(last_delivered_seq, min($3, c.last_seq)) \
             from chats c where c.id = chat_id and chat_id = $1 and user_id = $2 \
             returning last_read_seq",
            "update members set \
                 last_read_seq = greatest(last_read_seq, least($3, c.last_seq)), \
                 last_delivered_seq = greatest(last_delivered_seq, least($3, c.last_seq)) \
             from chats c where c.id = chat_id and chat_id = $1 and user_id = $2 \
             returning last_read_seq",
        )
        .bind(chat)
        .bind(user)
        .bind(seq)
        .optional()
        .await?;
    Ok(row.map(|(seq,)| seq))
}

/// Whom, save its sender, a message of `seq` has reached: their marks tell who has read it.
pub async fn who_has(
    at: impl Into<Target<'_>>,
    chat: ChatId,
    seq: i64,
    sender: UserId,
) -> Result<Vec<Member>> {
    let rows: Vec<Row> = at
        .into()
        .query(
            "select u.id, u.username, u.first_name, u.last_name, u.avatar, me.role, \
                    me.joined_at, me.last_delivered_seq, me.last_read_seq \
             from members me join users u on u.id = me.user_id \
             where me.chat_id = $1 and me.last_delivered_seq >= $2 and me.user_id <> $3 \
             order by u.username_key",
        )
        .bind(chat)
        .bind(seq)
        .bind(sender)
        .all()
        .await?;
    Ok(rows.into_iter().map(Into::into).collect())
}

/// Moves a member's delivered mark forward to `seq`; never back.
pub async fn mark_delivered(tx: &mut Tx, chat: ChatId, user: UserId, seq: i64) -> Result<()> {
    Target::from(tx)
        .query(
            "update members set last_delivered_seq = $3 \
             where chat_id = $1 and user_id = $2 and last_delivered_seq < $3",
        )
        .bind(chat)
        .bind(user)
        .bind(seq)
        .execute()
        .await
        .map(drop)
}
