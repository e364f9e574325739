//! The command line: one file a subcommand, in the manner of Django's `manage.py`. A command reads
//! the settings, does its work through the actions, and tells people what came of it.

mod changepassword;
mod check;
mod createsuperuser;
mod epoch;
mod makemigrations;
mod migrate;
mod openapi;
mod prompt;
mod runserver;
mod showmigrations;

use std::io::{Write, stderr, stdout};
use std::process::ExitCode;
use std::sync::Arc;

use clap::{Parser, Subcommand};

use crate::app::{self, App};
use crate::config::{Config, environment};
use crate::store::Db;
use crate::store::migrations::{self, State};
use crate::telemetry::{self, Log};

/// What went wrong, in words for the one who typed the command.
pub(crate) type Result<T = (), E = Box<dyn std::error::Error>> = std::result::Result<T, E>;

/// A messenger backend: private and group chats over REST and WebSocket.
#[derive(Debug, Parser)]
#[command(name = "meowsenger", version, arg_required_else_help = true, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve
    Runserver(runserver::Arguments),
    /// Bring the database to this version
    Migrate(migrate::Arguments),
    /// List the migrations and which of them are applied
    Showmigrations,
    /// Begin a new migration, in a source tree
    Makemigrations(makemigrations::Arguments),
    /// Make an account that may do everything
    Createsuperuser(createsuperuser::Arguments),
    /// Set a user's password; their sessions end
    Changepassword(changepassword::Arguments),
    /// Print the epoch, by which clients tell whether the data's past is the one they know
    Epoch(epoch::Arguments),
    /// Tell what is wrong or unsafe about the settings
    Check(check::Arguments),
    /// Print the OpenAPI document
    Openapi(openapi::Arguments),
}

/// Runs the command that the process was given. The exit status is 0 where it was done, 1 where it
/// failed and 2 where it was not understood.
pub fn run() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version come this way too, and are no failure.
            error.print().ok();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&error),
    };
    match runtime.block_on(dispatch(cli.command)) {
        Ok(status) => status,
        Err(error) => fail(&*error),
    }
}

async fn dispatch(command: Command) -> Result<ExitCode> {
    match command {
        Command::Openapi(arguments) => openapi::run(&arguments)?,
        Command::Makemigrations(arguments) => makemigrations::run(&arguments)?,
        Command::Check(arguments) => return check::run(&arguments).await,
        Command::Migrate(arguments) => return migrate::run(&arguments).await,
        Command::Runserver(arguments) => runserver::run(&arguments).await?,
        Command::Epoch(arguments) => epoch::run(&arguments).await?,
        Command::Showmigrations => showmigrations::run().await?,
        Command::Createsuperuser(arguments) => createsuperuser::run(&arguments).await?,
        Command::Changepassword(arguments) => changepassword::run(&arguments).await?,
    }
    Ok(ExitCode::SUCCESS)
}

fn fail(error: &dyn std::error::Error) -> ExitCode {
    writeln!(stderr(), "meowsenger: {error}").ok();
    ExitCode::FAILURE
}

/// Prints a line. A reader that went away (`| head`) is no failure.
pub(crate) fn say(line: &str) {
    writeln!(stdout(), "{line}").ok();
}

/// The settings, and the log, started as they say.
pub(crate) fn settings() -> Result<(Config, Log)> {
    let variables = environment()?;
    let config = Config::read(&variables)?;
    let log = telemetry::start(&config);
    for name in Config::without_effect(&variables) {
        tracing::warn!(name, "this setting has no effect in this version");
    }
    Ok((config, log))
}

/// The database alone, for commands about its schema.
pub(crate) async fn database() -> Result<(Db, Log)> {
    let (config, log) = settings()?;
    Ok((app::open_database(&config).await?, log))
}

/// A node that does not serve, for commands that act on users. The schema has to be current.
pub(crate) async fn node() -> Result<(Arc<App>, Log)> {
    let (config, log) = settings()?;
    let (app, _) = App::open(&config).await?;
    require_current(&app.db).await?;
    Ok((app, log))
}

/// Fails where a migration is missing, or where a newer one forbids this version.
pub(crate) async fn require_current(db: &Db) -> Result {
    match migrations::state(db).await? {
        State::Current => Ok(()),
        State::NewerCompatible(names) => {
            tracing::warn!(
                migrations = names.join(" "),
                "the database was migrated by a newer version, beside which this one may run"
            );
            Ok(())
        }
        State::NewerIncompatible(name) => Err(migrations::Error::Newer(name).into()),
        State::Behind(names) => Err(format!(
            "the database has not had the migration {}; run `meowsenger migrate` first",
            names[0]
        )
        .into()),
    }
}
