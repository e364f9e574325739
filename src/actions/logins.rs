//! What every login does, whatever it opens: it counts the attempt, checks the password, finds the active user
//! in the unit of work that opens a session, and logs what became of it. The tokens are made by `sessions`, the
//! cookies by `admin_sessions`.

use std::sync::Arc;

use crate::app::App;
use crate::auth::hashes;
use crate::domain::error::{Error, LoginFailure, Result};
use crate::domain::ids::UserId;
use crate::domain::session::Device;
use crate::domain::user::{Password, User};
use crate::shares::Holder;
use crate::store::users;

use super::unit::Unit;
use super::{attempts, login_log};

/// An account whose password was right.
struct Checked {
    id: UserId,
    encoded: String,
    /// A current hash, if the stored one is in another format.
    better: Option<String>,
}

/// A login with a password. `key` is the folded username or address. If the password is right, `open` opens a session in
/// the unit of work, and commits. An unknown user costs the same work as a wrong password, and gets the same answer. A
/// hash in another format, imported from Django, is replaced now that its password is known. [`Error::Throttled`] over
/// the limit of attempts.
pub(super) async fn attempt<T, F: Future<Output = Result<T>>>(
    app: &Arc<App>,
    key: &str,
    password: &Password,
    device: &Device,
    open: impl FnOnce(Unit, User) -> F,
) -> Result<T> {
    let account = users::by_login(&app.db, key).await?;
    let id = account.as_ref().map(|(id, _)| *id);
    let opened = match check(app, key, account, password, device).await {
        Ok(checked) => enter(app, checked, open).await,
        Err(error) => Err(error),
    };
    login_log::attempted(app, key, id, device, opened.as_ref().err());
    opened
}

/// Counts an attempt and checks its password.
async fn check(
    app: &Arc<App>,
    key: &str,
    account: Option<(UserId, String)>,
    password: &Password,
    device: &Device,
) -> Result<Checked> {
    let holder = Holder::at(device.ip);
    attempts::login(app, key, account.as_ref().map(|(id, _)| *id), device).await?;
    let exists = account.is_some();
    let usable = account.filter(|(_, encoded)| !hashes::is_unusable(encoded));
    let Some((id, encoded)) = usable else {
        // Hashes from Django cost more or less than ours, and remain until their users log in. So an
        // unknown user, and one without a password, is checked against the hash of a user who has one;
        // always the same for the same name.
        let number = app.signing_key.number("a stand-in", key);
        let stand_in = users::some_password(&app.db, number).await?;
        app.passwords.verify(holder, &password.0, stand_in.as_deref()).await?;
        return Err(Error::LoginFailed(match exists {
            true => LoginFailure::NoPassword,
            false => LoginFailure::UnknownUser,
        }));
    };
    if !app.passwords.verify(holder, &password.0, Some(&encoded)).await? {
        return Err(Error::LoginFailed(LoginFailure::WrongPassword));
    }
    let better = match app.passwords.is_current(&encoded) {
        true => None,
        false => Some(app.passwords.hash(holder, &password.0).await?),
    };
    Ok(Checked { id, encoded, better })
}

/// Opens a session for the active user of a checked account.
async fn enter<T, F: Future<Output = Result<T>>>(
    app: &Arc<App>,
    Checked { id, encoded, better }: Checked,
    open: impl FnOnce(Unit, User) -> F,
) -> Result<T> {
    let mut unit = Unit::begin(app).await?;
    // If a login and a password change race, either the login is first and its session ends with the
    // others, or it fails.
    users::lock(&mut unit.tx, id).await?;
    if users::password(&mut unit.tx, id).await?.as_ref() != Some(&encoded) {
        return Err(Error::LoginFailed(LoginFailure::WrongPassword));
    }
    let user = users::by_id(&mut unit.tx, id).await?.filter(|user| user.is_active);
    let user = user.ok_or(Error::LoginFailed(LoginFailure::Inactive))?;
    if let Some(better) = better {
        users::set_password(&mut unit.tx, id, &better).await?;
    }
    users::set_last_login(&mut unit.tx, id, app.clock.now()).await?;
    open(unit, user).await
}
