//! `/api/auth/sessions/`: the caller's sessions, one for each device.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;

use crate::actions::sessions;
use crate::app::App;
use crate::domain::ids::SessionId;
use crate::wire::errors::Detail;
use crate::wire::sessions::{SessionJson, SessionPage};

use super::caller::Authenticated;
use super::errors::Result;
use super::ids::Id;
use super::pagination::Paging;

/// List your sessions
///
/// One for each device, the latest login first.
#[utoipa::path(
    get, path = "/api/auth/sessions/", tag = "auth", operation_id = "list_sessions",
    params(Paging),
    responses(
        (status = 200, description = "A page of sessions", body = SessionPage),
        (status = 404, description = "The cursor does not belong to this list", body = Detail,
            example = json!({"detail": "Invalid cursor"})),
    )
)]
pub(super) async fn list(
    State(app): State<Arc<App>>,
    Authenticated(caller): Authenticated,
    paging: Paging,
) -> Result<Response> {
    let list = format!("sessions of {}", caller.user.id);
    let request = paging.request(&list, |id| id.parse().ok().map(SessionId))?;
    let page = sessions::list(&app, &caller, request, paging.size).await?;
    let current = caller.session;
    Ok(paging.envelope(&list, &page, |id| id.0.to_string(), |one| SessionJson::of(one, current)))
}

/// End a session
///
/// Its tokens are revoked immediately, and its sockets are closed.
#[utoipa::path(
    delete, path = "/api/auth/sessions/{id}/", tag = "auth", operation_id = "end_session",
    params(("id" = i64, Path, minimum = 1, description = "The session's id.")),
    responses(
        (status = 204, description = "The session has ended"),
        (status = 404, description = "No such session of yours", body = Detail),
    )
)]
pub(super) async fn end(
    State(app): State<Arc<App>>,
    Authenticated(caller): Authenticated,
    Id(id): Id<SessionId>,
) -> Result<StatusCode> {
    sessions::end(&app, &caller, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// End all your other sessions
///
/// This session stays. The tokens of the others are revoked immediately, and their sockets are closed.
#[utoipa::path(
    delete, path = "/api/auth/sessions/", tag = "auth", operation_id = "end_other_sessions",
    responses((status = 204, description = "All sessions but this one have ended"))
)]
pub(super) async fn end_others(
    State(app): State<Arc<App>>,
    Authenticated(caller): Authenticated,
) -> Result<StatusCode> {
    sessions::end_others(&app, &caller).await?;
    Ok(StatusCode::NO_CONTENT)
}
