//! `/api/sync/`.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};

use crate::actions::sync;
use crate::app::App;
use crate::wire::fast_sync;
use crate::wire::sync::{ChangesJson, Sync};

use super::bodies::Body;
use super::caller::Authenticated;
use super::errors::Result;

/// Catch up on changes
///
/// Returns every chat that is newer than the version you have, with its messages changed since. A chat
/// that you do not name, or name with a version it has not reached, comes with its newest message
/// only. If the epoch differs, no version counts.
#[utoipa::path(
    post, path = "/api/sync/", tag = "sync", operation_id = "sync",
    request_body = Sync,
    responses((status = 200, description = "What changed", body = ChangesJson))
)]
pub(super) async fn changes(
    State(app): State<Arc<App>>,
    Authenticated(caller): Authenticated,
    body: Body,
) -> Result<Response> {
    let known = || body.read_quickly(fast_sync::quick, Sync::parse);
    let changes = sync::changes(&app, caller.user.id, known).await?;
    Ok(Json(ChangesJson::of(&changes, &app.urls)).into_response())
}
