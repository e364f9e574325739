//! Ephemeral signals: typing indicators, and the tick that sends receipts.

use std::sync::Arc;
use std::time::Duration;

use crate::app::App;
use crate::domain::error::{Error, Result};
use crate::domain::event::Event;
use crate::domain::ids::ChatId;
use crate::store::blocks;

use super::live::LiveSocket;

/// How often receipts are sent, each with the latest of a member's markers, and typing indicators expire.
pub const TICK: Duration = Duration::from_millis(100);

/// Sends or ends the user's typing indicator in a chat. [`Error::NotFound`] for users who are not members. The database
/// is asked only for users who block somebody, or are blocked.
pub async fn typing(
    app: &App,
    socket: &LiveSocket,
    chat: ChatId,
    is_active: Result<bool>,
) -> Result<()> {
    if !socket.has_subscribed(chat) {
        return Err(Error::NotFound);
    }
    let is_concerned = app.hub.presence.hidden.concerns(socket.user());
    if is_concerned && blocks::is_blocked(&app.db, chat).await? {
        return Err(Error::Blocked);
    }
    app.hub.typing(socket.user(), chat, is_active?, app.clock.uptime());
    Ok(())
}

/// Sends the signals that are due, and publishes the changes of accounts that moved read markers are.
pub async fn tick(app: Arc<App>) -> Result<()> {
    let account_events = app.hub.send_signals(app.clock.uptime());
    app.publish(&account_events.into_iter().map(Event::Account).collect::<Vec<_>>());
    Ok(())
}
