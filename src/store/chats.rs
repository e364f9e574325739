//! Chats, and their next versions.

use constcat::concat;

use crate::domain::chat::{Chat, ChatType};
use crate::domain::ids::{ChatId, MessageId, UserId};
use crate::domain::numbering::{Seq, Version};
use crate::domain::role::Role;
use crate::domain::sync::{Versions, digits};
use crate::domain::time::Timestamp;
use crate::domain::user::UserRef;

use super::db::Tx;
use super::error::Result;
use super::query::{Dialects, Target};
use super::search;

/// A chat joined with a membership. The rest of a view (the peer, the last message) is read for a whole
/// page at once.
#[derive(Debug)]
pub struct ChatOfMember {
    /// What all members see alike.
    pub chat: Chat,
    /// The other user of a private chat.
    pub peer: Option<UserId>,
    /// The member's role.
    pub my_role: Role,
    /// The member's read marker.
    pub last_read_seq: Seq,
    /// Messages by others, not deleted, after that marker.
    pub unread_count: i64,
    /// The newest message.
    pub last_message: Option<MessageId>,
    /// The sort key of lists.
    pub place: ChatCursor,
}

/// A chat's place in lists. It depends on no clock: message ids grow over the whole site.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChatCursor {
    /// First by the id of the newest message; for a chat without one, by where the ids stood when the chat
    /// was made. Greatest first.
    pub activity: i64,
    /// Then by this, greatest first.
    pub id: ChatId,
}

#[derive(sqlx::FromRow)]
struct Row {
    id: ChatId,
    #[sqlx(rename = "type", try_from = "String")]
    kind: ChatType,
    name: String,
    description: String,
    avatar: Option<String>,
    created_at: Timestamp,
    members_count: i64,
    last_seq: Seq,
    version: Version,
    last_message_id: Option<MessageId>,
    activity: i64,
    peer: Option<UserId>,
    #[sqlx(try_from = "String")]
    role: Role,
    last_read_seq: Seq,
    unread_count: i64,
    creator_id: Option<UserId>,
    creator_username: Option<String>,
    creator_first_name: Option<String>,
    creator_last_name: Option<String>,
    creator_avatar: Option<String>,
}

impl From<Row> for ChatOfMember {
    fn from(row: Row) -> Self {
        let created_by = row.creator_id.map(|id| UserRef {
            id,
            username: row.creator_username.unwrap_or_default(),
            first_name: row.creator_first_name.unwrap_or_default(),
            last_name: row.creator_last_name.unwrap_or_default(),
            avatar: row.creator_avatar,
        });
        Self {
            peer: row.peer,
            my_role: row.role,
            last_read_seq: row.last_read_seq,
            unread_count: row.unread_count,
            last_message: row.last_message_id,
            place: ChatCursor { activity: row.activity, id: row.id },
            chat: Chat {
                id: row.id,
                kind: row.kind,
                name: row.name,
                description: row.description,
                avatar: row.avatar,
                created_at: row.created_at,
                created_by,
                members_count: row.members_count,
                last_seq: row.last_seq,
                version: row.version,
            },
        }
    }
}

/// Unread messages of a member `me` in a chat `c`: those after the read marker, without deleted ones. None
/// of them is the member's own, since sending moves the sender's marker.
pub(super) const UNREAD: &str = "\
    c.last_seq - me.last_read_seq \
        - (select count(*) from messages t where t.chat_id = c.id \
               and t.seq > me.last_read_seq and t.deleted_at is not null)";

/// The beginning of queries of a member's chats; `$1` is the member.
const OF_MEMBER: &str = concat!(
    "\
    select c.id, c.type, c.name, c.description, c.avatar, c.created_at, c.members_count, \
           c.last_seq, c.version, c.last_message_id, \
           coalesce(c.last_message_id, c.first_activity, 0) as activity, \
           case when c.low_user = me.user_id then c.high_user else c.low_user end as peer, \
           me.role, me.last_read_seq, ",
    UNREAD,
    " as unread_count, \
           u.id as creator_id, u.username as creator_username, \
           u.first_name as creator_first_name, u.last_name as creator_last_name, \
           u.avatar as creator_avatar \
    from members me \
    join chats c on c.id = me.chat_id \
    left join users u on u.id = c.created_by \
    where me.user_id = $1 "
);
const SIZES: &str = "\
    select me.chat_id, cast(octet_length(c.name) + octet_length(c.description) \
               + coalesce(octet_length(m.content), 0) as bigint) as bytes, \
           coalesce(c.last_message_id, c.first_activity, 0) as activity \
    from members me \
    join chats c on c.id = me.chat_id \
    left join messages m on m.id = c.last_message_id \
    where me.user_id = $1 ";
