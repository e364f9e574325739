//! How the bus is reached, of the settings. Connects nothing.

use async_nats::{ConnectOptions, ServerAddr};
use percent_encoding::percent_decode_str;

use crate::auth::secrets::Sealer;
use crate::config::Bus;
use crate::hub::bus::link::Link;
use crate::hub::bus::worker::BusWorker;

/// Both ends of the way to other nodes, where one is wanted. What they tell each other is signed with
/// `key`. The error says what cannot be read.
pub(super) async fn open(bus: &Bus, key: Sealer) -> Result<Option<(Link, BusWorker)>, String> {
    if bus.urls.is_empty() {
        return Ok(None);
    }
    let servers = bus.urls.iter().cloned().map(ServerAddr::from_url).collect::<Result<_, _>>();
    let servers: Vec<_> = servers.map_err(|error| format!("BUS_URL: {error}"))?;
    let mut options = ConnectOptions::new();
    // The client takes who it is apart from where it connects; a name alone is a token.
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
        // The client would say so only when it connects, again and again.
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
