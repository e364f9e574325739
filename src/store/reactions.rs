//! Reactions: the rows of single users, and the messages' summaries of them. A batch of changes is written with one
//! statement for each table.

use constcat::concat;
use serde::Deserialize;

use crate::domain::emoji::Emoji;
use crate::domain::ids::{ChatId, MessageId, UserId};
use crate::domain::numbering::Version;
use crate::domain::page::PageRequest;
use crate::domain::reactions::{ReactionChange, UserReaction};
use crate::domain::time::Timestamp;
use crate::domain::user::UserRef;

use super::db::Tx;
use super::error::Result;
use super::query::{Dialects, Target};

/// Locks the chats of some messages, in the order of their ids, so that two batches cannot deadlock. Returns the chats'
/// versions.
pub async fn lock_chats(tx: &mut Tx, messages: &[MessageId]) -> Result<Vec<(ChatId, Version)>> {
    tx.query(Dialects {
        sqlite: "select id, version from chats where id in (select chat_id from messages \
                     where id in (select value from json_each($1)))",
        postgres: "select id, version from chats \
                   where id = any(array(select chat_id from messages where id = any($1))) \
                   order by id for no key update",
    })
    .bind_list(messages)
    .all()
    .await
}

/// A change whose user is a member of the message's chat.
#[derive(Debug, Deserialize)]
pub struct Present {
    /// The index of the change.
    pub n: usize,
    /// The user's reaction with this emoji.
    pub reaction: Option<i64>,
    /// Whether it is in a private chat in which one blocks the other.
    pub blocked: bool,
}

/// Those of the changes that their users may make, and whether there is such a reaction.
pub async fn present(
    at: impl Into<Target<'_>>,
    changes: &[ReactionChange],
) -> Result<Vec<Present>> {
    let rows: Vec<_> = keys(changes).collect();
    at.into()
        .query(Dialects {
            sqlite: "select r.key as n, (select x.id from reactions x where x.message_id = m.id \
                         and x.user_id = me.user_id and x.emoji = r.value ->> 2) as reaction, \
                         (c.low_blocks or c.high_blocks) as blocked \
                     from json_each($1) r cross join messages m cross join chats c \
                         cross join members me \
                     where m.id = r.value ->> 0 and c.id = m.chat_id \
                           and c.first_seq <= m.seq and me.chat_id = m.chat_id \
                           and me.user_id = r.value ->> 1",
            postgres: "select r.n - 1 as n, (select x.id from reactions x \
                           where x.message_id = m.id and x.user_id = me.user_id \
                                 and x.emoji = r.emoji) as reaction, \
                           (c.low_blocks or c.high_blocks) as blocked \
                       from unnest($1::bigint[], $2::bigint[], $3::text[]) \
                           with ordinality as r (message_id, user_id, emoji, n) \
                       cross join lateral (select id, chat_id, seq from messages \
                           where messages.id = r.message_id limit 1) m \
                       cross join lateral (select low_blocks, high_blocks from chats where chats.id = m.chat_id \
                           and chats.first_seq <= m.seq limit 1) c \
                       cross join lateral (select user_id from members \
                           where members.chat_id = m.chat_id \
                                 and members.user_id = r.user_id limit 1) me",
        })
        .bind_rows(&rows, |query| {
            query
                .bind_list(changes.iter().map(|change| change.message))
                .bind_list(changes.iter().map(|change| change.user))
                .bind_list(changes.iter().map(|change| change.emoji.as_str()))
        })
        .all()
        .await
}

fn keys(changes: &[ReactionChange]) -> impl Iterator<Item = (MessageId, UserId, &str)> {
    changes.iter().map(|change| (change.message, change.user, change.emoji.as_str()))
}

/// The first users of a message's emoji.
pub async fn first_users(
    at: impl Into<Target<'_>>,
    message: MessageId,
    emoji: &Emoji,
    limit: i64,
) -> Result<Vec<UserId>> {
    at.into()
        .query(
            "select user_id from reactions where message_id = $1 and emoji = $2 \
             order by id limit $3",
        )
        .bind(message)
        .bind(emoji.as_str())
        .bind(limit)
        .all()
        .await
}

/// Removes reactions by their ids.
pub async fn remove(tx: &mut Tx, ids: &[i64]) -> Result<()> {
    tx.query(Dialects {
        sqlite: "delete from reactions where id in (select value from json_each($1))",
        postgres: "delete from reactions where id = any($1)",
    })
    .bind_list(ids)
    .execute()
    .await
    .map(drop)
}

