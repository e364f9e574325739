//! The statements of the committer: on PostgreSQL one for a whole batch of sends (group commit), on SQLite, where
//! a statement costs no round trip, some for each send. How they become a transaction is in [`super::post`].

use std::time::Duration;

use serde::Deserialize;

use crate::domain::extras::Extras;
use crate::domain::forwards::Source;
use crate::domain::ids::{ChatId, MessageId, UserId};
use crate::domain::message::NewMessage;
use crate::domain::numbering::{Seq, Version};
use crate::domain::time::Timestamp;
use crate::domain::user::UserRef;

use super::db::Tx;
use super::error::{Failure, Result};
use super::sqlite::Sqlite;

/// Within a chat, times do not go back when a clock does. A time that is further ahead than this was a
/// mistake, and is ignored.
const TRUSTED_AHEAD: Duration = Duration::from_secs(86_400);

/// No message has this id.
const NO_MESSAGE: i64 = -1;

/// What the database knows about a send whose sender is a member of the chat.
#[derive(Debug)]
pub struct Resolved {
    /// The sender.
    pub sender: UserRef,
    /// The chat's version before the batch.
    pub version: Version,
    /// The chat's newest message before the batch.
    pub last_seq: Seq,
    /// The time of the new message.
    pub timestamp: Timestamp,
    /// This sender's message in this chat with the same `client_id`.
    pub existing: Option<MessageId>,
    /// Whether it is for a private chat whose other account was deleted.
    pub left_alone: bool,
    /// Whether it is for a private chat in which one blocks the other.
    pub blocked: bool,
    /// Whether the message that it replies to exists, in the same chat and not deleted; true if it is not
    /// a reply.
    pub reply_ok: bool,
}

#[derive(Deserialize)]
struct Row {
    /// The send's index, on PostgreSQL. `None` for a message that was inserted there: then `last_seq` and
    /// `message` are its own.
    n: Option<i64>,
    chat_id: ChatId,
    version: Version,
    last_seq: Seq,
    timestamp: Timestamp,
    id: UserId,
    username: String,
    first_name: String,
    last_name: String,
    avatar: Option<String>,
    message: Option<MessageId>,
    reply: Option<MessageId>,
    shell: Option<UserId>,
    blocked: bool,
}

fn resolved(row: Row, send: &NewMessage) -> Resolved {
    Resolved {
        sender: UserRef {
            id: row.id,
            username: row.username,
            first_name: row.first_name,
            last_name: row.last_name,
            avatar: row.avatar,
        },
        version: row.version,
        last_seq: row.last_seq,
        timestamp: row.timestamp,
        existing: row.message,
        left_alone: row.shell.is_some(),
        blocked: row.blocked,
        reply_ok: send.reply_to == row.reply,
    }
}

/// A message with its numbers, about to be inserted.
#[derive(Clone, Copy, Debug)]
pub struct Numbered<'a> {
    /// The request.
    pub message: &'a NewMessage,
    /// Its position in the chat.
    pub seq: Seq,
    /// The chat's version that it takes.
    pub version: Version,
    /// When it is sent.
    pub timestamp: Timestamp,
}

/// A message that a statement has inserted: its chat, its position there and its id.
pub type Inserted = (ChatId, Seq, MessageId);

fn name(send: &NewMessage) -> Option<String> {
    send.client_id.as_ref().map(|id| id.as_str().to_owned())
}

/// The message that the statement looks for. One that cannot be there if an attachment is missing: then it must not
/// write the message.
fn reply_to(send: &NewMessage) -> Option<i64> {
    match send.attachments.missing().next() {
        Some(_) => Some(NO_MESSAGE),
        None => send.reply_to.map(|id| id.0),
    }
}

fn extras(send: &NewMessage) -> Result<Option<String>> {
    let stored = Extras::of_new(&send.mentions, send.origin.as_deref(), &send.attachments.found)
        .map(|extras| extras.stored())
        .transpose();
    Ok(stored.map_err(Failure::wrong)?.flatten())
}

/// Locks the rows of some chats on PostgreSQL, in the order of their ids, so that two batches cannot deadlock.
pub async fn lock_chats(tx: &mut Tx, ids: &[ChatId]) -> Result<()> {
    tx.query("select id from chats where id = any($1) order by id for no key update")
        .bind_list(ids)
        .all::<ChatId>()
        .await
        .map(drop)
}

/// Whether a message is there, and its content is still the one that was read.
const UNCHANGED: &str = "\
    select m.id from messages m join chats c on c.id = m.chat_id and c.first_seq <= m.seq \
    where m.id = $1 and m.deleted_at is null and m.edited_at is not distinct from $2";

