//! Which hosts requests may name (Django's `ALLOWED_HOSTS`), and the origin of links. A host is parsed
//! before it is compared, so text that merely ends like an allowed name is refused.

use std::convert::Infallible;
use std::net::Ipv6Addr;
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
use super::proxies::Peer;

/// Refuses a foreign or malformed `Host` with 400. Health checks are excepted, since probes use the
/// address.
pub(super) async fn allowed(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let health = matches!(request.uri().path(), "/healthz/" | "/readyz/");
    let named = request.uri().authority().map(Authority::as_str);
    let allowed = Host::of(request.headers()).is_some_and(|host| {
        // A target in absolute form names a host as well (RFC 9112, section 3.2.2).
        named.is_none_or(|named| named.eq_ignore_ascii_case(host.text))
            && host.matches_any(&app.server.allowed_hosts)
    });
    if health || allowed {
        return next.run(request).await;
    }
    ApiError::from(Error::Malformed("Invalid Host header.".into())).into_response()
}

/// The host and port that a client asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Host<'a> {
    /// As it was sent, with the port.
    pub(super) text: &'a str,
    /// In lower case, without a trailing dot; an IPv6 address in brackets.
    name: String,
}

impl<'a> Host<'a> {
    /// The host of the request with these headers. A request with two `Host` headers has none.
    pub(super) fn of(headers: &'a HeaderMap) -> Option<Self> {
        let mut hosts = headers.get_all(header::HOST).iter();
        let host = hosts.next().filter(|_| hosts.next().is_none())?;
        Self::parse(host.to_str().ok()?)
    }

    /// Parses a name or an address with an optional port, like Django's `split_domain_port`, but
    /// stricter: an IPv6 address must be valid, a port is at most 65535, and no label is empty.
    fn parse(text: &'a str) -> Option<Self> {
        let end = if text.starts_with('[') {
            text.find(']')? + 1
        } else {
            text.find(':').unwrap_or(text.len())
        };
        let (name, port) = text.split_at(end);
        let port = port.strip_prefix(':').or_else(|| port.is_empty().then_some("0"))?;
        if !port.bytes().all(|byte| byte.is_ascii_digit()) || port.parse::<u16>().is_err() {
            return None;
        }
        let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
        let valid = match name.strip_prefix('[') {
            Some(address) => address.trim_end_matches(']').parse::<Ipv6Addr>().is_ok(),
            None => name.split('.').all(is_label),
        };
        valid.then_some(Self { text, name })
    }

    /// Whether a pattern of `ALLOWED_HOSTS` allows it.
    fn matches_any(&self, patterns: &[String]) -> bool {
        patterns.iter().any(|pattern| match pattern.strip_prefix('.') {
            _ if pattern == "*" => true,
            Some(domain) => self.name == domain || self.name.ends_with(pattern),
            None => self.name == *pattern,
        })
    }
}

/// Whether patterns of `ALLOWED_HOSTS` allow a host, which may have a port.
pub fn is_allowed_host(host: &str, patterns: &[String]) -> bool {
    Host::parse(host).is_some_and(|host| host.matches_any(patterns))
}

fn is_label(label: &str) -> bool {
    !label.is_empty() && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
}

/// The server's origin: `PUBLIC_URL`, or else the request's own host.
#[derive(Debug)]
pub(super) struct Origin(pub(super) String);

impl FromRequestParts<Arc<App>> for Origin {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Infallible> {
        if let Some(url) = &app.server.public_url {
            return Ok(Self(url.clone()));
        }
        let Ok(peer) = Peer::from_request_parts(parts, app).await;
        let host = Host::of(&parts.headers);
        Ok(Self(host.map_or_else(|| app.urls.base().to_owned(), |host| origin(peer, &host))))
    }
}

/// The origin of mailed links. They carry a secret to another person than the one who requests them.
#[derive(Debug)]
pub(super) struct MailOrigin(pub(super) String);

impl FromRequestParts<Arc<App>> for MailOrigin {
    type Rejection = Infallible;

    /// `PUBLIC_URL`, or the request's host if `ALLOWED_HOSTS` contains exactly that one. A host that only
    /// matches a pattern was chosen by the client, who may control it: then the link has the address
    /// that the node listens on, and a warning says why.
    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Infallible> {
        if let Some(url) = &app.server.public_url {
            return Ok(Self(url.clone()));
        }
        let Ok(peer) = Peer::from_request_parts(parts, app).await;
        let hosts = &app.server.allowed_hosts;
        let exact = Host::of(&parts.headers).filter(|host| hosts.contains(&host.name));
        let Some(host) = exact else {
            let origin = app.urls.base();
            tracing::warn!(
                origin,
                "a mailed link leads to this node's own address: set PUBLIC_URL, since the \
                 request's Host only matches a pattern of ALLOWED_HOSTS"
            );
            return Ok(Self(origin.to_owned()));
        };
        Ok(Self(origin(peer, &host)))
    }
}

fn origin(peer: Peer, host: &Host<'_>) -> String {
    let scheme = if peer.is_secure { "https" } else { "http" };
    format!("{scheme}://{}", host.text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_allowed(host: &str) -> bool {
        let patterns = ["chat.example.org", ".example.com", "[::1]", ".localhost"];
        Host::parse(host).is_some_and(|host| host.matches_any(&patterns.map(str::to_owned)))
    }

    #[test]
    fn hosts_match_as_in_django() {
        for host in [
            "chat.example.org:8000",
            "CHAT.example.org.",
            "chat.example.org.:80",
            "example.com",
            "a.b.example.com",
            "a.localhost",
            "[::1]:8000",
            "[::1]",
        ] {
            assert!(is_allowed(host), "{host}");
        }
        for host in ["example.org", "evilexample.com", "example.com.evil.org", "[::2]:80"] {
            assert!(!is_allowed(host), "{host}");
            assert!(Host::parse(host).is_some(), "{host}");
        }
    }

    #[test]
    fn what_is_no_host_is_refused_whatever_it_ends_with() {
        for host in ["evil.com/", "evil.com?", "evil.com#", "evil.com\\", "evil.com@", "u:p@", "x "]
        {
            assert!(Host::parse(&format!("{host}.localhost")).is_none(), "{host}");
            assert!(Host::parse(&format!("{host}a.localhost:80")).is_none(), "{host}");
        }
        for host in [
            "",
            ".",
            "..",
            ":80",
            ".localhost",
            "a..localhost",
            "localhost..",
            "localhost:",
            "localhost:x",
            "localhost:+80",
            "localhost:-1",
            "localhost:65536",
            "localhost:80:80",
            "localhost:80.localhost",
            "evil.com:80@a.localhost",
            "::1",
            "[::1",
            "[::1]]",
            "[::1]x",
            "[::1].localhost",
            "[evil]:80",
            "[[::1]]",
            "[::1%eth0]",
            "a_b.localhost",
            "ü.localhost",
            "a,b.localhost",
            "a\u{0}.localhost",
            "%61.localhost",
            "*.localhost",
        ] {
            assert!(Host::parse(host).is_none(), "{host}");
        }
    }
}
