//! `/api/chats/`.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use crate::actions::chats;
use crate::app::App;
use crate::domain::chat::{ChatFilter, ChatType};
use crate::domain::error::{FieldErrors, Result as DomainResult};
use crate::domain::ids::ChatId;
use crate::domain::search;
use crate::domain::session::Caller;
use crate::wire::chats::{Chat, ChatPage, CreateChat, PatchChat, UpdateChat};
use crate::wire::errors::{Detail, FieldTexts};

use super::bodies::Body;
use super::caller::Authenticated;
use super::errors::Result;
use super::forms::FormBody;
use super::ids::Id;
use super::pagination::Paging;

/// One's chats
///
/// Newest message (or making) first.
#[utoipa::path(
    get, path = "/api/chats/", tag = "chats", operation_id = "chats_list",
    params(
        ("type" = Option<String>, Query, pattern = "^(private|group)?$"),
        ("unread" = Option<String>, Query, pattern = "^([Tt]rue|[Ff]alse|1|0)?$",
            description = "With unread messages, or without."),
        ("search" = Option<String>, Query, description = "In a group's name, or the other's names."),
        ("cursor" = Option<String>, Query, description = "From `next` or `previous`."),
        ("page_size" = Option<String>, Query, description = "1 to 100, 50 by default."),
    ),
    responses(
        (status = 200, body = ChatPage),
        (status = 400, body = FieldTexts),
        (status = 401, body = Detail),
        (status = 404, description = "The cursor is not of this list", body = Detail),
    )
)]
pub(super) async fn list(
    State(app): State<Arc<App>>,
    Authenticated(caller): Authenticated,
    paging: Paging,
) -> Result<Response> {
    let filter = filter(&paging)?;
    let list = format!("chats of {}, {filter:?}", caller.user.id);
    let turn = paging.turn(&list, read_place)?;
    let page = chats::list(&app, &caller, &filter, turn, paging.size).await?;
    Ok(paging.envelope(&list, &page, write_place, |chat| Chat::of(chat, &app.urls)))
}

/// Opens a chat
///
/// A private one with exactly one other, which is the same one for ever; or a group, whose owner
/// one is.
#[utoipa::path(
    post, path = "/api/chats/", tag = "chats", operation_id = "chats_create",
    request_body = CreateChat,
    responses(
        (status = 200, description = "The private chat that the two already have", body = Chat),
        (status = 201, body = Chat),
        (status = 400, body = FieldTexts),
        (status = 401, body = Detail),
        (status = 409, description = "One has made too many groups", body = Detail),
    )
)]
pub(super) async fn create(
    State(app): State<Arc<App>>,
    Authenticated(caller): Authenticated,
    body: Body,
) -> Result<Response> {
    let (me, max) = (caller.user.id, app.limits.group_members);
    let (named, new) = CreateChat::parse(body.fields()?, me, max);
    let (view, created) = chats::create(&app, &caller, named, new).await?;
    let status = if created { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, Json(Chat::of(&view, &app.urls))).into_response())
}

/// One chat
///
/// With its first 100 members, owner and admins first.
#[utoipa::path(
    get, path = "/api/chats/{id}/", tag = "chats", operation_id = "chats_one",
    params(("id" = i64, Path, minimum = 1)),
    responses(
        (status = 200, body = Chat),
        (status = 401, body = Detail),
        (status = 404, description = "Not there, or one is no member", body = Detail),
    )
)]
pub(super) async fn one(
    State(app): State<Arc<App>>,
    Authenticated(caller): Authenticated,
    Id(id): Id<ChatId>,
) -> Result<Response> {
    let view = chats::one(&app, &caller, id).await?;
    Ok(Json(Chat::of(&view, &app.urls)).into_response())
}

