//! `/api/chats/{id}/members/`.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use crate::actions::members::{self, MemberCursor};
use crate::app::App;
use crate::domain::ids::{ChatId, UserId};
use crate::wire::errors::Detail;
use crate::wire::members::{AddMembers, AddedJson, ChangeRole, MemberJson, MemberPage};

use super::bodies::Body;
use super::caller::Authenticated;
use super::errors::Result;
use super::ids::{Id, Ids};
use super::pagination::Paging;

/// List a chat's members
///
/// The owner and the admins first, then in the order of joining.
#[utoipa::path(
    get, path = "/api/chats/{id}/members/", tag = "members", operation_id = "list_members",
    params(("id" = i64, Path, minimum = 1, description = "The chat's id."), Paging),
    responses(
        (status = 200, description = "A page of members", body = MemberPage),
        (status = 404, description = "No such chat, you are not a member, or the cursor does not belong to this list", body = Detail),
    )
)]
pub(super) async fn list(
    State(app): State<Arc<App>>,
    Authenticated(caller): Authenticated,
    Id(chat): Id<ChatId>,
    paging: Paging,
) -> Result<Response> {
    let list = format!("members of {chat}");
    let request = || paging.request(&list, MemberCursor::parse);
    let page = members::list(&app, &caller, chat, request, paging.size).await?;
    Ok(paging
        .envelope(&list, &page, MemberCursor::to_text, |member| MemberJson::of(member, &app.urls)))
}

/// Add members to a group
///
/// As its owner or an admin. Users who are members already keep their roles. The answer has all the
/// users named.
#[utoipa::path(
    post, path = "/api/chats/{id}/members/", tag = "members", operation_id = "add_members",
    params(("id" = i64, Path, minimum = 1, description = "The chat's id.")),
    request_body = AddMembers,
    responses(
        (status = 201, description = "The members", body = AddedJson),
        (status = 403, description = "A private chat, or you are a plain member", body = Detail),
        (status = 404, description = "No such chat, or you are not a member", body = Detail),
    )
)]
pub(super) async fn add(
    State(app): State<Arc<App>>,
    Authenticated(caller): Authenticated,
    Id(chat): Id<ChatId>,
    body: Body,
) -> Result<Response> {
    let max = app.limits.group_members;
    let new = body.read(|fields| Ok(AddMembers::parse(fields, max)));
    let added = members::add(&app, &caller, chat, new).await?;
    let results = added.iter().map(|member| MemberJson::of(member, &app.urls)).collect();
    Ok((StatusCode::CREATED, Json(AddedJson { results })).into_response())
}

/// Get a member
///
/// With the role and the markers in the chat.
#[utoipa::path(
    get, path = "/api/chats/{id}/members/{user_id}/", tag = "members",
    operation_id = "get_member",
    params(
        ("id" = i64, Path, minimum = 1, description = "The chat's id."),
        ("user_id" = i64, Path, minimum = 1, description = "The user's id."),
    ),
    responses(
        (status = 200, description = "The member", body = MemberJson),
        (status = 404, description = "You are not a member of the chat, or the user is not", body = Detail),
    )
)]
pub(super) async fn one(
    State(app): State<Arc<App>>,
    Authenticated(caller): Authenticated,
    Ids(chat, user): Ids<ChatId, UserId>,
) -> Result<Response> {
    let member = members::one(&app, &caller, chat, user).await?;
    Ok(Json(MemberJson::of(&member, &app.urls)).into_response())
}

/// Change a member's role
///
/// As the group's owner. An owner who makes another member the owner becomes an admin.
#[utoipa::path(
    method(put, patch), path = "/api/chats/{id}/members/{user_id}/", tag = "members",
    operation_id = "change_role",
    params(
        ("id" = i64, Path, minimum = 1, description = "The chat's id."),
        ("user_id" = i64, Path, minimum = 1, description = "The user's id."),
    ),
    request_body = ChangeRole,
    responses(
        (status = 200, description = "The member", body = MemberJson),
        (status = 403, description = "A private chat, or you are not the owner", body = Detail),
        (status = 404, description = "You are not a member of the chat, or the user is not", body = Detail),
    )
)]
pub(super) async fn update(
    State(app): State<Arc<App>>,
    Authenticated(caller): Authenticated,
    Ids(chat, user): Ids<ChatId, UserId>,
    body: Body,
) -> Result<Response> {
    let role = body.read(ChangeRole::parse);
    let member = members::set_role(&app, &caller, chat, user, role).await?;
    Ok(Json(MemberJson::of(&member, &app.urls)).into_response())
}

/// Remove a member, or leave
///
/// Admins can remove members, the owner can remove everybody; remove yourself to leave. When the owner
/// leaves, the senior admin becomes the owner, or else the senior member; when the last member leaves,
/// the group is deleted.
#[utoipa::path(
    delete, path = "/api/chats/{id}/members/{user_id}/", tag = "members",
    operation_id = "remove_member",
    params(
        ("id" = i64, Path, minimum = 1, description = "The chat's id."),
        ("user_id" = i64, Path, minimum = 1, description = "The user's id."),
    ),
    responses(
        (status = 204, description = "The user is no longer a member"),
        (status = 403, description = "A private chat, or you may not remove this member", body = Detail),
        (status = 404, description = "You are not a member of the chat, or the user is not", body = Detail),
    )
)]
pub(super) async fn remove(
    State(app): State<Arc<App>>,
    Authenticated(caller): Authenticated,
    Ids(chat, user): Ids<ChatId, UserId>,
) -> Result<StatusCode> {
    members::remove(&app, &caller, chat, user).await?;
    Ok(StatusCode::NO_CONTENT)
}
