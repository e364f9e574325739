//! How the server is reached.

use std::net::SocketAddr;
use std::time::Duration;

use url::Host;

use crate::domain::network::Network;
use crate::domain::origin::WebOrigin;

use super::reader::{Reader, address, boolean, list, number, time_or_zero};

/// See the fields.
#[derive(Clone, Debug)]
pub struct Server {
    /// `DEBUG`
    pub debug: bool,
    /// `BIND`
    pub bind: SocketAddr,
    /// `PUBLIC_URL`, without a slash at the end
    pub public_url: Option<String>,
    /// `ALLOWED_HOSTS`
    pub allowed_hosts: Vec<String>,
    /// `CORS_ALLOWED_ORIGINS`
    pub cors_allowed_origins: Vec<WebOrigin>,
    /// `TRUSTED_PROXIES`
    pub trusted_proxies: Vec<Network>,
    /// `MAX_CONNECTIONS`; 0: as many as the limit of open files allows.
    pub max_connections: usize,
    /// `MAX_CONNECTIONS_PER_ADDRESS`
    pub max_connections_per_address: usize,
    /// `SHUTDOWN_DELAY`
    pub shutdown_delay: Duration,
    /// `SECURE_HSTS_SECONDS`; zero: no such header.
    pub hsts: Duration,
}

impl Server {
    pub(super) fn read(from: &mut Reader<'_>) -> Self {
        Self {
            debug: from.get("DEBUG", "false", "Logs at level debug. Never shows secrets.", boolean),
            bind: from.get(
                "BIND",
                "127.0.0.1:8000",
                "The address and port to listen on. `runserver ADDR` wins over it.",
                address,
            ),
            public_url: from.get(
                "PUBLIC_URL",
                "",
                "Where clients reach the server, such as https://chat.example.org, for links in\n\
                 answers, events and mails. Without it, links from page to page are made of each\n\
                 request's Host, those to pictures of the address that the server listens on, and\n\
                 those in mails of the Host where ALLOWED_HOSTS names exactly that one, else of the\n\
                 address that the server listens on.",
                public_url,
            ),
            allowed_hosts: from.get(
                "ALLOWED_HOSTS",
                "localhost,.localhost,127.0.0.1,[::1]",
                "Host names that requests may name, comma-separated: exact, .example.com with its\n\
                 subdomains, or * for any. Others, and invalid ones, are answered 400.",
                |value| list(value, host),
            ),
            cors_allowed_origins: from.get(
                "CORS_ALLOWED_ORIGINS",
                "",
                "Origins of pages that may use the API and the socket from a browser,\n\
                 comma-separated, such as https://app.example.org or capacitor://localhost; no\n\
                 patterns. The server's own may anyhow.",
                |value| list(value, origin),
            ),
            trusted_proxies: from.get(
                "TRUSTED_PROXIES",
                "",
                "Addresses of the proxies before the server, comma-separated, such as\n\
                 10.0.0.0/8,::1: what they say of the client in X-Forwarded-For and\n\
                 X-Forwarded-Proto counts. Without it every client has the proxy's address.",
                |value| list(value, Network::parse),
            ),
            max_connections: from.get(
                "MAX_CONNECTIONS",
                "0",
                "The most connections of the node, sockets included; 0: as many as its limit of open\n\
                 files allows. Above it, idle connections are closed to make room for new ones.",
                |value| number(value, 0, 1_000_000),
            ),
            max_connections_per_address: from.get(
                "MAX_CONNECTIONS_PER_ADDRESS",
                "1000",
                "The most connections of one address (of IPv6: a /64); half of all connections if\n\
                 that is less. TRUSTED_PROXIES and the machine itself have no such limit.",
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
                        Err(format!("must be at most 20s, not {value:?}"))
                    }
                    time => time,
                },
            ),
            hsts: from.get(
                "SECURE_HSTS_SECONDS",
                "0",
                "How long browsers must use HTTPS for this server (Strict-Transport-Security, on\n\
                 answers by HTTPS); 0: the header is not sent. Begin with an hour: browsers\n\
                 remember it.",
                time_or_zero,
            ),
        }
    }
}

fn public_url(value: &str) -> Result<Option<String>, String> {
    if value.is_empty() {
        return Ok(None);
    }
    let origin = WebOrigin::parse(value.strip_suffix('/').unwrap_or(value));
    match origin.filter(|origin| origin.is_http() || origin.is_https()) {
        Some(origin) => Ok(Some(origin.to_string())),
        None => Err(format!("must be a URL such as https://chat.example.org, not {value:?}")),
    }
}

/// A pattern of `ALLOWED_HOSTS`: `*`, or a name or address, with a dot before it for its subdomains.
fn host(value: &str) -> Result<String, String> {
    let name = value.strip_prefix('.').unwrap_or(value);
    if value == "*" {
        return Ok(value.to_owned());
    }
    // As requests name it: in lower case, by its punycode, an address in its shortest form.
    if let Some(host) = Host::parse(name).ok().filter(|_| !name.starts_with('*')) {
        let dot = if value.starts_with('.') { "." } else { "" };
        return Ok(format!("{dot}{}", host.to_string().trim_end_matches('.')));
    }
    Err(format!("must be made of names such as chat.example.org or .example.org, not {value:?}"))
}

fn origin(value: &str) -> Result<WebOrigin, String> {
    WebOrigin::parse(value).ok_or_else(|| {
        format!("must be made of origins such as https://app.example.org, not {value:?}")
    })
}
