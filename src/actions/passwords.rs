//! Changing a password: by its user, and by an operator. Resets by mail are in `resets`.

use std::sync::Arc;

use crate::app::App;
use crate::domain::error::{Error, Result};
use crate::domain::event::Event;
use crate::domain::ids::UserId;
use crate::domain::input::Input;
use crate::domain::session::{Caller, TokenPair};
use crate::domain::time::Timestamp;
use crate::domain::user::{Password, PasswordChange};
use crate::shares::Holder;
use crate::store::{sessions as session_rows, users};

use super::notices::{self, Notice};
use super::unit::Unit;
use super::{attempts, sessions};

/// Django's `PasswordChangeForm`.
const WRONG_PASSWORD: &str = "Your old password was entered incorrectly. Please enter it again.";

/// Changes the caller's password. All other sessions end; this one gets new tokens, and its old refresh
/// token is retired. The old password is checked even if something else is invalid, so that all
/// validation errors are reported at once.
pub async fn change_password(
    app: &Arc<App>,
    caller: &Caller,
    change: Input<PasswordChange>,
) -> Result<TokenPair> {
    let me = caller.user.id;
    let Input { value: PasswordChange { old, new }, mut errors } = change;
    attempts::own_password(app, me).await?;
    let verified = users::password(&app.db, me).await?;
    if let Some(old) = &old
        && !app.passwords.verify(Holder::User(me), &old.0, verified.as_deref()).await?
    {
        errors.add("old_password", WRONG_PASSWORD);
    }
    errors.into_result()?;
    let new = new.ok_or_else(|| Error::internal("a password was refused without an error"))?;
    let encoded = app.passwords.hash(Holder::User(me), &new.0).await?;
    let now = app.clock.now();
    let mut unit = Unit::begin(app).await?;
    let wrong = Error::field("old_password", WRONG_PASSWORD);
    lock_verified(&mut unit, caller, verified, wrong, now).await?;
    users::set_password(&mut unit.tx, me, &encoded).await?;
    let ended = session_rows::end_others(&mut unit.tx, me, caller.session, now).await?;
    unit.emit(Event::SessionsEnded(me, ended));
    let tokens = sessions::replace_tokens(app, &mut unit, caller).await?;
    unit.commit().await?;
    notices::send(app, &caller.user, Notice::PasswordChanged);
    Ok(tokens)
}

/// Locks the caller's account, if the password that was `verified` is still its own. While this request
/// hashed, another one may have changed it (then the error is `wrong`), or ended this session.
pub(super) async fn lock_verified(
    unit: &mut Unit,
    caller: &Caller,
    verified: Option<String>,
    wrong: Error,
    now: Timestamp,
) -> Result<()> {
    let me = caller.user.id;
    users::lock(&mut unit.tx, me).await?;
    if !session_rows::is_of(&mut unit.tx, caller.session, me, now).await? {
        return Err(Error::TokenNotValid);
    }
    match users::password(&mut unit.tx, me).await? == verified {
        true => Ok(()),
        false => Err(wrong),
    }
}

/// Sets a password, for an operator. Every session of the user ends.
pub async fn set_password(app: &Arc<App>, id: UserId, password: &Password) -> Result<()> {
    let encoded = app.passwords.hash(Holder::User(id), &password.0).await?;
    let mut unit = Unit::begin(app).await?;
    users::set_password(&mut unit.tx, id, &encoded).await?;
    let ended = session_rows::end_all(&mut unit.tx, id, app.clock.now()).await?;
    unit.emit(Event::SessionsEnded(id, ended));
    unit.commit().await
}
