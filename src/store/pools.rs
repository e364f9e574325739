//! Opening the databases, with what durability needs set on every connection: no default is
//! trusted. Settings come in as values; nothing here reads the configuration.
//!
//! The pools are deadpool's, not sqlx's: sqlx waits without a timeout for a connection's answer
//! before it takes the connection back, so a silent connection keeps its place in the pool.

use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use deadpool::managed::{self, Manager, Metrics, QueueMode, RecycleError, RecycleResult};
use sqlx::postgres::PgConnectOptions;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection as _, PgConnection, Row, SqliteConnection};
use tokio::time::timeout;

use super::db::Db;
use super::error::{Error, Result};
use super::lease::Faults;
use super::pooler::{self, OpenError};
use super::reserve::Reserve;

/// Rows that may wait between SQLite's thread and ours: with less than a page's, each of the two
/// keeps waiting for the other.
const SQLITE_ROWS: usize = 512;
/// Readers of SQLite: they share the page cache of the system, so more than cores gain nothing.
const SQLITE_READERS: usize = 4;
/// A connection to PostgreSQL that was last handed out this long ago is tested before it is used.
const TRUSTED: Duration = Duration::from_secs(1);
/// Timeout of that test.
const PING: Duration = Duration::from_secs(1);
/// A connection to PostgreSQL is replaced at this age: its process's memory only grows.
const MAX_AGE: Duration = Duration::from_secs(1_800);

/// Timeouts of the database.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// For getting a connection, including the wait for a free one.
    pub connect: Duration,
    /// For running one statement, by the server's clock. We wait a little longer.
    pub statement: Duration,
}

/// How to use a PostgreSQL server.
#[derive(Clone)]
pub struct PostgresSettings {
    /// `postgres://…`; TLS by its `sslmode`, `sslrootcert` and so on.
    pub url: String,
    /// Most connections of this node.
    pub pool_size: u32,
    /// Its timeouts.
    pub limits: Limits,
}

impl std::fmt::Debug for PostgresSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The URL may hold a password.
        f.debug_struct("PostgresSettings")
            .field("pool_size", &self.pool_size)
            .finish_non_exhaustive()
    }
}

impl PostgresSettings {
    /// What every connection sets before it is used, whatever the server, the database or the role
    /// has as its default. Not startup parameters: PgBouncer refuses these.
    fn session(&self) -> [(&'static str, String); 9] {
        let millis = |time: Duration| time.as_millis().to_string();
        let limit = self.limits.statement;
        [
            ("synchronous_commit", "on".to_owned()),
            // A statement that waits for a row must see the version committed meanwhile.
            ("default_transaction_isolation", "read committed".to_owned()),
            ("statement_timeout", millis(limit)),
            // The wait for a lock ends before the statement does.
            ("lock_timeout", millis(limit / 2)),
            // A transaction whose node fell silent releases its rows.
            ("idle_in_transaction_session_timeout", millis(limit)),
            ("tcp_user_timeout", millis(limit)),
            ("tcp_keepalives_idle", "5".to_owned()),
            ("tcp_keepalives_interval", "2".to_owned()),
            ("tcp_keepalives_count", "3".to_owned()),
        ]
    }

    fn session_script(&self) -> String {
        let set = |(name, value): (&str, String)| format!("set {name} = '{value}'; ");
        self.session().map(set).concat()
    }
}

/// A connection to either database.
#[derive(Debug)]
pub enum Connection {
    /// To the embedded database.
    Sqlite(SqliteConnection),
    /// To a server.
    Postgres(PgConnection),
}

/// A connection, and the number of its database's faults when it was opened.
#[derive(Debug)]
pub(super) struct Pooled {
    pub(super) connection: Connection,
    pub(super) generation: u64,
}

/// A pool of connections of one kind.
pub(super) type Pool = managed::Pool<Opener>;

/// Opens a pool's connections, and decides which of them may be used again.
#[derive(Debug)]
pub(super) struct Opener {
    options: Options,
    faults: Arc<Faults>,
}

#[derive(Debug)]
enum Options {
    Sqlite(Box<SqliteConnectOptions>),
    Postgres { options: Box<PgConnectOptions>, session: String },
}

impl Opener {
    fn pool(options: Options, size: usize, faults: &Arc<Faults>) -> Result<Pool> {
        managed::Pool::builder(Self { options, faults: Arc::clone(faults) })
            .max_size(size)
            // Other connections are not kept warm: a dead one is detected when it is needed.
            .queue_mode(QueueMode::Lifo)
            .build()
            .map_err(|error| Error::unavailable(error.to_string()))
    }
}

impl Manager for Opener {
    type Type = Pooled;
    type Error = Error;

