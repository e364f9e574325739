//! One line of the log for each request, and the request's id. It logs no query, no header but
//! `User-Agent`, and no value of a body: these may contain secrets.

use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use axum::body::HttpBody;
use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderName, HeaderValue, header};
use axum::middleware::Next;
use axum::response::Response;
use tracing::Instrument;

use crate::app::App;
use crate::auth::secrets::random_hex;
use crate::traces;

use super::context::Context;
use super::errors::{ApiError, Logged, render};
use super::proxies::Peer;

/// Load balancers request these every other second. Success is not logged.
const HEALTH: [&str; 2] = ["/healthz", "/readyz"];
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// How much of a `User-Agent` is logged, in bytes.
const AGENT_MAX: usize = 200;
/// The longest part of a path that is logged. A longer one may be a token that a client put there by
/// mistake, or the name of an avatar, which must not be guessed.
const PART_MAX: usize = 32;
/// How many parts of a path are logged.
const PARTS_MAX: usize = 12;

/// Gives the request its id, renders its error, counts and logs the request.
pub(super) async fn log(State(app): State<Arc<App>>, mut request: Request, next: Next) -> Response {
    let started = Instant::now();
    let given = request.headers().get(&REQUEST_ID).and_then(|id| id.to_str().ok());
    let context = Context::new(match given.filter(|id| is_request_id(id)) {
        Some(id) => id.to_owned(),
        // Without random numbers nothing else works either.
        None => random_hex::<16>().unwrap_or_default(),
    });
    // Clones of these share their bytes.
    let (method, uri) = (request.method().clone(), request.uri().clone());
    let agent = request.headers().get(header::USER_AGENT).cloned();
    let route = request.extensions().get::<MatchedPath>().cloned();
    let client = request.extensions().get::<Peer>().map(|peer| peer.address);
    request.extensions_mut().insert(context.clone());

    let traceparent = request.headers().get(traces::HEADER).and_then(|value| value.to_str().ok());
    let template = route.as_ref().map(MatchedPath::as_str);
    let span = traces::request(method.as_str(), template, traceparent, context.request_id());
    let response = next.run(request).instrument(span.clone()).await;
    let logged = response.extensions().get().map(|Logged(error)| error.clone());
    let error = response.extensions().get::<ApiError>().cloned().or(logged);
    let mut response = render(response, context.request_id());
    if let Ok(id) = HeaderValue::from_str(context.request_id()) {
        response.headers_mut().insert(REQUEST_ID, id);
    }
    let route = route.as_ref().map(MatchedPath::as_str);
    let (status, took) = (response.status().as_u16(), started.elapsed());
    traces::answered(&span, status, context.user().map(|user| user.0));
    app.metrics.http.answered(method.as_str(), route, status, took);
    let is_health = |path: &str| HEALTH.iter().any(|health| path.starts_with(health));
    if response.status().is_success() && route.is_some_and(is_health) {
        return response;
    }
    tracing::info!(
        %method,
        path = %LoggedPath(uri.path()),
        route,
        status,
        code = error.as_ref().map(ApiError::code),
        why = error.as_ref().and_then(ApiError::why),
        ms = (took.as_secs_f64() * 100_000.0).round() / 100.0,
        bytes = response.body().size_hint().exact(),
        user = context.user().map(|id| id.0),
        client = client.map(tracing::field::display),
        agent = agent.as_ref().and_then(logged_agent),
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

/// The beginning of a `User-Agent`. Header values that are text are printable ASCII.
fn logged_agent(agent: &HeaderValue) -> Option<&str> {
    agent.to_str().ok().map(|agent| &agent[..agent.len().min(AGENT_MAX)])
}

/// A path as it is logged: a part that is long or has unusual characters, such as those of an e-mail
/// address, is replaced by `…`.
struct LoggedPath<'a>(&'a str);

impl fmt::Display for LoggedPath<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-~".contains(&byte);
        for (index, part) in self.0.split('/').enumerate() {
            if index > PARTS_MAX {
                return f.write_str("/…");
            }
            let is_shown = part.len() <= PART_MAX && part.bytes().all(is_plain);
            let slash = if index == 0 { "" } else { "/" };
            write!(f, "{slash}{}", if is_shown { part } else { "…" })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_logged_path_has_ids_and_no_secrets() {
        for (path, expected) in [
            ("/", "/"),
            ("/api/chats/12/messages/", "/api/chats/12/messages/"),
            ("/api/users/tom@example.org/", "/api/users/…/"),
            ("/api/%0A/x", "/api/…/x"),
            ("/reset/eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.e30.x/", "/reset/…/"),
            ("/media/avatars/0f3a0f3a0f3a0f3a0f3a0f3a0f3a0f3a.png/", "/media/avatars/…/"),
        ] {
            assert_eq!(LoggedPath(path).to_string(), expected);
        }
        assert!(LoggedPath(&"/a".repeat(10_000)).to_string().len() < 50);
    }
}
