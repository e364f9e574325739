//! `/api/auth/`: accounts, sessions, tickets.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use crate::actions::accounts::{self, NamesWanted};
use crate::actions::{profiles, sessions, tickets};
use crate::app::App;
use crate::domain::session::{self, Device};
use crate::wire::accounts::{ChangePassword, EndAccount, Register};
use crate::wire::errors::{Detail, FieldTexts};
use crate::wire::sessions::{Login, Opened, Refresh, Ticket, TokenPair, Verify};
use crate::wire::users::{OwnUser, PatchUser, UpdateUser};

use super::bodies::Body;
use super::caller::Authenticated;
use super::errors::Result;
use super::forms::FormBody;

/// Makes an account
///
/// And its first session. The password must pass Django's four default validators.
#[utoipa::path(
    post, path = "/api/auth/register/", tag = "auth", operation_id = "auth_register",
    security(()), request_body = Register,
    responses((status = 201, body = Opened), (status = 400, body = FieldTexts))
)]
pub(super) async fn register(
    State(app): State<Arc<App>>,
    device: Device,
    body: Body,
) -> Result<Response> {
    let (username, email, registration) = Register::parse(body.fields()?);
    let names = NamesWanted::new(username.as_ref(), email.as_ref());
    let opened = accounts::register(&app, &names, registration, &device).await?;
    Ok((StatusCode::CREATED, show(&app, &opened)).into_response())
}

/// Begins a session
///
/// With the username or the e-mail address; case does not matter. An unknown user, a wrong password
/// and an inactive account are answered alike.
#[utoipa::path(
    post, path = "/api/auth/login/", tag = "auth", operation_id = "auth_login",
    security(()), request_body = Login,
    responses(
        (status = 200, body = Opened),
        (status = 400, body = FieldTexts),
        (status = 401, body = Detail),
    )
)]
pub(super) async fn login(
    State(app): State<Arc<App>>,
    device: Device,
    body: Body,
) -> Result<Response> {
    let (key, password) = body.read(Login::parse)?;
    let opened = sessions::login(&app, &key, &password, &device).await?;
    Ok(show(&app, &opened))
}

fn show(app: &App, opened: &sessions::Opened) -> Response {
    Json(Opened {
        user: OwnUser::of(&opened.profile, &app.urls),
        access: &opened.tokens.access,
        refresh: &opened.tokens.refresh,
    })
    .into_response()
}

/// Renews a session's tokens
///
/// The refresh token is spent. The same one again within ten seconds (an answer was lost) gets a
/// usable pair; later, it ends the whole session, since one of its two users is a thief.
#[utoipa::path(
    post, path = "/api/auth/refresh/", tag = "auth", operation_id = "auth_refresh",
    security(()), request_body = Refresh,
    responses(
        (status = 200, body = TokenPair),
        (status = 400, body = FieldTexts),
        (status = 401, body = Detail),
    )
)]
pub(super) async fn refresh(State(app): State<Arc<App>>, body: Body) -> Result<Response> {
    let token = body.read(Refresh::parse)?;
    Ok(show_pair(&sessions::refresh(&app, &token).await?))
}

fn show_pair(tokens: &session::TokenPair) -> Response {
    Json(TokenPair { access: &tokens.access, refresh: &tokens.refresh }).into_response()
}

/// Tells whether a token is good
///
/// Of either kind. `{}` if so.
#[utoipa::path(
    post, path = "/api/auth/verify/", tag = "auth", operation_id = "auth_verify",
    security(()), request_body = Verify,
    responses(
        (status = 200, description = "It is", body = Object),
        (status = 400, body = FieldTexts),
        (status = 401, body = Detail),
    )
)]
pub(super) async fn verify(
    State(app): State<Arc<App>>,
    body: Body,
) -> Result<Json<serde_json::Value>> {
    let token = body.read(Verify::parse)?;
    sessions::verify(&app, &token).await?;
    Ok(Json(serde_json::json!({})))
}

/// Ends this session
///
/// Its access and refresh tokens are dead at once, its sockets are closed.
#[utoipa::path(
    post, path = "/api/auth/logout/", tag = "auth", operation_id = "auth_logout",
    responses((status = 204, description = "Ended"), (status = 401, body = Detail))
)]
pub(super) async fn logout(
    State(app): State<Arc<App>>,
    Authenticated(caller): Authenticated,
) -> Result<StatusCode> {
    sessions::logout(&app, &caller).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Oneself
#[utoipa::path(
    get, path = "/api/auth/me/", tag = "auth", operation_id = "auth_me",
    responses((status = 200, body = OwnUser), (status = 401, body = Detail))
)]
pub(super) async fn me(
    State(app): State<Arc<App>>,
    Authenticated(caller): Authenticated,
) -> Result<Response> {
    let profile = profiles::profile(&app, caller.user).await?;
    Ok(Json(OwnUser::of(&profile, &app.urls)).into_response())
}