const NEWEST_FIRST: &str = " order by activity desc, c.id desc";

/// The greatest id that a message has had: `first_activity` of a new chat. On PostgreSQL the column's
/// default takes the next id instead, so that nodes of the previous version fill it too.
const NEWEST_MESSAGE_SQLITE: &str =
    "(select coalesce(max(seq), 0) from sqlite_sequence where name = 'messages')";

/// Creates the private chat of two users; `None` if they already have one, even if both requests are
/// concurrent. Does not add the members.
pub async fn insert_private(
    tx: &mut Tx,
    by: UserId,
    peer: UserId,
    now: Timestamp,
) -> Result<Option<ChatId>> {
    let row: Option<(ChatId,)> = tx
        .query(Dialects {
            sqlite: concat!(
                "insert into chats (type, created_at, created_by, low_user, high_user, \
                                    members_count, version, active_at, first_activity) \
                 values ('private', $1, $2, $3, $4, 2, 1, $1, ",
                NEWEST_MESSAGE_SQLITE,
                ") on conflict (low_user, high_user) do nothing returning id"
            ),
            postgres: "insert into chats (type, created_at, created_by, low_user, high_user, \
                                members_count, version, active_at) \
             values ('private', $1, $2, $3, $4, 2, 1, $1) \
             on conflict (low_user, high_user) do nothing returning id",
        })
        .bind(now)
        .bind(by)
        .bind(by.min(peer))
        .bind(by.max(peer))
        .optional()
        .await?;
    Ok(row.map(|(id,)| id))
}

/// The private chat of two users.
pub async fn private_of(
    at: impl Into<Target<'_>>,
    one: UserId,
    other: UserId,
) -> Result<Option<ChatId>> {
    let row: Option<(ChatId,)> = at
        .into()
        .query("select id from chats where low_user = $1 and high_user = $2")
        .bind(one.min(other))
        .bind(one.max(other))
        .optional()
        .await?;
    Ok(row.map(|(id,)| id))
}

/// Creates a group. Does not add the members.
pub async fn insert_group(
    tx: &mut Tx,
    by: UserId,
    name: &str,
    description: &str,
    members: i64,
    now: Timestamp,
) -> Result<ChatId> {
    let (id,): (ChatId,) = tx
        .query(Dialects {
            sqlite: concat!(
                "insert into chats (type, name, description, created_at, created_by, \
                                    members_count, version, active_at, search_text, \
                                    first_activity) \
                 values ('group', $1, $2, $3, $4, $5, 1, $3, $6, ",
                NEWEST_MESSAGE_SQLITE,
                ") returning id"
            ),
            postgres: "insert into chats (type, name, description, created_at, created_by, \
                                members_count, version, active_at, search_text) \
             values ('group', $1, $2, $3, $4, $5, 1, $3, $6) returning id",
        })
        .bind(name)
        .bind(description)
        .bind(now)
        .bind(by)
        .bind(members)
        .bind(search::group_text(name))
        .one()
        .await?;
    Ok(id)
}

/// Locks the chat's row for this transaction, so that its changes happen one after another, in the order
/// of their versions. (SQLite has only one writer.)
pub async fn lock(tx: &mut Tx, id: ChatId) -> Result<()> {
    let _: Option<(i64,)> = tx
        .query(Dialects {
            sqlite: "select id from chats where id = $1",
            postgres: "select id from chats where id = $1 for no key update",
        })
        .bind(id)
        .optional()
        .await?;
    Ok(())
}

/// Takes the chat's next version.
pub async fn next_version(tx: &mut Tx, id: ChatId) -> Result<Version> {
    let (version,): (Version,) = tx
        .query("update chats set version = version + 1 where id = $1 returning version")
        .bind(id)
        .one()
        .await?;
    Ok(version)
}

