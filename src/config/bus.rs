//! How the nodes of one site hear of each other.

use std::fmt;
use std::path::PathBuf;

use url::Url;

use super::reader::{Reader, list};

/// See the fields.
#[derive(Clone)]
pub struct Bus {
    /// `BUS_URL`; none: this node is alone, or leaves the others to find out by the database.
    pub urls: Vec<Url>,
    /// `BUS_CREDENTIALS`
    pub credentials: Option<PathBuf>,
    /// `BUS_TLS_CA`
    pub tls_ca: Option<PathBuf>,
    /// `BUS_TLS_CERT` and `BUS_TLS_KEY`
    pub tls_client: Option<(PathBuf, PathBuf)>,
}

/// The URLs may hold passwords.
impl fmt::Debug for Bus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hosts: Vec<_> = self.urls.iter().filter_map(Url::host_str).collect();
        f.debug_struct("Bus").field("hosts", &hosts).finish_non_exhaustive()
    }
}

impl Bus {
    pub(super) fn read(from: &mut Reader<'_>) -> Self {
        let urls = from.get(
            "BUS_URL",
            "",
            "The NATS server through which several nodes tell each other what happens at once:\n\
             nats://user:password@host:4222, or nats://token@host, or tls://host; several of one\n\
             cluster comma-separated, to whom the first one's name and password are told. One node\n\
             alone needs none.",
            |value| list(value, bus_url),
        );
        let credentials = from.get(
            "BUS_CREDENTIALS",
            "",
            "A NATS credentials file (.creds) to log in to the bus with.",
            path,
        );
        let tls_ca = from.get(
            "BUS_TLS_CA",
            "",
            "A PEM file with the authorities that the bus's certificate may be signed by, besides\n\
             the system's.",
            path,
        );
        let certificate =
            from.get("BUS_TLS_CERT", "", "A PEM file: the certificate shown to the bus.", path);
        let key = from.get("BUS_TLS_KEY", "", "A PEM file: the key of BUS_TLS_CERT.", path);
        if certificate.is_some() != key.is_some() {
            from.fault("BUS_TLS_CERT", "and BUS_TLS_KEY go together");
        }
        Self { urls, credentials, tls_ca, tls_client: certificate.zip(key) }
    }
}

fn path(value: &str) -> Result<Option<PathBuf>, String> {
    Ok(Some(value).filter(|value| !value.is_empty()).map(PathBuf::from))
}

/// The value may hold a password, so faults do not repeat it.
fn bus_url(value: &str) -> Result<Url, String> {
    let url = Url::parse(value).ok().filter(|url| url.has_host());
    url.filter(|url| matches!(url.scheme(), "nats" | "tls"))
        .ok_or_else(|| "must be made of URLs such as nats://host:4222 or tls://host".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bus_is_one_or_several_servers_and_is_not_shown_with_its_password() {
        let urls = list("nats://meow:secret@one:4222, tls://two", bus_url).expect("URLs");
        let bus = Bus { urls, credentials: None, tls_ca: None, tls_client: None };
        assert_eq!(format!("{bus:?}"), r#"Bus { hosts: ["one", "two"], .. }"#);
        for bad in ["one:4222", "http://one", "nats://", "nats:one"] {
            assert!(bus_url(bad).is_err(), "{bad}");
        }
    }
}
