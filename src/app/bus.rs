//! The settings of the bus as options of the NATS client. Connects nothing.

use async_nats::{ConnectOptions, ServerAddr};
use percent_encoding::percent_decode_str;

use crate::auth::secrets::SigningKey;
use crate::config::BusSettings;
use crate::hub::bus::link::Link;
use crate::hub::bus::worker::BusWorker;

/// Both ends of the link to NATS, if a bus is configured. Messages are signed with `key`. The error names
/// the setting that is wrong.
pub(super) async fn open(
    bus: &BusSettings,
    key: SigningKey,
) -> Result<Option<(Link, BusWorker)>, String> {
    if bus.urls.is_empty() {
        return Ok(None);
    }
    let servers = bus.urls.iter().cloned().map(ServerAddr::from_url).collect::<Result<_, _>>();
    let servers: Vec<_> = servers.map_err(|error| format!("BUS_URL: {error}"))?;
    let mut options = ConnectOptions::new();
    // The client takes credentials apart from the address. A user name without a password is a token.
    if let Some(url) = bus.urls.iter().find(|url| !url.username().is_empty()) {
        let plain = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
        options = match url.password() {
            Some(password) => options.user_and_password(plain(url.username()), plain(password)),
            None => options.token(plain(url.username())),
        };
    }
    if let Some(path) = &bus.credentials {
        options = options
            .credentials_file(path)
            .await
            .map_err(|error| format!("BUS_CREDENTIALS: {}: {error}", path.display()))?;
    }
    for path in bus.tls_ca.iter().chain(bus.tls_client.iter().flat_map(|(cert, key)| [cert, key])) {
        // The client would report a missing file only when it connects, over and over.
        std::fs::metadata(path).map_err(|error| format!("{}: {error}", path.display()))?;
    }
    if let Some(path) = &bus.tls_ca {
        options = options.add_root_certificates(path.clone());
    }
    if let Some((certificate, key)) = &bus.tls_client {
        options = options.add_client_certificate(certificate.clone(), key.clone());
    }
    Ok(Some(Link::new(servers, options, key)))
}