/// Takes the chat's next versions, one for each change, and updates its number of members. Returns the
/// last version.
pub async fn advance(tx: &mut Tx, id: ChatId, changes: i64, joined: i64) -> Result<Version> {
    let (version,): (Version,) = tx
        .query(
            "update chats set version = version + $2, members_count = members_count + $3 \
             where id = $1 returning version",
        )
        .bind(id)
        .bind(changes)
        .bind(joined)
        .one()
        .await?;
    Ok(version)
}

/// Updates a group's fields.
pub async fn update(tx: &mut Tx, chat: &Chat) -> Result<()> {
    tx.query(
        "update chats set name = $2, description = $3, avatar = $4, search_text = $5 \
             where id = $1",
    )
    .bind(chat.id)
    .bind(chat.name.as_str())
    .bind(chat.description.as_str())
    .bind(chat.avatar.clone())
    .bind(search::group_text(&chat.name))
    .execute()
    .await
    .map(drop)
}

/// The path of a chat's avatar.
pub async fn avatar(at: impl Into<Target<'_>>, id: ChatId) -> Result<Option<String>> {
    let row: Option<(Option<String>,)> =
        at.into().query("select avatar from chats where id = $1").bind(id).optional().await?;
    Ok(row.and_then(|(avatar,)| avatar))
}

/// Deletes a chat: removes its members, so two users may have another private chat. [`purge`] removes the
/// rest. Returns the former members.
pub async fn end(tx: &mut Tx, id: ChatId, now: Timestamp) -> Result<Vec<UserId>> {
    // The row becomes a group, whatever it was: a private chat must have its two users.
    tx.query(
        "update chats set deleted_at = $2, type = 'group', low_user = null, \
                              high_user = null, name = '', description = '', avatar = null, \
                              members_count = 0 \
             where id = $1",
    )
    .bind(id)
    .bind(now)
    .execute()
    .await?;
    tx.query("delete from members where chat_id = $1 returning user_id").bind(id).column().await
}

/// Removes some messages of a deleted chat, and the chat together with the last ones. False if there is
/// no such chat.
pub async fn purge(tx: &mut Tx, limit: i64) -> Result<bool> {
    let chat: Option<(ChatId,)> = tx
        .query("select id from chats where deleted_at is not null order by deleted_at limit 1")
        .optional()
        .await?;
    let Some((chat,)) = chat else { return Ok(false) };
    let removed = tx
        .query(
            "delete from messages where id in \
                 (select id from messages where chat_id = $1 order by seq limit $2)",
        )
        .bind(chat)
        .bind(limit)
        .execute()
        .await?;
    if removed == 0 {
        tx.query("delete from chats where id = $1").bind(chat).execute().await?;
    }
    Ok(true)
}

/// The private chats of a user, each with the other user.
pub async fn peers_of(at: impl Into<Target<'_>>, user: UserId) -> Result<Vec<(ChatId, UserId)>> {
    at.into()
        .query(
            "select c.id, case when c.low_user = me.user_id then c.high_user else c.low_user end \
             from members me join chats c on c.id = me.chat_id \
             where me.user_id = $1 and c.type = 'private'",
        )
        .bind(user)
        .all()
        .await
}

/// The group chats of a user, in the order of their ids.
pub async fn groups_of(at: impl Into<Target<'_>>, user: UserId) -> Result<Vec<ChatId>> {
    at.into()
        .query(
            "select c.id from members me join chats c on c.id = me.chat_id \
             where me.user_id = $1 and c.type = 'group' order by c.id",
        )
        .bind(user)
        .column()
        .await
}

/// How many existing groups a user has created; counts at most `most`. Concurrent calls for the same user
/// wait until this transaction ends. Call it before anything else is locked.
pub async fn count_made(tx: &mut Tx, user: UserId, most: i64) -> Result<i64> {
    // Two numbers are another space of keys than the one number of `migrations`.
    tx.query(Dialects {
        sqlite: "select $1",
        postgres: "select pg_advisory_xact_lock(1835364215, ($1 % 2147483647)::integer)",
    })
    .bind(user)
    .execute()
    .await?;
    let (count,): (i64,) = tx
        .query(
            "select count(*) from ( \
                 select id from chats \
                 where created_by = $1 and type = 'group' and deleted_at is null limit $2 \
             ) made",
        )
        .bind(user)
        .bind(most)
        .one()
        .await?;
    Ok(count)
}

