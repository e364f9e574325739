//! Cross-origin requests (CORS), only for the origins in `CORS_ALLOWED_ORIGINS`. Other origins get no
//! CORS headers at all, unlike with tower-http's layer.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::app::App;
use crate::domain::origin::WebOrigin;

use super::admin;

const METHODS: &str = "DELETE, GET, OPTIONS, PATCH, POST, PUT";
/// Granted to every preflight, so that a cached answer also serves requests with others of these.
const HEADERS: &str =
    "accept, authorization, content-type, user-agent, x-request-id, x-requested-with";
/// The longest list of headers that is granted, in bytes.
const HEADERS_MAX: usize = 4 * 1024;
/// Headers that pages may read. Browsers let them read a few others anyway, such as `Content-Type`.
const EXPOSED: &str = "Allow, Content-Disposition, Retry-After, WWW-Authenticate, X-Request-ID";
/// How long a browser may cache a preflight: a day, in seconds.
const MAX_AGE: &str = "86400";
const VARY: &str = "origin";
const VARY_OPTIONS: &str = "origin, access-control-request-method, access-control-request-headers";

/// Answers preflights, and lets pages of the allowed origins read the answers. The admin site is for its own pages.
pub(super) async fn cors(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    if request.uri().path().starts_with(admin::PREFIX) {
        return next.run(request).await;
    }
    let allowed = allowed_origin(&app, request.headers().get(header::ORIGIN));
    let vary = if request.method() == Method::OPTIONS { VARY_OPTIONS } else { VARY };
    let granted = (request.method() == Method::OPTIONS
        && request.headers().contains_key(header::ACCESS_CONTROL_REQUEST_METHOD))
    .then(|| granted(request.headers()));

    let mut response = match (&allowed, &granted) {
        (Some(_), Some(_)) => StatusCode::OK.into_response(),
        _ => next.run(request).await,
    };
    let headers = response.headers_mut();
    headers.append(header::VARY, HeaderValue::from_static(vary));
    if let Some(origin) = allowed {
        match granted {
            Some(granted) => grant(headers, origin, granted),
            None => expose(headers, origin),
        }
    }
    response
}

/// The origin that a browser sent, if its pages may read answers.
pub(super) fn allowed_origin(app: &App, sent: Option<&HeaderValue>) -> Option<HeaderValue> {
    // It is compared as a whole, not by its end.
    let is_allowed = |sent: &&HeaderValue| {
        parse(sent).is_some_and(|origin| app.server.cors_allowed_origins.contains(&origin))
    };
    sent.filter(is_allowed).cloned()
}

/// The origin that a browser sent.
pub(super) fn parse(origin: &HeaderValue) -> Option<WebOrigin> {
    WebOrigin::parse(origin.to_str().ok()?)
}

/// Lets a page of this origin read an answer.
pub(super) fn expose(headers: &mut HeaderMap, origin: HeaderValue) {
    name(headers, origin);
    headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(EXPOSED));
}

/// Lets a page of this origin send requests with these headers.
fn grant(headers: &mut HeaderMap, origin: HeaderValue, granted: HeaderValue) {
    name(headers, origin);
    headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, granted);
    headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static(METHODS));
    headers.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static(MAX_AGE));
}

fn name(headers: &mut HeaderMap, origin: HeaderValue) {
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    headers.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
}

/// [`HEADERS`] and those that a preflight asks for, as far as they are names.
fn granted(headers: &HeaderMap) -> HeaderValue {
    let lines = headers.get_all(header::ACCESS_CONTROL_REQUEST_HEADERS).iter();
    let names = lines.filter_map(|line| line.to_str().ok()).flat_map(|line| line.split(','));
    let mut granted = HEADERS.to_owned();
    for name in names.filter_map(|name| HeaderName::try_from(name.trim()).ok()) {
        let is_new = granted.split(", ").all(|known| known != name);
        if is_new && granted.len() + name.as_str().len() < HEADERS_MAX {
            granted = granted + ", " + name.as_str();
        }
    }
    HeaderValue::try_from(granted).unwrap_or(HeaderValue::from_static(HEADERS))
}
