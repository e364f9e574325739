//! Sessions of the admin site: opened by staff with a password, kept in a cookie instead of tokens, and limited to
//! twelve hours. They are rows among the user's other sessions, so whatever ends those ends these too, on every node.

use std::sync::Arc;
use std::time::Duration;

use crate::app::App;
use crate::auth::secrets::{random_hex, sha256_hex};
use crate::domain::audit::{AuditAction, AuditChanges};
use crate::domain::error::{Error, LoginFailure, Result};
use crate::domain::event::Event;
use crate::domain::ids::SessionId;
use crate::domain::session::{Caller, Device};
use crate::domain::user::{Password, User};
use crate::store::sessions as session_rows;

use super::unit::Unit;
use super::{logins, sessions, staff};

/// A session ends after this, however much it is used.
pub const LIFETIME: Duration = Duration::from_secs(12 * 3_600);

/// Logs staff in, and returns what the cookie contains. Everybody else gets [`Error::LoginFailed`] after the same
/// work, which counts as an attempt of any login.
pub async fn login(
    app: &Arc<App>,
    key: &str,
    password: &Password,
    device: &Device,
) -> Result<String> {
    logins::attempt(app, key, password, device, async |mut unit, user| {
        if !staff::moderates(&user) {
            return Err(Error::LoginFailed(LoginFailure::NotStaff));
        }
        let random = || random_hex::<32>().map_err(|_| Error::internal("no random numbers"));
        let (secret, no_token, now) = (random()?, random()?, app.clock.now());
        let expires_at = now.plus(LIFETIME.min(app.ages.session));
        // Its refresh token is never signed, so the session has no tokens.
        let id =
            session_rows::insert(&mut unit.tx, user.id, &no_token, device, now, expires_at).await?;
        session_rows::set_admin_hash(&mut unit.tx, id, &sha256_hex(&secret)).await?;
        let none = AuditChanges::default();
        staff::record(&mut unit, user.id, AuditAction::AdminLogin, user.id.0, none).await?;
        unit.commit().await?;
        Ok(format!("{}.{secret}", id.0))
    })
    .await
}

/// The staff member whose cookie this is. `None` if the session has ended, or its user is no longer active staff: the
/// database is asked each time.
pub async fn authenticate(app: &App, cookie: &str) -> Result<Option<Caller>> {
    let Some((id, secret)) = cookie.split_once('.') else { return Ok(None) };
    let Ok(id) = id.parse().map(SessionId) else { return Ok(None) };
    let now = app.clock.now();
    let found = session_rows::admin(&app.db, id, now).await?;
    let hash = sha256_hex(secret);
    let found = found.filter(|(live, stored)| {
        // Hashes may be compared in any time: who guesses one does not know its secret.
        *stored == hash
            && staff::moderates(&live.user)
            && now < live.created_at.plus(app.ages.session)
    });
    let Some((live, _)) = found else { return Ok(None) };
    sessions::note_use(app, id, live.last_used_at, now);
    Ok(Some(Caller { user: live.user, session: id }))
}

/// Ends the caller's session.
pub async fn logout(app: &Arc<App>, caller: &Caller) -> Result<()> {
    sessions::logout(app, caller).await
}

/// Ends a user's sessions of the admin site in the unit of work that changes the user, if that takes the right to have
/// them.
pub(super) async fn end_if_demoted(unit: &mut Unit, before: &User, after: &User) -> Result<()> {
    if before.is_staff && !after.is_staff {
        let now = unit.now();
        let ended = session_rows::end_admin(&mut unit.tx, after.id, now).await?;
        unit.emit(Event::SessionsEnded(after.id, ended));
    }
    Ok(())
}
