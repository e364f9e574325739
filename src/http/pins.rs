//! `/api/messages/{id}/pin/` and `/api/chats/{id}/pins/`.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};

use crate::actions::pins;
use crate::app::App;
use crate::domain::ids::{ChatId, MessageId};
use crate::domain::time::Timestamp;
use crate::wire::errors::Detail;
use crate::wire::messages::{MessageJson, MessagePage};

use super::caller::Authenticated;
use super::errors::Result;
use super::ids::Id;
use super::pagination::Paging;

/// List a chat's pinned messages
///
/// The latest pin first.
#[utoipa::path(
    get, path = "/api/chats/{id}/pins/", tag = "messages", operation_id = "list_pins",
    params(("id" = i64, Path, minimum = 1, description = "The chat's id."), Paging),
    responses(
        (status = 200, description = "A page of messages", body = MessagePage),
        (status = 404, description = "No such chat, you are not a member, or the cursor does not belong to this list", body = Detail),
    )
)]
pub(super) async fn list(
    State(app): State<Arc<App>>,
    Authenticated(caller): Authenticated,
    Id(chat): Id<ChatId>,
    paging: Paging,
) -> Result<Response> {
    let list = format!("pins of {chat}");
    let read = |micros: &str| micros.parse().ok().map(Timestamp::from_micros);
    let request = || paging.request(&list, read);
    let page = pins::list(&app, &caller, chat, request, paging.size).await?;
    let write = |pinned_at: &Timestamp| pinned_at.micros().to_string();
    Ok(paging.envelope(&list, &page, write, |message| MessageJson::of(message, &app.urls)))
}

/// Pin a message
///
/// In a group as its owner or an admin. Counts towards the rate limit of messages.
#[utoipa::path(
    put, path = "/api/messages/{id}/pin/", tag = "messages", operation_id = "pin_message",
    params(("id" = i64, Path, minimum = 1, description = "The message's id.")),
    responses(
        (status = 200, description = "The message", body = MessageJson),
        (status = 403, description = "You are a plain member of the group", body = Detail),
        (status = 404, description = "No such message in your chats", body = Detail),
        (status = 409, description = "The message is deleted, or the chat has 100 pinned messages", body = Detail,
            example = json!({"detail": "A deleted message cannot be pinned."})),
    )
)]
pub(super) async fn add(
    State(app): State<Arc<App>>,
    Authenticated(caller): Authenticated,
    Id(message): Id<MessageId>,
) -> Result<Response> {
    let message = pins::set(&app, caller.user.id, message, true).await?;
    Ok(Json(MessageJson::of(&message, &app.urls)).into_response())
}

/// Unpin a message
///
/// As for pinning.
#[utoipa::path(
    delete, path = "/api/messages/{id}/pin/", tag = "messages", operation_id = "unpin_message",
    params(("id" = i64, Path, minimum = 1, description = "The message's id.")),
    responses(
        (status = 200, description = "The message", body = MessageJson),
        (status = 403, description = "You are a plain member of the group", body = Detail),
        (status = 404, description = "No such message in your chats", body = Detail),
        (status = 409, description = "The message is deleted", body = Detail,
            example = json!({"detail": "A deleted message cannot be pinned."})),
    )
)]
pub(super) async fn remove(
    State(app): State<Arc<App>>,
    Authenticated(caller): Authenticated,
    Id(message): Id<MessageId>,
) -> Result<Response> {
    let message = pins::set(&app, caller.user.id, message, false).await?;
    Ok(Json(MessageJson::of(&message, &app.urls)).into_response())
}
