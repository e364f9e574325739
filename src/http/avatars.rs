//! `…/avatar/` of the caller's account, of a user and of a chat: the picture as a resource of its own. The
//! rights and events are those of updating the object. The OpenAPI document describes the form alone: with a
//! second type of body, generators make clients that do not compile.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};

use crate::actions::{accounts, chats};
use crate::app::App;
use crate::domain::avatar::NewAvatar;
use crate::domain::chat::ChatChange;
use crate::domain::error::{FieldErrors, Result as DomainResult};
use crate::domain::ids::{ChatId, UserId};
use crate::domain::input::Input;
use crate::domain::session::{Caller, Device};
use crate::domain::user::UserChange;
use crate::wire::avatars::ReplaceAvatar;
use crate::wire::chats::ChatJson;
use crate::wire::errors::Detail;
use crate::wire::users::UserJson;

use super::caller::Authenticated;
use super::errors::Result;
use super::ids::Id;
use super::picture_body::PictureBody;
use super::users;

/// Replace your avatar
///
/// PNG, JPEG, WebP or GIF, whatever the `Content-Type` says, of at most 40 megapixels. Without a form, the body
/// can be the file itself, as `image/*`.
#[utoipa::path(
    put, path = "/api/auth/me/avatar/", tag = "auth", operation_id = "update_my_avatar",
    request_body(content = ReplaceAvatar, content_type = "multipart/form-data"),
    responses((status = 200, description = "Your account", body = UserJson))
)]
pub(super) async fn replace_own(
    State(app): State<Arc<App>>,
    Authenticated(caller): Authenticated,
    device: Device,
    PictureBody(avatar): PictureBody,
) -> Result<Response> {
    of_user(&app, &caller, &device, caller.user.id, avatar).await
}

/// Remove your avatar
///
/// There may be none.
#[utoipa::path(
    delete, path = "/api/auth/me/avatar/", tag = "auth", operation_id = "delete_my_avatar",
    responses((status = 200, description = "Your account", body = UserJson))
)]
pub(super) async fn remove_own(
    State(app): State<Arc<App>>,
    Authenticated(caller): Authenticated,
    device: Device,
) -> Result<Response> {
    of_user(&app, &caller, &device, caller.user.id, Ok(NewAvatar::Removed)).await
}

/// Replace a user's avatar
///
/// Your own; staff can also replace those of others. PNG, JPEG, WebP or GIF, whatever the
/// `Content-Type` says, of at most 40 megapixels. Without a form, the body can be the file itself, as
/// `image/*`.
#[utoipa::path(
    put, path = "/api/users/{id}/avatar/", tag = "users", operation_id = "update_user_avatar",
    params(("id" = i64, Path, minimum = 1, description = "The user's id.")),
    request_body(content = ReplaceAvatar, content_type = "multipart/form-data"),
    responses(
        (status = 200, description = "The user", body = UserJson),
        (status = 403, description = "You may not update this user", body = Detail),
        (status = 404, description = "No such user", body = Detail),
    )
)]
pub(super) async fn replace_of_user(
    State(app): State<Arc<App>>,
    Authenticated(caller): Authenticated,
    Id(id): Id<UserId>,
    device: Device,
    PictureBody(avatar): PictureBody,
) -> Result<Response> {
    of_user(&app, &caller, &device, id, avatar).await
}

/// Remove a user's avatar
///
/// Your own; staff can also remove those of others.
#[utoipa::path(
    delete, path = "/api/users/{id}/avatar/", tag = "users", operation_id = "delete_user_avatar",
    params(("id" = i64, Path, minimum = 1, description = "The user's id.")),
    responses(
        (status = 200, description = "The user", body = UserJson),
        (status = 403, description = "You may not update this user", body = Detail),
        (status = 404, description = "No such user", body = Detail),
    )
)]
pub(super) async fn remove_of_user(
    State(app): State<Arc<App>>,
    Authenticated(caller): Authenticated,
    Id(id): Id<UserId>,
    device: Device,
) -> Result<Response> {
    of_user(&app, &caller, &device, id, Ok(NewAvatar::Removed)).await
}

/// Replace a group's avatar
///
/// As its owner or an admin. PNG, JPEG, WebP or GIF, whatever the `Content-Type` says, of at most 40
/// megapixels. Without a form, the body can be the file itself, as `image/*`.
#[utoipa::path(
    put, path = "/api/chats/{id}/avatar/", tag = "chats", operation_id = "update_chat_avatar",
    params(("id" = i64, Path, minimum = 1, description = "The chat's id.")),
    request_body(content = ReplaceAvatar, content_type = "multipart/form-data"),
    responses(
        (status = 200, description = "The chat", body = ChatJson),
        (status = 403, description = "A private chat, or you are a plain member", body = Detail),
        (status = 404, description = "No such chat, or you are not a member", body = Detail),
    )
)]
pub(super) async fn replace_of_chat(
    State(app): State<Arc<App>>,
    Authenticated(caller): Authenticated,
    Id(id): Id<ChatId>,
    PictureBody(avatar): PictureBody,
) -> Result<Response> {
    of_chat(&app, &caller, id, avatar).await
}

/// Remove a group's avatar
///
/// As its owner or an admin.
#[utoipa::path(
    delete, path = "/api/chats/{id}/avatar/", tag = "chats", operation_id = "delete_chat_avatar",
    params(("id" = i64, Path, minimum = 1, description = "The chat's id.")),
    responses(
        (status = 200, description = "The chat", body = ChatJson),
        (status = 403, description = "A private chat, or you are a plain member", body = Detail),
        (status = 404, description = "No such chat, or you are not a member", body = Detail),
    )
)]
pub(super) async fn remove_of_chat(
    State(app): State<Arc<App>>,
    Authenticated(caller): Authenticated,
    Id(id): Id<ChatId>,
) -> Result<Response> {
    of_chat(&app, &caller, id, Ok(NewAvatar::Removed)).await
}

async fn of_user(
    app: &Arc<App>,
    caller: &Caller,
    device: &Device,
    id: UserId,
    avatar: DomainResult<NewAvatar>,
) -> Result<Response> {
    let change =
        avatar.map(|avatar| valid(UserChange { avatar: Some(avatar), ..UserChange::default() }));
    let profile = accounts::update(app, caller, device, id, change).await?;
    Ok(users::show(app, &profile, caller))
}

async fn of_chat(
    app: &Arc<App>,
    caller: &Caller,
    id: ChatId,
    avatar: DomainResult<NewAvatar>,
) -> Result<Response> {
    let change =
        avatar.map(|avatar| valid(ChatChange { avatar: Some(avatar), ..ChatChange::default() }));
    let view = chats::update(app, caller, id, change).await?;
    Ok(Json(ChatJson::of(&view, &app.urls)).into_response())
}

fn valid<T>(value: T) -> Input<T> {
    Input { value, errors: FieldErrors::default() }
}
