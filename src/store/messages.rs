//! Messages: pages, single ones, edits and deletions. Sends are in `sends`.
//!
//! The status is always `sent` here; the actions compute it from the least markers.

use constcat::concat;
use serde::Deserialize;

use crate::domain::extras::Extras;
use crate::domain::ids::{ChatId, MessageId, UserId};
use crate::domain::message::{Content, LastChange, Message};
use crate::domain::numbering::{Seq, Version};
use crate::domain::receipt::MessageStatus;
use crate::domain::time::Timestamp;
use crate::domain::user::UserRef;

use super::db::Tx;
use super::error::Result;
use super::origins::add_authors;
use super::query::{Dialects, Statement, Target};

/// The column `extras`.
#[derive(Deserialize)]
#[serde(try_from = "String")]
struct StoredExtras(Box<Extras>);

impl TryFrom<String> for StoredExtras {
    type Error = serde_json::Error;

    fn try_from(text: String) -> serde_json::Result<Self> {
        Extras::of_row(&text).map(|extras| Self(Box::new(extras)))
    }
}

#[derive(Deserialize)]
pub(super) struct MessageRow {
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
    pinned_at: Option<Timestamp>,
    extras: Option<StoredExtras>,
    sender_id: UserId,
    username: String,
    first_name: String,
    last_name: String,
    avatar: Option<String>,
}

impl From<MessageRow> for Message {
    fn from(row: MessageRow) -> Self {
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
            // An older program that runs beside this one leaves these when it deletes a message.
            pinned_at: row.pinned_at.filter(|_| row.deleted_at.is_none()),
            extras: row.extras.filter(|_| row.deleted_at.is_none()).map(|stored| stored.0),
        }
    }
}

/// The columns of a whole message.
const COLUMNS: &str = "select m.id, m.chat_id, m.seq, m.version, m.content, m.timestamp, m.edited_at, \
             m.deleted_at, m.last_change, m.reply_to, m.client_id, m.pinned_at, \
             m.extras, m.sender_id, u.username, u.first_name, u.last_name, u.avatar ";

/// The beginning of queries of whole messages.
pub(super) const SELECT: &str =
    concat!(COLUMNS, "from messages m join users u on u.id = m.sender_id ");

/// The columns of a message `m` with its sender `s`; all are null if there is none.
pub(super) const JOINED: &str = "m.id as message_id, m.seq as message_seq, \
     m.version as message_version, m.content, m.timestamp, m.edited_at, m.deleted_at, \
     m.last_change, m.reply_to, m.client_id, m.pinned_at, m.extras, m.sender_id, s.username as sender_username, \
     s.first_name as sender_first_name, s.last_name as sender_last_name, \
     s.avatar as sender_avatar ";

/// A message that may be missing, as columns of another row.
#[derive(Deserialize)]
pub(super) struct Joined {
    message_id: Option<MessageId>,
    message_seq: Option<Seq>,
    message_version: Option<Version>,
    content: Option<String>,
    timestamp: Option<Timestamp>,
    edited_at: Option<Timestamp>,
    deleted_at: Option<Timestamp>,
    last_change: Option<String>,
    reply_to: Option<MessageId>,
    client_id: Option<String>,
    pinned_at: Option<Timestamp>,
    extras: Option<StoredExtras>,
    sender_id: Option<UserId>,
    sender_username: Option<String>,
    sender_first_name: Option<String>,
    sender_last_name: Option<String>,
    sender_avatar: Option<String>,
}

impl Joined {
    /// The message, if there is one.
    pub(super) fn of(self, chat_id: ChatId) -> Option<Message> {
        let row = MessageRow {
            id: self.message_id?,
            chat_id,
            seq: self.message_seq?,
            version: self.message_version?,
            content: self.content?,
            timestamp: self.timestamp?,
            edited_at: self.edited_at,
            deleted_at: self.deleted_at,
            last_change: self.last_change,
            reply_to: self.reply_to,
            client_id: self.client_id,
            pinned_at: self.pinned_at,
            extras: self.extras,
            sender_id: self.sender_id?,
            username: self.sender_username?,
            first_name: self.sender_first_name?,
            last_name: self.sender_last_name?,
            avatar: self.sender_avatar,
        };
        Some(row.into())
    }
}

