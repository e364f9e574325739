//! What every request passes: an id, a log line, security headers, and a handler of panics.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Instant;

use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderName, HeaderValue, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt;

use crate::app::App;
use crate::auth::secrets::random_hex;
use crate::domain::error::Error;

use super::context::Context;
use super::errors::{ApiError, render};
use super::proxies::Peer;

/// Load balancers request these every other second. Success is not logged.
const HEALTH: [&str; 2] = ["/healthz", "/readyz"];
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Gives the request its id, renders its error, and logs one line: with the template of the path, and
/// without the query, which may contain secrets.
pub(super) async fn log(mut request: Request, next: Next) -> Response {
    let started = Instant::now();
    let given = request.headers().get(&REQUEST_ID).and_then(|id| id.to_str().ok());
    let context = Context::new(match given.filter(|id| is_request_id(id)) {
        Some(id) => id.to_owned(),
        // Without random numbers nothing else works either.
        None => random_hex::<16>().unwrap_or_default(),
    });
    let method = request.method().clone();
    let path = request.extensions().get::<MatchedPath>().cloned();
    request.extensions_mut().insert(context.clone());

    let mut response = render(next.run(request).await, context.request_id());
    if let Ok(id) = HeaderValue::from_str(context.request_id()) {
        response.headers_mut().insert(REQUEST_ID, id);
    }
    let path = path.as_ref().map_or("-", |path| path.as_str());
    if response.status().is_success() && HEALTH.iter().any(|health| path.starts_with(health)) {
        return response;
    }
    tracing::info!(
        %method,
        path,
        status = response.status().as_u16(),
        ms = (started.elapsed().as_secs_f64() * 100_000.0).round() / 100.0,
        user = context.user().map(|id| id.0),
        request_id = context.request_id(),
        "request"
    );
    response
}

/// 1–64 of `A-Za-z0-9._-`, so that an id cannot forge log lines.
fn is_request_id(id: &str) -> bool {
    (1..=64).contains(&id.len())
        && id.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
}

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
    set(header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'");
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

/// Adds `OPTIONS` to every `Allow`.
pub(super) async fn allow(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
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
