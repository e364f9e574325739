//! Where the data is.

use std::path::PathBuf;
use std::time::Duration;

use super::reader::{Reader, number, time};

/// See the fields.
#[derive(Clone, Debug)]
pub struct Database {
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

/// Which database.
#[derive(Clone, PartialEq, Eq)]
pub enum DatabaseUrl {
    /// Embedded; `None`: `meowsenger.sqlite3` in the data folder.
    Sqlite(Option<PathBuf>),
    /// A server; the whole URL, which may hold a password.
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

impl Database {
    /// The embedded database's file, where it is that.
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
                "The folder for what the server keeps itself: the embedded database and its key, pictures.",
                |value| Ok(PathBuf::from(value)),
            ),
            url: from.get(
                "DATABASE_URL",
                "sqlite://",
                "sqlite:// for the embedded database in DATA_DIR, sqlite://PATH for one elsewhere,\n\
                 or postgres://user:password@host:port/name. TLS by the URL's parameters:\n\
                 ?sslmode=verify-full&sslrootcert=/path/ca.pem. The database must be UTF8; PgBouncer\n\
                 works with pool_mode = session.",
                database_url,
            ),
            pool_size: from.get(
                "DATABASE_POOL_SIZE",
                "10",
                "The most connections of this node to PostgreSQL.",
                |value| number(value, 2, 1_000),
            ),
            connect_timeout: from.get(
                "DATABASE_CONNECT_TIMEOUT",
                "5s",
                "How long a request waits for a connection before it is answered 503.",
                time,
            ),
            statement_timeout: from.get(
                "DATABASE_STATEMENT_TIMEOUT",
                "5s",
                "How long the database may work on one statement; a second later the connection is\n\
                 dropped. A request that waits for a worker, such as a send, is answered 503 at most\n\
                 three seconds after this timeout.",
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
    // The value may hold a password, so faults do not repeat it.
    let scheme = value.split_once("://").map(|(scheme, _)| scheme);
    match scheme {
        Some("postgres" | "postgresql") if url::Url::parse(value).is_ok() => {
            Ok(DatabaseUrl::Postgres(value.to_owned()))
        }
        Some("postgres" | "postgresql") => {
            Err("is not a valid URL; mind that signs in the password must be %-encoded".to_owned())
        }
        _ => Err("must begin with sqlite:// or postgres://".to_owned()),
    }
}
