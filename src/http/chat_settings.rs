//! `/api/chats/{id}/settings/`.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;

use crate::actions::chat_settings;
use crate::app::App;
use crate::domain::ids::ChatId;
use crate::wire::chat_settings::{ChatSettingsJson, UpdateChatSettings};
use crate::wire::errors::Detail;

use super::bodies::Body;
use super::caller::Authenticated;
use super::errors::Result;
use super::ids::Id;

/// Get a chat's settings
///
/// Only you see them.
#[utoipa::path(
    get, path = "/api/chats/{id}/settings/", tag = "chats", operation_id = "get_chat_settings",
    params(("id" = i64, Path, minimum = 1, description = "The chat's id.")),
    responses(
        (status = 200, description = "Your settings", body = ChatSettingsJson),
        (status = 404, description = "No such chat, or you are not a member", body = Detail),
    )
)]
pub(super) async fn one(
    State(app): State<Arc<App>>,
    Authenticated(caller): Authenticated,
    Id(id): Id<ChatId>,
) -> Result<Json<ChatSettingsJson>> {
    let settings = chat_settings::of(&app, &caller, id).await?;
    Ok(Json(ChatSettingsJson::of(settings)))
}

/// Mute, pin or archive a chat
///
/// For yourself: no other member sees it, and your devices get `chat.settings`. No field is required.
#[utoipa::path(
    method(put, patch), path = "/api/chats/{id}/settings/", tag = "chats",
    operation_id = "update_chat_settings",
    params(("id" = i64, Path, minimum = 1, description = "The chat's id.")),
    request_body = UpdateChatSettings,
    responses(
        (status = 200, description = "Your settings", body = ChatSettingsJson),
        (status = 404, description = "No such chat, or you are not a member", body = Detail),
    )
)]
pub(super) async fn update(
    State(app): State<Arc<App>>,
    Authenticated(caller): Authenticated,
    Id(id): Id<ChatId>,
    body: Body,
) -> Result<Json<ChatSettingsJson>> {
    let change = body.read(UpdateChatSettings::parse);
    let settings = chat_settings::update(&app, &caller, id, change).await?;
    Ok(Json(ChatSettingsJson::of(settings)))
}
