//! `/api/auth/me/` and `/api/auth/password/change/`: the caller's own account.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use crate::actions::{accounts, passwords, profiles};
use crate::app::App;
use crate::domain::session::Device;
use crate::wire::accounts::{ChangePassword, EndAccount};
use crate::wire::sessions::TokenPairJson;
use crate::wire::users::{UpdateUser, UpdateUserForm, UserJson};

use super::auth::show_pair;
use super::bodies::Body;
use super::caller::Authenticated;
use super::errors::Result;
use super::forms::FormBody;

/// Get your account
///
/// With its private fields.
#[utoipa::path(
    get, path = "/api/auth/me/", tag = "auth", operation_id = "get_me",
    responses((status = 200, description = "Your account", body = UserJson))
)]
pub(super) async fn one(
    State(app): State<Arc<App>>,
    Authenticated(caller): Authenticated,
) -> Result<Response> {
    let profile = profiles::profile(&app, caller.user).await?;
    Ok(Json(UserJson::own(&profile, &app.urls)).into_response())
}

/// Update your account
///
/// Your names, e-mail address, avatar, status text and availability.
#[utoipa::path(
    method(put, patch), path = "/api/auth/me/", tag = "auth", operation_id = "update_me",
    request_body(content((UpdateUser = "application/json"), (UpdateUserForm = "multipart/form-data"))),
    responses((status = 200, description = "Your account", body = UserJson))
)]
pub(super) async fn update(
    State(app): State<Arc<App>>,
    Authenticated(caller): Authenticated,
    device: Device,
    FormBody(body): FormBody,
) -> Result<Response> {
    let change = body.read(|fields| Ok(UpdateUser::parse(fields)));
    let profile = accounts::update(&app, &caller, &device, caller.user.id, change).await?;
    Ok(Json(UserJson::own(&profile, &app.urls)).into_response())
}

/// Delete your account
///
/// It is anonymised as `deleted_<id>`: nobody can find it or log in to it. Your messages stay. You
/// leave every group; those that you own pass to another member. Private chats stay, but take no new
/// messages.
#[utoipa::path(
    delete, path = "/api/auth/me/", tag = "auth", operation_id = "delete_me",
    request_body = EndAccount,
    responses((status = 204, description = "The account is deleted"))
)]
pub(super) async fn end(
    State(app): State<Arc<App>>,
    Authenticated(caller): Authenticated,
    body: Body,
) -> Result<StatusCode> {
    accounts::end(&app, &caller, body.read(EndAccount::parse)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Change your password
///
/// Ends every other session and revokes this session's refresh token. With `new_tokens` the answer is
/// 200 and the new pair. Without it, this session ends when its access token expires.
#[utoipa::path(
    post, path = "/api/auth/password/change/", tag = "auth",
    operation_id = "change_password",
    request_body = ChangePassword,
    responses(
        (status = 200, description = "Changed, with `new_tokens`", body = TokenPairJson),
        (status = 204, description = "Changed, without `new_tokens`"),
    )
)]
pub(super) async fn change_password(
    State(app): State<Arc<App>>,
    Authenticated(caller): Authenticated,
    body: Body,
) -> Result<Response> {
    let (change, wants_tokens) = ChangePassword::parse(body.fields()?, &caller.user);
    let tokens = passwords::change_password(&app, &caller, change).await?;
    Ok(match wants_tokens {
        true => show_pair(&tokens),
        false => StatusCode::NO_CONTENT.into_response(),
    })
}