/// Adds reactions, whose ids grow in their order.
pub async fn insert(tx: &mut Tx, new: &[(MessageId, UserId, &str)], now: Timestamp) -> Result<()> {
    tx.query(Dialects {
        sqlite: "insert into reactions (message_id, user_id, emoji, created_at) \
                 select value ->> 0, value ->> 1, value ->> 2, $2 from json_each($1) order by key",
        postgres: "insert into reactions (message_id, user_id, emoji, created_at) \
                   select r.message_id, r.user_id, r.emoji, $4 \
                   from unnest($1::bigint[], $2::bigint[], $3::text[]) \
                       with ordinality as r (message_id, user_id, emoji, n) order by r.n",
    })
    .bind_rows(new, |query| {
        query
            .bind_list(new.iter().map(|(message, ..)| message))
            .bind_list(new.iter().map(|(_, user, _)| user))
            .bind_list(new.iter().map(|(.., emoji)| *emoji))
    })
    .bind(now)
    .execute()
    .await
    .map(drop)
}

/// A message after reactions to it: its id, the version of the last one, and its extras.
pub type Reacted = (MessageId, Version, Option<String>);

/// Updates messages after reactions to them.
pub async fn update_messages(tx: &mut Tx, reacted: &[Reacted]) -> Result<()> {
    tx.query(Dialects {
        sqlite: "update messages set version = r.value ->> 1, extras = r.value ->> 2, \
                     last_change = 'reacted' \
                 from json_each($1) r where messages.id = r.value ->> 0",
        postgres: "update messages set version = r.version, extras = r.extras, \
                       last_change = 'reacted' \
                   from unnest($1::bigint[], $2::bigint[], $3::text[]) as r (id, version, extras) \
                   where messages.id = r.id",
    })
    .bind_rows(reacted, |query| {
        query
            .bind_list(reacted.iter().map(|(id, ..)| id))
            .bind_list(reacted.iter().map(|(_, version, _)| version))
            .bind_list(reacted.iter().map(|(.., extras)| extras.clone()))
    })
    .execute()
    .await
    .map(drop)
}

/// Sets the versions of chats, which are locked.
pub async fn update_chats(tx: &mut Tx, versions: &[(ChatId, Version)]) -> Result<()> {
    tx.query(Dialects {
        sqlite: "update chats set version = r.value ->> 1 \
                 from json_each($1) r where chats.id = r.value ->> 0",
        postgres: "update chats set version = r.version \
                   from unnest($1::bigint[], $2::bigint[]) as r (id, version) \
                   where chats.id = r.id",
    })
    .bind_rows(versions, |query| {
        query
            .bind_list(versions.iter().map(|(chat, _)| chat))
            .bind_list(versions.iter().map(|(_, version)| version))
    })
    .execute()
    .await
    .map(drop)
}

/// Removes all reactions to a message.
pub async fn clear(tx: &mut Tx, message: MessageId) -> Result<()> {
    tx.query("delete from reactions where message_id = $1").bind(message).execute().await.map(drop)
}

#[derive(Deserialize)]
struct Row {
    id: i64,
    emoji: Emoji,
    created_at: Timestamp,
    user_id: UserId,
    username: String,
    first_name: String,
    last_name: String,
    avatar: Option<String>,
}

impl From<Row> for UserReaction {
    fn from(row: Row) -> Self {
        Self {
            id: row.id,
            emoji: row.emoji,
            created_at: row.created_at,
            user: UserRef {
                id: row.user_id,
                username: row.username,
                first_name: row.first_name,
                last_name: row.last_name,
                avatar: row.avatar,
            },
        }
    }
}

/// The beginning of queries of a message's reactions, of one emoji if it is given.
const SELECT: &str = "\
    select r.id, r.emoji, r.created_at, r.user_id, u.username, u.first_name, u.last_name, u.avatar \
    from reactions r join users u on u.id = r.user_id \
    where r.message_id = $1 and r.emoji = coalesce($2, r.emoji) ";

/// A page of a message's reactions, nearest to its place first.
pub async fn page(
    at: impl Into<Target<'_>>,
    message: MessageId,
    emoji: Option<&Emoji>,
    request: &PageRequest<i64>,
    limit: i64,
) -> Result<Vec<UserReaction>> {
    let (sql, id) = match request {
        PageRequest::First => (AFTER, 0),
        PageRequest::After(id) => (AFTER, *id),
        PageRequest::Before(id) => (BEFORE, *id),
    };
    let query =
        at.into().query(sql).bind(message).bind(emoji.map(|emoji| emoji.as_str().to_owned()));
    let rows: Vec<Row> = query.bind(id).bind(limit).all().await?;
    Ok(rows.into_iter().map(Into::into).collect())
}

const AFTER: &str = concat!(SELECT, "and r.id > $3 order by r.id limit $4");
const BEFORE: &str = concat!(SELECT, "and r.id < $3 order by r.id desc limit $4");
