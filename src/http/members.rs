//! `/api/chats/{id}/members/`.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use crate::actions::members::{self, Place};
use crate::app::App;
use crate::domain::ids::{ChatId, UserId};
use crate::domain::time::Timestamp;
use crate::wire::errors::{Detail, FieldTexts};
use crate::wire::members::{AddMembers, Added, ChangeRole, Member, MemberPage, PatchRole};

use super::bodies::Body;
use super::caller::Authenticated;
use super::errors::Result;
use super::ids::{Id, Ids};
use super::pagination::Paging;

/// A chat's members
///
/// Owner and admins first, then by when they came.
#[utoipa::path(
    get, path = "/api/chats/{id}/members/", tag = "members", operation_id = "members_list",
    params(
        ("id" = i64, Path, minimum = 1, description = "The chat's."),
        ("cursor" = Option<String>, Query, description = "From `next` or `previous`."),
        ("page_size" = Option<String>, Query, description = "1 to 100, 50 by default."),
    ),
    responses(
        (status = 200, body = MemberPage),
        (status = 401, body = Detail),
        (status = 404, description = "Not one's chat, or the cursor is not of this list", body = Detail),
    )
)]
pub(super) async fn list(
    State(app): State<Arc<App>>,
    Authenticated(caller): Authenticated,
    Id(chat): Id<ChatId>,
    paging: Paging,
) -> Result<Response> {
    let list = format!("members of {chat}");
    let turn = || paging.turn(&list, read_place);
    let page = members::list(&app, &caller, chat, turn, paging.size).await?;
    Ok(paging.envelope(&list, &page, write_place, |member| Member::of(member, &app.urls)))
}

/// Adds people to a group
///
/// As its owner or an admin. Who is in already stays as they are. The answer has all those named.
#[utoipa::path(
    post, path = "/api/chats/{id}/members/", tag = "members", operation_id = "members_add",
    params(("id" = i64, Path, minimum = 1, description = "The chat's.")),
    request_body = AddMembers,
    responses(
        (status = 201, body = Added),
        (status = 400, body = FieldTexts),
        (status = 401, body = Detail),
        (status = 403, description = "A private chat, or not one's to change", body = Detail),
        (status = 404, description = "Not there, or one is no member", body = Detail),
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
    let results = added.iter().map(|member| Member::of(member, &app.urls)).collect();
    Ok((StatusCode::CREATED, Json(Added { results })).into_response())
}

/// One member
#[utoipa::path(
    get, path = "/api/chats/{id}/members/{user_id}/", tag = "members",
    operation_id = "members_one",
    params(
        ("id" = i64, Path, minimum = 1, description = "The chat's."),
        ("user_id" = i64, Path, minimum = 1),
    ),
    responses(
        (status = 200, body = Member),
        (status = 401, body = Detail),
        (status = 404, description = "Not one's chat, or the user is not in it", body = Detail),
    )
)]
pub(super) async fn one(
    State(app): State<Arc<App>>,
    Authenticated(caller): Authenticated,
    Ids(chat, user): Ids<ChatId, UserId>,
) -> Result<Response> {
    let member = members::one(&app, &caller, chat, user).await?;
    Ok(Json(Member::of(&member, &app.urls)).into_response())
}

/// Changes a member's role
///
/// As the group's owner. Who gives `owner` away is an admin then.
#[utoipa::path(
    put, path = "/api/chats/{id}/members/{user_id}/", tag = "members",
    operation_id = "members_update",
    params(
        ("id" = i64, Path, minimum = 1, description = "The chat's."),
        ("user_id" = i64, Path, minimum = 1),
    ),
    request_body = ChangeRole,
    responses(
        (status = 200, body = Member),
        (status = 400, body = FieldTexts),
        (status = 401, body = Detail),
        (status = 403, description = "A private chat, or one is not the owner", body = Detail),
        (status = 404, description = "Not one's chat, or the user is not in it", body = Detail),
    )
)]
pub(super) async fn update(
    State(app): State<Arc<App>>,
    Authenticated(caller): Authenticated,
    Ids(chat, user): Ids<ChatId, UserId>,
    body: Body,
) -> Result<Response> {
    let role = body.read(|fields| ChangeRole::parse(fields, false));
    let member = members::set_role(&app, &caller, chat, user, role).await?;
    Ok(Json(Member::of(&member, &app.urls)).into_response())
}

/// Changes a member's role
///
/// As PUT does; what is left out stays as it is.
#[utoipa::path(
    patch, path = "/api/chats/{id}/members/{user_id}/", tag = "members",
    operation_id = "members_patch",
    params(
        ("id" = i64, Path, minimum = 1, description = "The chat's."),
        ("user_id" = i64, Path, minimum = 1),
    ),
    request_body = PatchRole,
    responses(
        (status = 200, body = Member),
        (status = 400, body = FieldTexts),
        (status = 401, body = Detail),
        (status = 403, description = "A private chat, or one is not the owner", body = Detail),
        (status = 404, description = "Not one's chat, or the user is not in it", body = Detail),
    )
)]
pub(super) async fn patch(
    State(app): State<Arc<App>>,
    Authenticated(caller): Authenticated,
    Ids(chat, user): Ids<ChatId, UserId>,
    body: Body,
) -> Result<Response> {
    let role = body.read(|fields| ChangeRole::parse(fields, true));
    let member = members::set_role(&app, &caller, chat, user, role).await?;
    Ok(Json(Member::of(&member, &app.urls)).into_response())
}

/// Removes a member, or leaves
///
/// Admins remove members, the owner anyone; oneself leaves. An owner who leaves passes the group to
/// the senior admin, or else member; the last one out ends it.
#[utoipa::path(
    delete, path = "/api/chats/{id}/members/{user_id}/", tag = "members",
    operation_id = "members_remove",
    params(
        ("id" = i64, Path, minimum = 1, description = "The chat's."),
        ("user_id" = i64, Path, minimum = 1),
    ),
    responses(
        (status = 204, description = "Out"),
        (status = 401, body = Detail),
        (status = 403, description = "A private chat, or not one's to remove", body = Detail),
        (status = 404, description = "Not one's chat, or the user is not in it", body = Detail),
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

fn write_place(place: &Place) -> String {
    format!("{},{},{}", place.rank, place.joined_at.micros(), place.user)
}

fn read_place(text: &str) -> Option<Place> {
    let mut parts = text.split(',');
    Some(Place {
        rank: parts.next()?.parse().ok()?,
        joined_at: Timestamp::from_micros(parts.next()?.parse().ok()?),
        user: UserId(parts.next()?.parse().ok()?),
    })
}
