//! `/api/messages/{id}/reactions/`.

use std::sync::Arc;

use axum::Json;
use axum::extract::{FromRequestParts, State};
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use percent_encoding::percent_decode_str;

use crate::actions::reactions;
use crate::app::App;
use crate::domain::emoji::Emoji;
use crate::domain::error::{Error, Result as DomainResult};
use crate::domain::ids::MessageId;
use crate::wire::errors::{Detail, FieldTexts};
use crate::wire::messages::MessageJson;
use crate::wire::reactions::{ReactionJson, ReactionPage};

use super::caller::Authenticated;
use super::errors::{ApiError, Result};
use super::ids::{Id, PathId};
use super::pagination::Paging;

/// List a message's reactions
///
/// Oldest first.
#[utoipa::path(
    get, path = "/api/messages/{id}/reactions/", tag = "messages", operation_id = "list_reactions",
    params(
        ("id" = i64, Path, minimum = 1, description = "The message's id."),
        ("emoji" = Option<String>, Query, description = "Only reactions with this emoji.", example = "👍"),
        Paging,
    ),
    responses(
        (status = 200, description = "A page of reactions", body = ReactionPage),
        (status = 400, description = "Not an emoji", body = FieldTexts,
            example = json!({"emoji": ["Enter a valid emoji."]})),
        (status = 404, description = "No such message in your chats, or the cursor does not belong to this list", body = Detail),
    )
)]
pub(super) async fn list(
    State(app): State<Arc<App>>,
    Authenticated(caller): Authenticated,
    Id(message): Id<MessageId>,
    paging: Paging,
) -> Result<Response> {
    let emoji = paging.filter("emoji").map(parse).transpose();
    let only = emoji.as_ref().map_or("", |emoji| emoji.as_ref().map_or("", Emoji::as_str));
    let list = format!("reactions {only} to {message}");
    let request = || paging.request(&list, |id| id.parse().ok());
    let page = reactions::list(&app, &caller, message, emoji, request, paging.size).await?;
    Ok(paging.envelope(&list, &page, i64::to_string, |one| ReactionJson::of(one, &app.urls)))
}

/// React to a message
///
/// With one emoji that Unicode recommends for interchange (RGI), percent-encoded; variation selectors make no
/// difference. A user may react with several emoji. Counts towards the rate limit of messages.
#[utoipa::path(
    put, path = "/api/messages/{id}/reactions/{emoji}/", tag = "messages", operation_id = "add_reaction",
    params(
        ("id" = i64, Path, minimum = 1, description = "The message's id."),
        ("emoji" = String, Path, description = "The emoji.", example = "👍"),
    ),
    responses(
        (status = 200, description = "The message", body = MessageJson),
        (status = 400, description = "Not an emoji", body = FieldTexts,
            example = json!({"emoji": ["Enter a valid emoji."]})),
        (status = 403, description = "One of you blocks the other", body = Detail,
            example = json!({"detail": "You cannot message this user."})),
        (status = 404, description = "No such message in your chats", body = Detail),
        (status = 409, description = "The message is deleted, or has 20 other emoji", body = Detail,
            example = json!({"detail": "A deleted message has no reactions."})),
    )
)]
pub(super) async fn add(
    State(app): State<Arc<App>>,
    Authenticated(caller): Authenticated,
    MessageAndEmoji(message, emoji): MessageAndEmoji,
) -> Result<Response> {
    let message =
        reactions::react(&app, caller.user.id, message, emoji.map(|emoji| (emoji, true))).await?;
    Ok(Json(MessageJson::of(&message, &app.urls)).into_response())
}

/// Remove your reaction to a message
///
/// Without one, nothing changes. Counts towards the rate limit of messages.
#[utoipa::path(
    delete, path = "/api/messages/{id}/reactions/{emoji}/", tag = "messages",
    operation_id = "remove_reaction",
    params(
        ("id" = i64, Path, minimum = 1, description = "The message's id."),
        ("emoji" = String, Path, description = "The emoji.", example = "👍"),
    ),
    responses(
        (status = 200, description = "The message", body = MessageJson),
        (status = 400, description = "Not an emoji", body = FieldTexts,
            example = json!({"emoji": ["Enter a valid emoji."]})),
        (status = 404, description = "No such message in your chats", body = Detail),
        (status = 409, description = "The message is deleted", body = Detail,
            example = json!({"detail": "A deleted message has no reactions."})),
    )
)]
pub(super) async fn remove(
    State(app): State<Arc<App>>,
    Authenticated(caller): Authenticated,
    MessageAndEmoji(message, emoji): MessageAndEmoji,
) -> Result<Response> {
    let message =
        reactions::react(&app, caller.user.id, message, emoji.map(|emoji| (emoji, false))).await?;
    Ok(Json(MessageJson::of(&message, &app.urls)).into_response())
}

/// The message and the emoji in a path. That it is no emoji is reported after the caller's rights are checked.
#[derive(Debug)]
pub(super) struct MessageAndEmoji(MessageId, DomainResult<Emoji>);

impl<S: Send + Sync> FromRequestParts<S> for MessageAndEmoji {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self> {
        // Not `Path`, which refuses a text that is not UTF-8 before it is known who may see the message.
        let mut segments = parts.uri.path().trim_end_matches('/').rsplit('/').map(|segment| {
            let decoded = percent_decode_str(segment).decode_utf8_lossy();
            decoded.into_owned()
        });
        let emoji = segments.next().unwrap_or_default();
        let message = segments.nth(1).unwrap_or_default();
        Ok(Self(PathId::parse(&message)?.into(), parse(&emoji)))
    }
}

fn parse(text: &str) -> DomainResult<Emoji> {
    Emoji::parse(text).map_err(|fault| Error::field("emoji", fault))
}
