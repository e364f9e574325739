//! The database and the data folder.

use std::path::PathBuf;
use std::time::Duration;

use super::credentials;
use super::reader::{Reader, number, time};

/// Settings of the database.
#[derive(Clone, Debug)]
pub struct DatabaseSettings {
    /// `DATA_DIR`
    pub data_dir: PathBuf,
    /// `DATABASE_URL`
    pub url: DatabaseUrl,
    /// `DATABASE_POOL_SIZE`
    pub pool_size: u32,
    /// `DATABASE_CONNECT_TIMEOUT`
    pub connect_timeout: Duration,
    /// `DATABASE_STATEMENT_TIMEOUT`
    pub statement_timeout: Duration,
}

/// Which database is used.
#[derive(Clone, PartialEq, Eq)]
pub enum DatabaseUrl {
    /// The embedded one; `None`: `meowsenger.sqlite3` in the data folder.
    Sqlite(Option<PathBuf>),
    /// A PostgreSQL server. The URL may hold a password.
    Postgres(String),
}

impl std::fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Sqlite(path) => f.debug_tuple("Sqlite").field(path).finish(),
            Self::Postgres(_) => f.write_str("Postgres"),
        }
    }
}

impl DatabaseSettings {
    /// The file of the embedded database, if that is used.
    pub fn sqlite_file(&self) -> Option<PathBuf> {
        match &self.url {
            DatabaseUrl::Sqlite(Some(path)) => Some(path.clone()),
            DatabaseUrl::Sqlite(None) => Some(self.data_dir.join("meowsenger.sqlite3")),
            DatabaseUrl::Postgres(_) => None,
        }
    }

    pub(super) fn read(from: &mut Reader<'_>) -> Self {
        Self {
            data_dir: from.get(
                "DATA_DIR",
                "./data",
                "The folder for the server's own data: the embedded database, its key, and avatars.",
                |value| Ok(PathBuf::from(value)),
            ),
            url: from.secret(
                "DATABASE_URL",
                "sqlite://",
                "sqlite:// for the embedded database in DATA_DIR, sqlite://PATH for one elsewhere,\n\
                 or postgres://user:password@host:port/name. For TLS add parameters:\n\
                 ?sslmode=verify-full&sslrootcert=/path/ca.pem. The database's encoding must be UTF8.\n\
                 PgBouncer needs pool_mode = session.",
                database_url,
            ),
            pool_size: from.get(
                "DATABASE_POOL_SIZE",
                "10",
                "Maximum connections of this node to PostgreSQL.",
                |value| number(value, 2, 1_000),
            ),
            connect_timeout: from.get(
                "DATABASE_CONNECT_TIMEOUT",
                "5s",
                "How long a request waits for a database connection before the answer is 503.",
                time,
            ),
            statement_timeout: from.get(
                "DATABASE_STATEMENT_TIMEOUT",
                "5s",
                "Timeout of one SQL statement. A second later the connection is dropped. A request\n\
                 that waits for a worker, such as a send, gets 503 at most three seconds after this\n\
                 timeout.",
                time,
            ),
        }
    }
}

fn database_url(value: &str) -> Result<DatabaseUrl, String> {
    if let Some(path) = value.strip_prefix("sqlite://") {
        let path = Some(path).filter(|path| !path.is_empty()).map(PathBuf::from);
        return Ok(DatabaseUrl::Sqlite(path));
    }
    // The value may hold a password, so the error does not quote it.
    let scheme = value.split_once("://").map(|(scheme, _)| scheme);
    match scheme {
        Some("postgres" | "postgresql") => {
            credentials::url(value).map(|_| DatabaseUrl::Postgres(value.to_owned()))
        }
        _ => Err("must begin with sqlite:// or postgres://".to_owned()),
    }
}