/// Whether a chat exists and was not deleted.
pub async fn is_there(at: impl Into<Target<'_>>, id: ChatId) -> Result<bool> {
    let row: Option<(i64,)> = at
        .into()
        .query("select id from chats where id = $1 and deleted_at is null")
        .bind(id)
        .optional()
        .await?;
    Ok(row.is_some())
}

/// Whether it is a private chat and one of the accounts was deleted.
pub async fn is_left_alone(at: impl Into<Target<'_>>, id: ChatId) -> Result<bool> {
    let row: Option<(i64,)> = at
        .into()
        .query(
            "select c.id from chats c join users u on u.id in (c.low_user, c.high_user) \
             where c.id = $1 and u.deleted_at is not null",
        )
        .bind(id)
        .optional()
        .await?;
    Ok(row.is_some())
}

/// The current versions of some chats.
pub async fn versions(at: impl Into<Target<'_>>, ids: &[ChatId]) -> Result<Vec<(ChatId, Version)>> {
    at.into()
        .query(Dialects {
            sqlite: "select id, version from chats where id in (select value from json_each($1))",
            postgres: "select id, version from chats where id = any($1)",
        })
        .bind_list(ids)
        .all()
        .await
}

/// The current versions of all chats of a user. They are returned as two lists in one row, since
/// fetching a thousand rows would cost more than finding them.
pub async fn versions_of(at: impl Into<Target<'_>>, user: UserId) -> Result<Versions> {
    const MEMBERSHIPS: &str =
        " from members me join chats c on c.id = me.chat_id where me.user_id = $1";
    let (ids, versions): (String, String) = at
        .into()
        .query(Dialects {
            sqlite: concat!(
                "select coalesce(group_concat(c.id), ''), coalesce(group_concat(c.version), '')",
                MEMBERSHIPS
            ),
            postgres: concat!(
                "select coalesce(string_agg(c.id::text, ','), ''), \
                        coalesce(string_agg(c.version::text, ','), '')",
                MEMBERSHIPS
            ),
        })
        .bind(user)
        .one()
        .await?;
    Ok(numbers(&ids)?
        .into_iter()
        .map(ChatId)
        .zip(numbers(&versions)?.into_iter().map(Version))
        .collect())
}

/// Parses a comma-separated list of numbers.
fn numbers(list: &str) -> Result<Vec<i64>> {
    let pieces = list.as_bytes().split(|byte| *byte == b',').filter(|piece| !piece.is_empty());
    let read = |piece| digits(piece).ok_or_else(|| sqlx::Error::Decode(list.into()).into());
    pieces.map(read).collect()
}

/// The size in bytes of the texts of those chats that the user is a member of, including their newest
/// messages, newest activity first. Does not read the texts.
pub async fn sizes(
    at: impl Into<Target<'_>>,
    user: UserId,
    ids: &[ChatId],
) -> Result<Vec<(ChatId, i64)>> {
    let rows: Vec<(ChatId, i64, i64)> = at
        .into()
        .query(Dialects {
            sqlite: concat!(
                SIZES,
                "and me.chat_id in (select value from json_each($2))",
                NEWEST_FIRST
            ),
            postgres: concat!(SIZES, "and me.chat_id = any($2)", NEWEST_FIRST),
        })
        .bind(user)
        .bind_list(ids)
        .all()
        .await?;
    Ok(rows.into_iter().map(|(chat, bytes, _)| (chat, bytes)).collect())
}

/// Those of the chats that the user is a member of, with the membership, newest activity first.
pub async fn of_member(
    at: impl Into<Target<'_>>,
    user: UserId,
    ids: &[ChatId],
) -> Result<Vec<ChatOfMember>> {
    let rows: Vec<Row> = at
        .into()
        .query(Dialects {
            sqlite: concat!(
                OF_MEMBER,
                "and me.chat_id in (select value from json_each($2))",
                NEWEST_FIRST
            ),
            postgres: concat!(OF_MEMBER, "and me.chat_id = any($2)", NEWEST_FIRST),
        })
        .bind(user)
        .bind_list(ids)
        .all()
        .await?;
    Ok(rows.into_iter().map(Into::into).collect())
}
