//! Opening the databases, with what durability needs set on every connection: no default is
//! trusted. Settings come in as values; nothing here reads the configuration.

use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use sqlx::postgres::PgConnectOptions;
use tokio::time::timeout;

use super::db::Db;
use super::error::StoreError;
use super::faults::Faults;
use super::observer::Observer;
use super::pooler::{self, OpenError};
use super::pools::{Opener, Options, Timeouts};
use super::postgres_url;
use super::reserve::Reserve;
use super::sqlite::Settings;

/// Readers of SQLite: they share the page cache of the system, so more than cores gain nothing.
const SQLITE_READERS: usize = 4;
/// How to use a PostgreSQL server.
#[derive(Clone)]
pub struct PostgresSettings {
    /// `postgres://…`; TLS by its `sslmode`, `sslrootcert` and so on.
    pub url: String,
    /// Most connections of this node.
    pub pool_size: u32,
    /// Its timeouts.
    pub timeouts: Timeouts,
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
    fn session(&self) -> [(&'static str, String); 15] {
        let millis = |time: Duration| time.as_millis().to_string();
        let limit = self.timeouts.statement;
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
            // A statement is planned once for each connection. By default PostgreSQL compares the
            // costs of plans, and then plans most of ours each time, which is two thirds of its work.
            ("plan_cache_mode", "force_generic_plan".to_owned()),
            // Such a plan does not know how many rows are asked for, and is kept while tables grow. So
            // it may only look rows up, and never read, hash or copy a table. What has no index is read all
            // the same; the penalty that it has for that must not start the compiler.
            ("enable_seqscan", "off".to_owned()),
            ("enable_hashjoin", "off".to_owned()),
            ("enable_mergejoin", "off".to_owned()),
            ("enable_material", "off".to_owned()),
            ("jit", "off".to_owned()),
        ]
    }

    fn session_script(&self) -> String {
        let set = |(name, value): (&str, String)| format!("set {name} = '{value}'; ");
        self.session().map(set).concat()
    }
}

impl Db {
    /// Opens the embedded database, and makes its file where there is none, for its owner alone
    /// (SQLite gives the files that it puts beside it the same rights).
    ///
    /// WAL with `synchronous=FULL`: an answered commit survives a power cut. (`NORMAL` loses the
    /// last commits, measured by cutting the power of a virtual disk.)
    pub async fn open_sqlite(path: &Path, timeouts: Timeouts) -> Result<Self, OpenError> {
        let fault = |error| OpenError::File { file: path.to_owned(), error };
        match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                return Err(fault(error.into()));
            }
            _ => {}
        }
        let (faults, observer) = (Arc::new(Faults::default()), Arc::new(Observer::new("sqlite")));
        let (file, busy) = (path.to_owned(), timeouts.statement);
        let writing = Settings { file, busy, reads_only: false, observer: Arc::clone(&observer) };
        let reading = Settings { reads_only: true, ..writing.clone() };
        let writer = Opener::pool(Options::Sqlite(writing), 1, &faults)?;
        let readers = Opener::pool(Options::Sqlite(reading), SQLITE_READERS, &faults)?;
        let reserve = Some(Reserve::beside(path));
        Self::open((readers, writer), timeouts, faults, observer, reserve).await.map_err(fault)
    }

    /// Connects to PostgreSQL. Refuses a database that cannot hold every text, and a pooler that
    /// would lose the settings of each connection.
    pub async fn connect_postgres(settings: &PostgresSettings) -> Result<Self, OpenError> {
        let options = PgConnectOptions::from_str(&settings.url)?
            .application_name("meowsenger")
            // Since version 12 the server's default is as good; PgBouncer refuses the parameter.
            .extra_float_digits(None);
        let named = options.clone();
        let fault = |error| postgres_url::explain(&named, error);
        let options =
            Options::Postgres { options: Box::new(options), session: settings.session_script() };
        let (faults, observer) =
            (Arc::new(Faults::default()), Arc::new(Observer::new("postgresql")));
        let size = usize::try_from(settings.pool_size).unwrap_or(1);
        let pool = Opener::pool(options, size, &faults)?;
        let pools = (pool.clone(), pool.clone());
        let db =
            Self::open(pools, settings.timeouts, faults, observer, None).await.map_err(fault)?;
        timeout(db.answer_timeout(), pooler::inspect(&pool))
            .await
            .unwrap_or_else(|_| Err(StoreError::unavailable("it does not answer").into()))?;
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
