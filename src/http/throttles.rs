//! Whom a call is counted for: its user, or its address where it has no valid token.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::Method;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::app::App;
use crate::domain::error::{Error, Result};
use crate::domain::session::Caller;

use super::errors::ApiError;
use super::extract::Peer;

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
