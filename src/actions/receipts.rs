//! Moving read and delivery markers, and who has received or read a message.

use std::sync::Arc;

use crate::app::App;
use crate::domain::error::{Error, Result};
use crate::domain::ids::{ChatId, MessageId, UserId};
use crate::domain::numbering::Seq;
use crate::domain::receipt::{Markers, ReadUpTo};
use crate::domain::session::Caller;
use crate::domain::text::no_such;
use crate::domain::user::UserRef;
use crate::store::members::{self, Receipt};
use crate::store::messages;

use super::{access, markers};

/// The user's state in a chat after marking it as read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Marked {
    /// The read marker.
    pub last_read_seq: Seq,
    /// Messages by others after it, without deleted ones.
    pub unread_count: i64,
}

/// Most users in each list of receipts.
pub const NAMED: i64 = 1_000;

/// Who has received or read a message. Its sender is not counted.
#[derive(Debug)]
pub struct Receipts {
    /// Users who have read it, by username; at most [`NAMED`].
    pub read: Vec<UserRef>,
    /// Users who have received it and not read it, by username; at most [`NAMED`].
    pub delivered: Vec<UserRef>,
    /// How many users have read it.
    pub read_count: i64,
    /// How many users have received it and not read it.
    pub delivered_count: i64,
}

/// Marks everything up to a message as read, up to the newest message at most. Markers never move back.
pub async fn read(
    app: &Arc<App>,
    caller: &Caller,
    chat: ChatId,
    upto: Result<ReadUpTo>,
) -> Result<Marked> {
    let me = caller.user.id;
    access::membership(&app.db, chat, me).await?;
    let read_seq = match upto? {
        ReadUpTo::Seq(seq) => seq,
        ReadUpTo::Message(id) => {
            let found = messages::by_ids(&app.db, &[id]).await?.pop();
            let found = found.filter(|message| message.chat == chat);
            found.ok_or_else(|| Error::field("message", no_such(id)))?.seq
        }
    };
    markers::advance(app, chat, me, Markers { delivered_seq: read_seq, read_seq }).await?;
    let row = access::chat(&app.db, chat, me).await?;
    Ok(Marked { last_read_seq: row.last_read_seq, unread_count: row.unread_count })
}

/// Moves a marker as a device asks: everything up to a message was delivered, or read.
pub async fn mark(
    app: &App,
    user: UserId,
    chat: ChatId,
    seq: Result<Seq>,
    read: bool,
) -> Result<()> {
    let seq = match seq {
        Ok(seq) => seq,
        Err(error) => {
            access::membership(&app.db, chat, user).await?;
            return Err(error);
        }
    };
    let read_seq = if read { seq } else { Seq::ZERO };
    markers::advance(app, chat, user, Markers { delivered_seq: seq, read_seq }).await?;
    Ok(())
}

/// Who has received or read a message.
pub async fn of_message(app: &App, caller: &Caller, id: MessageId) -> Result<Receipts> {
    let message = access::message(&app.db, id, caller.user.id).await?;
    let which = (message.chat, message.seq, message.sender.id);
    let read = members::who_has(&app.db, which, Receipt::Read, NAMED).await?;
    let delivered = members::who_has(&app.db, which, Receipt::Delivered, NAMED).await?;
    // Only full lists need a count of their own.
    let len = |list: &Vec<UserRef>| i64::try_from(list.len()).map_err(Error::internal);
    let (mut read_count, mut delivered_count) = (len(&read)?, len(&delivered)?);
    if read_count.max(delivered_count) == NAMED {
        (read_count, delivered_count) = members::count_who_have(&app.db, which).await?;
    }
    Ok(Receipts { read, delivered, read_count, delivered_count })
}
