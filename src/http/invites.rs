//! `/api/chats/{id}/invites/` and `/api/invites/{code}/`.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use crate::actions::invites;
use crate::app::App;
use crate::domain::error::Error;
use crate::domain::ids::ChatId;
use crate::wire::chats::ChatJson;
use crate::wire::errors::Detail;
use crate::wire::invites::{CreateInvite, InviteJson, InvitePage, InvitePreviewJson};

use super::bodies::Body;
use super::caller::Authenticated;
use super::errors::Result;
use super::ids::{Id, PathId};
use super::pagination::Paging;

/// A path parameter that is a text; what is no UTF-8 is not found.
type Texts<T> = std::result::Result<Path<T>, PathRejection>;

/// List a group's invites
///
/// As its owner or an admin: those that have not expired, the latest first.
#[utoipa::path(
    get, path = "/api/chats/{id}/invites/", tag = "invites", operation_id = "list_invites",
    params(("id" = i64, Path, minimum = 1, description = "The chat's id."), Paging),
    responses(
        (status = 200, description = "A page of invites", body = InvitePage),
        (status = 403, description = "A private chat, or you are a plain member", body = Detail),
        (status = 404, description = "No such chat, you are not a member, or the cursor does not belong to this list", body = Detail),
    )
)]
pub(super) async fn list(
    State(app): State<Arc<App>>,
    Authenticated(caller): Authenticated,
    Id(chat): Id<ChatId>,
    paging: Paging,
) -> Result<Response> {
    let list = format!("invites to {chat}");
    let request = || paging.request(&list, |id| id.parse().ok());
    let page = invites::list(&app, &caller, chat, request, paging.size).await?;
    Ok(paging.envelope(&list, &page, i64::to_string, |invite| InviteJson::of(invite, &app.urls)))
}

/// Create an invite
///
/// As the owner or an admin of the group: a link by which users join it by themselves. Any user who has the link can join,
/// also former members.
#[utoipa::path(
    post, path = "/api/chats/{id}/invites/", tag = "invites", operation_id = "create_invite",
    params(("id" = i64, Path, minimum = 1, description = "The chat's id.")),
    request_body = CreateInvite,
    responses(
        (status = 201, description = "The invite", body = InviteJson),
        (status = 403, description = "A private chat, or you are a plain member", body = Detail),
        (status = 404, description = "No such chat, or you are not a member", body = Detail),
        (status = 409, description = "The group has too many invites", body = Detail,
            example = json!({"detail": "The group has too many invites."})),
    )
)]
pub(super) async fn create(
    State(app): State<Arc<App>>,
    Authenticated(caller): Authenticated,
    Id(chat): Id<ChatId>,
    body: Body,
) -> Result<Response> {
    let new = body.read(CreateInvite::parse);
    let invite = invites::create(&app, &caller, chat, new).await?;
    Ok((StatusCode::CREATED, Json(InviteJson::of(&invite, &app.urls))).into_response())
}

/// Revoke an invite
///
/// As the owner or an admin of the group. Who has joined by it stays.
#[utoipa::path(
    delete, path = "/api/chats/{id}/invites/{code}/", tag = "invites",
    operation_id = "revoke_invite",
    params(
        ("id" = i64, Path, minimum = 1, description = "The chat's id."),
        ("code" = String, Path, description = "The invite's code."),
    ),
    responses(
        (status = 204, description = "The invite is revoked"),
        (status = 403, description = "A private chat, or you are a plain member", body = Detail),
        (status = 404, description = "No such invite, no such chat, or you are not a member", body = Detail),
    )
)]
pub(super) async fn revoke(
    State(app): State<Arc<App>>,
    Authenticated(caller): Authenticated,
    path: Texts<(String, String)>,
) -> Result<StatusCode> {
    let Path((chat, code)) = path.map_err(|_| Error::NotFound)?;
    invites::revoke(&app, &caller, PathId::parse(&chat)?.into(), &code).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Look at an invite
///
/// The group that it leads to.
#[utoipa::path(
    get, path = "/api/invites/{code}/", tag = "invites", operation_id = "get_invite",
    params(("code" = String, Path, description = "The invite's code.")),
    responses(
        (status = 200, description = "What it leads to", body = InvitePreviewJson),
        (status = 404, description = "Expired, used up, revoked or unknown", body = Detail),
    )
)]
pub(super) async fn preview(
    State(app): State<Arc<App>>,
    Authenticated(caller): Authenticated,
    path: Texts<String>,
) -> Result<Response> {
    let Path(code) = path.map_err(|_| Error::NotFound)?;
    let preview = invites::preview(&app, &caller, &code).await?;
    Ok(Json(InvitePreviewJson::of(&preview, &app.urls)).into_response())
}

/// Accept an invite
///
/// Joins the group. A member already gets the same answer, which uses nothing up.
#[utoipa::path(
    post, path = "/api/invites/{code}/accept/", tag = "invites", operation_id = "accept_invite",
    params(("code" = String, Path, description = "The invite's code.")),
    responses(
        (status = 200, description = "The group", body = ChatJson),
        (status = 404, description = "Expired, used up, revoked or unknown", body = Detail),
        (status = 409, description = "The group is full", body = Detail,
            example = json!({"detail": "The group is full."})),
    )
)]
pub(super) async fn accept(
    State(app): State<Arc<App>>,
    Authenticated(caller): Authenticated,
    path: Texts<String>,
) -> Result<Response> {
    let Path(code) = path.map_err(|_| Error::NotFound)?;
    let view = invites::accept(&app, &caller, &code).await?;
    Ok(Json(ChatJson::of(&view, &app.urls)).into_response())
}
