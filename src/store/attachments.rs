//! Attachments: their rows, and which of the stored files they name. A caller gets a row only if the query finds it for
//! this user: an own upload, or one in a message of a chat that the user is a member of.

use std::collections::HashSet;

use constcat::concat;
use serde::Deserialize;

use crate::domain::attachment::Attachment;
use crate::domain::ids::{AttachmentId, ChatId, MessageId, UserId};
use crate::domain::numbering::Seq;
use crate::domain::time::Timestamp;

use super::db::Tx;
use super::error::{Failure, Result, StoreError};
use super::query::{Dialects, Target};
use super::sqlite::Sqlite;

/// What follows a storage key in the path of its thumbnail.
pub const THUMBNAIL: &str = ".thumbnail";

/// An attachment with what only the server needs to know.
#[derive(Clone, Debug)]
pub struct StoredAttachment {
    /// As members see it.
    pub attachment: Attachment,
    /// Who uploaded it.
    pub owner: UserId,
    /// The message that it was sent with.
    pub message: Option<MessageId>,
    /// SHA-256 of the bytes, in hexadecimal.
    pub sha256: String,
    /// The media type of its thumbnail.
    pub thumbnail: Option<String>,
    /// Where the bytes are.
    pub storage_key: String,
}

/// An attachment to be inserted.
#[derive(Clone, Debug)]
pub struct NewAttachment {
    /// Who uploaded it.
    pub owner: UserId,
    /// The file's name.
    pub name: String,
    /// The media type.
    pub content_type: String,
    /// In bytes.
    pub size: i64,
    /// SHA-256 of the bytes, in hexadecimal.
    pub sha256: String,
    /// Width and height, in pixels.
    pub pixels: Option<(i64, i64)>,
    /// The media type of the thumbnail.
    pub thumbnail: Option<String>,
    /// Where the bytes are.
    pub storage_key: String,
    /// Now.
    pub created_at: Timestamp,
}

#[derive(Deserialize)]
struct Row {
    id: AttachmentId,
    owner_id: UserId,
    message_id: Option<MessageId>,
    name: String,
    content_type: String,
    size: i64,
    sha256: String,
    width: Option<i64>,
    height: Option<i64>,
    thumbnail: Option<String>,
    storage_key: String,
    created_at: Timestamp,
}

impl From<Row> for StoredAttachment {
    fn from(row: Row) -> Self {
        Self {
            attachment: Attachment {
                id: row.id,
                name: row.name,
                content_type: row.content_type,
                size: row.size,
                width: row.width,
                height: row.height,
                has_thumbnail: row.thumbnail.is_some(),
                created_at: row.created_at,
            },
            owner: row.owner_id,
            message: row.message_id,
            sha256: row.sha256,
            thumbnail: row.thumbnail,
            storage_key: row.storage_key,
        }
    }
}

const SELECT: &str = "select a.id, a.owner_id, a.message_id, a.name, a.content_type, a.size, a.sha256, \
     a.width, a.height, a.thumbnail, a.storage_key, a.created_at from attachments a ";

/// Whether the user `$2` may read `a`.
const IS_READABLE: &str = "(case when a.message_id is null then a.owner_id = $2 else exists \
     (select 1 from messages m join members me on me.chat_id = m.chat_id and me.user_id = $2 \
      join chats c on c.id = m.chat_id and c.first_seq <= m.seq \
      where m.id = a.message_id and m.deleted_at is null) end)";

/// The existing ones of these attachments that the user may read, in no particular order.
pub async fn readable(
    at: impl Into<Target<'_>>,
    ids: &[AttachmentId],
    user: UserId,
) -> Result<Vec<StoredAttachment>> {
    let rows: Vec<Row> = at
        .into()
        .query(Dialects {
            sqlite: concat!(
                SELECT,
                "where a.id in (select value from json_each($1)) and ",
                IS_READABLE
            ),
            postgres: concat!(SELECT, "where a.id = any($1) and ", IS_READABLE),
        })
        .bind_list(ids.iter().map(|id| id.0))
        .bind(user)
        .all()
        .await?;
    Ok(rows.into_iter().map(Into::into).collect())
}

/// The existing ones of these attachments that were not sent.
pub async fn unsent(
    at: impl Into<Target<'_>>,
    ids: &[AttachmentId],
) -> Result<Vec<StoredAttachment>> {
    let rows: Vec<Row> = at
        .into()
        .query(Dialects {
            sqlite: concat!(
                SELECT,
                "where a.id in (select value from json_each($1)) and a.message_id is null"
            ),
            postgres: concat!(SELECT, "where a.id = any($1) and a.message_id is null"),
        })
        .bind_list(ids.iter().map(|id| id.0))
        .all()
        .await?;
    Ok(rows.into_iter().map(Into::into).collect())
}

