//! The schema's migrations, embedded in the binary and applied in order, each once, by one node at a
//! time. The same names exist for both databases. There are no down migrations.
//!
//! Each migration says which older programs can use the schema after it, and the database stores that. So
//! an older node can restart in the middle of a rolling update. See `docs/migrations.md`.

use rust_embed::RustEmbed;

use crate::domain::time::Timestamp;

use super::db::{Db, Tx};
use super::error::{Result as StoreResult, StoreError};
use super::query::{Dialects, Target};

#[derive(RustEmbed)]
#[folder = "migrations/sqlite"]
struct SqliteFiles;

#[derive(RustEmbed)]
#[folder = "migrations/postgres"]
struct PostgresFiles;

/// An arbitrary number that no other program's advisory lock is likely to have ("meow").
const LOCK: i64 = 0x6d65_6f77;

/// The beginning of the header line that names the oldest migration level whose program can use the
/// schema after this migration.
pub const RUNS_BESIDE: &str = "-- Runs beside: ";

/// Why the schema cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum MigrationError {
    /// A newer version has changed the schema so that this program must not use it.
    #[error(
        "the database is newer than this program and cannot be used by it: it has the migration {0}, \
         which is unknown here; use the newer version"
    )]
    Newer(String),
    /// A file is not UTF-8.
    #[error("the migration {0} is not UTF-8")]
    NotText(String),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A migration, and whether it is applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// `NNNN_name`.
    pub name: String,
    /// The database has it.
    pub applied: bool,
    /// This program has it.
    pub known: bool,
    /// The oldest migration level (the number of the newest migration that a program knows) that can use
    /// the schema after it. `None`: that of this migration itself.
    pub runs_beside: Option<u32>,
}

/// How the database's schema compares with this program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// All migrations are applied, and no others.
    Current,
    /// These have to be applied first.
    Behind(Vec<String>),
    /// A newer version has applied these as well; this program can use the database.
    NewerCompatible(Vec<String>),
    /// A newer version has applied this one; this program must not use the database.
    NewerIncompatible(String),
}

/// How the database compares with this program. Two small queries.
pub async fn state(db: &Db) -> StoreResult<State> {
    Ok(State::of(&status(db).await?))
}

/// All migrations that this program or the database has, in order.
pub async fn status(db: &Db) -> StoreResult<Vec<Step>> {
    let columns = columns(db).await?;
    Ok(steps(applied(db, columns).await?))
}

/// Applies the pending migrations, each in its own transaction, and calls `on_applied` after each. Nodes
/// that start together wait for each other.
pub async fn migrate(
    db: &Db,
    now: Timestamp,
    mut on_applied: impl FnMut(&str),
) -> Result<(), MigrationError> {
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
        let missing = match State::of(&steps(applied(&mut tx, columns).await?)) {
            State::Current | State::NewerCompatible(_) => return Ok(()),
            State::NewerIncompatible(name) => return Err(MigrationError::Newer(name)),
            State::Behind(missing) => missing,
        };
        let Some(name) = missing.into_iter().next() else { return Ok(()) };
        apply(&mut tx, &name, now).await?;
        tx.commit().await?;
        on_applied(&name);
    }
}

async fn apply(tx: &mut Tx, name: &str, now: Timestamp) -> Result<(), MigrationError> {
    tx.script(TABLE.to_owned()).await?;
    let sql = text(tx, name)?;
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
    Ok(())
}

const TABLE: &str =
    "create table if not exists migrations (name text primary key, applied_at text not null)";

/// This program's migrations, and those that only the database has.
fn steps(applied: Vec<(String, Option<String>)>) -> Vec<Step> {
    let known = names();
    let mut steps: Vec<_> = known
        .iter()
        .map(|name| Step {
            name: name.clone(),
            applied: applied.iter().any(|(other, _)| other == name),
            known: true,
            runs_beside: SqliteFiles::get(&format!("{name}.sql"))
                .and_then(|file| runs_beside(std::str::from_utf8(&file.data).ok()?)),
        })
        .collect();
    let newer = applied.into_iter().filter(|(name, _)| !known.contains(name));
    steps.extend(newer.map(|(name, beside)| Step {
        name,
        applied: true,
        known: false,
        runs_beside: beside.and_then(|number| number.parse().ok()),
    }));
    steps.sort_by(|a, b| a.name.cmp(&b.name));
    steps
}

