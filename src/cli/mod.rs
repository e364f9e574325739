//! The command line: a file per subcommand, like Django's `manage.py`. A command reads the settings,
//! works through the actions, and prints the result.

mod backup;
mod changepassword;
mod check;
mod context;
mod createsuperuser;
mod doctor;
mod epoch;
mod export;
mod healthcheck;
mod import;
mod import_django;
mod listen;
mod makemigrations;
mod manual;
mod migrate;
mod openapi;
mod progress;
mod prompt;
mod runserver;
mod showmigrations;

use std::io::{Write, stderr};
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

use context::Result;

use crate::config::{environment, process_environment};
use crate::telemetry;

/// A messenger backend: private and group chats over REST and WebSocket.
#[derive(Debug, Parser)]
#[command(name = "meowsenger", version, arg_required_else_help = true, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the server
    Runserver(runserver::RunserverArguments),
    /// Apply the migrations that the database lacks
    Migrate(migrate::MigrateArguments),
    /// List the migrations, and which of them are applied
    Showmigrations,
    /// Create the files of a new migration, in a source tree
    Makemigrations(makemigrations::MakemigrationsArguments),
    /// Create an account with all permissions
    Createsuperuser(createsuperuser::CreatesuperuserArguments),
    /// Set a user's password and end their sessions
    Changepassword(changepassword::ChangepasswordArguments),
    /// Print the epoch, the identity of the data's history that clients compare
    Epoch(epoch::EpochArguments),
    /// Write the whole site to a folder, for a move to another database
    Export(export::ExportArguments),
    /// Load what `export` has written into an empty database
    Import(import::ImportArguments),
    /// Load a Django site with its users, chats and messages into an empty database
    ImportDjango(import_django::ImportDjangoArguments),
    /// Copy the embedded database while the server runs; for PostgreSQL, print the command that does
    Backup(backup::BackupArguments),
    /// Check the data, and repair what has one right answer
    Doctor(doctor::DoctorArguments),
    /// Ask the server on this machine whether it is ready
    Healthcheck(healthcheck::HealthcheckArguments),
    /// Report settings that are wrong or unsafe
    Check(check::CheckArguments),
    /// Print the OpenAPI or AsyncAPI document
    Openapi(openapi::OpenapiArguments),
    /// Write the manual pages and shell completions
    #[command(hide = true)]
    Manual(manual::ManualArguments),
}

/// Runs the command of this process. Exit status: 0 after success, 1 after a failure, 2 after a usage
/// error.
pub fn run() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // This is also how help and version are printed, which is no failure.
            match error.use_stderr() && logs_json() {
                true => log_failure(&error),
                false => drop(error.print()),
            }
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
        Command::Manual(arguments) => manual::run(&arguments, Cli::command())?,
        Command::Makemigrations(arguments) => makemigrations::run(&arguments)?,
        Command::Check(arguments) => return check::run(&arguments).await,
        Command::Doctor(arguments) => return doctor::run(&arguments).await,
        Command::Migrate(arguments) => return migrate::run(&arguments).await,
        Command::Runserver(arguments) => runserver::run(&arguments).await?,
        Command::Healthcheck(arguments) => healthcheck::run(&arguments).await?,
        Command::Epoch(arguments) => epoch::run(&arguments).await?,
        Command::Export(arguments) => export::run(&arguments).await?,
        Command::Import(arguments) => import::run(&arguments).await?,
        Command::ImportDjango(arguments) => import_django::run(&arguments).await?,
        Command::Backup(arguments) => backup::run(&arguments).await?,
        Command::Showmigrations => showmigrations::run().await?,
        Command::Createsuperuser(arguments) => createsuperuser::run(&arguments).await?,
        Command::Changepassword(arguments) => changepassword::run(&arguments).await?,
    }
    Ok(ExitCode::SUCCESS)
}

fn fail(error: &dyn std::error::Error) -> ExitCode {
    match logs_json() {
        true => log_failure(error),
        false => drop(writeln!(stderr(), "meowsenger: {error}")),
    }
    ExitCode::FAILURE
}

/// Logs why a command failed. Its log may not have started yet, or has ended.
fn log_failure(error: &dyn std::error::Error) {
    telemetry::json_lines(stderr, || tracing::error!("{error}"));
}

/// Whether `LOG_FORMAT` is `json`, even if other settings are wrong.
fn logs_json() -> bool {
    let variables = environment().unwrap_or_else(|_| process_environment());
    variables.get("LOG_FORMAT").is_some_and(|format| format.trim() == "json")
}
