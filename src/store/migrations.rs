//! The schema's steps, embedded in the binary and applied in order, each once, by one node at a
//! time. The same names exist for both databases. Nothing here goes backwards.

use std::collections::HashSet;

use rust_embed::RustEmbed;
use sqlx::AssertSqlSafe;

use crate::domain::time::Timestamp;

use super::db::{Db, Target, Tx};
use super::error::{Error as StoreError, Result as StoreResult};

#[derive(RustEmbed)]
#[folder = "migrations/sqlite"]
struct SqliteFiles;

#[derive(RustEmbed)]
#[folder = "migrations/postgres"]
struct PostgresFiles;

/// An arbitrary number that no other program's advisory lock is likely to have ("meow").
const LOCK: i64 = 0x6d65_6f77;

/// Why the schema is not as this binary needs it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The database has had steps that this binary does not know: it is newer.
    #[error(
        "the database is newer than this program: it has {0}, which is unknown here; use the newer version"
    )]
    Newer(String),
    /// A file is not UTF-8.
    #[error("the migration {0} is not UTF-8")]
    NotText(String),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A step and whether the database has had it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// `NNNN_name`.
    pub name: String,
    /// Applied already.
    pub applied: bool,
}

/// Every step that this binary knows, in order. Fails where the database knows more.
pub async fn status(db: &Db) -> Result<Vec<Step>, Error> {
    let mut tx = db.begin().await?;
    steps(&mut tx).await
}

/// Applies what is missing, each step in a transaction of its own, and tells of it as it goes.
/// Nodes that start together wait for each other.
pub async fn migrate(
    db: &Db,
    now: Timestamp,
    mut on_applied: impl FnMut(&str),
) -> Result<(), Error> {
    loop {
        let mut tx = db.begin().await?;
        if matches!(tx, Tx::Postgres(_)) {
            // To wait for another node, and to rewrite a large table, may take its time.
            let unlimited = "set local lock_timeout = 0; set local statement_timeout = 0";
            run(&mut tx, unlimited.to_owned()).await?;
        }
        // SQLite's transaction holds the write lock already.
        Target::from(&mut tx)
            .either("select $1", "select pg_advisory_xact_lock($1)")
            .bind(LOCK)
            .execute()
            .await?;
        let Some(step) = steps(&mut tx).await?.into_iter().find(|step| !step.applied) else {
            return Ok(());
        };
        run(&mut tx, TABLE.to_owned()).await?;
        let sql = text(&tx, &step.name)?;
        run(&mut tx, sql).await?;
        Target::from(&mut tx)
            .query("insert into migrations (name, applied_at) values ($1, $2)")
            .bind(step.name.as_str())
            .bind(now.to_string())
            .execute()
            .await?;
        tx.commit().await?;
        on_applied(&step.name);
    }
}

const TABLE: &str =
    "create table if not exists migrations (name text primary key, applied_at text not null)";

async fn steps(tx: &mut Tx) -> Result<Vec<Step>, Error> {
    let applied = applied(tx).await?;
    let known = names();
    if let Some(newer) = applied.iter().filter(|name| !known.contains(name)).min() {
        return Err(Error::Newer(newer.clone()));
    }
    let step = |name: String| Step { applied: applied.contains(&name), name };
    Ok(known.into_iter().map(step).collect())
}

/// The names that the database has; none where it is empty.
async fn applied(tx: &mut Tx) -> StoreResult<HashSet<String>> {
    let table: Option<(i64,)> = Target::from(&mut *tx)
        .either(
            "select 1 from sqlite_master where type = 'table' and name = 'migrations'",
            "select 1::bigint where to_regclass('migrations') is not null",
        )
        .optional()
        .await?;
    if table.is_none() {
        return Ok(HashSet::new());
    }
    let rows: Vec<(String,)> = Target::from(tx).query("select name from migrations").all().await?;
    Ok(rows.into_iter().map(|(name,)| name).collect())
}

/// Both sides hold the same names (kept by `tests/tidy.rs`), so either tells them.
fn names() -> Vec<String> {
    let mut names: Vec<_> = SqliteFiles::iter()
        .filter_map(|file| file.strip_suffix(".sql").map(str::to_owned))
        .collect();
    names.sort_unstable();
    names
}

fn text(tx: &Tx, name: &str) -> Result<String, Error> {
    let file = format!("{name}.sql");
    let found = match tx {
        Tx::Sqlite(_) => SqliteFiles::get(&file),
        Tx::Postgres(_) => PostgresFiles::get(&file),
    };
    found
        .and_then(|file| String::from_utf8(file.data.into_owned()).ok())
        .ok_or_else(|| Error::NotText(name.to_owned()))
}

/// Runs a script of several statements. The text is our own, from the binary.
async fn run(tx: &mut Tx, script: String) -> StoreResult<()> {
    let script = sqlx::raw_sql(AssertSqlSafe(script));
    match tx {
        Tx::Sqlite(tx) => script.execute(&mut **tx).await.map(drop)?,
        Tx::Postgres(tx) => script.execute(&mut **tx).await.map(drop)?,
    }
    Ok(())
}
