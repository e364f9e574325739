//! Opening the databases, with what durability needs set on every connection: no default is
//! trusted. Settings come in as values; nothing here reads the configuration.

use std::path::Path;
use std::str::FromStr;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};

use super::db::Db;
use super::error::Result;

/// How long SQLite waits for another process's lock, such as a backup's.
const SQLITE_BUSY: Duration = Duration::from_secs(10);
/// Rows that may wait between SQLite's thread and ours: with less than a page's, each of the two
/// keeps waiting for the other.
const SQLITE_ROWS: usize = 512;
/// Readers of SQLite: they share the page cache of the system, so more than cores gain nothing.
const SQLITE_READERS: u32 = 4;

/// How to use a PostgreSQL server.
#[derive(Clone)]
pub struct PostgresSettings {
    /// `postgres://…`; TLS by its `sslmode`, `sslrootcert` and so on.
    pub url: String,
    /// Most connections of this node.
    pub pool_size: u32,
    /// How long to wait for a connection.
    pub connect_timeout: Duration,
    /// How long a statement may run.
    pub statement_timeout: Duration,
}

impl std::fmt::Debug for PostgresSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The URL may hold a password.
        f.debug_struct("PostgresSettings")
            .field("pool_size", &self.pool_size)
            .finish_non_exhaustive()
    }
}

impl Db {
    /// Opens the embedded database, and makes its file where there is none.
    ///
    /// WAL with `synchronous=FULL`: an answered commit survives a power cut. (`NORMAL` loses the
    /// last commits, measured by cutting the power of a virtual disk.)
    pub async fn open_sqlite(path: &Path, wait: Duration) -> Result<Self> {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(SQLITE_BUSY)
            .row_buffer_size(SQLITE_ROWS);
        let pool = |size: u32| {
            SqlitePoolOptions::new()
                .max_connections(size)
                .acquire_timeout(wait)
                // A connection here never goes bad by waiting, and its cache is worth keeping.
                .idle_timeout(None)
                .max_lifetime(None)
                .test_before_acquire(false)
        };
        // The writer first: it makes the file and its WAL, which readers that may not write cannot.
        let writer = pool(1).connect_with(options.clone()).await?;
        let readers = pool(SQLITE_READERS).connect_with(options.pragma("query_only", "on")).await?;
        Ok(Self::Sqlite { readers, writer })
    }

    /// Connects to PostgreSQL. `synchronous_commit=on` is set on every connection, whatever the
    /// server, the database or the role has as its default.
    pub async fn connect_postgres(settings: &PostgresSettings) -> Result<Self> {
        let millis = |time: Duration| time.as_millis().to_string();
        let options =
            PgConnectOptions::from_str(&settings.url)?.application_name("meowsenger").options([
                ("synchronous_commit", "on".to_owned()),
                // What waits for a row must see it as it was committed meanwhile.
                ("default_transaction_isolation", "read committed".to_owned()),
                ("statement_timeout", millis(settings.statement_timeout)),
                // What a client waits for ends before its statement does.
                ("lock_timeout", millis(settings.statement_timeout / 2)),
                ("idle_in_transaction_session_timeout", millis(settings.statement_timeout)),
            ]);
        let pool = PgPoolOptions::new()
            .max_connections(settings.pool_size)
            .acquire_timeout(settings.connect_timeout)
            .connect_with(options)
            .await?;
        Ok(Self::Postgres(pool))
    }
}
