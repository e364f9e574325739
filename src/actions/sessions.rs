//! Sessions: login, logout, authentication, and rotation of refresh tokens. Refresh token reuse (a used
//! token is presented again, later than a lost answer explains) revokes the session.

use std::sync::Arc;
use std::time::Duration;

use crate::app::{AGREEMENT, App};
use crate::auth::secrets::random_hex;
use crate::auth::tokens::{Claims, TokenType};
use crate::domain::error::{Error, Result};
use crate::domain::event::Event;
use crate::domain::ids::{SessionId, UserId};
use crate::domain::page::{Page, PageRequest};
use crate::domain::session::{Caller, Device, SessionInfo, TokenPair};
use crate::domain::time::Timestamp;
use crate::domain::user::{Password, Profile};
use crate::store::sessions;
use crate::store::sessions::{CurrentRefresh, Live};

use super::profiles::profile;
use super::unit::Unit;
use super::{logins, lookups};

/// The grace period in which a used refresh token may be repeated, because its answer was lost.
const GRACE: Duration = Duration::from_secs(10);
/// How precisely the last use of a session is recorded.
const TOUCH: Duration = Duration::from_secs(60);
/// How often uses are stored.
pub const TOUCH_INTERVAL: Duration = Duration::from_secs(1);
/// Sessions in one transaction.
const TOUCHED: usize = 500;

/// A new session and its user.
#[derive(Debug)]
pub struct Opened {
    /// The account.
    pub profile: Profile,
    /// Its tokens.
    pub tokens: TokenPair,
}

/// Authenticates an access token. [`Error::TokenNotValid`] also if its session has ended or its user is
/// inactive: the database is checked each time, so a token becomes invalid together with its session, on
/// every node.
pub async fn authenticate(app: &Arc<App>, token: &str) -> Result<Caller> {
    let now = app.clock.now();
    let claims = app.signer.verify_as(TokenType::Access, token, now)?;
    let live = live(app, claims.session).await?;
    if live.user.id != claims.user {
        return Err(Error::TokenNotValid);
    }
    note_use(app, claims.session, live.last_used_at, now);
    Ok(Caller { user: live.user, session: claims.session })
}

/// Notes that a session is used, unless that was stored recently.
pub(super) fn note_use(app: &App, id: SessionId, last_used_at: Timestamp, now: Timestamp) {
    if last_used_at < now.minus(TOUCH) {
        app.touched.note(id);
    }
}

/// Logs in. `key` is the folded username or address. [`Error::Throttled`] over the limit of attempts.
pub async fn login(
    app: &Arc<App>,
    key: &str,
    password: &Password,
    device: &Device,
) -> Result<Opened> {
    logins::attempt(app, key, password, device, async |mut unit, user| {
        let tokens = open(app, &mut unit, user.id, device).await?;
        unit.commit().await?;
        Ok(Opened { profile: profile(app, user).await?, tokens })
    })
    .await
}

/// Creates a session in a unit of work.
pub async fn open(app: &App, unit: &mut Unit, user: UserId, device: &Device) -> Result<TokenPair> {
    let now = app.clock.now();
    let jti = new_jti()?;
    let expires_at = expiry(app, now, now);
    let session = sessions::insert(&mut unit.tx, user, &jti, device, now, expires_at).await?;
    pair(app, user, session, jti, now, now)
}

/// Rotates a session's refresh token. Concurrent requests with the same token, and repeats within ten
/// seconds, all get the same next one. A later repeat is reuse: the token was stolen, by this client or
/// by an earlier one, so the session is revoked.
pub async fn refresh(app: &Arc<App>, token: &str) -> Result<TokenPair> {
    let now = app.clock.now();
    let claims = app.signer.verify_as(TokenType::Refresh, token, now)?;
    let (id, user) = (claims.session, claims.user);

    let mut unit = Unit::begin(app).await?;
    let live = not_too_old(app, sessions::live(&mut unit.tx, id, now).await?)?;
    if live.user.id != user {
        return Err(Error::TokenNotValid);
    }
    let next = new_jti()?;
    let expires_at = expiry(app, live.created_at, now);
    if sessions::rotate(&mut unit.tx, id, &claims.jti, &next, now, expires_at).await? {
        sessions::forget_spent(&mut unit.tx, id, now.minus(GRACE)).await?;
        unit.commit().await?;
        return pair(app, user, id, next, now, now);
    }
    match sessions::current_refresh(&mut unit.tx, id, &claims.jti).await? {
        // It was retired by a password change: the owner's other tab may still send it.
        Some(CurrentRefresh { retired: Some(true), .. }) => Err(Error::TokenNotValid),
        Some(CurrentRefresh { refresh_jti, refreshed_at, spent_at: Some(spent_at), .. })
            // A date in the future was written by a clock that was ahead, so the real time is unknown.
            if now < spent_at.plus(GRACE) && spent_at < now.plus(AGREEMENT) =>
        {
            pair(app, user, id, refresh_jti, now, refreshed_at)
        }
        Some(_) => {
            tracing::warn!(session = id.0, user = user.0, "refresh token reuse detected; session revoked");
            end_in(app, &mut unit, user, id).await?;
            unit.commit().await?;
            Err(Error::TokenNotValid)
        }
        None => Err(Error::TokenNotValid),
    }
}

