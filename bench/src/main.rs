//! The load generator: its scenarios measure a running server from outside, through its public
//! API. Nothing here knows the server's code; `fill` alone knows its tables.

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
    /// What a thousand chats and a million messages cost those who have them
    Data(data::Arguments),
    /// What one who does not read costs the others
    Slow(slow::Arguments),
    /// What those who come and go cost those who stay
    Churn(churn::Arguments),
}

/// The exit status is 0 where the floor was kept, 1 where it was not or nothing could be measured.
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

/// Prints a line. A reader that went away is no failure.
fn say(line: &str) {
    writeln!(stdout(), "{line}").ok();
}
