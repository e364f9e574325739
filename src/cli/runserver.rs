//! `runserver [ADDR]`: serve until SIGTERM or SIGINT.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpListener;

use crate::actions;
use crate::app::App;
use crate::config::{Config, DatabaseUrl};
use crate::http;
use crate::lifecycle;
use crate::store::{Db, migrations};

use super::{Result, require_current, say, settings};

/// See the fields.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Where to listen: PORT, ADDRESS or ADDRESS:PORT; instead of BIND
    #[arg(value_name = "ADDR")]
    address: Option<String>,
}

pub(super) async fn run(arguments: &Arguments) -> Result {
    let config = settings()?;
    let bind = match &arguments.address {
        Some(address) => parse_address(address, config.server.bind)?,
        None => config.server.bind,
    };
    let files = lifecycle::raise_file_limit();
    let (app, sends) = App::open(&config).await?;
    match &app.db {
        // Nobody else uses it, so nobody else could migrate it first.
        Db::Sqlite { .. } => {
            migrations::migrate(&app.db, app.clock.now(), |name| {
                tracing::info!(name, "migration applied");
            })
            .await?;
        }
        Db::Postgres(_) => require_current(&app.db).await?,
    }
    let listener = TcpListener::bind(bind)
        .await
        .map_err(|error| format!("cannot listen on {bind}: {error}"))?;
    actions::start(&app, sends);

    greet(&config, listener.local_addr()?, files);
    app.spawn(http::serve(Arc::clone(&app), listener));
    lifecycle::signalled().await?;
    lifecycle::drain(&app).await;
    // Who is not told is told by the node's silence, a little later.
    if let Err(error) = actions::presence::leave(&app).await {
        tracing::warn!(%error, "the node could not say goodbye");
    }
    lifecycle::close(&app).await;
    Ok(())
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
    if files > 0 {
        say(&format!("  open files:  {files}, so that many sockets at most"));
    }
}

/// As `manage.py runserver` reads it, with what is left out taken from `BIND`.
fn parse_address(text: &str, bind: SocketAddr) -> Result<SocketAddr> {
    if let Ok(address) = text.parse() {
        return Ok(address);
    }
    if let Ok(port) = text.parse() {
        return Ok(SocketAddr::new(bind.ip(), port));
    }
    let ip = text.trim_start_matches('[').trim_end_matches(']').parse();
    ip.map(|ip| SocketAddr::new(ip, bind.port()))
        .map_err(|_| format!("{text:?} is no address such as 8000, 0.0.0.0 or [::]:8000").into())
}
