//! The statements of the committer: each does its step for a whole batch of sends at once (group commit).
//! The dialects bind a batch differently, so both texts are side by side.

use crate::domain::ids::{ChatId, MessageId, UserId};
use crate::domain::message::NewMessage;
use crate::domain::numbering::{Seq, Version};
use crate::domain::time::Timestamp;
use crate::domain::user::UserRef;

use super::db::Tx;
use super::error::Result;
use super::query::Dialects;

/// A chat whose row this transaction has locked.
#[derive(Debug, sqlx::FromRow)]
pub struct LockedChat {
    /// Its id.
    pub id: ChatId,
    /// Its latest version.
    pub version: Version,
    /// Its newest message.
    pub last_seq: Seq,
    /// The time of that message, or of the chat's creation.
    pub active_at: Timestamp,
}

/// What the database knows about a send whose sender is a member of the chat.
#[derive(Debug)]
pub struct Resolved {
    /// The send's index in the batch, from 0.
    pub index: usize,
    /// The sender.
    pub sender: UserRef,
    /// This sender's message in this chat with the same `client_id`.
    pub existing: Option<MessageId>,
    /// Whether it is for a private chat whose other account was deleted.
    pub left_alone: bool,
    /// Whether the message that it replies to exists, in the same chat and not deleted; true if it is not
    /// a reply.
    pub reply_ok: bool,
}

#[derive(sqlx::FromRow)]
struct ResolvedRow {
    n: i64,
    id: UserId,
    username: String,
    first_name: String,
    last_name: String,
    avatar: Option<String>,
    existing: Option<MessageId>,
    reply: Option<MessageId>,
    shell: Option<UserId>,
}

/// A message with its numbers, about to be inserted.
#[derive(Debug)]
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

/// Locks the rows of some chats, in the order of their ids, so that two batches cannot deadlock.
pub async fn lock_chats(tx: &mut Tx, ids: &[ChatId]) -> Result<Vec<LockedChat>> {
    tx.query(Dialects {
        sqlite: "select id, version, last_seq, active_at from chats \
                 where id in (select value from json_each($1))",
        postgres: "select id, version, last_seq, active_at from chats \
                   where id = any($1) order by id for no key update",
    })
    .bind_list(ids)
    .all()
    .await
}

/// Looks up what each send depends on. The result lacks a send whose sender is not a member.
pub async fn resolve(tx: &mut Tx, sends: &[&NewMessage]) -> Result<Vec<Resolved>> {
    let client_id = |send: &NewMessage| send.client_id.as_ref().map(|id| id.as_str().to_owned());
    let reply_to = |send: &NewMessage| send.reply_to.map(|id| id.0);
    let rows: Vec<_> = sends
        .iter()
        .map(|send| (send.chat, send.sender, client_id(send), reply_to(send)))
        .collect();
    // Messages are looked up by subqueries, one index probe each. With a join, PostgreSQL reads the whole
    // table if its statistics are outdated (measured: a second for 240 sends against 13,000 messages).
    let query = tx.query(Dialects {
        sqlite: "select r.key as n, u.id, u.username, u.first_name, u.last_name, u.avatar, \
                (select m.id from messages m where m.chat_id = me.chat_id \
                    and m.sender_id = me.user_id and m.client_id = r.value ->> 2) as existing, \
                (select t.id from messages t where t.id = r.value ->> 3 \
                    and t.chat_id = me.chat_id and t.deleted_at is null) as reply, \
                (select d.id from chats c join users d on d.id in (c.low_user, c.high_user) \
                 where c.id = me.chat_id and d.deleted_at is not null) as shell \
         from json_each($1) r \
         join members me on me.chat_id = r.value ->> 0 and me.user_id = r.value ->> 1 \
         join users u on u.id = me.user_id",
        postgres: "select r.n - 1 as n, u.id, u.username, u.first_name, u.last_name, u.avatar, \
                case when r.client_id is not null then \
                    (select m.id from messages m where m.chat_id = r.chat_id \
                        and m.sender_id = r.sender_id and m.client_id = r.client_id) \
                end as existing, \
                case when r.reply_to is not null then \
                    (select t.id from messages t where t.id = r.reply_to \
                        and t.chat_id = r.chat_id and t.deleted_at is null) \
                end as reply, \
                (select d.id from chats c join users d on d.id in (c.low_user, c.high_user) \
                 where c.id = r.chat_id and d.deleted_at is not null) as shell \
         from unnest($1::bigint[], $2::bigint[], $3::text[], $4::bigint[]) \
             with ordinality as r (chat_id, sender_id, client_id, reply_to, n) \
         join members me on me.chat_id = r.chat_id and me.user_id = r.sender_id \
         join users u on u.id = me.user_id",
    });
    let query = query.bind_rows(&rows, |query| {
        query
            .bind_list(sends.iter().map(|send| send.chat))
            .bind_list(sends.iter().map(|send| send.sender))
            .bind_list(sends.iter().map(|send| client_id(send)))
            .bind_list(sends.iter().map(|send| reply_to(send)))
    });
    let rows: Vec<ResolvedRow> = query.all().await?;
    let resolved = rows.into_iter().filter_map(|row| {
        let index = usize::try_from(row.n).ok()?;
        let send = sends.get(index)?;
        Some(Resolved {
            index,
            sender: UserRef {
                id: row.id,
                username: row.username,
                first_name: row.first_name,
                last_name: row.last_name,
                avatar: row.avatar,
            },
            existing: row.existing,
            left_alone: row.shell.is_some(),
            reply_ok: send.reply_to == row.reply,
        })
    });
    Ok(resolved.collect())
}

