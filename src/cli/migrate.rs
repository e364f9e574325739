//! `migrate [--check|--plan]`: applies the migrations that the database lacks.

use std::process::ExitCode;

use crate::app::{Clock, SystemClock};
use crate::store::migrations::{self, MigrationError, State, Step};

use super::context::{Result, database, say};

/// The arguments of `migrate`.
#[derive(Debug, clap::Args)]
pub(super) struct MigrateArguments {
    /// Change nothing; exit with 1 if a migration is missing
    #[arg(long)]
    check: bool,
    /// Change nothing; list the migrations that would be applied
    #[arg(long, conflicts_with = "check")]
    plan: bool,
}

pub(super) async fn run(arguments: &MigrateArguments) -> Result<ExitCode> {
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
    match State::of(&steps) {
        State::NewerIncompatible(name) => return Err(MigrationError::Newer(name).into()),
        State::Edited(name) => return Err(MigrationError::Edited(name).into()),
        State::Current | State::Behind(_) | State::NewerCompatible(_) => {}
    }
    let pending: Vec<_> = steps.iter().filter(|step| !step.applied).collect();
    for step in &pending {
        say(&format!("  {}", describe_step(step)));
    }
    if pending.is_empty() {
        say("No migrations to apply.");
    }
    let failed = arguments.check && !pending.is_empty();
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// A migration, with the oldest version that may run beside it.
pub(super) fn describe_step(step: &Step) -> String {
    match step.runs_beside {
        Some(oldest) => {
            format!("{} (compatible with programs from migration {oldest:04} on)", step.name)
        }
        None => step.name.clone(),
    }
}
