//! Pinned messages.

use constcat::concat;

use crate::domain::ids::{ChatId, MessageId};
use crate::domain::message::Message;
use crate::domain::numbering::Version;
use crate::domain::page::PageRequest;
use crate::domain::time::Timestamp;

use super::db::Tx;
use super::error::Result;
use super::messages::{SELECT, messages};
use super::query::Target;

/// How many messages are pinned in a chat, and when the latest was.
pub async fn standing(at: impl Into<Target<'_>>, chat: ChatId) -> Result<(i64, Option<Timestamp>)> {
    at.into()
        .query(
            "select count(*), max(pinned_at) from messages \
             where chat_id = $1 and pinned_at is not null \
                   and seq >= (select first_seq from chats where id = $1)",
        )
        .bind(chat)
        .one()
        .await
}

/// Pins a message, or unpins it; `version` is that of this change.
pub async fn set(
    tx: &mut Tx,
    message: MessageId,
    pinned_at: Option<Timestamp>,
    version: Version,
) -> Result<()> {
    tx.query(
        "update messages set pinned_at = $2, version = $3, last_change = 'pinned' where id = $1",
    )
    .bind(message)
    .bind(pinned_at)
    .bind(version)
    .execute()
    .await
    .map(drop)
}

/// The pinned messages of a chat.
const PINNED: &str = concat!(
    SELECT,
    "where m.chat_id = $1 and m.pinned_at is not null and m.deleted_at is null \
     and m.seq >= (select first_seq from chats where id = $1) "
);
const AFTER: &str = concat!(PINNED, "and m.pinned_at < $2 order by m.pinned_at desc limit $3");
const BEFORE: &str = concat!(PINNED, "and m.pinned_at > $2 order by m.pinned_at limit $3");
const FIRST: &str = concat!(PINNED, "order by m.pinned_at desc limit $2");

/// A page of a chat's pinned messages, nearest to its place first.
pub async fn page(
    at: impl Into<Target<'_>>,
    chat: ChatId,
    request: &PageRequest<Timestamp>,
    limit: i64,
) -> Result<Vec<Message>> {
    let mut at = at.into();
    let query = match request {
        PageRequest::First => at.reborrow().query(FIRST).bind(chat),
        PageRequest::After(pinned) => at.reborrow().query(AFTER).bind(chat).bind(*pinned),
        PageRequest::Before(pinned) => at.reborrow().query(BEFORE).bind(chat).bind(*pinned),
    };
    let rows = query.bind(limit).all().await?;
    messages(at, rows).await
}
