//! Which host names requests may name (Django's `ALLOWED_HOSTS`), and what links begin with.

use std::convert::Infallible;
use std::sync::Arc;

use axum::extract::{FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::uri::Authority;
use axum::http::{HeaderMap, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::app::App;
use crate::domain::error::Error;

use super::errors::ApiError;
use super::extract::Peer;

/// Refuses a foreign `Host` with 400. Health is excepted: probes come by address.
pub(super) async fn allowed(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let health = matches!(request.uri().path(), "/healthz/" | "/readyz/");
    let named = request.uri().authority().map(Authority::as_str);
    let allowed = host(request.headers()).is_some_and(|host| {
        // A target in absolute form names a host, too (RFC 9112, section 3.2.2).
        named.is_none_or(|named| named.eq_ignore_ascii_case(host))
            && is_allowed(without_port(host), &app.server.allowed_hosts)
    });
    if health || allowed {
        return next.run(request).await;
    }
    ApiError::from(Error::Malformed("Invalid Host header.".into())).into_response()
}

/// The host and port that the client asked for. Two of them are none.
pub(super) fn host(headers: &HeaderMap) -> Option<&str> {
    let mut hosts = headers.get_all(header::HOST).iter();
    let host = hosts.next().filter(|_| hosts.next().is_none())?;
    host.to_str().ok()
}

/// Where the server is reached: `PUBLIC_URL`, or else the request's own host.
#[derive(Debug)]
pub(super) struct Origin(pub(super) String);

impl FromRequestParts<Arc<App>> for Origin {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Infallible> {
        let Ok(peer) = Peer::from_request_parts(parts, app).await;
        let scheme = if peer.is_secure { "https" } else { "http" };
        let named = || format!("{scheme}://{}", host(&parts.headers).unwrap_or_default());
        Ok(Self(app.server.public_url.clone().unwrap_or_else(named)))
    }
}

impl Origin {
    /// For a link that carries a secret to somebody else than who asks: the request's host counts
    /// only where `ALLOWED_HOSTS` does not allow any, else who asks could have the link lead home.
    pub(super) fn for_mail(self, app: &App) -> String {
        let server = &app.server;
        let any = server.allowed_hosts.iter().any(|host| host == "*");
        if server.public_url.is_none() && any { format!("http://{}", server.bind) } else { self.0 }
    }
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => host,
    }
}

fn is_allowed(host: &str, patterns: &[String]) -> bool {
    let host = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
    patterns.iter().any(|pattern| match pattern.strip_prefix('.') {
        _ if pattern == "*" => true,
        Some(domain) => host == domain || host.ends_with(pattern),
        None => host == *pattern,
    })
}

#[cfg(test)]
mod tests {
    use super::{is_allowed, without_port};

    #[test]
    fn hosts_match_as_in_django() {
        let patterns = ["chat.example.org", ".example.com", "[::1]"].map(str::to_owned);
        for host in [
            "chat.example.org:8000",
            "CHAT.example.org.",
            "example.com",
            "a.b.example.com",
            "[::1]:8000",
            "[::1]",
        ] {
            assert!(is_allowed(without_port(host), &patterns), "{host}");
        }
        for host in ["example.org", "evilexample.com", "example.com.evil.org", "", "[::2]:80"] {
            assert!(!is_allowed(without_port(host), &patterns), "{host}");
        }
    }
}