/// An attachment that is sent: its id, its owner, the message, and its position there.
pub type Attached = (AttachmentId, UserId, MessageId, i64);

/// Declares attachments sent. [`StoreError::Conflict`] if one of them was sent or deleted since it was looked up.
pub async fn send(tx: &mut Tx, attached: &[Attached]) -> Result<()> {
    let sent = tx
        .query(
            "update attachments set message_id = r.message_id, position = r.position \
             from unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[]) \
                 as r (id, owner_id, message_id, position) \
             where attachments.id = r.id and attachments.owner_id = r.owner_id \
                 and attachments.message_id is null",
        )
        .bind_list(attached.iter().map(|one| one.0.0))
        .bind_list(attached.iter().map(|one| one.1.0))
        .bind_list(attached.iter().map(|one| one.2.0))
        .bind_list(attached.iter().map(|one| one.3))
        .execute()
        .await?;
    if sent == attached.len() as u64 { Ok(()) } else { Err(gone()) }
}

/// [`send`], on SQLite.
pub fn send_one(db: &mut Sqlite, (id, owner, message, position): Attached) -> Result<()> {
    let sent = db
        .query(
            "update attachments set message_id = $3, position = $4 \
             where id = $1 and owner_id = $2 and message_id is null",
        )
        .bind(id)
        .bind(owner)
        .bind(message)
        .bind(position)
        .execute()?;
    if sent == 1 { Ok(()) } else { Err(gone()) }
}

/// The transaction may be tried again, with what is there now.
fn gone() -> StoreError {
    StoreError::Conflict(Failure::wrong("an attachment was sent or deleted meanwhile"))
}

/// Copies a message's attachments, for its forward, as uploads of another user that were not sent. They share the bytes.
pub async fn copy(
    tx: &mut Tx,
    message: MessageId,
    owner: UserId,
    now: Timestamp,
) -> Result<Vec<Attachment>> {
    const INSERT: &str = "insert into attachments (owner_id, name, content_type, size, sha256, width, height, \
         thumbnail, storage_key, created_at) ";
    const COPIED: &str =
        "select $2, name, content_type, size, sha256, width, height, thumbnail, storage_key, $3 ";
    const RETURNING: &str = " returning id, owner_id, message_id, name, content_type, size, sha256, width, height, \
         thumbnail, storage_key, created_at";
    let rows: Vec<Row> = tx
        .query(Dialects {
            sqlite: concat!(
                INSERT,
                COPIED,
                "from attachments where message_id = $1 order by position",
                RETURNING
            ),
            // Locked: a deletion that comes later then finds the copies, and keeps the bytes.
            postgres: concat!(
                "with source as materialized (select * from attachments where message_id = $1 \
                     order by position for share) ",
                INSERT,
                COPIED,
                "from source order by position",
                RETURNING
            ),
        })
        .bind(message)
        .bind(owner)
        .bind(now)
        .all()
        .await?;
    let mut copies: Vec<_> =
        rows.into_iter().map(|row| StoredAttachment::from(row).attachment).collect();
    copies.sort_unstable_by_key(|copy| copy.id);
    Ok(copies)
}

/// Deletes those of some uploads that were not sent. Returns their storage keys.
pub async fn delete_unsent_among(tx: &mut Tx, ids: &[AttachmentId]) -> Result<Vec<String>> {
    tx.query(Dialects {
        sqlite: "delete from attachments where id in (select value from json_each($1)) \
                 and message_id is null returning storage_key",
        postgres: "delete from attachments where id = any($1) and message_id is null \
                   returning storage_key",
    })
    .bind_list(ids.iter().map(|id| id.0))
    .all()
    .await
}

/// Deletes the attachments of a message. Returns their storage keys.
pub async fn delete_of(tx: &mut Tx, message: MessageId) -> Result<Vec<String>> {
    tx.query("delete from attachments where message_id = $1 returning storage_key")
        .bind(message)
        .all()
        .await
}

/// Deletes the attachments of a chat's oldest messages, of those before this one. Returns their storage keys.
pub async fn delete_of_oldest(
    tx: &mut Tx,
    chat: ChatId,
    before: Seq,
    limit: i64,
) -> Result<Vec<String>> {
    tx.query(
        "delete from attachments where message_id in \
             (select id from messages where chat_id = $1 and seq < $2 order by seq limit $3) \
         returning storage_key",
    )
    .bind(chat)
    .bind(before)
    .bind(limit)
    .all()
    .await
}

