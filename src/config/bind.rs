//! Addresses to listen on, as `BIND` and `runserver` take them. Names are resolved elsewhere.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use crate::domain::text::quoted;

/// Where to listen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bind {
    /// An address, or a name to resolve.
    pub host: String,
    /// The port; 0: any free one.
    pub port: u16,
}

impl fmt::Display for Bind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host.contains(':') {
            true => write!(f, "[{}]:{}", self.host, self.port),
            false => write!(f, "{}:{}", self.host, self.port),
        }
    }
}

/// An address to listen on, of which the host or the port may be left out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListenAddress {
    host: Option<String>,
    port: Option<u16>,
}

impl ListenAddress {
    /// Parses `PORT`, `HOST` or `HOST:PORT`, as `manage.py runserver` takes them. A single word is no host:
    /// it is more likely a mistake.
    pub fn parse(text: &str) -> Result<Self, String> {
        if let Ok(address) = text.parse::<SocketAddr>() {
            return Ok(Self::of(Some(&address.ip().to_string()), Some(address.port())));
        }
        if let Ok(port) = text.strip_prefix(':').unwrap_or(text).parse() {
            return Ok(Self::of(None, Some(port)));
        }
        let plain = text.trim_start_matches('[').trim_end_matches(']');
        if plain.parse::<IpAddr>().is_ok() || text == "localhost" {
            return Ok(Self::of(Some(plain), None));
        }
        match text.rsplit_once(':').map(|(host, port)| (host, port.parse())) {
            Some((host, Ok(port))) if is_name(host) => Ok(Self::of(Some(host), Some(port))),
            _ => Err(format!(
                "must be an address such as 127.0.0.1:8000, localhost:8000, 0.0.0.0, [::]:8000 or 8000, \
                 not {}",
                quoted(text)
            )),
        }
    }

    fn of(host: Option<&str>, port: Option<u16>) -> Self {
        Self { host: host.map(str::to_owned), port }
    }

    /// The address, with what was left out taken from another one.
    pub fn or(self, bind: &Bind) -> Bind {
        let host = self.host.unwrap_or_else(|| bind.host.clone());
        Bind { host, port: self.port.unwrap_or(bind.port) }
    }
}

/// Whether this can be a host name. `0` is 0.0.0.0, as in `manage.py runserver 0:8000`.
fn is_name(host: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
    host == "0"
        || host.chars().all(fits)
            && host.chars().any(|c| c.is_ascii_alphabetic())
            && host.len() < 254
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_out_has_a_default() {
        let default = Bind { host: "127.0.0.1".to_owned(), port: 8000 };
        for (text, expected) in [
            ("9000", "127.0.0.1:9000"),
            (":9000", "127.0.0.1:9000"),
            ("0.0.0.0", "0.0.0.0:8000"),
            ("::1", "[::1]:8000"),
            ("[::1]", "[::1]:8000"),
            ("[::]:9000", "[::]:9000"),
            ("localhost", "localhost:8000"),
            ("localhost:9000", "localhost:9000"),
            ("node-1.example.org:1", "node-1.example.org:1"),
            ("0:9000", "0:9000"),
        ] {
            let address = ListenAddress::parse(text).expect(text).or(&default);
            assert_eq!(address.to_string(), expected, "{text}");
        }
        for bad in ["", ":", "everywhere", "a b:1", "localhost:x", "localhost:65536", "1.2.3:4"] {
            assert!(ListenAddress::parse(bad).is_err(), "{bad}");
        }
    }
}
