//! The settings of the bus as options of the NATS client, and whether they work.

use std::time::Duration;

use async_nats::{ConnectErrorKind, ConnectOptions, ServerAddr};
use percent_encoding::percent_decode_str;
use tokio::time::timeout;

use crate::auth::secrets::SigningKey;
use crate::config::BusSettings;
use crate::hub::bus::link::Link;
use crate::hub::bus::worker::BusWorker;
use crate::reach::Server;

/// Timeout for the network alone, to look for the cause of a failure.
const PROBE_TIMEOUT: Duration = Duration::from_secs(2);

/// Both ends of the link to NATS, if a bus is configured. Messages are signed with `key`. The error names
/// the setting that is wrong.
pub(super) async fn open(
    bus: &BusSettings,
    key: SigningKey,
) -> Result<Option<(Link, BusWorker)>, String> {
    if bus.urls.is_empty() {
        return Ok(None);
    }
    let (servers, options) = options(bus).await?;
    Ok(Some(Link::new(servers, options, key)))
}

/// Connects to the bus, if one is configured, and disconnects. The error says which server cannot be
/// used, and why.
pub async fn check_bus(bus: &BusSettings, limit: Duration) -> Result<(), String> {
    if bus.urls.is_empty() {
        return Ok(());
    }
    let (servers, options) = options(bus).await?;
    for server in servers {
        let is_tls = server.tls_required();
        let named = Server { host: server.host().to_owned(), port: server.port() };
        let connecting = options.clone().connection_timeout(limit).connect(server);
        let Err(error) = timeout(limit, connecting)
            .await
            .unwrap_or_else(|_| Err(ConnectErrorKind::TimedOut.into()))
        else {
            continue;
        };
        let cause = match (named.probe(PROBE_TIMEOUT).await, error.kind()) {
            (Err(cause), _) => cause,
            (_, ConnectErrorKind::AuthorizationViolation) => "wrong user or password".to_owned(),
            (_, ConnectErrorKind::TimedOut) => "no NATS server answers there".to_owned(),
            _ if is_tls => format!("TLS: {error}"),
            _ => error.to_string(),
        };
        return Err(format!("NATS at {named}: {cause}"));
    }
    Ok(())
}

async fn options(bus: &BusSettings) -> Result<(Vec<ServerAddr>, ConnectOptions), String> {
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
    Ok((servers, options))
}
