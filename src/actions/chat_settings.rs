//! A chat's settings, which only the member sees. A change is one of the account, not of the chat.

use std::sync::Arc;

use crate::app::App;
use crate::domain::chat_settings::{ChatSettings, SettingsChange};
use crate::domain::error::{Error, Result};
use crate::domain::event::{AccountChange, AccountEvent, Event};
use crate::domain::ids::ChatId;
use crate::domain::session::Caller;
use crate::store::{account_version, chat_settings, users};

use super::access;
use super::unit::Unit;

/// The settings of a chat.
pub async fn of(app: &App, caller: &Caller, chat: ChatId) -> Result<ChatSettings> {
    access::settings(&app.db, chat, caller.user.id).await
}

/// Changes the settings of a chat. What changes nothing takes no version.
pub async fn update(
    app: &Arc<App>,
    caller: &Caller,
    chat: ChatId,
    change: Result<SettingsChange>,
) -> Result<ChatSettings> {
    let me = caller.user.id;
    let change = match change {
        Ok(change) => change,
        Err(error) => return access::settings(&app.db, chat, me).await.and(Err(error)),
    };
    let mut unit = Unit::begin(app).await?;
    users::lock(&mut unit.tx, me).await?;
    let before = access::settings(&mut unit.tx, chat, me).await?;
    let after = before.changed(change, unit.now());
    if after == before {
        return Ok(before);
    }
    let version = account_version::next(&mut unit.tx, me).await?;
    if !chat_settings::update(&mut unit.tx, chat, me, after, version).await? {
        return Err(Error::NotFound);
    }
    let change = AccountChange::Settings(chat, after);
    unit.emit(Event::Account(AccountEvent::of(me, version, change)));
    unit.commit().await?;
    Ok(after)
}