/// The messages of rows that were read here.
pub(super) async fn messages(at: Target<'_>, rows: Vec<MessageRow>) -> Result<Vec<Message>> {
    let mut messages: Vec<Message> = rows.into_iter().map(Into::into).collect();
    add_authors(at, messages.iter_mut()).await?;
    Ok(messages)
}

/// Which messages of a chat to read: so many up to a message, which is included, and so many after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// That message. Beyond the newest one means the newest one.
    pub at: Seq,
    /// How many up to it.
    pub back: i64,
    /// How many after it.
    pub ahead: i64,
}

/// Messages of a chat, with what their reader needs to know about the chat.
#[derive(Debug)]
pub struct ChatMessages {
    /// The reader's delivery marker.
    pub last_delivered_seq: Seq,
    /// The chat's newest message.
    pub last_seq: Seq,
    /// Those before this one were removed.
    pub first_seq: Seq,
    /// Oldest first.
    pub messages: Vec<Message>,
}

#[derive(Deserialize)]
struct PageRow {
    last_delivered_seq: Seq,
    last_seq: Seq,
    first_seq: Seq,
    message: Joined,
}

/// A span of a chat's messages; `None` if the user is not a member. Seqs are dense, so the span is a range
/// of them, and needs no limit. It begins where messages were not removed.
pub async fn page(
    at: impl Into<Target<'_>>,
    chat: ChatId,
    user: UserId,
    span: Span,
) -> Result<Option<ChatMessages>> {
    const AT: &str = "(case when $3 < c.first_seq then c.first_seq - 1 \
                            when $3 < c.last_seq then $3 else c.last_seq end)";
    let mut at = at.into();
    let rows: Vec<PageRow> = at
        .reborrow()
        .query(concat!(
            "select me.last_delivered_seq, c.last_seq, c.first_seq, ",
            JOINED,
            "from members me cross join chats c \
             left join messages m on m.chat_id = c.id and m.seq > ",
            AT,
            " - $4 and m.seq <= ",
            AT,
            " + $5 and m.seq >= c.first_seq left join users s on s.id = m.sender_id \
             where me.chat_id = $1 and me.user_id = $2 and c.id = me.chat_id"
        ))
        .bind(chat)
        .bind(user)
        .bind(span.at)
        .bind(span.back)
        .bind(span.ahead)
        .all()
        .await?;
    let Some(&PageRow { last_delivered_seq, last_seq, first_seq, .. }) = rows.first() else {
        return Ok(None);
    };
    let messages = rows.into_iter().filter_map(|row| row.message.of(chat));
    let mut messages: Vec<_> = messages.collect();
    messages.sort_unstable_by_key(|message| message.seq);
    add_authors(at, messages.iter_mut()).await?;
    Ok(Some(ChatMessages { last_delivered_seq, last_seq, first_seq, messages }))
}

/// Messages of a chat whose last change made a version in `(after, upto]`, in version order.
pub async fn changed(
    at: impl Into<Target<'_>>,
    chat: ChatId,
    after: Version,
    upto: Version,
) -> Result<Vec<Message>> {
    let mut at = at.into();
    let rows = at
        .reborrow()
        .query(concat!(
            SELECT,
            "where m.chat_id = $1 and m.version > $2 and m.version <= $3 order by m.version"
        ))
        .bind(chat)
        .bind(after)
        .bind(upto)
        .all()
        .await?;
    messages(at, rows).await
}