/// Whether a message that is forwarded is still as it was read, on SQLite.
pub fn is_unchanged(db: &mut Sqlite, source: &Source) -> Result<bool> {
    let found: Option<(MessageId,)> =
        db.query(UNCHANGED).bind(source.message).bind(source.edited_at).optional()?;
    Ok(found.is_some())
}

/// Whether a message that is forwarded is still as it was read, in a transaction that has locked its chat.
pub async fn is_still_unchanged(tx: &mut Tx, source: &Source) -> Result<bool> {
    let query = tx.query(UNCHANGED).bind(source.message).bind(source.edited_at);
    let found: Option<(MessageId,)> = query.optional().await?;
    Ok(found.is_some())
}

/// A whole batch on PostgreSQL: looks up what each send depends on, and writes those that are accepted. It
/// locks the chats first, but sees everything else as it was when the statement began. So it does nothing if
/// a chat's row was changed while it waited for the lock, which shows by its place (`ctid`): every
/// transaction that changes a chat's members or messages locks its row and changes it.
///
/// `numbered` accepts what `actions::committer` does, which is checked against it.
///
/// Each row is found by an index probe (`lateral … limit 1`). With plain joins, PostgreSQL reads whole tables
/// if its statistics are outdated, and compares each send with each where it expects few.
const WRITE: &str = "\
with locked as materialized (
    select id, ctid from chats where id = any($1) order by id for no key update
), facts as materialized (
    select r.n, r.chat_id, r.content, r.reply_to, r.client_id, r.extras, c.version, c.last_seq,
        case when c.active_at between $6 and $7 then c.active_at else $6 end as timestamp,
        u.id, u.username, u.first_name, u.last_name, u.avatar,
        case when r.client_id is not null then
            (select m.id from messages m where m.chat_id = r.chat_id
                and m.sender_id = r.sender_id and m.client_id = r.client_id)
        end as message,
        case when r.reply_to is not null then
            (select t.id from messages t where t.id = r.reply_to
                and t.chat_id = r.chat_id and t.deleted_at is null)
        end as reply,
        case when c.low_user is not null then
            (select d.id from users d where d.id in (c.low_user, c.high_user)
                and d.deleted_at is not null limit 1)
        end as shell,
        (c.low_blocks or c.high_blocks) as blocked
    from unnest($1::bigint[], $2::bigint[], $3::text[], $4::bigint[], $5::text[],
                $8::text[])
        with ordinality as r (chat_id, sender_id, content, reply_to, client_id, extras, n)
    cross join lateral (select * from chats where chats.id = r.chat_id limit 1) c
    cross join lateral (select user_id from members
        where members.chat_id = r.chat_id and members.user_id = r.sender_id limit 1) me
    cross join lateral (select * from users where users.id = me.user_id limit 1) u
    where not exists (select from locked l
            where l.ctid is distinct from (select c.ctid from chats c where c.id = l.id))
        -- Durable, also if a pooler lost the session's settings.
        and (select set_config('synchronous_commit', 'on', true)) is not null
), numbered as materialized (
    select *, last_seq + k as seq, version + k as next
    from (select *, row_number() over (partition by chat_id order by n) as k
          from (select *, row_number() over (partition by chat_id, id, client_id order by n) as copy
                from facts
                where message is null and not blocked and shell is null and reply is not distinct from reply_to) f
          where copy = 1 or client_id is null) f
), added as (
    insert into messages (chat_id, seq, version, sender_id, content, timestamp, reply_to, client_id,
                          last_change, extras)
    select chat_id, seq, next, id, content, timestamp, reply_to, client_id, 'created', extras
    from numbered order by n
    returning chat_id, seq, version, timestamp, id
), advanced as (
    update chats set version = a.version, last_seq = a.seq, last_message_id = a.id,
                     active_at = a.timestamp
    from (select chat_id, max(version) as version, max(seq) as seq, max(id) as id,
                 max(timestamp) as timestamp
          from added group by chat_id) a
    where chats.id = a.chat_id
), marked as (
    update members set last_read_seq = s.seq, last_delivered_seq = s.seq
    from (select chat_id, id, max(seq) as seq from numbered group by chat_id, id) s
    where members.chat_id = s.chat_id and members.user_id = s.id
)
select n - 1 as n, chat_id, version, last_seq, timestamp, id, username, first_name, last_name, avatar,
       message, reply, shell, blocked
from facts
union all select null, chat_id, version, seq, timestamp, 0, '', '', '', null, id, null, null, false from added";

