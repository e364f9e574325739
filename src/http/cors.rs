//! Cross-origin requests (CORS), only for the origins in `CORS_ALLOWED_ORIGINS`. Other origins get no
//! CORS headers at all, unlike with tower-http's layer.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::app::App;
use crate::domain::origin::WebOrigin;

const METHODS: &str = "DELETE, GET, OPTIONS, PATCH, POST, PUT";
const HEADERS: &str =
    "accept, authorization, content-type, user-agent, x-request-id, x-requested-with";
const EXPOSED: &str = "Retry-After, X-Request-ID";
/// How long a browser may cache a preflight: a day, in seconds.
const MAX_AGE: &str = "86400";

/// Answers preflights, and lets pages of the allowed origins read the answers.
pub(super) async fn cors(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let origin = request.headers().get(header::ORIGIN).cloned();
    let allowed = origin.filter(|origin| is_allowed(origin, &app.server.cors_allowed_origins));
    let preflight = request.method() == Method::OPTIONS
        && request.headers().contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);

    let mut response = match (&allowed, preflight) {
        (Some(_), true) => StatusCode::OK.into_response(),
        _ => next.run(request).await,
    };
    let headers = response.headers_mut();
    headers.append(header::VARY, HeaderValue::from_static("origin"));
    if let Some(origin) = allowed {
        allow(headers, origin, preflight);
    }
    response
}

fn allow(headers: &mut HeaderMap, origin: HeaderValue, preflight: bool) {
    let text = HeaderValue::from_static;
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    headers.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, text("true"));
    if preflight {
        headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, text(METHODS));
        headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, text(HEADERS));
        headers.insert(header::ACCESS_CONTROL_MAX_AGE, text(MAX_AGE));
    } else {
        headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, text(EXPOSED));
    }
}

/// The origin that a browser sent.
pub(super) fn parse(origin: &HeaderValue) -> Option<WebOrigin> {
    WebOrigin::parse(origin.to_str().ok()?)
}

/// Whether the origin is allowed. It is compared as a whole, not by its end.
fn is_allowed(origin: &HeaderValue, allowed: &[WebOrigin]) -> bool {
    parse(origin).is_some_and(|origin| allowed.contains(&origin))
}
