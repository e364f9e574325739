//! `runserver [ADDR]`: runs the server until SIGTERM or SIGINT.

use std::io::stdout;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::time::{Instant, sleep};

use crate::actions;
use crate::app::App;
use crate::config::{Config, DatabaseUrl, ListenAddress, LogFormat};
use crate::http;
use crate::lifecycle::{self, StopReason};
use crate::store::migrations;
use crate::store::open::make_private;
use crate::store::server_lock::{NotLocked, ServerLock};
use crate::telemetry;

use super::context::{Result, describe, require_current, say, server_settings};
use super::listen::Port;

/// Files that the connections to the embedded database hold open.
const SQLITE_FILES: u64 = 12;

/// How long to wait for another server to release the embedded database, and how often to look.
const LOCK_WAIT: Duration = Duration::from_secs(1);
const LOCK_RETRY: Duration = Duration::from_millis(50);

/// The arguments of `runserver`.
#[derive(Debug, clap::Args)]
pub(super) struct RunserverArguments {
    /// PORT, HOST or HOST:PORT to listen on; overrides BIND
    #[arg(value_name = "ADDR", value_parser = ListenAddress::parse)]
    listen: Option<ListenAddress>,
}

pub(super) async fn run(arguments: &RunserverArguments) -> Result {
    let (config, _log) = server_settings()?;
    let has_files = config.logging.files.is_some();
    let served = serve(arguments, config).await;
    if let Err(error) = &served
        && has_files
    {
        // The caller prints it, and the file has to have it, too.
        tracing::error!("{error}");
    }
    served
}

async fn serve(arguments: &RunserverArguments, mut config: Config) -> Result {
    let listen = arguments.listen.clone().unwrap_or_default();
    let port = Port::take(listen.or(&config.server.bind)).await?;
    let metrics_port = match config.server.metrics_bind.clone() {
        Some(bind) => {
            let port = Port::take(bind).await.map_err(|error| format!("METRICS_BIND: {error}"))?;
            Some(port)
        }
        None => None,
    };
    let files = lifecycle::raise_file_limit();
    config.server.max_connections = max_connections(&config, files)?;
    let (app, sends) = App::open(&config).await?;
    // Held until the process ends.
    let _lock = match config.database.sqlite_file() {
        Some(file) => prepare_embedded(&app, &file).await?,
        None => None,
    };
    require_current(&app.db).await?;
    actions::epoch::enter(&app).await.map_err(describe)?;
    let listener = port.listen()?;
    let metrics_listener = metrics_port.map(Port::listen).transpose()?;
    let metrics_address = metrics_listener.as_ref().map(TcpListener::local_addr).transpose()?;
    let mut signals = lifecycle::StopSignals::listen()?;
    actions::start(&app, sends);

    greet(&config, listener.local_addr()?, metrics_address, files);
    if let Some(listener) = metrics_listener {
        app.spawn(http::serve_metrics(Arc::clone(&app), listener));
    }
    app.spawn(http::serve(Arc::clone(&app), listener));
    let reason = lifecycle::stop_requested(&app, &mut signals).await;
    let delay = reason.drain_delay(config.server.shutdown_delay);
    tokio::select! {
        () = lifecycle::drain(&app, delay) => {}
        signal = signals.next() => tracing::warn!("{} again; stopping at once", signal.name()),
    }
    if let Err(error) = actions::sessions::store_touched(Arc::clone(&app)).await {
        tracing::warn!(error = %error.cause(), "cannot store the last use of sessions");
    }
    if let Err(error) = actions::counters::store(Arc::clone(&app)).await {
        tracing::warn!(error = %error.cause(), "cannot store the counts of the last minute");
    }
    // Otherwise the other nodes find it dead, a little later.
    if let Err(error) = actions::nodes::leave(&app).await {
        tracing::warn!(error = %error.cause(), "cannot tell the other nodes that this one leaves");
    }
    match reason {
        StopReason::Signal(_) => lifecycle::close(&app).await,
        // Closing would write to that disk.
        StopReason::DiskFault(reason) => {
            return Err(
                format!("{reason}; restart to continue with the data that is on the disk").into()
            );
        }
    }
    Ok(())
}

