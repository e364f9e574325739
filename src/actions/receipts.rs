//! Receipts: marking as read, and who has read what.

use std::sync::Arc;

use crate::app::App;
use crate::domain::chat::Member;
use crate::domain::error::{Error, Result};
use crate::domain::ids::{ChatId, MessageId};
use crate::domain::receipt::ReadUpTo;
use crate::domain::session::Caller;
use crate::domain::text::no_such;
use crate::store::{members, messages};

use super::access;
use super::unit::Unit;

/// One's marks in a chat after reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Marked {
    /// One's read mark.
    pub last_read_seq: i64,
    /// Messages by others, not deleted, after it.
    pub unread_count: i64,
}

/// Who has a message.
#[derive(Debug)]
pub struct Receipts {
    /// They have read it.
    pub read: Vec<Member>,
    /// It has reached a device of theirs, and they have not read it.
    pub delivered: Vec<Member>,
}

/// Marks everything up to a message as read; what is beyond the newest one, up to that. Marks only
/// grow.
pub async fn read(
    app: &Arc<App>,
    caller: &Caller,
    chat: ChatId,
    upto: Result<ReadUpTo>,
) -> Result<Marked> {
    let me = caller.user.id;
    access::membership(&app.db, chat, me).await?;
    let seq = match upto? {
        ReadUpTo::Seq(seq) => seq,
        ReadUpTo::Message(id) => {
            let found = messages::by_ids(&app.db, vec![id.0]).await?.pop();
            let found = found.filter(|message| message.chat == chat);
            found.ok_or_else(|| Error::field("message", no_such(id)))?.seq
        }
    };
    let mut unit = Unit::begin(app).await?;
    members::mark_read(&mut unit.tx, chat, me, seq).await?.ok_or(Error::NotFound)?;
    let row = access::chat(&mut unit.tx, chat, me).await?;
    unit.commit().await?;
    Ok(Marked { last_read_seq: row.last_read_seq, unread_count: row.unread_count })
}

/// Who has a message. Its sender is in neither list.
pub async fn of_message(app: &App, caller: &Caller, id: MessageId) -> Result<Receipts> {
    let message = access::message(&app.db, id, caller.user.id).await?;
    let who = members::who_has(&app.db, message.chat, message.seq, message.sender.id).await?;
    let (read, delivered) = who.into_iter().partition(|member| member.last_read_seq >= message.seq);
    Ok(Receipts { read, delivered })
}
