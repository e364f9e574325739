//! `/api/auth/`: registering, logging in and out, tokens and tickets. Accounts are in `account`, the
//! list of sessions in `sessions`.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use crate::actions::{accounts, sessions, tickets};
use crate::app::App;
use crate::domain::session::{self, Device};
use crate::wire::accounts::Register;
use crate::wire::errors::Detail;
use crate::wire::sessions::{
    Login, OpenedJson, Refresh, TicketJson, TokenPairJson, VerifiedJson, Verify,
};
use crate::wire::users::UserJson;

use super::bodies::Body;
use super::caller::Authenticated;
use super::errors::Result;

/// Register an account
///
/// Opens its first session, too. The password must pass Django's four default validators.
#[utoipa::path(
    post, path = "/api/auth/register/", tag = "auth", operation_id = "register",
    security(()), request_body = Register,
    responses((status = 201, description = "The account and its tokens", body = OpenedJson))
)]
pub(super) async fn register(
    State(app): State<Arc<App>>,
    device: Device,
    body: Body,
) -> Result<Response> {
    let registration = Register::parse(body.fields()?);
    let opened = accounts::register(&app, registration, &device).await?;
    Ok((StatusCode::CREATED, show(&app, &opened)).into_response())
}

/// Log in
///
/// With the username or the e-mail address, ignoring case. An unknown user, a wrong password and a
/// deactivated account get the same answer.
#[utoipa::path(
    post, path = "/api/auth/login/", tag = "auth", operation_id = "login",
    security(()), request_body = Login,
    responses(
        (status = 200, description = "The user and the tokens of a new session", body = OpenedJson),
        (status = 401, description = "The login failed", body = Detail,
            example = json!({"detail": "No active account found with the given credentials"})),
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
    Json(OpenedJson {
        user: UserJson::own(&opened.profile, &app.urls),
        access: &opened.tokens.access,
        refresh: &opened.tokens.refresh,
    })
    .into_response()
}

/// Rotate a session's tokens
///
/// Each refresh token can be used once. Using it again within ten seconds, because the answer was
/// lost, returns a valid pair; later it counts as reuse, which revokes the session: one of its two
/// users has stolen it.
#[utoipa::path(
    post, path = "/api/auth/refresh/", tag = "auth", operation_id = "refresh_tokens",
    security(()), request_body = Refresh,
    responses(
        (status = 200, description = "The new tokens", body = TokenPairJson),
        (status = 401, description = "The token is invalid, expired or already used", body = Detail,
            example = json!({
                "detail": "Given token not valid for any token type", "code": "token_not_valid",
            })),
    )
)]
pub(super) async fn refresh(State(app): State<Arc<App>>, body: Body) -> Result<Response> {
    let token = body.read(Refresh::parse)?;
    Ok(show_pair(&sessions::refresh(&app, &token).await?))
}

/// A session's tokens as an answer.
pub(super) fn show_pair(tokens: &session::TokenPair) -> Response {
    Json(TokenPairJson { access: &tokens.access, refresh: &tokens.refresh }).into_response()
}

/// Check a token
///
/// An access or refresh token. Returns `{}` if it is valid.
#[utoipa::path(
    post, path = "/api/auth/verify/", tag = "auth", operation_id = "verify_token",
    security(()), request_body = Verify,
    responses(
        (status = 200, description = "The token is valid", body = VerifiedJson),
        (status = 401, description = "The token is not valid", body = Detail,
            example = json!({
                "detail": "Given token not valid for any token type", "code": "token_not_valid",
            })),
    )
)]
pub(super) async fn verify(State(app): State<Arc<App>>, body: Body) -> Result<Json<VerifiedJson>> {
    let token = body.read(Verify::parse)?;
    sessions::verify(&app, &token).await?;
    Ok(Json(VerifiedJson {}))
}

/// Log out
///
/// Ends this session: its tokens are revoked immediately, and its sockets are closed.
#[utoipa::path(
    post, path = "/api/auth/logout/", tag = "auth", operation_id = "logout",
    responses((status = 204, description = "The session has ended"))
)]
pub(super) async fn logout(
    State(app): State<Arc<App>>,
    Authenticated(caller): Authenticated,
) -> Result<StatusCode> {
    sessions::logout(&app, &caller).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Create a WebSocket ticket
///
/// For clients that cannot set headers on a WebSocket: `/ws/?ticket=…`, usable once within 30 seconds.
#[utoipa::path(
    post, path = "/api/auth/ws-ticket/", tag = "auth", operation_id = "create_ws_ticket",
    responses((status = 201, description = "The ticket", body = TicketJson))
)]
pub(super) async fn ws_ticket(
    State(app): State<Arc<App>>,
    Authenticated(caller): Authenticated,
) -> Result<Response> {
    let ticket = tickets::create(&app, &caller).await?;
    let expires_in = tickets::LIFETIME.as_secs();
    Ok((StatusCode::CREATED, Json(TicketJson { ticket: &ticket, expires_in })).into_response())
}