/// Takes the embedded database for this server alone, and migrates it: no other node could.
async fn prepare_embedded(app: &App, file: &Path) -> Result<Option<ServerLock>> {
    let lock = lock_database(file).await?;
    if let Err(error) = make_private(file) {
        tracing::warn!(%error, "cannot make the database files private; other users may be able to read them");
    }
    migrations::migrate(&app.db, app.clock.now(), |name| {
        tracing::info!(name, "migration applied");
    })
    .await?;
    app.db.keep_reserve().await;
    Ok(lock)
}

/// Fails if another server uses the database. One that was stopped a moment ago may still be ending.
async fn lock_database(file: &Path) -> Result<Option<ServerLock>> {
    let deadline = Instant::now() + LOCK_WAIT;
    loop {
        match ServerLock::take(file) {
            Ok(lock) => return Ok(Some(lock)),
            Err(NotLocked::Taken(_)) if Instant::now() < deadline => sleep(LOCK_RETRY).await,
            Err(NotLocked::Taken(process)) => {
                return Err(format!(
                    "another server (process {process}) uses {}; an embedded database has one server: stop \
                     the other one first, or use PostgreSQL for several",
                    file.display()
                )
                .into());
            }
            Err(NotLocked::Failed(error)) => {
                tracing::warn!(%error, "cannot lock the database; make sure that no other server uses it");
                return Ok(None);
            }
        }
    }
}

/// Maximum connections, by `MAX_CONNECTIONS` and the limit of open files.
fn max_connections(config: &Config, files: u64) -> Result<usize> {
    let database = match &config.database.url {
        DatabaseUrl::Sqlite(_) => SQLITE_FILES,
        DatabaseUrl::Postgres(_) => config.database.pool_size.into(),
    };
    // 0: unknown.
    let files = if files == 0 { u64::MAX } else { files };
    let most = lifecycle::connections(files, database).ok_or_else(|| {
        format!(
            "the limit of open files ({files}) is too low for a server: raise it \
             (`ulimit -n 1024`, or LimitNOFILE in systemd)"
        )
    })?;
    let wanted = config.server.max_connections;
    if wanted > most {
        tracing::warn!(wanted, most, "MAX_CONNECTIONS exceeds what the limit of open files allows");
    }
    Ok(if wanted == 0 { most } else { wanted.min(most) })
}

/// Prints what a user who starts the server for the first time wants to know, in the format of the log.
fn greet(config: &Config, address: SocketAddr, metrics: Option<SocketAddr>, files: u64) {
    let version = env!("CARGO_PKG_VERSION");
    let connections = config.server.max_connections;
    let data = match &config.database.url {
        DatabaseUrl::Sqlite(None) => config.database.data_dir.display().to_string(),
        DatabaseUrl::Sqlite(Some(path)) => path.display().to_string(),
        DatabaseUrl::Postgres(_) => "in PostgreSQL (DATABASE_URL)".to_owned(),
    };
    if config.logging.format == LogFormat::Json {
        telemetry::json_lines(stdout, || {
            tracing::info!(
                data,
                metrics = metrics.map(tracing::field::display),
                files,
                connections,
                "Meowsenger {version} listens on http://{address}"
            );
        });
        return;
    }
    say(&format!("Meowsenger {version} listens on http://{address}"));
    say(&format!("  data:        {data}"));
    say(&format!("  API:         http://{address}/api/docs/"));
    if config.server.debug {
        say(&format!("  admin site:  http://{address}/admin/"));
    }
    if let Some(metrics) = metrics {
        say(&format!("  metrics:     http://{metrics}/metrics"));
    }
    if let Some(files) = &config.logging.files {
        say(&format!("  log:         {}/meowsenger.log", files.folder.display()));
    }
    say("  first user:  POST /api/auth/register/, or `meowsenger createsuperuser`");
    say(&format!("  open files:  {files}, for {connections} connections"));
}
