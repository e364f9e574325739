//! `/` and the icons: the web client, or a short page that says what this is where the client was not built, or the
//! same as JSON for programs.

use aws_lc_rs::digest::{SHA256, digest};
use axum::Json;
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::response::{Html, IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use utoipa::ToSchema;

use crate::domain::error::Error;

use super::errors::Result;
use super::hosts::Origin;
use super::web;

const NAME: &str = "Meowsenger";
const VERSION: &str = env!("CARGO_PKG_VERSION");
const PAGE: &str = include_str!("assets/home.html");
const STYLE: &str = include_str!("assets/home.css");
const ICON: &[u8] = include_bytes!("assets/favicon.ico");
const VECTOR_ICON: &[u8] = include_bytes!("assets/favicon.svg");

/// What the page says, for programs.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Home {
    /// Always the same.
    name: &'static str,
    /// The server's version.
    version: &'static str,
    links: Links,
}

/// Absolute URLs.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = HomeLinks)]
struct Links {
    /// The page on which you can try the calls.
    docs: String,
    /// The OpenAPI document.
    schema: String,
    /// The AsyncAPI document.
    socket_schema: String,
    /// The WebSocket.
    socket: String,
}

/// Say what this is
///
/// The web client (or a short page, if it is not part of this build), or JSON for a client that prefers it.
#[utoipa::path(
    get, path = "/", tag = "schema", operation_id = "get_home", security(()),
    responses((status = 200, description = "The page, or what it says",
        content((Home = "application/json"), (String = "text/html"))))
)]
pub(super) async fn page(Origin(origin): Origin, headers: HeaderMap) -> Result<Response> {
    let mut response = if prefers_json(&headers) {
        Json(home(&origin)).into_response()
    } else if let Some(client) = web::page(&headers) {
        return client;
    } else {
        let hash = STANDARD.encode(digest(&SHA256, STYLE.as_bytes()));
        let policy = format!(
            "default-src 'none'; style-src 'sha256-{hash}'; img-src 'self'; base-uri 'none'; \
             form-action 'none'; frame-ancestors 'none'"
        );
        let policy = HeaderValue::try_from(policy).map_err(Error::internal)?;
        let page = PAGE.replace("{style}", STYLE).replace("{version}", VERSION);
        ([(header::CONTENT_SECURITY_POLICY, policy)], Html(page)).into_response()
    };
    response.headers_mut().insert(header::VARY, HeaderValue::from_static("accept"));
    Ok(response)
}

fn home(origin: &str) -> Home {
    let link = |path| format!("{origin}{path}");
    let links = Links {
        docs: link("/api/docs/"),
        schema: link("/api/schema/"),
        socket_schema: link("/api/schema/socket/"),
        socket: link("/ws/").replacen("http", "ws", 1),
    };
    Home { name: NAME, version: VERSION, links }
}

/// Whether `Accept` prefers JSON to HTML. If it likes both equally, JSON wins where it is named and HTML is
/// only covered by a wildcard, as in `application/json, */*`. So `*/*` alone gets the page.
fn prefers_json(headers: &HeaderMap) -> bool {
    let lines = headers.get_all(header::ACCEPT).iter().filter_map(|line| line.to_str().ok());
    let ranges: Vec<_> = lines.flat_map(|line| line.split(',')).filter_map(range).collect();
    // The most specific range that covers a type counts (RFC 9110, 12.5.1).
    let liking = |kind: &str, group: &str| {
        let covering = |(specificity, name): (u8, &str)| {
            let found = ranges.iter().find(|(range, _)| range == name)?;
            Some((found.1, specificity))
        };
        [(2, kind), (1, group), (0, "*/*")].into_iter().find_map(covering).unwrap_or((0, 0))
    };
    liking("application/json", "application/*") > liking("text/html", "text/*")
}

/// A media range and its quality in thousandths.
fn range(item: &str) -> Option<(String, u16)> {
    let (name, parameters) = item.split_once(';').unwrap_or((item, ""));
    Some((name.trim().to_ascii_lowercase(), super::encodings::quality(parameters)?))
}

/// `/favicon.ico`
pub(super) async fn icon() -> Response {
    show("image/x-icon", ICON)
}

/// `/favicon.svg`
pub(super) async fn vector_icon() -> Response {
    show("image/svg+xml", VECTOR_ICON)
}

fn show(kind: &'static str, content: &'static [u8]) -> Response {
    let headers: [(HeaderName, &str); 2] =
        [(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, "public, max-age=86400")];
    (headers, content).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_for_those_who_prefer_it() {
        for (accept, json) in [
            ("application/json", true),
            ("application/json, text/plain, */*", true),
            ("APPLICATION/JSON;q=0.9, text/html;q=0.8", true),
            ("application/*", true),
            ("application/json;q=0.1", true),
            ("text/html;q=0, */*", true),
            ("*/*", false),
            ("", false),
            ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", false),
            ("text/html, application/json", false),
            ("application/json;q=0.5, */*", false),
            ("application/json;q=0, */*;q=0.1", false),
            ("text/html, application/json;q=0.9", false),
            ("image/png", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT, HeaderValue::from_static(accept));
            assert_eq!(prefers_json(&headers), json, "{accept}");
        }
        assert!(!prefers_json(&HeaderMap::new()));
    }
}
