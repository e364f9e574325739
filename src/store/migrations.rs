//! The schema's migrations, embedded in the binary and applied in order, each once, by one node at a
//! time. The same names exist for both databases. There are no down migrations.
//!
//! Each migration says which older programs can use the schema after it, and the database stores that. So
//! an older node can restart in the middle of a rolling update. The database also stores checksums: a
//! migration that was edited after it was applied is refused. See `docs/migrations.md`.

use aws_lc_rs::digest;
use rust_embed::RustEmbed;
use serde::Deserialize;

use crate::domain::time::Timestamp;

use super::db::{Db, Tx};
use super::error::{Result as StoreResult, StoreError};
use super::query::{Dialects, Target};

pub use super::migration_state::{RUNS_BESIDE, State, Step, runs_beside};

#[derive(RustEmbed)]
#[folder = "migrations/sqlite"]
struct SqliteFiles;

#[derive(RustEmbed)]
#[folder = "migrations/postgres"]
struct PostgresFiles;

/// An arbitrary number that no other program's advisory lock is likely to have ("meow").
const LOCK: i64 = 0x6d65_6f77;

/// Why the schema cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum MigrationError {
    /// A newer version has changed the schema so that this program must not use it.
    #[error(
        "the database is newer than this program and cannot be used by it: it has the migration {0}, \
         which is unknown here; use the newer version"
    )]
    Newer(String),
    /// An applied migration is not what this program has under its name.
    #[error(
        "the migration {0} was edited after it was applied: new databases would differ from this one; \
         undo the edit"
    )]
    Edited(String),
    /// A file is not UTF-8.
    #[error("the migration {0} is not UTF-8")]
    NotText(String),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// How the database compares with this program. Two small queries.
pub async fn state(db: &Db) -> StoreResult<State> {
    Ok(State::of(&status(db).await?))
}

/// All migrations that this program or the database has, in order.
pub async fn status(db: &Db) -> StoreResult<Vec<Step>> {
    let columns = columns(db).await?;
    Ok(steps(db.is_sqlite(), applied(db, columns).await?))
}

/// Applies the pending migrations, each in its own transaction, and calls `on_applied` after each. Nodes
/// that start together wait for each other.
pub async fn migrate(
    db: &Db,
    now: Timestamp,
    on_applied: impl FnMut(&str),
) -> Result<(), MigrationError> {
    migrate_up_to(db, now, None, on_applied).await
}

/// [`migrate`], but not beyond the migration `last`, if it is given.
pub async fn migrate_up_to(
    db: &Db,
    now: Timestamp,
    last: Option<&str>,
    mut on_applied: impl FnMut(&str),
) -> Result<(), MigrationError> {
    let is_wanted = |name: &String| last.is_none_or(|last| name.as_str() <= last);
    loop {
        let mut tx = db.begin().await?;
        // Waiting for another node, and rewriting a large table, may take long.
        tx.allow(None).await?;
        if !tx.is_sqlite() {
            tx.script("set local lock_timeout = 0".to_owned()).await?;
        }
        // SQLite's transaction holds the write lock already.
        tx.query(Dialects { sqlite: "select $1", postgres: "select pg_advisory_xact_lock($1)" })
            .bind(LOCK)
            .execute()
            .await?;
        let columns = columns(&mut tx).await?;
        let missing = match State::of(&steps(tx.is_sqlite(), applied(&mut tx, columns).await?)) {
            State::Current | State::NewerCompatible(_) => return Ok(()),
            State::NewerIncompatible(name) => return Err(MigrationError::Newer(name)),
            State::Edited(name) => return Err(MigrationError::Edited(name)),
            State::Behind(missing) => missing,
        };
        let Some(name) = missing.into_iter().next().filter(is_wanted) else { return Ok(()) };
        apply(&mut tx, &name, now).await?;
        tx.commit().await?;
        on_applied(&name);
    }
}

async fn apply(tx: &mut Tx, name: &str, now: Timestamp) -> Result<(), MigrationError> {
    tx.script(TABLE.to_owned()).await?;
    let sql = text(tx.is_sqlite(), name).ok_or_else(|| MigrationError::NotText(name.to_owned()))?;
    let beside = runs_beside(&sql).map(|number| format!("{number:04}"));
    tx.script(sql).await?;
    tx.query("insert into migrations (name, applied_at) values ($1, $2)")
        .bind(name)
        .bind(now.to_string())
        .execute()
        .await?;
    // The first migrations have no header, and there is no column for it yet.
    if let Some(beside) = beside {
        tx.query("update migrations set runs_beside = $2 where name = $1")
            .bind(name)
            .bind(beside)
            .execute()
            .await?;
    }
    if columns(&mut *tx).await? == COLUMNS {
        store_checksums(tx).await?;
    }
    Ok(())
}