/// Runs the statement of a whole batch, on PostgreSQL. Returns what the sends depend on, in their order
/// (`None` where the sender is not a member), and the new messages. If all are `None`, either nobody is a
/// member, or a chat has changed meanwhile and nothing was done.
pub async fn write(
    tx: &mut Tx,
    sends: &[NewMessage],
    now: Timestamp,
) -> Result<(Vec<Option<Resolved>>, Vec<Inserted>)> {
    let extras = sends.iter().map(extras).collect::<Result<Vec<_>>>()?;
    let rows: Vec<Row> = tx
        .query(WRITE)
        .bind_list(sends.iter().map(|send| send.chat))
        .bind_list(sends.iter().map(|send| send.sender))
        .bind_list(sends.iter().map(|send| send.content.as_str()))
        .bind_list(sends.iter().map(reply_to))
        .bind_list(sends.iter().map(name))
        .bind(now)
        .bind(now.plus(TRUSTED_AHEAD))
        .bind_list(extras)
        .all()
        .await?;
    let mut found: Vec<_> = sends.iter().map(|_| None).collect();
    let mut inserted = Vec::with_capacity(sends.len());
    for row in rows {
        match (row.n.map(usize::try_from), row.message) {
            (Some(Ok(index)), _) => found[index] = Some(resolved(row, &sends[index])),
            (_, Some(id)) => inserted.push((row.chat_id, row.last_seq, id)),
            _ => {}
        }
    }
    Ok((found, inserted))
}

/// Looks up what a send depends on, on SQLite. `None` if the sender is not a member.
pub fn resolve(db: &mut Sqlite, send: &NewMessage, now: Timestamp) -> Result<Option<Resolved>> {
    let row = db
        .query(
            "select null as n, c.id as chat_id, c.version, c.last_seq, \
                    case when c.active_at between $5 and $6 then c.active_at else $5 end \
                        as timestamp, \
                    u.id, u.username, u.first_name, u.last_name, u.avatar, \
                    (select m.id from messages m where m.chat_id = $1 and m.sender_id = $2 \
                        and m.client_id = $3) as message, \
                    (select t.id from messages t where t.id = $4 and t.chat_id = $1 \
                        and t.deleted_at is null) as reply, \
                    case when c.low_user is not null then \
                        (select d.id from users d where d.id in (c.low_user, c.high_user) \
                            and d.deleted_at is not null) \
                    end as shell, \
                    (c.low_blocks or c.high_blocks) as blocked \
             from members me join chats c on c.id = me.chat_id join users u on u.id = me.user_id \
             where me.chat_id = $1 and me.user_id = $2",
        )
        .bind(send.chat)
        .bind(send.sender)
        .bind(name(send))
        .bind(send.reply_to)
        .bind(now)
        .bind(now.plus(TRUSTED_AHEAD))
        .optional()?;
    Ok(row.map(|row| resolved(row, send)))
}

/// Inserts a message, on SQLite.
pub fn insert(db: &mut Sqlite, new: &Numbered<'_>) -> Result<MessageId> {
    let send = new.message;
    let inserted = db
        .query(
            "insert into messages (chat_id, seq, version, sender_id, content, timestamp, reply_to, \
                                   client_id, last_change, extras) \
             values ($1, $2, $3, $4, $5, $6, $7, $8, 'created', $9) returning id",
        )
        .bind(send.chat)
        .bind(new.seq)
        .bind(new.version)
        .bind(send.sender)
        .bind(send.content.as_str())
        .bind(new.timestamp)
        .bind(send.reply_to)
        .bind(name(send))
        .bind(extras(send)?)
        .optional()?;
    let (id,) = inserted.ok_or_else(|| Failure::wrong("a message was inserted without an id"))?;
    Ok(id)
}

/// Advances a chat to its newest message, on SQLite.
pub fn advance_chat(db: &mut Sqlite, newest: &Numbered<'_>, id: MessageId) -> Result<()> {
    db.query(
        "update chats set version = $2, last_seq = $3, last_message_id = $4, active_at = $5 \
         where id = $1",
    )
    .bind(newest.message.chat)
    .bind(newest.version)
    .bind(newest.seq)
    .bind(id)
    .bind(newest.timestamp)
    .execute()
    .map(drop)
}

/// Moves a sender's markers to their newest message, on SQLite: sending implies having read what came before.
pub fn advance_sender(db: &mut Sqlite, chat: ChatId, sender: UserId, newest: Seq) -> Result<()> {
    db.query(
        "update members set last_read_seq = $3, last_delivered_seq = $3 \
         where chat_id = $1 and user_id = $2",
    )
    .bind(chat)
    .bind(sender)
    .bind(newest)
    .execute()
    .map(drop)
}
