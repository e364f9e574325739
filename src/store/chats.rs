//! Chats and their versions: creating, locking, changing and deleting them. How a member sees them is in
//! `member_chats`.

use constcat::concat;
use serde::Deserialize;

use crate::domain::chat::Chat;
use crate::domain::ids::{ChatId, UserId};
use crate::domain::numbering::{Seq, Version};
use crate::domain::sync::{Versions, digits};
use crate::domain::time::Timestamp;

use super::attachments;
use super::db::Tx;
use super::error::{Failure, Result};
use super::query::{Dialects, Target};
use super::search;

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

/// Deletes a chat: removes its members, so two users may have another private chat, and its invites. [`purge`] removes the
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
    tx.query("delete from invites where chat_id = $1").bind(id).execute().await?;
    tx.query("delete from members where chat_id = $1 returning user_id").bind(id).all().await
}

/// Removes some messages of a deleted chat, and the chat together with the last ones. Returns the storage keys of their
/// attachments; `None` if there is no such chat.
pub async fn purge(tx: &mut Tx, limit: i64) -> Result<Option<Vec<String>>> {
    let chat: Option<(ChatId,)> = tx
        .query("select id from chats where deleted_at is not null order by deleted_at limit 1")
        .optional()
        .await?;
    let Some((chat,)) = chat else { return Ok(None) };
    let keys = attachments::delete_of_oldest(tx, chat, Seq(i64::MAX), limit).await?;
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
    Ok(Some(keys))
}

/// The group chats of a user, in the order of their ids.
pub async fn groups_of(at: impl Into<Target<'_>>, user: UserId) -> Result<Vec<ChatId>> {
    at.into()
        .query(
            "select c.id from members me join chats c on c.id = me.chat_id \
             where me.user_id = $1 and c.type = 'group' order by c.id",
        )
        .bind(user)
        .all()
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

/// Whether it is a group.
pub async fn is_group(at: impl Into<Target<'_>>, id: ChatId) -> Result<bool> {
    let (low_user,): (Option<UserId>,) =
        at.into().query("select low_user from chats where id = $1").bind(id).one().await?;
    Ok(low_user.is_none())
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
    let lists: VersionLists = at.into().query(VERSIONS_OF).bind(user).one().await?;
    lists.parse()
}

/// The versions of all chats of the user `$1`, as [`VersionLists`].
pub(super) const VERSIONS_OF: Dialects = Dialects {
    sqlite: "select coalesce(group_concat(id), '') as chat_ids, \
                    coalesce(group_concat(version), '') as chat_versions \
             from chats where id in (select chat_id from members where user_id = $1)",
    postgres: "select coalesce(string_agg(id::text, ','), '') as chat_ids, \
                      coalesce(string_agg(version::text, ','), '') as chat_versions \
               from chats where id = any (array(select chat_id from members where user_id = $1))",
};

/// Ids and versions in the same order, separated by commas.
#[derive(Deserialize)]
pub(super) struct VersionLists {
    chat_ids: String,
    chat_versions: String,
}

impl VersionLists {
    pub(super) fn parse(&self) -> Result<Versions> {
        let ids = numbers(&self.chat_ids)?.into_iter().map(ChatId);
        Ok(ids.zip(numbers(&self.chat_versions)?.into_iter().map(Version)).collect())
    }
}

/// Parses a comma-separated list of numbers.
fn numbers(list: &str) -> Result<Vec<i64>> {
    let pieces = list.as_bytes().split(|byte| *byte == b',').filter(|piece| !piece.is_empty());
    let read = |piece| digits(piece).ok_or_else(|| Failure::wrong(list).into());
    pieces.map(read).collect()
}
