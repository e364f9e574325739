//! Removing old messages and audit rows. Which ones are old, and when they go, is decided in
//! `actions::retention`.

use serde::Deserialize;

use crate::domain::ids::ChatId;
use crate::domain::numbering::Seq;
use crate::domain::time::Timestamp;

use super::db::Tx;
use super::error::Result;
use super::query::Target;

/// A chat with its oldest message.
#[derive(Debug, Deserialize)]
pub struct OldestMessage {
    /// The chat.
    pub chat_id: ChatId,
    /// Its messages before this one count as removed.
    pub first_seq: Seq,
    /// Its newest message.
    pub last_seq: Seq,
    /// The oldest row, which may be one that counts as removed.
    pub oldest_seq: Seq,
    /// When that was sent.
    pub oldest_at: Timestamp,
}

/// The oldest messages of some chats, those after this one in the order of their ids. Chats without messages
/// are left out.
pub async fn oldest(
    at: impl Into<Target<'_>>,
    after: ChatId,
    limit: i64,
) -> Result<Vec<OldestMessage>> {
    at.into()
        .query(
            "select c.id as chat_id, c.first_seq, c.last_seq, m.seq as oldest_seq, \
                    m.timestamp as oldest_at \
             from chats c join messages m on m.chat_id = c.id \
                 and m.seq = (select min(o.seq) from messages o where o.chat_id = c.id) \
             where c.id > $1 and c.deleted_at is null order by c.id limit $2",
        )
        .bind(after)
        .bind(limit)
        .all()
        .await
}

/// The first message from `from` on, and before `upto`, that was sent at `since` or later.
pub async fn first_since(
    at: impl Into<Target<'_>>,
    chat: ChatId,
    (from, upto): (Seq, Seq),
    since: Timestamp,
) -> Result<Option<Seq>> {
    let row: Option<(Seq,)> = at
        .into()
        .query(
            "select seq from messages \
             where chat_id = $1 and seq >= $2 and seq < $3 and timestamp >= $4 \
             order by seq limit 1",
        )
        .bind(chat)
        .bind(from)
        .bind(upto)
        .bind(since)
        .optional()
        .await?;
    Ok(row.map(|(seq,)| seq))
}

/// Declares the messages before this one removed. False if they are already.
pub async fn set_first(tx: &mut Tx, chat: ChatId, first: Seq) -> Result<bool> {
    let query = tx.query("update chats set first_seq = $2 where id = $1 and first_seq < $2");
    Ok(query.bind(chat).bind(first).execute().await? > 0)
}

/// Deletes some rows of removed messages. Their attachments have to be deleted before. Returns how many.
pub async fn purge(tx: &mut Tx, chat: ChatId, first: Seq, limit: i64) -> Result<u64> {
    tx.query(
        "delete from messages where id in \
             (select id from messages where chat_id = $1 and seq < $2 order by seq limit $3)",
    )
    .bind(chat)
    .bind(first)
    .bind(limit)
    .execute()
    .await
}

/// Deletes some audit rows from before this moment. Returns how many.
pub async fn purge_audit(tx: &mut Tx, before: Timestamp, limit: i64) -> Result<u64> {
    tx.query(
        "delete from audit where id in \
             (select id from audit where at < $1 order by id limit $2)",
    )
    .bind(before)
    .bind(limit)
    .execute()
    .await
}