    /// The caller sets the timeout.
    async fn create(&self) -> Result<Pooled> {
        // Read before opening: a fault meanwhile may be this connection's own.
        let generation = self.faults.generation();
        let connection = match &self.options {
            Options::Sqlite(options) => {
                Connection::Sqlite(options.connect().await.map_err(Error::Unavailable)?)
            }
            Options::Postgres { options, session } => {
                Connection::Postgres(connect_postgres(options, session).await?)
            }
        };
        Ok(Pooled { connection, generation })
    }

    /// Refuses connections opened before the last fault: they may be dead as well.
    async fn recycle(&self, pooled: &mut Pooled, metrics: &Metrics) -> RecycleResult<Error> {
        if pooled.generation != self.faults.generation() {
            return Err(RecycleError::message("opened before the last fault"));
        }
        let Connection::Postgres(connection) = &mut pooled.connection else { return Ok(()) };
        if metrics.age() > MAX_AGE {
            return Err(RecycleError::message("old"));
        }
        if metrics.last_used() < TRUSTED
            || matches!(timeout(PING, connection.ping()).await, Ok(Ok(())))
        {
            return Ok(());
        }
        self.faults.note(pooled.generation);
        Err(RecycleError::message("does not answer"))
    }
}

/// Opens a connection that can write. sqlx does not expose the TCP socket, so we cannot set
/// keepalive and user timeout on our side. The deadlines detect what these would.
async fn connect_postgres(options: &PgConnectOptions, session: &str) -> Result<PgConnection> {
    let mut connection = options.connect().await.map_err(Error::Unavailable)?;
    let script = format!(
        "{session} select pg_is_in_recovery() or current_setting('transaction_read_only')::bool"
    );
    let row = sqlx::raw_sql(AssertSqlSafe(script)).fetch_one(&mut connection).await;
    let read_only: bool =
        row.and_then(|row| row.try_get_unchecked(0)).map_err(Error::Unavailable)?;
    if read_only {
        return Err(Error::Unavailable(sqlx::Error::Io(io::Error::other(
            "the PostgreSQL server takes no writes: a standby, or read-only by its settings",
        ))));
    }
    Ok(connection)
}

impl Db {
    /// Opens the embedded database, and makes its file where there is none, for its owner alone
    /// (SQLite gives the files that it puts beside it the same rights).
    ///
    /// WAL with `synchronous=FULL`: an answered commit survives a power cut. (`NORMAL` loses the
    /// last commits, measured by cutting the power of a virtual disk.)
    pub async fn open_sqlite(path: &Path, limits: Limits) -> Result<Self, OpenError> {
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
            // For another process's lock, such as a backup's.
            .busy_timeout(limits.statement)
            .row_buffer_size(SQLITE_ROWS);
        let faults = Arc::new(Faults::default());
        let reading = options.clone().pragma("query_only", "on");
        let writer = Opener::pool(Options::Sqlite(Box::new(options)), 1, &faults)?;
        let readers = Opener::pool(Options::Sqlite(Box::new(reading)), SQLITE_READERS, &faults)?;
        Ok(Self::open(readers, writer, limits, faults, Some(Reserve::beside(path))).await?)
    }

    /// Connects to PostgreSQL. Refuses a database that cannot hold every text, and a pooler that
    /// would lose the settings of each connection.
    pub async fn connect_postgres(settings: &PostgresSettings) -> Result<Self, OpenError> {
        let options = PgConnectOptions::from_str(&settings.url)?
            .application_name("meowsenger")
            // Since version 12 the server's default is as good; PgBouncer refuses the parameter.
            .extra_float_digits(None);
        let options =
            Options::Postgres { options: Box::new(options), session: settings.session_script() };
        let faults = Arc::new(Faults::default());
        let size = usize::try_from(settings.pool_size).unwrap_or(1);
        let pool = Opener::pool(options, size, &faults)?;
        let db = Self::open(pool.clone(), pool.clone(), settings.limits, faults, None).await?;
        timeout(db.patience(), pooler::inspect(&pool))
            .await
            .unwrap_or_else(|_| Err(Error::unavailable("it does not answer").into()))?;
        Ok(db)
    }
}

/// The files of an embedded database; the last two may be missing.
pub fn sqlite_files(file: &Path) -> [PathBuf; 3] {
    ["", "-wal", "-shm"].map(|suffix| {
        let mut name = file.as_os_str().to_owned();
        name.push(suffix);
        PathBuf::from(name)
    })
}

/// Removes other users' rights to the embedded database's files. Earlier versions created them by
/// the umask.
pub fn make_private(file: &Path) -> io::Result<()> {
    for file in sqlite_files(file) {
        match fs::set_permissions(&file, fs::Permissions::from_mode(0o600)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}
