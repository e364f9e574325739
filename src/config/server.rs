//! Addresses, host names and connections.

use std::time::Duration;

use url::Host;

use crate::domain::network::Network;
use crate::domain::origin::WebOrigin;
use crate::domain::text::quoted;

use super::bind::{Bind, ListenAddress};
use super::origins::origin;
use super::reader::{Reader, boolean, list, number, time_or_zero};

/// Settings of the HTTP server.
#[derive(Clone, Debug)]
pub struct ServerSettings {
    /// `DEBUG`
    pub debug: bool,
    /// `BIND`
    pub bind: Bind,
    /// `METRICS_BIND`
    pub metrics_bind: Option<Bind>,
    /// `PUBLIC_URL`, without a trailing slash
    pub public_url: Option<String>,
    /// `ALLOWED_HOSTS`
    pub allowed_hosts: Vec<String>,
    /// `CORS_ALLOWED_ORIGINS`
    pub cors_allowed_origins: Vec<WebOrigin>,
    /// `TRUSTED_PROXIES`
    pub trusted_proxies: Vec<Network>,
    /// `MAX_CONNECTIONS`; 0: as many as the limit of open files allows
    pub max_connections: usize,
    /// `MAX_CONNECTIONS_PER_ADDRESS`
    pub max_connections_per_address: usize,
    /// `SHUTDOWN_DELAY`
    pub shutdown_delay: Duration,
    /// `SECURE_HSTS_SECONDS`; zero: the header is not sent
    pub hsts: Duration,
}

impl ServerSettings {
    pub(super) fn read(from: &mut Reader<'_>) -> Self {
        Self {
            debug: from.get("DEBUG", "false", "Log at level debug. Secrets are never logged.", boolean),
            bind: from.get(
                "BIND",
                "127.0.0.1:8000",
                "The address or host name, and the port, to listen on. `runserver ADDR` overrides it.",
                |value| {
                    let default = Bind { host: "127.0.0.1".to_owned(), port: 8000 };
                    ListenAddress::parse(value).map(|address| address.or(&default))
                },
            ),
            metrics_bind: from.get(
                "METRICS_BIND",
                "",
                "The address and port for /metrics, which Prometheus reads, such as 127.0.0.1:9464 or\n\
                 9464. It has no password: choose an address that only your monitoring reaches. Empty:\n\
                 no metrics are served. They are never served on BIND.",
                metrics_bind,
            ),
            public_url: from.get(
                "PUBLIC_URL",
                "",
                "The URL under which clients reach the server, such as https://chat.example.org, for\n\
                 links in responses, events and mails. Without it, links between pages use the Host\n\
                 of the request, links to avatars use the address that the server listens on, and\n\
                 links in mails use the Host if ALLOWED_HOSTS names exactly that host, else the\n\
                 address that the server listens on.",
                public_url,
            ),
            allowed_hosts: from.get(
                "ALLOWED_HOSTS",
                "localhost,.localhost,127.0.0.1,[::1]",
                "Host names that requests may have, comma-separated: exact names, .example.com for\n\
                 a domain with its subdomains, or * for any. Other and invalid hosts get 400.",
                |value| list(value, host),
            ),
            cors_allowed_origins: from.get(
                "CORS_ALLOWED_ORIGINS",
                "",
                "Origins of pages that may use the API and the WebSocket from a browser,\n\
                 comma-separated, such as https://app.example.org or capacitor://localhost; no\n\
                 patterns, no paths. The server's own origin is always allowed. null allows pages\n\
                 without an origin: local files, and sandboxed frames of any site.",
                |value| list(value, origin),
            ),
            trusted_proxies: from.get(
                "TRUSTED_PROXIES",
                "",
                "Addresses of reverse proxies, comma-separated, such as 10.0.0.0/8,::1. Their\n\
                 X-Forwarded-For and X-Forwarded-Proto headers are trusted, and X-Forwarded-Host\n\
                 where a WebSocket's Origin is checked. Without this setting, every client behind a\n\
                 proxy has the proxy's address.",
                |value| list(value, Network::parse),
            ),
            max_connections: from.get(
                "MAX_CONNECTIONS",
                "0",
                "Maximum connections of the node, WebSockets included; 0: as many as the limit of open\n\
                 files allows. When it is reached, idle connections are closed for new ones.",
                |value| number(value, 0, 1_000_000),
            ),
            max_connections_per_address: from.get(
                "MAX_CONNECTIONS_PER_ADDRESS",
                "1000",
                "Maximum connections of one address (IPv6: a /64), or half of MAX_CONNECTIONS if that\n\
                 is less. Does not apply to TRUSTED_PROXIES and the machine itself.",
                |value| number(value, 1, 1_000_000),
            ),
            shutdown_delay: from.get(
                "SHUTDOWN_DELAY",
                "5s",
                "How long a node goes on serving after SIGTERM while /readyz says 503, so that\n\
                 balancers stop sending it requests; 0: it stops at once, as after Ctrl-C (SIGINT).\n\
                 At most 20s.",
                |value| match time_or_zero(value) {
                    Ok(time) if time > Duration::from_secs(20) => {
                        Err(format!("must be at most 20s, not {}", quoted(value)))
                    }
                    time => time,
                },
            ),
            hsts: from.get(
                "SECURE_HSTS_SECONDS",
                "0",
                "How long browsers must use HTTPS for this server (Strict-Transport-Security, sent\n\
                 over HTTPS only); 0: the header is not sent. Start with an hour: browsers remember\n\
                 it.",
                time_or_zero,
            ),
        }
    }
}

fn metrics_bind(value: &str) -> Result<Option<Bind>, String> {
    let default = Bind { host: "127.0.0.1".to_owned(), port: 9464 };
    match value {
        "" => Ok(None),
        value => ListenAddress::parse(value).map(|address| Some(address.or(&default))),
    }
}

fn public_url(value: &str) -> Result<Option<String>, String> {
    if value.is_empty() {
        return Ok(None);
    }
    let origin = WebOrigin::parse(value.strip_suffix('/').unwrap_or(value));
    match origin.filter(|origin| origin.is_http() || origin.is_https()) {
        Some(origin) => Ok(Some(origin.to_string())),
        None => {
            Err(format!("must be a URL such as https://chat.example.org, not {}", quoted(value)))
        }
    }
}

/// A pattern of `ALLOWED_HOSTS`: `*`, or a name or address, with a leading dot for its subdomains.
fn host(value: &str) -> Result<String, String> {
    let name = value.strip_prefix('.').unwrap_or(value);
    if value == "*" {
        return Ok(value.to_owned());
    }
    // As requests have it: in lower case and punycode; an address in its shortest form.
    if let Some(host) = Host::parse(name).ok().filter(|_| !name.starts_with('*')) {
        let dot = if value.starts_with('.') { "." } else { "" };
        return Ok(format!("{dot}{}", host.to_string().trim_end_matches('.')));
    }
    Err(format!(
        "must be host names such as chat.example.org or .example.org, not {}",
        quoted(value)
    ))
}
