//! The bus between the nodes of a site.

use std::fmt;
use std::path::PathBuf;

use url::Url;

use crate::domain::network::is_local;

use super::credentials::{self, ENCODE};
use super::reader::{Reader, list};

/// Settings of the bus.
#[derive(Clone)]
pub struct BusSettings {
    /// `BUS_URL`. Empty: no bus; nodes learn of each other's events from the database.
    pub urls: Vec<Url>,
    /// `BUS_CREDENTIALS`
    pub credentials: Option<PathBuf>,
    /// `BUS_TLS_CA`
    pub tls_ca: Option<PathBuf>,
    /// `BUS_TLS_CERT` and `BUS_TLS_KEY`
    pub tls_client: Option<(PathBuf, PathBuf)>,
}

/// The URLs may hold passwords.
impl fmt::Debug for BusSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hosts: Vec<_> = self.urls.iter().filter_map(Url::host_str).collect();
        f.debug_struct("BusSettings").field("hosts", &hosts).finish_non_exhaustive()
    }
}

impl BusSettings {
    /// Whether a connection crosses a network and may be unencrypted.
    pub fn is_exposed(&self) -> bool {
        let is_remote = |url: &Url| url.host_str().is_some_and(|host| !is_local(host));
        self.urls.iter().any(|url| url.scheme() != "tls" && is_remote(url))
    }

    pub(super) fn read(from: &mut Reader<'_>) -> Self {
        let urls = from.secret(
            "BUS_URL",
            "",
            "The NATS server through which nodes deliver events to each other:\n\
             nats://user:password@host:4222, nats://token@host or tls://host. Several servers of one\n\
             cluster are comma-separated; the credentials of the first are used for all of them.\n\
             A single node needs no bus.",
            |value| list(value, bus_url),
        );
        let credentials =
            from.get("BUS_CREDENTIALS", "", "A NATS credentials file (.creds).", path);
        let tls_ca = from.get(
            "BUS_TLS_CA",
            "",
            "A PEM file with certificate authorities to trust for the bus, besides the system's.",
            path,
        );
        let certificate = from.get(
            "BUS_TLS_CERT",
            "",
            "A PEM file with the client certificate for the bus.",
            path,
        );
        let key = from.get("BUS_TLS_KEY", "", "A PEM file with the key of BUS_TLS_CERT.", path);
        if certificate.is_some() != key.is_some() {
            from.error("BUS_TLS_CERT", "and BUS_TLS_KEY must be set together");
        }
        Self { urls, credentials, tls_ca, tls_client: certificate.zip(key) }
    }
}

fn path(value: &str) -> Result<Option<PathBuf>, String> {
    Ok(Some(value).filter(|value| !value.is_empty()).map(PathBuf::from))
}

/// The value may hold a password, so the error does not quote it.
fn bus_url(value: &str) -> Result<Url, String> {
    let url = credentials::url(value)?;
    match url.scheme() {
        "nats" | "tls" if url.has_host() => Ok(url),
        _ => Err(format!("must be URLs such as nats://host:4222 or tls://host; {ENCODE}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_servers_are_read_and_passwords_are_not_shown() {
        let urls = list("nats://meow:secret@one:4222, tls://two", bus_url).expect("URLs");
        let bus = BusSettings { urls, credentials: None, tls_ca: None, tls_client: None };
        assert_eq!(format!("{bus:?}"), r#"BusSettings { hosts: ["one", "two"], .. }"#);
        for bad in ["one:4222", "http://one", "nats://", "nats:one"] {
            assert!(bus_url(bad).is_err(), "{bad}");
        }
    }
}