/// The size of all attachments of a user, in bytes.
pub async fn used_bytes(at: impl Into<Target<'_>>, owner: UserId) -> Result<i64> {
    let (used,): (i64,) = at
        .into()
        .query(Dialects {
            sqlite: "select coalesce(sum(size), 0) from attachments where owner_id = $1",
            postgres: "select coalesce(sum(size), 0)::bigint from attachments where owner_id = $1",
        })
        .bind(owner)
        .one()
        .await?;
    Ok(used)
}

/// Inserts an attachment, unless its owner would then have more than `quota` bytes of them. Concurrent calls for one
/// owner wait for each other.
pub async fn insert(tx: &mut Tx, new: &NewAttachment, quota: i64) -> Result<Option<AttachmentId>> {
    tx.query(Dialects {
        sqlite: "select id from users where id = $1",
        postgres: "select id from users where id = $1 for no key update",
    })
    .bind(new.owner)
    .all::<UserId>()
    .await?;
    if used_bytes(&mut *tx, new.owner).await?.saturating_add(new.size) > quota {
        return Ok(None);
    }
    tx.query(
        "insert into attachments (owner_id, name, content_type, size, sha256, width, height, thumbnail, \
                                  storage_key, created_at) \
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) returning id",
    )
    .bind(new.owner)
    .bind(new.name.as_str())
    .bind(new.content_type.as_str())
    .bind(new.size)
    .bind(new.sha256.as_str())
    .bind(new.pixels.map(|(width, _)| width))
    .bind(new.pixels.map(|(_, height)| height))
    .bind(new.thumbnail.clone())
    .bind(new.storage_key.as_str())
    .bind(new.created_at)
    .optional()
    .await
}

/// Deletes an own upload that was not sent. Returns its storage key.
pub async fn delete_unsent(tx: &mut Tx, id: AttachmentId, owner: UserId) -> Result<Option<String>> {
    tx.query(
        "delete from attachments where id = $1 and owner_id = $2 and message_id is null \
         returning storage_key",
    )
    .bind(id)
    .bind(owner)
    .optional()
    .await
}

/// Deletes some uploads of before this moment that were not sent. Returns their storage keys.
pub async fn delete_abandoned(tx: &mut Tx, before: Timestamp, limit: i64) -> Result<Vec<String>> {
    tx.query(
        "delete from attachments where message_id is null and id in \
             (select id from attachments where message_id is null and created_at < $1 \
              order by created_at limit $2) returning storage_key",
    )
    .bind(before)
    .bind(limit)
    .all()
    .await
}

/// Deletes all uploads of a user that were not sent. Returns their storage keys.
pub async fn delete_unsent_of(tx: &mut Tx, owner: UserId) -> Result<Vec<String>> {
    tx.query(
        "delete from attachments where owner_id = $1 and message_id is null returning storage_key",
    )
    .bind(owner)
    .all()
    .await
}

/// An attachment and its stored files.
#[derive(Debug, Deserialize)]
pub struct AttachmentPath {
    /// Its id.
    pub id: AttachmentId,
    /// Where the bytes are.
    pub storage_key: String,
    /// The media type of its thumbnail.
    pub thumbnail: Option<String>,
}

/// The next attachments after an id.
pub async fn after(
    at: impl Into<Target<'_>>,
    after: AttachmentId,
    limit: i64,
) -> Result<Vec<AttachmentPath>> {
    at.into()
        .query(
            "select id, storage_key, thumbnail from attachments where id > $1 order by id limit $2",
        )
        .bind(after)
        .bind(limit)
        .all()
        .await
}

/// Whether an attachment exists.
pub async fn is_there(at: impl Into<Target<'_>>, id: AttachmentId) -> Result<bool> {
    let query = at.into().query("select id from attachments where id = $1").bind(id);
    let found: Option<(AttachmentId,)> = query.optional().await?;
    Ok(found.is_some())
}

/// Those of these storage keys that a row names.
pub async fn named(at: impl Into<Target<'_>>, keys: Vec<String>) -> Result<HashSet<String>> {
    let named: Vec<String> = at
        .into()
        .query(Dialects {
            sqlite: "select distinct storage_key from attachments \
                     where storage_key in (select value from json_each($1))",
            postgres: "select distinct storage_key from attachments where storage_key = any($1)",
        })
        .bind_list(keys)
        .all()
        .await?;
    Ok(named.into_iter().collect())
}
