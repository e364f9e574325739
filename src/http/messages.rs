//! `/api/chats/{id}/messages/` and `/api/messages/`.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};

use crate::actions::forwarding;
use crate::actions::messages::{self, MessageCursor, MessagesRequest};
use crate::app::App;
use crate::domain::error::{Error, Result as DomainResult};
use crate::domain::ids::{ChatId, MessageId};
use crate::domain::numbering::Seq;
use crate::domain::page::PageRequest;
use crate::wire::errors::{Detail, FieldTexts};
use crate::wire::forwards::{ForwardMessage, ForwardedJson};
use crate::wire::messages::{EditMessage, MessageJson, MessagePage, SendMessage};

use super::bodies::Body;
use super::caller::Authenticated;
use super::errors::Result;
use super::ids::Id;
use super::pagination::{Paging, whole_number};

/// List a chat's messages
///
/// Newest first. `before` returns the messages before a `seq`, newest first; `after` those after it,
/// oldest first; both exclude it. `around` returns it in the middle of a page, oldest first, or the
/// nearest end of the chat. The messages returned count as delivered.
#[utoipa::path(
    get, path = "/api/chats/{id}/messages/", tag = "messages", operation_id = "list_messages",
    params(
        ("id" = i64, Path, minimum = 1, description = "The chat's id."),
        ("before" = Option<i64>, Query, description = "Only messages before this `seq`, newest first."),
        ("after" = Option<i64>, Query, description = "Only messages after this `seq`, oldest first."),
        ("around" = Option<i64>, Query,
            description = "A page with this `seq` in its middle, oldest first."),
        Paging,
    ),
    responses(
        (status = 200, description = "A page of messages", body = MessagePage),
        (status = 400, description = "A parameter is not an integer", body = FieldTexts,
            example = json!({"before": ["A valid integer is required."]})),
        (status = 404, description = "No such chat, you are not a member, or the cursor does not belong to this list", body = Detail),
    )
)]
pub(super) async fn list(
    State(app): State<Arc<App>>,
    Authenticated(caller): Authenticated,
    Id(chat): Id<ChatId>,
    paging: Paging,
    method: Method,
) -> Result<Response> {
    let list = format!("messages of {chat}");
    let span = span(&paging, &list);
    // HEAD delivers no message.
    let delivers = method == Method::GET;
    let page = messages::list(&app, &caller, chat, span, paging.size, delivers).await?;
    Ok(paging.envelope(&list, &page, write_cursor, |message| MessageJson::of(message, &app.urls)))
}

/// Send a message
///
/// 201 means that it is committed. Sending is idempotent by `client_id`: the same one again returns the
/// same message, with 200.
#[utoipa::path(
    post, path = "/api/chats/{id}/messages/", tag = "messages", operation_id = "send_message",
    params(("id" = i64, Path, minimum = 1, description = "The chat's id.")),
    request_body = SendMessage,
    responses(
        (status = 200, description = "The message, sent earlier with the same `client_id`", body = MessageJson),
        (status = 201, description = "The message", body = MessageJson),
        (status = 403, description = "One of you blocks the other", body = Detail,
            example = json!({"detail": "You cannot message this user."})),
        (status = 404, description = "No such chat, or you are not a member", body = Detail),
        (status = 409, description = "The `client_id` was used with another content", body = Detail,
            example = json!({"detail": "A message with this client_id and other content exists."})),
    )
)]
pub(super) async fn send(
    State(app): State<Arc<App>>,
    Authenticated(caller): Authenticated,
    Id(chat): Id<ChatId>,
    body: Body,
) -> Result<Response> {
    let draft = body.read(|fields| Ok(SendMessage::parse(fields, app.limits.message_length)));
    let sent = messages::send(&app, caller.user.id, chat, draft).await?;
    let status = if sent.created { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, Json(MessageJson::of(&sent.message, &app.urls))).into_response())
}

/// Get a message
///
/// Or its tombstone, if it is deleted.
#[utoipa::path(
    get, path = "/api/messages/{id}/", tag = "messages", operation_id = "get_message",
    params(("id" = i64, Path, minimum = 1, description = "The message's id.")),
    responses(
        (status = 200, description = "The message", body = MessageJson),
        (status = 404, description = "No such message in your chats", body = Detail),
    )
)]
pub(super) async fn one(
    State(app): State<Arc<App>>,
    Authenticated(caller): Authenticated,
    Id(id): Id<MessageId>,
) -> Result<Response> {
    let message = messages::one(&app, &caller, id).await?;
    Ok(Json(MessageJson::of(&message, &app.urls)).into_response())
}

