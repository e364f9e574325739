//! What every request passes: security headers, and a handler of panics. `access_log` logs it.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt;

use crate::app::App;
use crate::domain::error::Error;

use super::errors::ApiError;
use super::proxies::Peer;

/// An answer that a browser shows as a page loads nothing, submits nothing and is in no frame.
pub(super) const POLICY: &str =
    "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Sets the headers of Django's `SecurityMiddleware`, and forbids caching of API answers.
pub(super) async fn headers(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let hsts = hsts(&app, request.extensions().get());
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    if let Some(hsts) = hsts {
        headers.insert(header::STRICT_TRANSPORT_SECURITY, hsts);
    }
    let mut set = |name: HeaderName, value: &'static str| {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    };
    set(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    set(header::REFERRER_POLICY, "same-origin");
    set(header::X_FRAME_OPTIONS, "DENY");
    set(HeaderName::from_static("cross-origin-opener-policy"), "same-origin");
    set(header::CONTENT_SECURITY_POLICY, POLICY);
    set(header::CACHE_CONTROL, "no-store");
    response
}

/// `SECURE_HSTS_SECONDS`, if the client used HTTPS: browsers ignore it otherwise.
fn hsts(app: &App, peer: Option<&Peer>) -> Option<HeaderValue> {
    let seconds = app.server.hsts.as_secs();
    let public = app.server.public_url.as_deref();
    let is_secure = peer.is_some_and(|peer| peer.is_secure)
        || public.is_some_and(|url| url.starts_with("https://"));
    if seconds == 0 || !is_secure {
        return None;
    }
    HeaderValue::try_from(format!("max-age={seconds}")).ok()
}

/// Adds `OPTIONS` to every `Allow`. A redirect has none: where the admin site sends everybody to its login, it would say
/// which pages exist.
pub(super) async fn allow(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    if response.status().is_redirection() {
        response.headers_mut().remove(header::ALLOW);
    }
    let allowed = response.headers().get(header::ALLOW).and_then(|value| value.to_str().ok());
    let allowed = allowed.map(|methods| methods.replace(',', ", ") + ", OPTIONS");
    if let Some(allowed) = allowed.and_then(|text| HeaderValue::from_str(&text).ok()) {
        response.headers_mut().insert(header::ALLOW, allowed);
    }
    response
}

/// Answers 500 when a handler panics, instead of breaking the connection.
pub(super) async fn catch_panic(request: Request, next: Next) -> Response {
    AssertUnwindSafe(next.run(request)).catch_unwind().await.unwrap_or_else(|_| {
        // The hook has logged the panic's own message.
        ApiError::from(Error::internal("a handler panicked")).into_response()
    })
}