/// Changes oneself
#[utoipa::path(
    put, path = "/api/auth/me/", tag = "auth", operation_id = "auth_me_update",
    request_body(content((UpdateUser = "application/json"), (UpdateUser = "multipart/form-data"))),
    responses(
        (status = 200, body = OwnUser),
        (status = 400, body = FieldTexts),
        (status = 401, body = Detail),
    )
)]
pub(super) async fn update_me(
    State(app): State<Arc<App>>,
    Authenticated(caller): Authenticated,
    device: Device,
    FormBody(body): FormBody,
) -> Result<Response> {
    let change = body.read(|fields| Ok(UpdateUser::parse(fields, false, &caller.user)));
    let profile = accounts::update(&app, &caller, &device, caller.user.id, change).await?;
    Ok(Json(OwnUser::of(&profile, &app.urls)).into_response())
}

/// Changes oneself
///
/// What is left out stays as it is.
#[utoipa::path(
    patch, path = "/api/auth/me/", tag = "auth", operation_id = "auth_me_patch",
    request_body(content((PatchUser = "application/json"), (PatchUser = "multipart/form-data"))),
    responses(
        (status = 200, body = OwnUser),
        (status = 400, body = FieldTexts),
        (status = 401, body = Detail),
    )
)]
pub(super) async fn patch_me(
    State(app): State<Arc<App>>,
    Authenticated(caller): Authenticated,
    device: Device,
    FormBody(body): FormBody,
) -> Result<Response> {
    let change = body.read(|fields| Ok(UpdateUser::parse(fields, true, &caller.user)));
    let profile = accounts::update(&app, &caller, &device, caller.user.id, change).await?;
    Ok(Json(OwnUser::of(&profile, &app.urls)).into_response())
}

/// Ends one's account
///
/// What is left is a shell without a name (`deleted_<id>`), which nobody finds or logs in to. One's
/// messages stay under it. One goes out of every group, and passes on those that one owns; private
/// chats stay, and take no new messages.
#[utoipa::path(
    delete, path = "/api/auth/me/", tag = "auth", operation_id = "auth_me_delete",
    request_body = EndAccount,
    responses(
        (status = 204, description = "Ended"),
        (status = 400, body = FieldTexts),
        (status = 401, body = Detail),
    )
)]
pub(super) async fn end_me(
    State(app): State<Arc<App>>,
    Authenticated(caller): Authenticated,
    body: Body,
) -> Result<StatusCode> {
    accounts::end(&app, &caller, body.read(EndAccount::parse)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Changes one's password
///
/// Every other session ends. This session's refresh token is replaced: with `new_tokens` the answer
/// is 200 and the new pair. Without it the session ends with its access token, unless the user logs
/// in again.
#[utoipa::path(
    post, path = "/api/auth/password/change/", tag = "auth",
    operation_id = "auth_password_change",
    request_body = ChangePassword,
    responses(
        (status = 200, description = "Changed; with `new_tokens`", body = TokenPair),
        (status = 204, description = "Changed; without"),
        (status = 400, body = FieldTexts),
        (status = 401, body = Detail),
    )
)]
pub(super) async fn change_password(
    State(app): State<Arc<App>>,
    Authenticated(caller): Authenticated,
    body: Body,
) -> Result<Response> {
    let (old, new, wants_tokens) = ChangePassword::parse(body.fields()?, &caller.user);
    let tokens = accounts::change_password(&app, &caller, old.as_ref(), new).await?;
    Ok(match wants_tokens {
        true => show_pair(&tokens),
        false => StatusCode::NO_CONTENT.into_response(),
    })
}

/// Makes a ticket for one WebSocket
///
/// For clients that cannot set a header there: `/ws/?ticket=…`, once, within 30 seconds.
#[utoipa::path(
    post, path = "/api/auth/ws-ticket/", tag = "auth", operation_id = "auth_ws_ticket",
    responses((status = 201, body = Ticket), (status = 401, body = Detail))
)]
pub(super) async fn ws_ticket(
    State(app): State<Arc<App>>,
    Authenticated(caller): Authenticated,
) -> Result<Response> {
    let ticket = tickets::create(&app, &caller).await?;
    let expires_in = tickets::LIFETIME.as_secs();
    Ok((StatusCode::CREATED, Json(Ticket { ticket: &ticket, expires_in })).into_response())
}
