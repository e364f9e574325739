//! The load generator: its scenarios measure a running server from outside, through its public API.
//! Nothing here knows the server's code; only `fill` knows its tables.

mod churn;
mod client;
mod data;
mod fill;
mod idle;
mod server;
mod slow;
mod talk;

use std::io::{Write, stderr, stdout};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

type Result<T = (), E = Box<dyn std::error::Error + Send + Sync>> = std::result::Result<T, E>;

/// Measures a Meowsenger server from outside.
#[derive(Parser)]
#[command(name = "meowsenger-bench", arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    scenario: Scenario,
}

#[derive(Subcommand)]
enum Scenario {
    /// The memory of idle connections
    Idle(idle::Arguments),
    /// The time of calls by a user with a thousand chats and a million messages
    Data(data::Arguments),
    /// The cost of one slow consumer for the others
    Slow(slow::Arguments),
    /// The cost of connects and disconnects for those who stay
    Churn(churn::Arguments),
}

/// The exit status is 0 if the limits were kept, and 1 if they were not or the measurement failed.
#[tokio::main]
async fn main() -> ExitCode {
    let kept = match Cli::parse().scenario {
        Scenario::Idle(arguments) => idle::run(&arguments).await,
        Scenario::Data(arguments) => data::run(&arguments).await,
        Scenario::Slow(arguments) => slow::run(&arguments).await,
        Scenario::Churn(arguments) => churn::run(&arguments).await,
    };
    match kept {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            writeln!(stderr(), "meowsenger-bench: {error}").ok();
            ExitCode::FAILURE
        }
    }
}

/// Prints a line. A closed pipe is not an error.
fn say(line: &str) {
    writeln!(stdout(), "{line}").ok();
}
