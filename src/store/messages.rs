//! Messages: pages, single ones, edits and deletions. Sends are in `sends`.
//!
//! The status is always `sent` here; the actions compute it from the least markers.

use constcat::concat;
use serde::Deserialize;

use crate::domain::ids::{ChatId, MessageId, UserId};
use crate::domain::message::{Content, LastChange, Message};
use crate::domain::numbering::{Seq, Version};
use crate::domain::receipt::MessageStatus;
use crate::domain::time::Timestamp;
use crate::domain::user::UserRef;

use super::db::Tx;
use super::error::Result;
use super::query::{Dialects, Statement, Target};

#[derive(Deserialize)]
struct Row {
    id: MessageId,
    chat_id: ChatId,
    seq: Seq,
    version: Version,
    content: String,
    timestamp: Timestamp,
    edited_at: Option<Timestamp>,
    deleted_at: Option<Timestamp>,
    last_change: Option<String>,
    reply_to: Option<MessageId>,
    client_id: Option<String>,
    sender_id: UserId,
    username: String,
    first_name: String,
    last_name: String,
    avatar: Option<String>,
}

impl From<Row> for Message {
    fn from(row: Row) -> Self {
        let last_change = LastChange::of_row(
            row.last_change.as_deref(),
            row.edited_at.is_some(),
            row.deleted_at.is_some(),
        );
        Self {
            id: row.id,
            chat: row.chat_id,
            seq: row.seq,
            version: row.version,
            sender: UserRef {
                id: row.sender_id,
                username: row.username,
                first_name: row.first_name,
                last_name: row.last_name,
                avatar: row.avatar,
            },
            content: Content::of_row(row.content),
            timestamp: row.timestamp,
            edited_at: row.edited_at,
            deleted_at: row.deleted_at,
            last_change,
            reply_to: row.reply_to,
            client_id: row.client_id,
            status: MessageStatus::Sent,
        }
    }
}

/// The beginning of queries of whole messages.
const SELECT: &str = "select m.id, m.chat_id, m.seq, m.version, m.content, m.timestamp, m.edited_at, \
             m.deleted_at, m.last_change, m.reply_to, m.client_id, m.sender_id, u.username, \
             u.first_name, u.last_name, u.avatar \
     from messages m join users u on u.id = m.sender_id ";

fn messages(rows: Vec<Row>) -> Vec<Message> {
    rows.into_iter().map(Into::into).collect()
}

/// Messages of a chat with a seq below `seq`, newest first.
pub async fn before(
    at: impl Into<Target<'_>>,
    chat: ChatId,
    seq: Seq,
    limit: i64,
) -> Result<Vec<Message>> {
    at.into()
        .query(concat!(SELECT, "where m.chat_id = $1 and m.seq < $2 order by m.seq desc limit $3"))
        .bind(chat)
        .bind(seq)
        .bind(limit)
        .all()
        .await
        .map(messages)
}

/// Messages of a chat with a seq above `seq`, oldest first.
pub async fn after(
    at: impl Into<Target<'_>>,
    chat: ChatId,
    seq: Seq,
    limit: i64,
) -> Result<Vec<Message>> {
    at.into()
        .query(concat!(SELECT, "where m.chat_id = $1 and m.seq > $2 order by m.seq limit $3"))
        .bind(chat)
        .bind(seq)
        .bind(limit)
        .all()
        .await
        .map(messages)
}

/// Messages of a chat whose last change made a version in `(after, upto]`, in version order.
pub async fn changed(
    at: impl Into<Target<'_>>,
    chat: ChatId,
    after: Version,
    upto: Version,
) -> Result<Vec<Message>> {
    at.into()
        .query(concat!(
            SELECT,
            "where m.chat_id = $1 and m.version > $2 and m.version <= $3 order by m.version"
        ))
        .bind(chat)
        .bind(after)
        .bind(upto)
        .all()
        .await
        .map(messages)
}

