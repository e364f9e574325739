//! `/api/chats/{id}/read/` and `/api/messages/{id}/receipts/`.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};

use crate::actions::receipts;
use crate::app::App;
use crate::domain::ids::{ChatId, MessageId};
use crate::wire::errors::Detail;
use crate::wire::receipts::{MarksJson, ReadMessages, ReceiptsJson};
use crate::wire::users::UserRefJson;

use super::bodies::Body;
use super::caller::Authenticated;
use super::errors::Result;
use super::ids::Id;

/// Mark messages as read
///
/// Moves your read marker up to a message. It never moves back.
#[utoipa::path(
    post, path = "/api/chats/{id}/read/", tag = "messages", operation_id = "mark_as_read",
    params(("id" = i64, Path, minimum = 1, description = "The chat's id.")),
    request_body = ReadMessages,
    responses(
        (status = 200, description = "Your read marker", body = MarksJson),
        (status = 404, description = "No such chat, or you are not a member", body = Detail),
    )
)]
pub(super) async fn read(
    State(app): State<Arc<App>>,
    Authenticated(caller): Authenticated,
    Id(chat): Id<ChatId>,
    body: Body,
) -> Result<Json<MarksJson>> {
    let upto = body.read(ReadMessages::parse);
    let marked = receipts::read(&app, &caller, chat, upto).await?;
    Ok(Json(MarksJson { last_read_seq: marked.last_read_seq, unread_count: marked.unread_count }))
}

/// List who received a message
///
/// Each list has at most 1,000 users; the counts include all.
#[utoipa::path(
    get, path = "/api/messages/{id}/receipts/", tag = "messages",
    operation_id = "list_receipts",
    params(("id" = i64, Path, minimum = 1, description = "The message's id.")),
    responses(
        (status = 200, description = "The receipts", body = ReceiptsJson),
        (status = 404, description = "No such message in your chats", body = Detail),
    )
)]
pub(super) async fn of_message(
    State(app): State<Arc<App>>,
    Authenticated(caller): Authenticated,
    Id(id): Id<MessageId>,
) -> Result<Response> {
    let found = receipts::of_message(&app, &caller, id).await?;
    Ok(Json(ReceiptsJson {
        read: found.read.iter().map(|user| UserRefJson::of(user, &app.urls)).collect(),
        delivered: found.delivered.iter().map(|user| UserRefJson::of(user, &app.urls)).collect(),
        read_count: found.read_count,
        delivered_count: found.delivered_count,
    })
    .into_response())
}
