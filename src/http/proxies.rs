//! The client behind trusted proxies: their `X-Forwarded-*` headers count as far as they are trusted.

use std::convert::Infallible;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use axum::extract::FromRequestParts;
use axum::http::HeaderMap;
use axum::http::request::Parts;

use crate::domain::network::Network;

/// The client, as far as the network shows.
#[derive(Clone, Copy, Debug)]
pub(super) struct Peer {
    /// The client's address, behind any trusted proxies.
    pub(super) address: IpAddr,
    /// Whether a trusted proxy says that the client used TLS.
    pub(super) is_secure: bool,
    /// Whether the connection comes from a trusted proxy.
    pub(super) is_proxied: bool,
}

impl<S: Send + Sync> FromRequestParts<S> for Peer {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let unknown =
            Self { address: Ipv4Addr::UNSPECIFIED.into(), is_secure: false, is_proxied: false };
        Ok(parts.extensions.get().copied().unwrap_or(unknown))
    }
}

/// The client of a connection. Each proxy appends its own client to `X-Forwarded-For`, so the list is
/// read from the right for as long as the writers are trusted. Anybody could have written the rest.
pub(super) fn client(peer: IpAddr, headers: &HeaderMap, trusted: &[Network]) -> Peer {
    let is_trusted = |address: IpAddr| trusted.iter().any(|network| network.contains(address));
    let mut address = peer.to_canonical();
    let is_proxied = is_trusted(address);
    let is_secure = is_proxied && values(headers, "x-forwarded-proto").next().is_some_and(is_tls);
    for named in values(headers, "x-forwarded-for") {
        if !is_trusted(address) {
            break;
        }
        // No proxy writes something that is not an address.
        let Some(named) = parse(named) else { break };
        address = named.to_canonical();
    }
    Peer { address, is_secure, is_proxied }
}

/// Some proxies name the scheme of a WebSocket.
fn is_tls(scheme: &str) -> bool {
    scheme.eq_ignore_ascii_case("https") || scheme.eq_ignore_ascii_case("wss")
}

/// The hosts that proxies say the client asked for.
pub(super) fn forwarded_hosts(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    values(headers, "x-forwarded-host")
}

/// A header's values from right to left: of all lines, separated by commas.
fn values<'a>(headers: &'a HeaderMap, name: &str) -> impl Iterator<Item = &'a str> {
    let lines: Vec<_> = headers.get_all(name).iter().map(|value| value.to_str()).collect();
    lines.into_iter().rev().flat_map(|line| line.unwrap_or("?").rsplit(',').map(str::trim))
}

/// An address. Some proxies add a port.
fn parse(text: &str) -> Option<IpAddr> {
    let plain = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    plain.parse().ok().or_else(|| text.parse::<SocketAddr>().ok().map(|address| address.ip()))
}

#[cfg(test)]
#[path = "proxies_fuzz.rs"]
mod fuzz;

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn seen(peer: &str, forwarded: &[&str]) -> String {
        let trusted = ["10.0.0.0/8", "::1"].map(|range| Network::parse(range).expect(range));
        let mut headers = HeaderMap::new();
        for line in forwarded {
            headers.append("x-forwarded-for", HeaderValue::from_str(line).expect("a header"));
        }
        client(peer.parse().expect("an address"), &headers, &trusted).address.to_string()
    }

    #[test]
    fn forwarded_addresses_count_as_far_as_they_can_be_trusted() {
        assert_eq!(seen("192.0.2.1", &["198.51.100.9"]), "192.0.2.1", "no proxy of ours");
        assert_eq!(seen("10.0.0.1", &[]), "10.0.0.1");
        assert_eq!(seen("10.0.0.1", &["198.51.100.9"]), "198.51.100.9");
        assert_eq!(seen("::ffff:10.0.0.1", &["198.51.100.9"]), "198.51.100.9");
        assert_eq!(seen("10.0.0.1", &["6.6.6.6, 198.51.100.9"]), "198.51.100.9", "made up");
        assert_eq!(seen("10.0.0.1", &["6.6.6.6", "198.51.100.9,10.9.9.9"]), "198.51.100.9");
        assert_eq!(seen("::1", &["10.1.1.1, 10.2.2.2"]), "10.1.1.1", "all ours");
        assert_eq!(seen("10.0.0.1", &["6.6.6.6, rubbish"]), "10.0.0.1");
        assert_eq!(seen("10.0.0.1", &["[2001:db8::7]:443"]), "2001:db8::7");
        assert_eq!(seen("10.0.0.1", &["198.51.100.9:4711"]), "198.51.100.9");
    }

    #[test]
    fn only_a_trusted_proxy_says_that_the_client_came_by_tls() {
        let trusted = [Network::parse("10.0.0.0/8").expect("a range")];
        for (peer, scheme, secure) in [
            ("10.0.0.1", "https", true),
            ("10.0.0.1", "HTTPS", true),
            ("10.0.0.1", "wss", true),
            ("10.0.0.1", "http", false),
            ("10.0.0.1", "https, http", false),
            ("192.0.2.1", "https", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.append("x-forwarded-proto", HeaderValue::from_static(scheme));
            let client = client(peer.parse().expect("an address"), &headers, &trusted);
            assert_eq!(client.is_secure, secure, "{peer} {scheme}");
        }
    }
}