impl State {
    /// The state, given all migrations that either side has.
    pub fn of(steps: &[Step]) -> Self {
        let level = steps.iter().filter(|step| step.known).filter_map(Step::number).max();
        let may_run = |step: &Step| step.runs_beside.is_some_and(|oldest| Some(oldest) <= level);
        let newer: Vec<_> = steps.iter().filter(|step| !step.known).collect();
        if let Some(step) = newer.iter().find(|step| !may_run(step)) {
            return Self::NewerIncompatible(step.name.clone());
        }
        let missing: Vec<_> =
            steps.iter().filter(|step| !step.applied).map(|step| step.name.clone()).collect();
        if !missing.is_empty() {
            Self::Behind(missing)
        } else if newer.is_empty() {
            Self::Current
        } else {
            Self::NewerCompatible(newer.into_iter().map(|step| step.name.clone()).collect())
        }
    }
}

impl Step {
    /// The number at the beginning of its name.
    fn number(&self) -> Option<u32> {
        self.name.get(..4)?.parse().ok()
    }
}

/// The level in a migration's header, if there is one.
pub fn runs_beside(sql: &str) -> Option<u32> {
    sql.lines().find_map(|line| line.strip_prefix(RUNS_BESIDE)?.trim().parse().ok())
}

/// How many of the columns exist: 0 without the table, 1 without `runs_beside`, 2 with it.
async fn columns(at: impl Into<Target<'_>>) -> StoreResult<i64> {
    let (columns,): (i64,) = at
        .into()
        .query(Dialects {
            sqlite: "select count(*) from pragma_table_info('migrations') \
                     where name in ('name', 'runs_beside')",
            postgres: "select count(*) from pg_attribute \
                       where attrelid = to_regclass('migrations') \
                             and attname in ('name', 'runs_beside')",
        })
        .one()
        .await?;
    Ok(columns)
}

/// The names in the database, each with the oldest level that can run beside it.
async fn applied(
    at: impl Into<Target<'_>>,
    columns: i64,
) -> StoreResult<Vec<(String, Option<String>)>> {
    match columns {
        0 => Ok(Vec::new()),
        1 => at.into().query("select name, cast(null as text) from migrations").all().await,
        _ => at.into().query("select name, runs_beside from migrations").all().await,
    }
}

/// Both folders contain the same names (`tests/tidy.rs` checks it), so either will do.
fn names() -> Vec<String> {
    let mut names: Vec<_> = SqliteFiles::iter()
        .filter_map(|file| file.strip_suffix(".sql").map(str::to_owned))
        .collect();
    names.sort_unstable();
    names
}

fn text(tx: &Tx, name: &str) -> Result<String, MigrationError> {
    let file = format!("{name}.sql");
    let found = match tx.is_sqlite() {
        true => SqliteFiles::get(&file),
        false => PostgresFiles::get(&file),
    };
    found
        .and_then(|file| String::from_utf8(file.data.into_owned()).ok())
        .ok_or_else(|| MigrationError::NotText(name.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(name: &str, applied: bool, known: bool, runs_beside: Option<u32>) -> Step {
        Step { name: name.to_owned(), applied, known, runs_beside }
    }

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

    #[test]
    fn what_an_older_binary_may_do_is_read_from_the_database() {
        let known = |applied| step("0007_a", applied, true, Some(6));
        let newer = |beside| step("0008_b", true, false, beside);
        assert_eq!(State::of(&[known(true)]), State::Current);
        assert_eq!(State::of(&[known(false)]), State::Behind(vec!["0007_a".into()]));
        let compatible = State::NewerCompatible(vec!["0008_b".into()]);
        assert_eq!(State::of(&[known(true), newer(Some(7))]), compatible);
        assert_eq!(State::of(&[known(true), newer(Some(6))]), compatible);
        for beside in [None, Some(8)] {
            let refused = State::NewerIncompatible("0008_b".into());
            assert_eq!(State::of(&[known(true), newer(beside)]), refused);
        }
        assert_eq!(
            State::of(&[known(false), newer(Some(7))]),
            State::Behind(vec!["0007_a".into()])
        );
    }
}
