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
use crate::wire::chats::{
    ChatJson, ChatPage, ChatTypeSchema, CreateChat, UnreadJson, UpdateChat, UpdateChatForm,
};
use crate::wire::errors::{Detail, FieldTexts};

use super::bodies::Body;
use super::caller::Authenticated;
use super::errors::Result;
use super::forms::FormBody;
use super::ids::Id;
use super::pagination::Paging;

/// List your chats
///
/// The one with the latest message, or the latest created, first.
#[utoipa::path(
    get, path = "/api/chats/", tag = "chats", operation_id = "list_chats",
    params(
        ("type" = Option<ChatTypeSchema>, Query, description = "Only chats of this type."),
        ("unread" = Option<bool>, Query,
            description = "Only chats with, or without, unread messages."),
        ("archived" = Option<bool>, Query,
            description = "Only chats that you have, or have not, archived."),
        ("pinned" = Option<bool>, Query,
            description = "Only chats that you have, or have not, pinned."),
        ("muted" = Option<bool>, Query,
            description = "Only chats that are, or are not, muted now."),
        ("search" = Option<String>, Query, example = "kit",
            description = "In a group's name, or in the names of a private chat's other user."),
        Paging,
    ),
    responses(
        (status = 200, description = "A page of chats", body = ChatPage),
        (status = 400, description = "A filter is wrong", body = FieldTexts,
            example = json!({"unread": ["Must be a valid boolean."]})),
        (status = 404, description = "The cursor does not belong to this list", body = Detail,
            example = json!({"detail": "Invalid cursor"})),
    )
)]
pub(super) async fn list(
    State(app): State<Arc<App>>,
    Authenticated(caller): Authenticated,
    paging: Paging,
) -> Result<Response> {
    let filter = filter(&paging)?;
    let list = format!("chats of {}, {filter:?}", caller.user.id);
    let request = paging.request(&list, read_cursor)?;
    let page = chats::list(&app, &caller, &filter, request, paging.size).await?;
    Ok(paging.envelope(&list, &page, write_cursor, |chat| ChatJson::of(chat, &app.urls)))
}

/// Create a chat
///
/// A private chat with exactly one other user, of which there is only ever one; or a group, which you
/// own.
#[utoipa::path(
    post, path = "/api/chats/", tag = "chats", operation_id = "create_chat",
    request_body = CreateChat,
    responses(
        (status = 200, description = "The private chat that you already have", body = ChatJson),
        (status = 201, description = "The new chat", body = ChatJson),
        (status = 403, description = "A new private chat, and one of you blocks the other", body = Detail,
            example = json!({"detail": "You cannot message this user."})),
        (status = 409, description = "You have created too many groups", body = Detail,
            example = json!({"detail": "You have made too many groups."})),
    )
)]
pub(super) async fn create(
    State(app): State<Arc<App>>,
    Authenticated(caller): Authenticated,
    body: Body,
) -> Result<Response> {
    let (me, max) = (caller.user.id, app.limits.group_members);
    let new = CreateChat::parse(body.fields()?, me, max);
    let (view, created) = chats::create(&app, &caller, new).await?;
    let status = if created { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, Json(ChatJson::of(&view, &app.urls))).into_response())
}

/// Count unread messages
///
/// Over all your chats, for a badge. Muted and archived ones do not count.
#[utoipa::path(
    get, path = "/api/chats/unread/", tag = "chats", operation_id = "count_unread",
    responses((status = 200, description = "The sums", body = UnreadJson))
)]
pub(super) async fn unread(
    State(app): State<Arc<App>>,
    Authenticated(caller): Authenticated,
) -> Result<Json<UnreadJson>> {
    let chats::Unread { messages, chats, mentions } = chats::unread(&app, &caller).await?;
    Ok(Json(UnreadJson { messages, chats, mentions }))
}

/// Get a chat
///
/// With its first 100 members, the owner and the admins first.
#[utoipa::path(
    get, path = "/api/chats/{id}/", tag = "chats", operation_id = "get_chat",
    params(("id" = i64, Path, minimum = 1, description = "The chat's id.")),
    responses(
        (status = 200, description = "The chat", body = ChatJson),
        (status = 404, description = "No such chat, or you are not a member", body = Detail),
    )
)]
pub(super) async fn one(
    State(app): State<Arc<App>>,
    Authenticated(caller): Authenticated,
    Id(id): Id<ChatId>,
) -> Result<Response> {
    let view = chats::one(&app, &caller, id).await?;
    Ok(Json(ChatJson::of(&view, &app.urls)).into_response())
}

/// Update a group
///
/// As its owner or an admin. Each change is an event of its own.
#[utoipa::path(
    method(put, patch), path = "/api/chats/{id}/", tag = "chats", operation_id = "update_chat",
    params(("id" = i64, Path, minimum = 1, description = "The chat's id.")),
    request_body(content((UpdateChat = "application/json"), (UpdateChatForm = "multipart/form-data"))),
    responses(
        (status = 200, description = "The chat", body = ChatJson),
        (status = 403, description = "A private chat, or you are a plain member", body = Detail),
        (status = 404, description = "No such chat, or you are not a member", body = Detail),
    )
)]
pub(super) async fn update(
    State(app): State<Arc<App>>,
    Authenticated(caller): Authenticated,
    Id(id): Id<ChatId>,
    FormBody(body): FormBody,
) -> Result<Response> {
    let (me, max) = (caller.user.id, app.limits.group_members);
    let change = body.read(|fields| Ok(UpdateChat::parse(fields, me, max)));
    let view = chats::update(&app, &caller, id, change).await?;
    Ok(Json(ChatJson::of(&view, &app.urls)).into_response())
}

/// Delete a chat, for all its members
///
/// Both users can delete a private chat, the owner a group, and staff any chat.
#[utoipa::path(
    delete, path = "/api/chats/{id}/", tag = "chats", operation_id = "delete_chat",
    params(("id" = i64, Path, minimum = 1, description = "The chat's id.")),
    responses(
        (status = 204, description = "The chat is deleted"),
        (status = 403, description = "You do not own the group", body = Detail),
        (status = 404, description = "No such chat, or you are not a member", body = Detail),
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

/// Which chats a list is asked for. Errors have the words of django-filter, although that would
/// ignore a wrong boolean.
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
    for (name, wanted) in [
        ("unread", &mut filter.unread),
        ("archived", &mut filter.archived),
        ("pinned", &mut filter.pinned),
        ("muted", &mut filter.muted),
    ] {
        match paging.filter(name) {
            None => {}
            Some("true" | "True" | "1") => *wanted = Some(true),
            Some("false" | "False" | "0") => *wanted = Some(false),
            Some(_) => errors.add(name, "Must be a valid boolean."),
        }
    }
    errors.into_result().map(|()| filter)
}

/// Marks these places. Those of the previous version began with a time, and are refused.
const ORDER_PREFIX: &str = "a";

fn write_cursor(cursor: &chats::ChatCursor) -> String {
    format!("{ORDER_PREFIX}{},{}", cursor.activity, cursor.id)
}

fn read_cursor(text: &str) -> Option<chats::ChatCursor> {
    let (activity, id) = text.strip_prefix(ORDER_PREFIX)?.split_once(',')?;
    Some(chats::ChatCursor { activity: activity.parse().ok()?, id: ChatId(id.parse().ok()?) })
}
