//! What the commands share: reading the settings, opening the database or a node, printing. It knows
//! no command.

use std::io::{Write, stderr, stdout};
use std::sync::Arc;

use crate::app::{self, App};
use crate::config::{Config, environment};
use crate::domain::error::Error;
use crate::store::Db;
use crate::store::migrations::{self, MigrationError, State};
use crate::store::server_lock::{NotLocked, ServerLock};
use crate::telemetry::{self, Log};

/// The result of a command; the error is a text for the operator.
pub(super) type Result<T = (), E = Box<dyn std::error::Error>> = std::result::Result<T, E>;

/// Prints a line. If nobody reads it any more (`| head`), that is no failure.
pub(super) fn say(line: &str) {
    writeln!(stdout(), "{line}").ok();
}

/// Prints a line beside the result of a command.
pub(super) fn note(line: &str) {
    writeln!(stderr(), "{line}").ok();
}

/// Reads the settings, and starts the log by them, on standard error.
pub(super) fn settings() -> Result<(Config, Log)> {
    let config = Config::read(&environment()?)?;
    let log = telemetry::start(&config)?;
    Ok((config, log))
}

/// The same for a server, whose log may be in files.
pub(super) fn server_settings() -> Result<(Config, Log)> {
    let config = Config::read(&environment()?)?;
    let log = telemetry::start_server(&config)?;
    Ok((config, log))
}

/// Opens only the database, for commands about its schema.
pub(super) async fn database() -> Result<(Db, Log)> {
    let (config, log) = settings()?;
    Ok((app::open_database(&config).await?, log))
}

/// Opens the database, but makes no embedded one: there is nothing to copy in it.
pub(super) async fn existing_database(config: &Config) -> Result<Db> {
    match config.database.sqlite_file() {
        Some(file) if !file.exists() => {
            Err(format!("there is no database at {}", file.display()).into())
        }
        _ => Ok(app::open_database(config).await?),
    }
}

/// Opens a node that does not serve, for commands that act on users. The schema has to be current.
pub(super) async fn node() -> Result<(Arc<App>, Log)> {
    let (config, log) = settings()?;
    let (app, _) = App::open(&config).await?;
    require_current(&app.db).await?;
    Ok((app, log))
}

/// Fails if a migration is missing, or if a newer one forbids this version.
pub(super) async fn require_current(db: &Db) -> Result {
    match migrations::state(db).await? {
        State::Current => Ok(()),
        State::NewerCompatible(names) => {
            tracing::warn!(
                migrations = names.join(" "),
                "the database was migrated by a newer version; this version may run beside it"
            );
            Ok(())
        }
        State::NewerIncompatible(name) => Err(MigrationError::Newer(name).into()),
        State::Edited(name) => Err(MigrationError::Edited(name).into()),
        State::Behind(names) => Err(format!(
            "the migration {} is not applied; run `meowsenger migrate` first",
            names[0]
        )
        .into()),
    }
}

/// An error of an action, for the operator.
pub(super) fn describe(error: Error) -> String {
    match error {
        Error::Invalid(errors) => {
            let lines = errors
                .by_field()
                .iter()
                .map(|(name, texts)| format!("{name}: {}", texts.join(" ")));
            lines.collect::<Vec<_>>().join("\n  ")
        }
        Error::Internal(cause) | Error::Unavailable(cause) => cause.to_string(),
        other => other.to_string(),
    }
}

/// Keeps servers away from an embedded database for as long as the lock is held.
pub(super) fn lock_embedded(config: &Config) -> Result<Option<ServerLock>> {
    let Some(file) = config.database.sqlite_file() else { return Ok(None) };
    match ServerLock::take(&file) {
        Ok(lock) => Ok(Some(lock)),
        Err(NotLocked::Taken(process)) => {
            Err(format!("a server (process {process}) uses {}; stop it first", file.display())
                .into())
        }
        Err(NotLocked::Failed(error)) => {
            tracing::warn!(%error, "cannot lock the database; make sure that no other server uses it");
            Ok(None)
        }
    }
}