/// Changes a group
///
/// As its owner or an admin. Each change is an event of its own.
#[utoipa::path(
    put, path = "/api/chats/{id}/", tag = "chats", operation_id = "chats_update",
    params(("id" = i64, Path, minimum = 1)),
    request_body(content((UpdateChat = "application/json"), (UpdateChat = "multipart/form-data"))),
    responses(
        (status = 200, body = Chat),
        (status = 400, body = FieldTexts),
        (status = 401, body = Detail),
        (status = 403, description = "A private chat, or not one's to change", body = Detail),
        (status = 404, description = "Not there, or one is no member", body = Detail),
    )
)]
pub(super) async fn update(
    State(app): State<Arc<App>>,
    Authenticated(caller): Authenticated,
    Id(id): Id<ChatId>,
    FormBody(body): FormBody,
) -> Result<Response> {
    change(&app, &caller, id, body, false).await
}

/// Changes a group
///
/// As PUT does; what is left out stays as it is.
#[utoipa::path(
    patch, path = "/api/chats/{id}/", tag = "chats", operation_id = "chats_patch",
    params(("id" = i64, Path, minimum = 1)),
    request_body(content((PatchChat = "application/json"), (PatchChat = "multipart/form-data"))),
    responses(
        (status = 200, body = Chat),
        (status = 400, body = FieldTexts),
        (status = 401, body = Detail),
        (status = 403, description = "A private chat, or not one's to change", body = Detail),
        (status = 404, description = "Not there, or one is no member", body = Detail),
    )
)]
pub(super) async fn patch(
    State(app): State<Arc<App>>,
    Authenticated(caller): Authenticated,
    Id(id): Id<ChatId>,
    FormBody(body): FormBody,
) -> Result<Response> {
    change(&app, &caller, id, body, true).await
}

async fn change(
    app: &Arc<App>,
    caller: &Caller,
    id: ChatId,
    body: Body,
    partial: bool,
) -> Result<Response> {
    let (me, max) = (caller.user.id, app.limits.group_members);
    let change = body.read(|fields| Ok(UpdateChat::parse(fields, partial, me, max)));
    let view = chats::update(app, caller, id, change).await?;
    Ok(Json(Chat::of(&view, &app.urls)).into_response())
}

/// Ends a chat, for everybody in it
///
/// A private one as either of the two, a group as its owner; any as staff.
#[utoipa::path(
    delete, path = "/api/chats/{id}/", tag = "chats", operation_id = "chats_delete",
    params(("id" = i64, Path, minimum = 1)),
    responses(
        (status = 204, description = "Ended"),
        (status = 401, body = Detail),
        (status = 403, description = "A group of another owner", body = Detail),
        (status = 404, description = "Not there, or one is no member", body = Detail),
    )
)]
pub(super) async fn delete(
    State(app): State<Arc<App>>,
    Authenticated(caller): Authenticated,
    Id(id): Id<ChatId>,
) -> Result<StatusCode> {
    chats::delete(&app, &caller, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Which chats a list is asked for, in django-filter's words; save that it would let a wrong
/// `unread` pass.
fn filter(paging: &Paging) -> DomainResult<ChatFilter> {
    let mut errors = FieldErrors::default();
    let mut filter = ChatFilter {
        search: paging.filter("search").map(search::key).filter(|key| !key.is_empty()),
        ..ChatFilter::default()
    };
    if let Some(name) = paging.filter("type") {
        filter.kind = ChatType::try_from(name.to_owned()).ok();
        if filter.kind.is_none() {
            let choices = "is not one of the available choices.";
            errors.add("type", format!("Select a valid choice. {name} {choices}"));
        }
    }
    match paging.filter("unread") {
        None => {}
        Some("true" | "True" | "1") => filter.unread = Some(true),
        Some("false" | "False" | "0") => filter.unread = Some(false),
        Some(_) => errors.add("unread", "Must be a valid boolean."),
    }
    errors.into_result().map(|()| filter)
}

/// Marks these places. Those of the previous version began with a time, and are refused.
const PLACE: &str = "a";

fn write_place(place: &chats::Place) -> String {
    format!("{PLACE}{},{}", place.activity, place.id)
}

fn read_place(text: &str) -> Option<chats::Place> {
    let (activity, id) = text.strip_prefix(PLACE)?.split_once(',')?;
    Some(chats::Place { activity: activity.parse().ok()?, id: ChatId(id.parse().ok()?) })
}