/// Of this migration, and of all that were applied before there were checksums.
async fn store_checksums(tx: &mut Tx) -> Result<(), MigrationError> {
    for name in names() {
        let sum = text(tx.is_sqlite(), &name).map(|sql| checksum(&sql));
        tx.query("update migrations set checksum = $2 where name = $1 and checksum is null")
            .bind(name.as_str())
            .bind(sum)
            .execute()
            .await?;
    }
    Ok(())
}

const TABLE: &str =
    "create table if not exists migrations (name text primary key, applied_at text not null)";

/// This program's migrations, and those that only the database has.
fn steps(is_sqlite: bool, applied: Vec<Applied>) -> Vec<Step> {
    let known = names();
    let step = |name: &String| {
        let (sql, row) = (text(is_sqlite, name), applied.iter().find(|row| row.name == *name));
        let stored = row.and_then(|row| row.checksum.as_ref());
        Step {
            name: name.clone(),
            applied: row.is_some(),
            known: true,
            edited: stored
                .is_some_and(|stored| sql.as_deref().map(checksum).as_ref() != Some(stored)),
            runs_beside: sql.as_deref().and_then(runs_beside),
        }
    };
    let mut steps: Vec<_> = known.iter().map(step).collect();
    let newer = applied.into_iter().filter(|row| !known.contains(&row.name));
    steps.extend(newer.map(|row| Step {
        name: row.name,
        applied: true,
        known: false,
        edited: false,
        runs_beside: row.runs_beside.and_then(|number| number.parse().ok()),
    }));
    steps.sort_by(|a, b| a.name.cmp(&b.name));
    steps
}

/// The checksum of a migration, however its lines end.
pub fn checksum(sql: &str) -> String {
    let sum = digest::digest(&digest::SHA256, sql.replace('\r', "").as_bytes());
    sum.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The columns in the order in which migrations added them: `name`, `runs_beside`, `checksum`.
const COLUMNS: i64 = 3;

/// How many of the columns exist; 0 without the table.
async fn columns(at: impl Into<Target<'_>>) -> StoreResult<i64> {
    let (columns,): (i64,) = at
        .into()
        .query(Dialects {
            sqlite: "select count(*) from pragma_table_info('migrations') \
                     where name in ('name', 'runs_beside', 'checksum')",
            postgres: "select count(*) from pg_attribute \
                       where attrelid = to_regclass('migrations') \
                             and attname in ('name', 'runs_beside', 'checksum')",
        })
        .one()
        .await?;
    Ok(columns)
}

/// A row of the table.
#[derive(Deserialize)]
struct Applied {
    name: String,
    #[serde(default)]
    runs_beside: Option<String>,
    #[serde(default)]
    checksum: Option<String>,
}

/// The migrations in the database.
async fn applied(at: impl Into<Target<'_>>, columns: i64) -> StoreResult<Vec<Applied>> {
    let sql = match columns {
        0 => return Ok(Vec::new()),
        1 => "select name from migrations",
        2 => "select name, runs_beside from migrations",
        _ => "select name, runs_beside, checksum from migrations",
    };
    at.into().query(sql).all().await
}

/// Both folders contain the same names (`tests/tidy.rs` checks it), so either will do.
fn names() -> Vec<String> {
    let mut names: Vec<_> = SqliteFiles::iter()
        .filter_map(|file| file.strip_suffix(".sql").map(str::to_owned))
        .collect();
    names.sort_unstable();
    names
}

/// All migrations of a database, one after another.
pub fn script(is_sqlite: bool) -> String {
    names().iter().filter_map(|name| text(is_sqlite, name)).collect::<Vec<_>>().join("\n")
}

/// The statements of a migration.
fn text(is_sqlite: bool, name: &str) -> Option<String> {
    let file = format!("{name}.sql");
    let found = match is_sqlite {
        true => SqliteFiles::get(&file),
        false => PostgresFiles::get(&file),
    };
    String::from_utf8(found?.data.into_owned()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_new_migration_says_which_older_version_may_run_beside_it() {
        for name in names().into_iter().filter(|name| name.as_str() >= "0007") {
            let file = format!("{name}.sql");
            let files = [SqliteFiles::get(&file), PostgresFiles::get(&file)];
            let [sqlite, postgres] = files.map(|file| {
                let text = String::from_utf8(file.expect("on both sides").data.into_owned());
                runs_beside(&text.expect("UTF-8"))
            });
            let own: u32 = name[..4].parse().expect("a number");
            let says = sqlite.is_some_and(|oldest| oldest < own) && sqlite == postgres;
            assert!(
                says,
                "{name}: both files need the same line `{RUNS_BESIDE}NNNN`, with the oldest migration \
                 level whose program works on the schema after it ({sqlite:?}, {postgres:?})"
            );
        }
    }
}
