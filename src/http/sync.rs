//! `/api/sync/`.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};

use crate::actions::sync;
use crate::app::App;
use crate::wire::errors::{Detail, FieldTexts};
use crate::wire::fast_sync;
use crate::wire::sync::{Changes, Sync};

use super::bodies::Body;
use super::caller::Authenticated;
use super::errors::Result;

/// What changed
///
/// Every chat that is newer than the version named, with its messages of a later version. One that
/// is not named, or with a version that is still to come, comes with its newest message alone.
/// Where the epoch is another, all versions count as not named.
#[utoipa::path(
    post, path = "/api/sync/", tag = "sync", operation_id = "sync",
    request_body = Sync,
    responses(
        (status = 200, body = Changes),
        (status = 400, body = FieldTexts),
        (status = 401, body = Detail),
    )
)]
pub(super) async fn changes(
    State(app): State<Arc<App>>,
    Authenticated(caller): Authenticated,
    body: Body,
) -> Result<Response> {
    let known = || body.read_quickly(fast_sync::quick, Sync::parse);
    let changes = sync::changes(&app, caller.user.id, known).await?;
    Ok(Json(Changes::of(&changes, &app.urls)).into_response())
}
