//! `/api/auth/sessions/`: one's devices.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;

use crate::actions::sessions;
use crate::app::App;
use crate::domain::ids::SessionId;
use crate::wire::errors::Detail;
use crate::wire::sessions::{Session, SessionPage};

use super::caller::Authenticated;
use super::errors::Result;
use super::ids::Id;
use super::pagination::Paging;

/// One's devices
///
/// The newest login first.
#[utoipa::path(
    get, path = "/api/auth/sessions/", tag = "auth", operation_id = "sessions_list",
    params(
        ("cursor" = Option<String>, Query, description = "From `next` or `previous`."),
        ("page_size" = Option<String>, Query, description = "1 to 100, 50 by default."),
    ),
    responses(
        (status = 200, body = SessionPage),
        (status = 401, body = Detail),
        (status = 404, description = "The cursor is not of this list", body = Detail),
    )
)]
pub(super) async fn list(
    State(app): State<Arc<App>>,
    Authenticated(caller): Authenticated,
    paging: Paging,
) -> Result<Response> {
    let list = format!("sessions of {}", caller.user.id);
    let turn = paging.turn(&list, |id| id.parse().ok().map(SessionId))?;
    let page = sessions::list(&app, &caller, turn, paging.size).await?;
    let current = caller.session;
    Ok(paging.envelope(&list, &page, |id| id.0.to_string(), |one| Session::of(one, current)))
}

/// Ends one of one's sessions
///
/// Its tokens are dead at once, its sockets are closed.
#[utoipa::path(
    delete, path = "/api/auth/sessions/{id}/", tag = "auth", operation_id = "sessions_end",
    params(("id" = i64, Path, minimum = 1)),
    responses(
        (status = 204, description = "Ended"),
        (status = 401, body = Detail),
        (status = 404, body = Detail),
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

/// Ends all of one's sessions but this one
#[utoipa::path(
    delete, path = "/api/auth/sessions/", tag = "auth", operation_id = "sessions_end_others",
    responses((status = 204, description = "Ended"), (status = 401, body = Detail))
)]
pub(super) async fn end_others(
    State(app): State<Arc<App>>,
    Authenticated(caller): Authenticated,
) -> Result<StatusCode> {
    sessions::end_others(&app, &caller).await?;
    Ok(StatusCode::NO_CONTENT)
}