/// Edit a message
///
/// Only its sender can.
#[utoipa::path(
    method(put, patch), path = "/api/messages/{id}/", tag = "messages",
    operation_id = "edit_message",
    params(("id" = i64, Path, minimum = 1, description = "The message's id.")),
    request_body = EditMessage,
    responses(
        (status = 200, description = "The message", body = MessageJson),
        (status = 403, description = "The message is somebody else's, or one of you blocks the other", body = Detail),
        (status = 404, description = "No such message in your chats", body = Detail),
        (status = 409, description = "The message is deleted", body = Detail),
    )
)]
pub(super) async fn edit(
    State(app): State<Arc<App>>,
    Authenticated(caller): Authenticated,
    Id(id): Id<MessageId>,
    body: Body,
) -> Result<Response> {
    let content = body.read(|fields| EditMessage::parse(fields, app.limits.message_length));
    let message = messages::edit(&app, caller.user.id, id, content).await?;
    Ok(Json(MessageJson::of(&message, &app.urls)).into_response())
}

/// Forward a message
///
/// A new message in each of the chats, or in none, with the content and `forwarded_from`. It is sent by you, and mentions
/// the members of its own chat that the content names. Counts towards the rate limit of messages once for each chat. With
/// the `client_id` of an earlier request, the messages that it made are returned; 200 if that is all of them.
#[utoipa::path(
    post, path = "/api/messages/{id}/forward/", tag = "messages", operation_id = "forward_message",
    params(("id" = i64, Path, minimum = 1, description = "The message's id.")),
    request_body = ForwardMessage,
    responses(
        (status = 200, description = "The messages, all forwarded earlier with the same `client_id`", body = ForwardedJson),
        (status = 201, description = "The messages", body = ForwardedJson),
        (status = 403, description = "In one of the chats, one of you blocks the other", body = Detail,
            example = json!({"detail": "You cannot message this user."})),
        (status = 404, description = "No such message in your chats", body = Detail),
        (status = 409, description = "The message is deleted, or the `client_id` was used for another message", body = Detail,
            example = json!({"detail": "A deleted message cannot be forwarded."})),
    )
)]
pub(super) async fn forward(
    State(app): State<Arc<App>>,
    Authenticated(caller): Authenticated,
    Id(id): Id<MessageId>,
    body: Body,
) -> Result<Response> {
    let wish = body.read(|fields| Ok(ForwardMessage::parse(fields)));
    let sent = forwarding::forward(&app, caller.user.id, id, wish).await?;
    let is_new = sent.iter().any(|sent| sent.created);
    let status = if is_new { StatusCode::CREATED } else { StatusCode::OK };
    let results = sent.iter().map(|sent| MessageJson::of(&sent.message, &app.urls)).collect();
    Ok((status, Json(ForwardedJson { results })).into_response())
}

/// Delete a message
///
/// Its sender, and the owner and the admins of the chat, can. A tombstone stays.
#[utoipa::path(
    delete, path = "/api/messages/{id}/", tag = "messages", operation_id = "delete_message",
    params(("id" = i64, Path, minimum = 1, description = "The message's id.")),
    responses(
        (status = 204, description = "The message is deleted"),
        (status = 403, description = "You may not delete this message", body = Detail),
        (status = 404, description = "No such message in your chats", body = Detail),
    )
)]
pub(super) async fn delete(
    State(app): State<Arc<App>>,
    Authenticated(caller): Authenticated,
    Id(id): Id<MessageId>,
) -> Result<StatusCode> {
    messages::delete(&app, caller.user.id, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Which messages a request asks for. An error is reported only after the caller's rights are
/// checked.
fn span(paging: &Paging, list: &str) -> DomainResult<MessagesRequest> {
    let seq = |name: &str| -> DomainResult<Option<Seq>> {
        let wrong = || Error::field(name, "A valid integer is required.");
        paging
            .parameter(name)
            .map(|value| whole_number(value).map(Seq).ok_or_else(wrong))
            .transpose()
    };
    if let Some(seq) = seq("before")? {
        return Ok(MessagesRequest::Page(PageRequest::After(MessageCursor {
            newest_first: true,
            seq,
        })));
    }
    if let Some(seq) = seq("after")? {
        return Ok(MessagesRequest::Page(PageRequest::After(MessageCursor {
            newest_first: false,
            seq,
        })));
    }
    if let Some(seq) = seq("around")? {
        return Ok(MessagesRequest::Around(seq));
    }
    paging.request(list, read_cursor).map(MessagesRequest::Page)
}

fn write_cursor(cursor: &MessageCursor) -> String {
    format!("{}{}", if cursor.newest_first { 'n' } else { 'o' }, cursor.seq)
}

fn read_cursor(text: &str) -> Option<MessageCursor> {
    let newest_first = text.starts_with('n');
    let seq = text.strip_prefix(['n', 'o'])?.parse().map(Seq).ok()?;
    Some(MessageCursor { newest_first, seq })
}