/// Inserts messages. Returns their ids by chat and seq.
pub async fn insert(
    tx: &mut Tx,
    messages: &[Numbered<'_>],
) -> Result<Vec<(ChatId, Seq, MessageId)>> {
    let query = tx.query(Dialects {
        sqlite: "insert into messages (chat_id, seq, version, sender_id, content, timestamp, \
                               reply_to, client_id, last_change) \
         select value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, \
                value ->> 6, value ->> 7, 'created' \
         from json_each($1) order by key returning chat_id, seq, id",
        postgres: "insert into messages (chat_id, seq, version, sender_id, content, timestamp, \
                               reply_to, client_id, last_change) \
         select r.chat_id, r.seq, r.version, r.sender_id, r.content, r.timestamp, r.reply_to, \
                r.client_id, 'created' \
         from unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::text[], \
                     $6::timestamptz[], $7::bigint[], $8::text[]) \
             as r (chat_id, seq, version, sender_id, content, timestamp, reply_to, client_id) \
         returning chat_id, seq, id",
    });
    let client_id =
        |m: &Numbered<'_>| m.message.client_id.as_ref().map(|id| id.as_str().to_owned());
    let reply_to = |m: &Numbered<'_>| m.message.reply_to.map(|id| id.0);
    let rows: Vec<_> = messages
        .iter()
        .map(|m| {
            let new = m.message;
            let (content, at) = (new.content.as_str(), m.timestamp.micros());
            (new.chat, m.seq, m.version, new.sender, content, at, reply_to(m), client_id(m))
        })
        .collect();
    let query = query.bind_rows(&rows, |query| {
        query
            .bind_list(messages.iter().map(|m| m.message.chat))
            .bind_list(messages.iter().map(|m| m.seq))
            .bind_list(messages.iter().map(|m| m.version))
            .bind_list(messages.iter().map(|m| m.message.sender))
            .bind_list(messages.iter().map(|m| m.message.content.as_str()))
            .bind_list(messages.iter().map(|m| m.timestamp))
            .bind_list(messages.iter().map(reply_to))
            .bind_list(messages.iter().map(client_id))
    });
    query.all().await
}

/// What a batch added to one chat.
#[derive(Clone, Copy, Debug)]
pub struct Added {
    /// The chat.
    pub chat: ChatId,
    /// The number of messages.
    pub count: i64,
    /// The newest of them.
    pub last: MessageId,
    /// The time of that message.
    pub active_at: Timestamp,
}

/// Advances the chats: seq and version, newest message and its time.
pub async fn advance_chats(tx: &mut Tx, added: &[Added]) -> Result<()> {
    let row = |a: &Added| (a.chat, a.count, a.last, a.active_at.micros());
    let rows: Vec<_> = added.iter().map(row).collect();
    let query = tx.query(Dialects {
        sqlite: "update chats set version = version + r.value ->> 1, \
                          last_seq = last_seq + r.value ->> 1, \
                          last_message_id = r.value ->> 2, active_at = r.value ->> 3 \
         from json_each($1) r where chats.id = r.value ->> 0",
        postgres: "update chats set version = version + r.count, last_seq = last_seq + r.count, \
                          last_message_id = r.last, active_at = r.active_at \
         from unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::timestamptz[]) \
             as r (chat_id, count, last, active_at) \
         where chats.id = r.chat_id",
    });
    let query = query.bind_rows(&rows, |query| {
        query
            .bind_list(added.iter().map(|a| a.chat))
            .bind_list(added.iter().map(|a| a.count))
            .bind_list(added.iter().map(|a| a.last))
            .bind_list(added.iter().map(|a| a.active_at))
    });
    query.execute().await.map(drop)
}

/// Moves the senders' markers to their newest messages: sending implies having read what came before.
pub async fn advance_senders(tx: &mut Tx, sent: &[(ChatId, UserId, Seq)]) -> Result<()> {
    let query = tx.query(Dialects {
        sqlite: "update members set last_read_seq = max(last_read_seq, r.value ->> 2), \
                            last_delivered_seq = max(last_delivered_seq, r.value ->> 2) \
         from json_each($1) r \
         where members.chat_id = r.value ->> 0 and members.user_id = r.value ->> 1",
        postgres: "update members set last_read_seq = greatest(last_read_seq, r.seq), \
                            last_delivered_seq = greatest(last_delivered_seq, r.seq) \
         from unnest($1::bigint[], $2::bigint[], $3::bigint[]) as r (chat_id, user_id, seq) \
         where members.chat_id = r.chat_id and members.user_id = r.user_id",
    });
    let query = query.bind_rows(sent, |query| {
        query
            .bind_list(sent.iter().map(|(chat, _, _)| chat))
            .bind_list(sent.iter().map(|(_, user, _)| user))
            .bind_list(sent.iter().map(|(_, _, seq)| *seq))
    });
    query.execute().await.map(drop)
}
