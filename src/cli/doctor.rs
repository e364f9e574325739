//! `doctor [--fix]`: checks the invariants of the data, and repairs what has one right answer.

use std::collections::HashMap;
use std::process::ExitCode;
use std::time::Duration;

use crate::actions::doctor::{self, Checkup, Defect, Outcome, Remedy};
use crate::app::{Clock, SystemClock, open_files};
use crate::config::Config;
use crate::store::seen::SeenFile;
use crate::store::server_lock::{NotLocked, ServerLock};

use super::context::{Result, describe, existing_database, require_current, say, settings};
use super::progress::{counted, grouped};

/// SQLite checks its whole file in one statement.
const WHOLE_FILE: Duration = Duration::from_secs(86_400);
/// A server under load may answer late.
const BATCH: Duration = Duration::from_secs(60);
/// Longer than a request takes.
const SETTLE: Duration = Duration::from_secs(15);
/// Findings of a check that are listed; the rest are counted.
const LISTED: u64 = 100;

/// The arguments of `doctor`.
#[derive(Debug, clap::Args)]
pub(super) struct DoctorArguments {
    /// Repair what has one right answer. An embedded database must have no running server
    #[arg(long)]
    fix: bool,
}

pub(super) async fn run(arguments: &DoctorArguments) -> Result<ExitCode> {
    let (mut config, _log) = settings()?;
    let least = if config.database.sqlite_file().is_some() { WHOLE_FILE } else { BATCH };
    config.database.statement_timeout = config.database.statement_timeout.max(least);
    let db = existing_database(&config).await?;
    require_current(&db).await?;
    let _lock = if arguments.fix { alone(&config)? } else { None };
    let files = open_files(&config)?;
    let clock = Clock::start(&db, SystemClock::default()).await?;
    let mut listed = HashMap::new();
    let checkup = Checkup {
        db: &db,
        files: &files,
        clock: &clock,
        fix: arguments.fix,
        settle: SETTLE,
        report: &mut |finding| list(finding, &mut listed),
        outcome: Outcome::default(),
    };
    let outcome = doctor::run(checkup).await.map_err(describe)?;
    if let Some(file) = config.database.sqlite_file()
        && outcome.renewed_epoch
    {
        // It describes the old history.
        SeenFile::beside(&file).remove()?;
    }
    for (check, count) in listed.iter().filter(|(_, count)| **count > LISTED) {
        say(&format!("{check}: {} more", grouped(count - LISTED)));
    }
    summarise(&outcome, arguments.fix);
    let is_clean = outcome.found == outcome.repaired;
    Ok(if is_clean { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Keeps servers away from an embedded database while it is repaired: a server trusts its memory of what only
/// it can change.
fn alone(config: &Config) -> Result<Option<ServerLock>> {
    let Some(file) = config.database.sqlite_file() else { return Ok(None) };
    match ServerLock::take(&file) {
        Ok(lock) => Ok(Some(lock)),
        Err(NotLocked::Taken(process)) => Err(format!(
            "a server (process {process}) uses {}: stop it before `doctor --fix`; without --fix it may run",
            file.display()
        )
        .into()),
        Err(NotLocked::Failed(error)) => {
            Err(format!("cannot make sure that no server uses {}: {error}", file.display()).into())
        }
    }
}

fn list(finding: &Defect, listed: &mut HashMap<&'static str, u64>) {
    let Defect { check, subject, text, remedy } = finding;
    let count = listed.entry(check).or_default();
    *count += 1;
    if *count > LISTED {
        return;
    }
    let remedy = match remedy {
        Remedy::Repairable(text) => format!("--fix {text}"),
        Remedy::Repaired(text) => format!("repaired: {text}"),
        Remedy::Person(text) => format!("a person must decide: {text}"),
    };
    say(&format!("{check}: {subject}: {text} [{remedy}]"));
}

fn summarise(outcome: &Outcome, fix: bool) {
    let rows: Vec<_> =
        outcome.rows.iter().map(|(noun, rows)| counted(rows.unsigned_abs(), noun)).collect();
    let rows = rows.join(", ");
    let Outcome { found, repaired, repairable, .. } = *outcome;
    let findings = counted(found, "findings");
    say(&match found - repaired {
        _ if found == 0 => format!("Checked {rows}: no findings."),
        0 => format!("Checked {rows}: {findings}, all repaired."),
        left if fix => format!("Checked {rows}: {findings}, {repaired} repaired, {left} left."),
        _ => format!("Checked {rows}: {findings}; --fix repairs {repairable} of them."),
    });
    if outcome.renewed_epoch {
        say("The epoch is new, so clients discard their copies and start over.");
    }
}
