//! Whether a PostgreSQL database can be used at all: its encoding, and whether a pooler between
//! gives each connection a server session of its own. Changes nothing.

use std::path::PathBuf;

use deadpool::managed::{Object, PoolError};
use sqlx::{PgConnection, Row};

use super::error::{Failure, StoreError};
use super::pools::{DbConnection, Opener, Pool};

/// Why a database cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Not every text could be stored.
    #[error(
        "the encoding of this PostgreSQL database is {0}, which cannot hold every text; it must be UTF8: \
         CREATE DATABASE meowsenger ENCODING 'UTF8' LOCALE 'C.UTF-8' TEMPLATE template0"
    )]
    Encoding(String),
    /// Settings of the session, durability among them, would be lost between transactions.
    #[error(
        "DATABASE_URL leads through a pooler that shares server connections between transactions \
         (PgBouncer's pool_mode = transaction or statement); set pool_mode = session for this \
         database, or connect to PostgreSQL itself"
    )]
    SharedSession,
    /// Something overrides what [`super::pools`] sets on every connection.
    #[error(
        "PostgreSQL does not keep synchronous_commit = on for this connection (it is {0}): commits \
         could be lost"
    )]
    NotDurable(String),
    /// A PostgreSQL server that cannot be reached or refuses us. Does not show the password.
    #[error("PostgreSQL at {server}: {cause}")]
    Server {
        /// Its host and port, or its socket.
        server: String,
        /// Why.
        cause: String,
    },
    /// The file of an embedded database.
    #[error("{file}: {error}", file = file.display())]
    File {
        /// Its path.
        file: PathBuf,
        /// What SQLite or the system says.
        error: StoreError,
    },
    /// The database, or the way to it.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<sqlx::Error> for OpenError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

/// Refuses a database that would lose data or reject texts. Needs two connections for a moment.
/// The caller limits the time.
pub(super) async fn inspect(pool: &Pool) -> Result<(), OpenError> {
    let (mut one, mut two) = (borrow(pool).await?, borrow(pool).await?);
    let (DbConnection::Postgres(one), DbConnection::Postgres(two)) =
        (&mut one.connection, &mut two.connection)
    else {
        return Ok(());
    };
    let encoding = text(one, "show server_encoding").await?;
    if encoding != "UTF8" {
        return Err(OpenError::Encoding(encoding));
    }
    if shares_sessions(one, two).await? {
        return Err(OpenError::SharedSession);
    }
    match text(one, "show synchronous_commit").await? {
        on if on == "on" => Ok(()),
        other => Err(OpenError::NotDurable(other)),
    }
}

async fn borrow(pool: &Pool) -> Result<Object<Opener>, OpenError> {
    pool.get().await.map_err(|error| match error {
        PoolError::Backend(error) => error.into(),
        _ => StoreError::from(Failure::Closed).into(),
    })
}

/// Whether two connections can reach the same server process. Both hold one in a transaction and
/// return it, `one` first. A pooler hands out next either what was returned last (then `one`, asked
/// first, gets the other's) or what was returned first (then `two` does).
async fn shares_sessions(
    one: &mut PgConnection,
    two: &mut PgConnection,
) -> Result<bool, sqlx::Error> {
    for ask_one_first in [true, false] {
        let held = (hold(one).await?, hold(two).await?);
        for connection in [&mut *one, &mut *two] {
            sqlx::raw_sql("commit").execute(connection).await?;
        }
        let found = if ask_one_first {
            (process(one).await?, process(two).await?)
        } else {
            let second = process(two).await?;
            (process(one).await?, second)
        };
        if found != held {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Begins a transaction; the server process that it is on.
async fn hold(connection: &mut PgConnection) -> Result<i32, sqlx::Error> {
    sqlx::raw_sql("begin").execute(&mut *connection).await?;
    process(connection).await
}

/// By the simple protocol, which needs no statement to be kept by the session.
async fn process(connection: &mut PgConnection) -> Result<i32, sqlx::Error> {
    sqlx::raw_sql("select pg_backend_pid()").fetch_one(connection).await?.try_get(0)
}

async fn text(connection: &mut PgConnection, sql: &'static str) -> Result<String, sqlx::Error> {
    sqlx::raw_sql(sql).fetch_one(connection).await?.try_get(0)
}