/// Whether a token of either kind is valid now. [`Error::TokenNotValid`] if not.
pub async fn verify(app: &Arc<App>, token: &str) -> Result<()> {
    let now = app.clock.now();
    let claims = app.signer.verify(token, now)?;
    let live = live(app, claims.session).await?;
    let good = live.user.id == claims.user
        && (claims.token_type == TokenType::Access || live.refresh_jti == claims.jti);
    if good { Ok(()) } else { Err(Error::TokenNotValid) }
}

/// The user's live sessions, the newest first. The cursor is a session's id.
pub async fn list(
    app: &App,
    caller: &Caller,
    request: PageRequest<SessionId>,
    size: i64,
) -> Result<Page<SessionInfo, SessionId>> {
    of(app, caller.user.id, request, size).await
}

/// A user's live sessions. Whether the caller may see them is checked already.
pub(super) async fn of(
    app: &App,
    user: UserId,
    request: PageRequest<SessionId>,
    size: i64,
) -> Result<Page<SessionInfo, SessionId>> {
    let now = app.clock.now();
    let rows = match request {
        PageRequest::First => {
            sessions::below(&app.db, user, SessionId(i64::MAX), now, size + 1).await?
        }
        PageRequest::After(id) => sessions::below(&app.db, user, id, now, size + 1).await?,
        PageRequest::Before(id) => sessions::above(&app.db, user, id, now, size + 1).await?,
    };
    Ok(Page::of(&request, rows, size, |session: &SessionInfo| session.id))
}

/// Ends one of the user's sessions. [`Error::NotFound`] if it is not the user's.
pub async fn end(app: &Arc<App>, caller: &Caller, id: SessionId) -> Result<()> {
    let mut unit = Unit::begin_vital(app).await?;
    if !sessions::is_of(&mut unit.tx, id, caller.user.id, app.clock.now()).await? {
        return Err(Error::NotFound);
    }
    end_in(app, &mut unit, caller.user.id, id).await?;
    unit.commit().await
}

/// Ends all of the user's sessions except the current one.
pub async fn end_others(app: &Arc<App>, caller: &Caller) -> Result<()> {
    let mut unit = Unit::begin_vital(app).await?;
    let (me, now) = (caller.user.id, app.clock.now());
    let ended = sessions::end_others(&mut unit.tx, me, caller.session, now).await?;
    unit.emit(Event::SessionsEnded(me, ended));
    unit.commit().await
}

/// Ends the caller's session: its tokens become invalid at once, its sockets are closed.
pub async fn logout(app: &Arc<App>, caller: &Caller) -> Result<()> {
    let mut unit = Unit::begin_vital(app).await?;
    end_in(app, &mut unit, caller.user.id, caller.session).await?;
    unit.commit().await
}

/// Replaces a session's tokens in the unit of work that changes its user's password, so that a refresh
/// token that was stolen before the change is useless.
pub(super) async fn replace_tokens(
    app: &App,
    unit: &mut Unit,
    caller: &Caller,
) -> Result<TokenPair> {
    let (now, jti) = (app.clock.now(), new_jti()?);
    sessions::retire_refreshes(&mut unit.tx, caller.session, &jti, now, now.minus(GRACE)).await?;
    pair(app, caller.user.id, caller.session, jti, now, now)
}

/// A session that has not ended and is not too old, with its active user. [`Error::TokenNotValid`] if
/// there is none.
pub(super) async fn live(app: &Arc<App>, id: SessionId) -> Result<Live> {
    not_too_old(app, lookups::session(app, id).await?)
}

/// A session's `expires_at` says the same, unless `SESSION_MAX_AGE` was longer when that was written.
fn not_too_old(app: &App, live: Option<Live>) -> Result<Live> {
    let now = app.clock.now();
    live.filter(|live| now < live.created_at.plus(app.ages.session)).ok_or(Error::TokenNotValid)
}

/// When a session that is refreshed now expires: because it is unused, or too old.
fn expiry(app: &App, created_at: Timestamp, now: Timestamp) -> Timestamp {
    now.plus(app.signer.refresh_lifetime()).min(created_at.plus(app.ages.session))
}

async fn end_in(app: &App, unit: &mut Unit, user: UserId, id: SessionId) -> Result<()> {
    sessions::end(&mut unit.tx, id, app.clock.now()).await?;
    unit.emit(Event::SessionsEnded(user, vec![id]));
    Ok(())
}

/// Stores which sessions were used since the last call, in short transactions. What cannot be written is
/// recorded again by the sessions' next requests.
pub async fn store_touched(app: Arc<App>) -> Result<()> {
    let now = app.clock.now();
    for chunk in app.touched.take().chunks(TOUCHED) {
        let mut unit = Unit::begin(&app).await?;
        sessions::touch(&mut unit.tx, chunk, now).await?;
        unit.commit().await?;
    }
    Ok(())
}

/// The tokens of a session. The refresh token has the date of its rotation, so that signing it again
/// returns the same token.
fn pair(
    app: &App,
    user: UserId,
    session: SessionId,
    jti: String,
    now: Timestamp,
    refreshed_at: Timestamp,
) -> Result<TokenPair> {
    let access = Claims { token_type: TokenType::Access, jti: new_jti()?, session, user };
    let refresh = Claims { token_type: TokenType::Refresh, jti, session, user };
    Ok(TokenPair {
        access: app.signer.sign(&access, now)?,
        refresh: app.signer.sign(&refresh, refreshed_at)?,
    })
}

fn new_jti() -> Result<String> {
    random_hex::<16>().map_err(|_| Error::internal("no random numbers"))
}
