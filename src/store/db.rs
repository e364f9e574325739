//! The seam between one SQL text and two databases: pools, transactions and queries as closed
//! enums. Nothing here knows a table.
//!
//! A statement is written once, with `$1` placeholders, which both understand. Where a statement
//! must differ, [`Target::either`] takes both texts side by side.

use serde::Serialize;
use sqlx::postgres::{PgArguments, PgHasArrayType, PgPool, PgRow};
use sqlx::sqlite::{SqliteArguments, SqlitePool, SqliteRow};
use sqlx::{Arguments, Encode, FromRow, PgConnection, Postgres, Sqlite, SqliteConnection, Type};

use super::error::Result;

/// Durability again, which costs nothing here: should a pooler ever lose what the session was told.
const BEGIN_POSTGRES: &str = "begin; set local synchronous_commit = on";

/// A database: where to read, and where transactions begin.
#[derive(Clone, Debug)]
pub enum Db {
    /// Embedded: several readers beside one writer.
    Sqlite {
        /// Connections that refuse to write (`query_only`).
        readers: SqlitePool,
        /// The one connection that writes: writers queue here instead of meeting SQLITE_BUSY.
        writer: SqlitePool,
    },
    /// A server.
    Postgres(PgPool),
}

/// A transaction that can write. Dropped without [`Tx::commit`], it is rolled back.
#[derive(Debug)]
pub enum Tx {
    /// Holds the writer.
    Sqlite(sqlx::Transaction<'static, Sqlite>),
    /// At READ COMMITTED: a statement sees what was committed before it began.
    Postgres(sqlx::Transaction<'static, Postgres>),
}

impl Db {
    /// Begins a transaction. On SQLite the write lock is taken at once (`BEGIN IMMEDIATE`), since
    /// a lock that is upgraded later can fail half-way.
    pub async fn begin(&self) -> Result<Tx> {
        Ok(match self {
            Self::Sqlite { writer, .. } => Tx::Sqlite(writer.begin_with("begin immediate").await?),
            Self::Postgres(pool) => Tx::Postgres(pool.begin_with(BEGIN_POSTGRES).await?),
        })
    }

    /// Closes every connection, waiting for those in use.
    pub async fn close(&self) {
        match self {
            Self::Sqlite { readers, writer } => {
                readers.close().await;
                writer.close().await;
            }
            Self::Postgres(pool) => pool.close().await,
        }
    }
}

impl Tx {
    /// Commits. On success everything is durable; on failure it may be either way.
    pub async fn commit(self) -> Result<()> {
        match self {
            Self::Sqlite(tx) => tx.commit().await?,
            Self::Postgres(tx) => tx.commit().await?,
        }
        Ok(())
    }
}

/// Where a query runs: a pool for reads, or a transaction. Store functions take
/// `impl Into<Target<'_>>`, so the same one reads inside and outside of a transaction.
#[derive(Debug)]
pub enum Target<'a> {
    /// Any reader.
    SqlitePool(&'a SqlitePool),
    /// A transaction's connection.
    Sqlite(&'a mut SqliteConnection),
    /// Any connection.
    PostgresPool(&'a PgPool),
    /// A transaction's connection.
    Postgres(&'a mut PgConnection),
}

impl<'a> From<&'a Db> for Target<'a> {
    fn from(db: &'a Db) -> Self {
        match db {
            Db::Sqlite { readers, .. } => Self::SqlitePool(readers),
            Db::Postgres(pool) => Self::PostgresPool(pool),
        }
    }
}

impl<'a> From<&'a mut Tx> for Target<'a> {
    fn from(tx: &'a mut Tx) -> Self {
        match tx {
            Tx::Sqlite(tx) => Self::Sqlite(tx),
            Tx::Postgres(tx) => Self::Postgres(tx),
        }
    }
}

impl<'a> Target<'a> {
    /// A query with one text for both.
    pub fn query(self, sql: &'static str) -> Query<'a> {
        self.either(sql, sql)
    }

    /// A query whose text the dialects make differ.
    pub fn either(self, sqlite: &'static str, postgres: &'static str) -> Query<'a> {
        let (sql, arguments) = if self.is_sqlite() {
            (sqlite, Args::Sqlite(SqliteArguments::default()))
        } else {
            (postgres, Args::Postgres(PgArguments::default()))
        };
        Query { target: self, sql, arguments: Ok(arguments) }
    }

    /// Whether this is the embedded database.
    pub fn is_sqlite(&self) -> bool {
        matches!(self, Self::Sqlite(_) | Self::SqlitePool(_))
    }
}

#[derive(Debug)]
enum Args {
    Sqlite(SqliteArguments),
    Postgres(PgArguments),
}

/// A value that both databases can store.
pub trait Value:
    for<'q> Encode<'q, Sqlite> + Type<Sqlite> + for<'q> Encode<'q, Postgres> + Type<Postgres>
{
}
impl<T> Value for T where
    T: for<'q> Encode<'q, Sqlite> + Type<Sqlite> + for<'q> Encode<'q, Postgres> + Type<Postgres>
{
}

/// A row that both databases can give.
pub trait Row: Send + Unpin + for<'r> FromRow<'r, SqliteRow> + for<'r> FromRow<'r, PgRow> {}
impl<T> Row for T where T: Send + Unpin + for<'r> FromRow<'r, SqliteRow> + for<'r> FromRow<'r, PgRow>
{}

/// A statement with its values, ready to run.
#[derive(Debug)]
#[must_use = "a query does nothing until it is run"]
pub struct Query<'a> {
    target: Target<'a>,
    sql: &'static str,
    arguments: Result<Args, sqlx::error::BoxDynError>,
}

impl Query<'_> {
    /// Binds the next placeholder.
    pub fn bind<T: Value>(mut self, value: T) -> Self {
        self.arguments = self.arguments.and_then(|mut arguments| {
            match &mut arguments {
                Args::Sqlite(list) => list.add(value)?,
                Args::Postgres(list) => list.add(value)?,
            }
            Ok(arguments)
        });
        self
    }

    /// Binds a list: an array for `unnest($n)` or `= any($n)` on PostgreSQL, a JSON array for
    /// `json_each($n)` on SQLite.
    pub fn bind_list<T>(mut self, values: Vec<T>) -> Self
    where
        T: Serialize + PgHasArrayType + for<'q> Encode<'q, Postgres> + Type<Postgres>,
    {
        self.arguments = self.arguments.and_then(|mut arguments| {
            match &mut arguments {
                Args::Sqlite(list) => list.add(serde_json::to_string(&values)?)?,
                Args::Postgres(list) => list.add(values)?,
            }
            Ok(arguments)
        });
        self
    }

    /// Every row.
    pub async fn all<R: Row>(self) -> Result<Vec<R>> {
        let arguments = self.arguments.map_err(sqlx::Error::Encode)?;
        Ok(match (self.target, arguments) {
            (Target::SqlitePool(pool), Args::Sqlite(list)) => {
                sqlx::query_as_with(self.sql, list).fetch_all(pool).await?
            }
            (Target::Sqlite(tx), Args::Sqlite(list)) => {
                sqlx::query_as_with(self.sql, list).fetch_all(tx).await?
            }
            (Target::PostgresPool(pool), Args::Postgres(list)) => {
                sqlx::query_as_with(self.sql, list).fetch_all(pool).await?
            }
            (Target::Postgres(tx), Args::Postgres(list)) => {
                sqlx::query_as_with(self.sql, list).fetch_all(tx).await?
            }
            _ => return Err(refused()),
        })
    }

    /// The first row, where there is one.
    pub async fn optional<R: Row>(self) -> Result<Option<R>> {
        let arguments = self.arguments.map_err(sqlx::Error::Encode)?;
        Ok(match (self.target, arguments) {
            (Target::SqlitePool(pool), Args::Sqlite(list)) => {
                sqlx::query_as_with(self.sql, list).fetch_optional(pool).await?
            }
            (Target::Sqlite(tx), Args::Sqlite(list)) => {
                sqlx::query_as_with(self.sql, list).fetch_optional(tx).await?
            }
            (Target::PostgresPool(pool), Args::Postgres(list)) => {
                sqlx::query_as_with(self.sql, list).fetch_optional(pool).await?
            }
            (Target::Postgres(tx), Args::Postgres(list)) => {
                sqlx::query_as_with(self.sql, list).fetch_optional(tx).await?
            }
            _ => return Err(refused()),
        })
    }

    /// The one row that there must be.
    pub async fn one<R: Row>(self) -> Result<R> {
        self.optional().await?.ok_or_else(|| sqlx::Error::RowNotFound.into())
    }

    /// Runs it; how many rows it changed.
    pub async fn execute(self) -> Result<u64> {
        let arguments = self.arguments.map_err(sqlx::Error::Encode)?;
        Ok(match (self.target, arguments) {
            (Target::Sqlite(tx), Args::Sqlite(list)) => {
                sqlx::query_with(self.sql, list).execute(tx).await?.rows_affected()
            }
            (Target::Postgres(tx), Args::Postgres(list)) => {
                sqlx::query_with(self.sql, list).execute(tx).await?.rows_affected()
            }
            _ => return Err(refused()),
        })
    }
}

/// A pool only reads: what writes belongs in a transaction.
fn refused() -> super::error::Error {
    sqlx::Error::InvalidArgument("a statement that writes was run outside of a transaction".into())
        .into()
}
