//! `migrate [--check|--plan]`: bring the database to this version.

use std::process::ExitCode;

use crate::app::{Clock, SystemClock};
use crate::store::migrations::{self, State, Step};

use super::{Result, database, say};

/// See the fields.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Change nothing; exit with 1 where a migration is missing
    #[arg(long)]
    check: bool,
    /// Change nothing; list what would be applied
    #[arg(long, conflicts_with = "check")]
    plan: bool,
}

pub(super) async fn run(arguments: &Arguments) -> Result<ExitCode> {
    let (db, _log) = database().await?;
    if !arguments.check && !arguments.plan {
        let mut count = 0;
        let clock = Clock::start(&db, SystemClock::default()).await?;
        migrations::migrate(&db, clock.now(), |name| {
            count += 1;
            say(&format!("  applied {name}"));
        })
        .await?;
        if count == 0 {
            say("No migrations to apply.");
        }
        return Ok(ExitCode::SUCCESS);
    }
    let steps = migrations::status(&db).await?;
    if let State::NewerIncompatible(name) = State::of(&steps) {
        return Err(migrations::Error::Newer(name).into());
    }
    let pending: Vec<_> = steps.iter().filter(|step| !step.applied).collect();
    for step in &pending {
        say(&format!("  {}", in_words(step)));
    }
    if pending.is_empty() {
        say("No migrations to apply.");
    }
    let failed = arguments.check && !pending.is_empty();
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// A migration, with who may run beside the database after it.
pub(super) fn in_words(step: &Step) -> String {
    match step.runs_beside {
        Some(oldest) => format!("{} (runs beside versions from {oldest:04} on)", step.name),
        None => step.name.clone(),
    }
}