/// Messages of several chats with a version later than the one given for each, chat by chat in the given
/// order, each in version order: the first `limit` in total, and no more once their contents have `bytes`
/// together. Contents beyond that are not read.
pub async fn changed_since(
    at: impl Into<Target<'_>>,
    known: &[(ChatId, Version)],
    limit: i64,
    bytes: usize,
) -> Result<Vec<Message>> {
    let query = since(
        at.into(),
        Dialects {
            sqlite: concat!(
                "select m.* from (select f.id, f.n, f.version, \
                     sum(f.bytes) over (order by f.n, f.version) - f.bytes as before \
                 from (select i.id, r.key as n, i.version, octet_length(i.content) as bytes \
                       from json_each($1) r \
                       join messages i on i.id in (select j.id from messages j \
                           where j.chat_id = r.value ->> 0 and j.version > r.value ->> 1 \
                           order by j.version limit $2) \
                       order by r.key, i.version limit $2) f) f \
             join (",
                SELECT,
                ") m on m.id = f.id where f.before < $3 order by f.n, f.version"
            ),
            postgres: concat!(
                "select m.* from (select f.id, f.n, f.version, \
                     sum(f.bytes) over (order by f.n, f.version) - f.bytes as before \
                 from (select i.id, r.n, i.version, i.bytes \
                       from unnest($1::bigint[], $2::bigint[]) with ordinality \
                           as r (chat_id, version, n) \
                       cross join lateral (select j.id, j.version, \
                               octet_length(j.content) as bytes from messages j \
                           where j.chat_id = r.chat_id and j.version > r.version \
                           order by j.version limit $3) i \
                       order by r.n, i.version limit $3) f) f \
             join (",
                SELECT,
                ") m on m.id = f.id where f.before < $4 order by f.n, f.version"
            ),
        },
        known,
    );
    let bytes = i64::try_from(bytes).unwrap_or(i64::MAX);
    query.bind(limit).bind(bytes).all().await.map(messages)
}

/// Which of several chats have a message with a version later than the one given for each.
pub async fn any_since(
    at: impl Into<Target<'_>>,
    known: &[(ChatId, Version)],
) -> Result<Vec<ChatId>> {
    let query = since(
        at.into(),
        Dialects {
            sqlite: "select r.value ->> 0 from json_each($1) r where exists (select 1 from messages m \
         where m.chat_id = r.value ->> 0 and m.version > r.value ->> 1)",
            postgres: "select r.chat_id from unnest($1::bigint[], $2::bigint[]) as r (chat_id, version) \
         where exists (select 1 from messages m \
                       where m.chat_id = r.chat_id and m.version > r.version)",
        },
        known,
    );
    query.column().await
}

/// A statement with a list of chats and versions: SQLite gets one list of pairs, PostgreSQL two lists.
fn since<'a>(target: Target<'a>, sql: Dialects, known: &[(ChatId, Version)]) -> Statement<'a> {
    target.query(sql).bind_rows(known, |query| {
        query
            .bind_list(known.iter().map(|(chat, _)| chat))
            .bind_list(known.iter().map(|(_, version)| version))
    })
}

/// The existing ones of these messages, in no particular order.
pub async fn by_ids(at: impl Into<Target<'_>>, ids: &[MessageId]) -> Result<Vec<Message>> {
    at.into()
        .query(Dialects {
            sqlite: concat!(SELECT, "where m.id in (select value from json_each($1))"),
            postgres: concat!(SELECT, "where m.id = any($1)"),
        })
        .bind_list(ids)
        .all()
        .await
        .map(messages)
}

/// The chat of a message, if the user is a member of it.
pub async fn chat_for_member(
    at: impl Into<Target<'_>>,
    id: MessageId,
    user: UserId,
) -> Result<Option<ChatId>> {
    let row: Option<(ChatId,)> = at
        .into()
        .query(
            "select m.chat_id from messages m \
             join members me on me.chat_id = m.chat_id and me.user_id = $2 \
             where m.id = $1",
        )
        .brief()
        .bind(id)
        .bind(user)
        .optional()
        .await?;
    Ok(row.map(|(chat,)| chat))
}

/// Replaces a message's content; `version` is that of this change.
pub async fn edit(
    tx: &mut Tx,
    id: MessageId,
    content: &Content,
    version: Version,
    now: Timestamp,
) -> Result<()> {
    tx.query(
        "update messages set content = $2, version = $3, edited_at = $4, \
                                 last_change = 'edited' where id = $1",
    )
    .bind(id)
    .bind(content.as_str())
    .bind(version)
    .bind(now)
    .execute()
    .await
    .map(drop)
}

/// Turns a message into a tombstone; `version` is that of this change.
pub async fn bury(tx: &mut Tx, id: MessageId, version: Version, now: Timestamp) -> Result<()> {
    tx.query(
        "update messages set content = '', version = $2, deleted_at = $3, \
                                 last_change = 'deleted' where id = $1",
    )
    .bind(id)
    .bind(version)
    .bind(now)
    .execute()
    .await
    .map(drop)
}
