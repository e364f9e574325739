//! The load generator: its scenarios measure a running server from outside, through its public API.
//! Nothing here knows the server's code; only `fill`, `seed` and `history` know its tables.

mod churn;
mod client;
mod cpu;
mod data;
mod database;
mod figures;
mod files;
mod fill;
mod floors;
mod history;
mod http;
mod idle;
mod load;
mod machine;
mod page;
mod plot;
mod report;
mod rival;
mod run;
mod scenarios;
mod searched;
mod seed;
mod server;
mod site;
mod slow;
mod soak;
mod talk;
mod texts;
mod tokens;
mod world;
mod ws;

use std::io::{Write, stderr, stdout};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

type Error = Box<dyn std::error::Error + Send + Sync>;
type Result<T = (), E = Error> = std::result::Result<T, E>;

/// Measures a Meowsenger server from outside.
#[derive(Parser)]
#[command(name = "meowsenger-bench", arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// The figures of docs/performance.md, of one program or of two by turns
    Run(run::Arguments),
    /// Writes docs/performance.md and its plots from the figures of a run
    Page(page::Arguments),
    /// A server for the floors, which `run` starts
    #[command(hide = true)]
    Floor(floors::Arguments),
    /// Ten minutes of everything, in which nothing may grow
    Soak(soak::Arguments),
    #[command(flatten)]
    Limits(Limits),
}

/// Measurements that fail beyond a limit.
#[derive(Subcommand)]
enum Limits {
    /// The memory of idle connections
    Idle(idle::Arguments),
    /// The time of calls by a user with a thousand chats and a million messages
    Data(data::Arguments),
    /// The cost of one slow consumer for the others
    Slow(slow::Arguments),
    /// The cost of connects and disconnects for those who stay
    Churn(churn::Arguments),
    /// The memory that uploads need, and the rate of downloads beside nginx's
    Files(files::Arguments),
}

/// The exit status is 0 if the limits were kept, and 1 if they were not or the measurement failed.
fn main() -> ExitCode {
    let kept = match Cli::parse().command {
        Command::Run(arguments) => run::run(&arguments),
        Command::Page(arguments) => page::run(&arguments),
        Command::Floor(arguments) => floors::serve(&arguments),
        Command::Soak(arguments) => soak::run(&arguments),
        Command::Limits(command) => limits(&command),
    };
    match kept {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            warn(&error.to_string());
            ExitCode::FAILURE
        }
    }
}

/// The measurements with a limit, on several threads.
#[tokio::main]
async fn limits(command: &Limits) -> Result<bool> {
    match command {
        Limits::Idle(arguments) => idle::run(arguments).await,
        Limits::Data(arguments) => data::run(arguments).await,
        Limits::Slow(arguments) => slow::run(arguments).await,
        Limits::Churn(arguments) => churn::run(arguments).await,
        Limits::Files(arguments) => files::run(arguments).await,
    }
}

/// Prints a line. A closed pipe is not an error.
fn say(line: &str) {
    writeln!(stdout(), "{line}").ok();
}

/// Prints a line to standard error.
fn warn(line: &str) {
    writeln!(stderr(), "meowsenger-bench: {line}").ok();
}
