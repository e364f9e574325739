//! Pinning messages, and listing what is pinned.

use std::sync::Arc;
use std::time::Duration;

use crate::app::App;
use crate::domain::error::{Error, Result};
use crate::domain::ids::{ChatId, MessageId, UserId};
use crate::domain::message::{LastChange, Message};
use crate::domain::page::{Page, PageRequest};
use crate::domain::session::Caller;
use crate::domain::time::Timestamp;
use crate::store::{chats, pins};

use super::access;
use super::messages::{publish, with_status, with_statuses};
use super::unit::Unit;

/// Most pinned messages of a chat.
const PINS_MAX: i64 = 100;

/// Pins a message, or unpins it: in a group as its owner or an admin. What is so already changes nothing.
/// [`Error::Throttled`] over the rate limit of messages.
pub async fn set(app: &Arc<App>, user: UserId, id: MessageId, pinned: bool) -> Result<Message> {
    app.rate_limits.message(user, app.clock.now())?;
    let mut unit = Unit::begin(app).await?;
    let (mut message, membership) = access::message_to_change(&mut unit.tx, id, user).await?;
    if !membership.role.may_pin(chats::is_group(&mut unit.tx, message.chat).await?) {
        return Err(Error::PermissionDenied);
    }
    if message.deleted_at.is_some() {
        return Err(Error::Conflict("A deleted message cannot be pinned."));
    }
    if message.pinned_at.is_some() == pinned {
        drop(unit);
        return with_status(app, message).await;
    }
    message.pinned_at = match pinned {
        true => Some(next_place(&mut unit, message.chat).await?),
        false => None,
    };
    message.version = chats::next_version(&mut unit.tx, message.chat).await?;
    message.last_change = LastChange::Other;
    pins::set(&mut unit.tx, id, message.pinned_at, message.version).await?;
    publish(app, unit, message).await
}

/// The time of a chat's next pin: later than all others, also when a clock was set back, since pins are listed by it.
async fn next_place(unit: &mut Unit, chat: ChatId) -> Result<Timestamp> {
    let (count, latest) = pins::standing(&mut unit.tx, chat).await?;
    if count >= PINS_MAX {
        return Err(Error::Conflict("A chat has at most 100 pinned messages."));
    }
    let after = latest.map(|latest| latest.plus(Duration::from_micros(1)));
    Ok(after.map_or(unit.now(), |after| after.max(unit.now())))
}

/// A page of a chat's pinned messages, the latest pin first.
pub async fn list(
    app: &App,
    caller: &Caller,
    chat: ChatId,
    request: impl FnOnce() -> Result<PageRequest<Timestamp>>,
    size: i64,
) -> Result<Page<Message, Timestamp>> {
    access::membership(&app.db, chat, caller.user.id).await?;
    let request = request()?;
    let rows = pins::page(&app.db, chat, &request, size + 1).await?;
    let rows = with_statuses(app, chat, rows).await?;
    let place = |message: &Message| message.pinned_at.unwrap_or(message.timestamp);
    Ok(Page::of(&request, rows, size, place))
}
