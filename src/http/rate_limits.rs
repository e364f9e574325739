//! Rate limits of calls: each counts for its user, or for its address without a valid token.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::{HeaderValue, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::app::App;
use crate::domain::error::{Error, Result};
use crate::domain::session::Caller;

use super::connections::ConnectionHandle;
use super::errors::ApiError;
use super::proxies::Peer;

/// How long an address with too many connections should wait before it tries again.
const NO_ROOM: Duration = Duration::from_secs(10);

/// Counts a call that needs no credentials.
pub(super) async fn open(
    State(app): State<Arc<App>>,
    peer: Peer,
    request: Request,
    next: Next,
) -> Response {
    // OPTIONS asks which methods a path has.
    if request.method() != Method::OPTIONS
        && let Err(error) = anonymous(&app, peer)
    {
        return ApiError::from(error).into_response();
    }
    next.run(request).await
}

/// Counts a call that needs credentials, once they were checked. [`Error::Throttled`] replaces what
/// would have been answered.
pub(super) fn admit(app: &App, peer: Peer, found: Result<Caller>) -> Result<Caller> {
    match &found {
        Ok(caller) => app.rate_limits.user(caller.user.id, 1, app.clock.now())?,
        Err(Error::NotAuthenticated | Error::TokenNotValid) => anonymous(app, peer)?,
        // It is not known who asked.
        Err(_) => {}
    }
    found
}

/// Counts a call without a valid token.
pub(super) fn anonymous(app: &App, peer: Peer) -> Result<()> {
    app.rate_limits.anonymous(peer.address, app.clock.now())
}

/// Refuses requests on a connection that exceeds its address's limit, except the health checks.
pub(super) async fn room(request: Request, next: Next) -> Response {
    let refused =
        request.extensions().get().is_some_and(|handle: &ConnectionHandle| handle.refused);
    if refused && !matches!(request.uri().path(), "/healthz/" | "/readyz/") {
        let mut response = ApiError::from(Error::Throttled(NO_ROOM)).into_response();
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        return response;
    }
    next.run(request).await
}
