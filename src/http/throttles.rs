//! Whom a call is counted for: its user, or its address where it has no valid token.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::{HeaderValue, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::app::App;
use crate::domain::error::{Error, Result};
use crate::domain::session::Caller;

use super::connections::Seat;
use super::errors::ApiError;
use super::extract::Peer;

/// When an address with too many connections may try again.
const NO_ROOM: Duration = Duration::from_secs(10);

/// Counts a call that needs no credentials.
pub(super) async fn open(
    State(app): State<Arc<App>>,
    peer: Peer,
    request: Request,
    next: Next,
) -> Response {
    // How one asks what one may ask.
    if request.method() != Method::OPTIONS
        && let Err(error) = anonymous(&app, peer)
    {
        return ApiError::from(error).into_response();
    }
    next.run(request).await
}

/// Counts a call that does: once it is known who asks, or that nobody is. [`Error::Throttled`] takes
/// the place of what would have been said.
pub(super) fn admit(app: &App, peer: Peer, found: Result<Caller>) -> Result<Caller> {
    match &found {
        Ok(caller) => app.throttles.user(caller.user.id, 1, app.clock.now())?,
        Err(Error::NotAuthenticated | Error::TokenNotValid) => anonymous(app, peer)?,
        // Nothing was found out.
        Err(_) => {}
    }
    found
}

/// Counts a call of somebody unknown.
pub(super) fn anonymous(app: &App, peer: Peer) -> Result<()> {
    app.throttles.anonymous(peer.address, app.clock.now())
}

/// Refuses what comes by a connection for which its address has no room. Health is excepted.
pub(super) async fn room(request: Request, next: Next) -> Response {
    let refused = request.extensions().get().is_some_and(|seat: &Seat| seat.refused);
    if refused && !matches!(request.uri().path(), "/healthz/" | "/readyz/") {
        let mut response = ApiError::from(Error::Throttled(NO_ROOM)).into_response();
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        return response;
    }
    next.run(request).await
}
