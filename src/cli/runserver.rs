//! `runserver [ADDR]`: serve until SIGTERM or SIGINT.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use tokio::net::TcpListener;

use crate::actions;
use crate::app::App;
use crate::config::{Config, DatabaseUrl};
use crate::http;
use crate::lifecycle::{self, StopReason};
use crate::store::migrations;
use crate::store::open::make_private;

use super::createsuperuser::in_words;
use super::{Result, require_current, say, settings};

/// Files that the connections to the embedded database have open.
const SQLITE_FILES: u64 = 12;

/// See the fields.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Where to listen: PORT, ADDRESS or ADDRESS:PORT; instead of BIND
    #[arg(value_name = "ADDR", value_parser = Place::parse)]
    place: Option<Place>,
}

pub(super) async fn run(arguments: &Arguments) -> Result {
    let (mut config, _log) = settings()?;
    let bind = arguments.place.unwrap_or_default().or(config.server.bind);
    let files = lifecycle::raise_file_limit();
    config.server.max_connections = max_connections(&config, files)?;
    let (app, sends) = App::open(&config).await?;
    if let Some(file) = config.database.sqlite_file() {
        if let Err(error) = make_private(&file) {
            tracing::warn!(%error, "the database's files may be readable by others");
        }
        // Nobody else uses it, so nobody else could migrate it first.
        migrations::migrate(&app.db, app.clock.now(), |name| {
            tracing::info!(name, "migration applied");
        })
        .await?;
        app.db.keep_reserve().await;
    }
    require_current(&app.db).await?;
    actions::epoch::enter(&app).await.map_err(in_words)?;
    let listener = TcpListener::bind(bind)
        .await
        .map_err(|error| format!("cannot listen on {bind}: {error}"))?;
    let mut signals = lifecycle::StopSignals::listen()?;
    actions::start(&app, sends);

    greet(&config, listener.local_addr()?, files);
    app.spawn(http::serve(Arc::clone(&app), listener));
    let reason = lifecycle::stop_requested(&app, &mut signals).await;
    let delay = reason.drain_delay(config.server.shutdown_delay);
    tokio::select! {
        () = lifecycle::drain(&app, delay) => {}
        signal = signals.next() => tracing::warn!("{} again; stopping at once", signal.name()),
    }
    if let Err(error) = actions::sessions::store_touched(Arc::clone(&app)).await {
        tracing::warn!(%error, "cannot store when sessions were last used");
    }
    // Otherwise the other nodes find it dead, a little later.
    if let Err(error) = actions::nodes::leave(&app).await {
        tracing::warn!(%error, "cannot tell the other nodes that this one leaves");
    }
    match reason {
        StopReason::Signal(_) => lifecycle::close(&app).await,
        // Closing would write to that disk.
        StopReason::DiskFault(reason) => {
            return Err(format!("{reason}; start again to go on with what is there").into());
        }
    }
    Ok(())
}

/// How many connections there may be: as `MAX_CONNECTIONS` says, and as the limit of open files
/// allows.
fn max_connections(config: &Config, files: u64) -> Result<usize> {
    let database = match &config.database.url {
        DatabaseUrl::Sqlite(_) => SQLITE_FILES,
        DatabaseUrl::Postgres(_) => config.database.pool_size.into(),
    };
    // Unknown.
    let files = if files == 0 { u64::MAX } else { files };
    let most = lifecycle::connections(files, database).ok_or_else(|| {
        format!(
            "the limit of open files ({files}) is too low to serve with: raise it \
             (`ulimit -n 1024`, or LimitNOFILE of systemd)"
        )
    })?;
    let wanted = config.server.max_connections;
    if wanted > most {
        tracing::warn!(wanted, most, "MAX_CONNECTIONS is more than the limit of open files allows");
    }
    Ok(if wanted == 0 { most } else { wanted.min(most) })
}

/// What somebody who starts it for the first time wants to know.
fn greet(config: &Config, address: SocketAddr, files: u64) {
    let data = match &config.database.url {
        DatabaseUrl::Sqlite(None) => config.database.data_dir.display().to_string(),
        DatabaseUrl::Sqlite(Some(path)) => path.display().to_string(),
        DatabaseUrl::Postgres(_) => "in PostgreSQL (DATABASE_URL)".to_owned(),
    };
    say(&format!("Meowsenger {} listens on http://{address}", env!("CARGO_PKG_VERSION")));
    say(&format!("  data:        {data}"));
    say(&format!("  API:         http://{address}/api/docs/"));
    say("  first user:  POST /api/auth/register/, or `meowsenger createsuperuser`");
    let connections = config.server.max_connections;
    say(&format!("  open files:  {files}, for {connections} connections"));
}

/// Where to listen; what is left out is as `BIND` says.
#[derive(Clone, Copy, Debug, Default)]
struct Place {
    ip: Option<IpAddr>,
    port: Option<u16>,
}

impl Place {
    /// As `manage.py runserver` reads it.
    fn parse(text: &str) -> Result<Self, String> {
        if let Ok(address) = text.parse::<SocketAddr>() {
            return Ok(Self { ip: Some(address.ip()), port: Some(address.port()) });
        }
        if let Ok(port) = text.parse() {
            return Ok(Self { ip: None, port: Some(port) });
        }
        let ip = text.trim_start_matches('[').trim_end_matches(']').parse();
        ip.map(|ip| Self { ip: Some(ip), port: None })
            .map_err(|_| "no address such as 8000, 0.0.0.0 or [::]:8000".to_owned())
    }

    fn or(self, bind: SocketAddr) -> SocketAddr {
        SocketAddr::new(self.ip.unwrap_or(bind.ip()), self.port.unwrap_or(bind.port()))
    }
}
