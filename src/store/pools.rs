//! Opening the databases, with what durability needs set on every connection: no default is
//! trusted. Settings come in as values; nothing here reads the configuration.

use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use sqlx::AssertSqlSafe;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};

use super::db::Db;
use super::error::Result;
use super::pooler::{self, OpenError};

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
    /// Opens the embedded database, and makes its file where there is none, for its owner alone
    /// (SQLite gives the files that it puts beside it the same rights).
    ///
    /// WAL with `synchronous=FULL`: an answered commit survives a power cut. (`NORMAL` loses the
    /// last commits, measured by cutting the power of a virtual disk.)
    pub async fn open_sqlite(path: &Path, wait: Duration) -> Result<Self, OpenError> {
        match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                return Err(sqlx::Error::Io(error).into());
            }
            _ => {}
        }
        let options = SqliteConnectOptions::new()
            .filename(path)
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
    /// server, the database or the role has as its default. Refuses a database that cannot hold
    /// every text, and a pooler that would lose these settings.
    pub async fn connect_postgres(settings: &PostgresSettings) -> Result<Self, OpenError> {
        let options = PgConnectOptions::from_str(&settings.url)?
            .application_name("meowsenger")
            // Servers have had a default as good since version 12; PgBouncer refuses to be told.
            .extra_float_digits(None);
        let session = session(settings);
        let pool = PgPoolOptions::new()
            .max_connections(settings.pool_size)
            .acquire_timeout(settings.connect_timeout)
            // Not startup parameters: PgBouncer refuses these.
            .after_connect(move |connection, _| {
                let session = sqlx::raw_sql(AssertSqlSafe(session.clone()));
                Box::pin(async move { session.execute(connection).await.map(drop) })
            })
            .connect_with(options)
            .await?;
        pooler::inspect(&pool).await?;
        Ok(Self::Postgres(pool))
    }
}

/// The files that an embedded database consists of; the last two may be missing.
pub fn sqlite_files(file: &Path) -> [PathBuf; 3] {
    ["", "-wal", "-shm"].map(|suffix| {
        let mut name = file.as_os_str().to_owned();
        name.push(suffix);
        PathBuf::from(name)
    })
}

/// Takes the rights of others away from the embedded database's files, which earlier versions made
/// as the umask said.
pub fn make_private(file: &Path) -> io::Result<()> {
    for file in sqlite_files(file) {
        match fs::set_permissions(&file, fs::Permissions::from_mode(0o600)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

/// What every connection to PostgreSQL is told first.
fn session(settings: &PostgresSettings) -> String {
    let statement = settings.statement_timeout.as_millis();
    // What a client waits for ends before its statement does.
    let lock = statement / 2;
    // What waits for a row must see it as it was committed meanwhile: read committed.
    format!(
        "set synchronous_commit = on; \
         set default_transaction_isolation = 'read committed'; \
         set statement_timeout = {statement}; \
         set lock_timeout = {lock}; \
         set idle_in_transaction_session_timeout = {statement}"
    )
}