/// Messages of several chats with a version later than the one given for each, chat by chat in the given
/// order, each in version order: the first `limit` in total, and no more once their contents and extras have
/// `bytes` together. Contents beyond that are not read.
pub async fn changed_since(
    at: impl Into<Target<'_>>,
    known: &[(ChatId, Version)],
    limit: i64,
    bytes: usize,
) -> Result<Vec<Message>> {
    let mut at = at.into();
    let query = since(
        at.reborrow(),
        Dialects {
            sqlite: concat!(
                "select m.* from (select f.id, f.n, f.version, \
                     sum(f.bytes) over (order by f.n, f.version) - f.bytes as before \
                 from (select i.id, r.key as n, i.version, octet_length(i.content) \
                              + coalesce(octet_length(i.extras), 0) as bytes \
                       from json_each($1) r \
                       join messages i on i.id in (select j.id from messages j \
                           where j.chat_id = r.value ->> 0 and j.version > r.value ->> 1 \
                           order by j.version limit $2) \
                       order by r.key, i.version limit $2) f) f \
             join (",
                SELECT,
                ") m on m.id = f.id where f.before < $3 order by f.n, f.version"
            ),
            // A long content is a pointer until it is sent, so the rows need not be looked up again.
            postgres: concat!(
                COLUMNS,
                "from (select f.*, sum(f.bytes) over (order by f.n, f.version) - f.bytes as before \
                       from (select i.*, r.n, octet_length(i.content) \
                                 + coalesce(octet_length(i.extras), 0) as bytes from unnest($1::bigint[], $2::bigint[]) \
                                 with ordinality as r (known_chat, known, n) \
                             cross join lateral (select * from messages j \
                                 where j.chat_id = r.known_chat and j.version > r.known \
                                 order by j.version limit $3) i \
                             order by r.n, i.version limit $3) f) m \
                 join users u on u.id = m.sender_id \
                 where m.before < $4 order by m.n, m.version"
            ),
        },
        known,
    );
    let bytes = i64::try_from(bytes).unwrap_or(i64::MAX);
    let rows = query.bind(limit).bind(bytes).all().await?;
    messages(at, rows).await
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
    query.all().await
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
    let mut at = at.into();
    let rows = at
        .reborrow()
        .query(Dialects {
            sqlite: concat!(SELECT, "where m.id in (select value from json_each($1))"),
            postgres: concat!(SELECT, "where m.id = any($1)"),
        })
        .bind_list(ids)
        .all()
        .await?;
    messages(at, rows).await
}

/// Those of these messages that the user may read, without what was deleted or removed, in no particular order.
pub async fn readable(
    at: impl Into<Target<'_>>,
    user: UserId,
    ids: &[MessageId],
) -> Result<Vec<Message>> {
    const READABLE: &str = "join members me on me.chat_id = m.chat_id and me.user_id = $1 \
         join chats c on c.id = m.chat_id and c.first_seq <= m.seq where m.deleted_at is null and m.id ";
    let mut at = at.into();
    let rows = at
        .reborrow()
        .query(Dialects {
            sqlite: concat!(SELECT, READABLE, "in (select value from json_each($2))"),
            postgres: concat!(SELECT, READABLE, "= any($2)"),
        })
        .bind(user)
        .bind_list(ids)
        .all()
        .await?;
    messages(at, rows).await
}

/// The chat of a message that was not removed, if the user is a member of it.
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
             join chats c on c.id = m.chat_id and c.first_seq <= m.seq \
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

/// Replaces a message's extras, as part of a change that takes a version.
pub async fn set_extras(tx: &mut Tx, id: MessageId, extras: Option<String>) -> Result<()> {
    tx.query("update messages set extras = $2 where id = $1")
        .bind(id)
        .bind(extras)
        .execute()
        .await
        .map(drop)
}

/// Turns a message into a tombstone; `version` is that of this change.
pub async fn bury(tx: &mut Tx, id: MessageId, version: Version, now: Timestamp) -> Result<()> {
    tx.query(
        "update messages set content = '', version = $2, deleted_at = $3, \
                             last_change = 'deleted', pinned_at = null, extras = null where id = $1",
    )
    .bind(id)
    .bind(version)
    .bind(now)
    .execute()
    .await
    .map(drop)
}
