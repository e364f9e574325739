//! One SQL text, run on two databases. A statement is written once, with `$1` placeholders, which
//! both databases understand; where the dialects differ, [`Dialects`] holds both texts. Nothing here
//! knows a table.
//!
//! Reading runs on a [`Target`], writing only in a transaction: [`Statement::execute`] exists only for
//! what [`Tx::query`] returns. This does not compile:
//!
//! ```compile_fail,E0599
//! # use meowsenger::store::{Db, Target};
//! async fn write(db: &Db) {
//!     Target::from(db).query("delete from users").execute().await;
//! }
//! ```
//!
//! A read that writes all the same (`delete … returning`) is refused by SQLite's readers (`query_only`).

use std::marker::PhantomData;

use serde::Serialize;
use sqlx::postgres::{PgArguments, PgHasArrayType, PgRow};
use sqlx::sqlite::{SqliteArguments, SqliteRow};
use sqlx::{Arguments, Encode, FromRow, Postgres, Sqlite, Type};

use super::db::{Db, Tx};
use super::error::Result;
use super::lease::{Lease, within};
use super::pools::DbConnection;

/// A statement's text for each database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dialects {
    /// For the embedded database.
    pub sqlite: &'static str,
    /// For a PostgreSQL server.
    pub postgres: &'static str,
}

/// One text that both databases understand.
impl From<&'static str> for Dialects {
    fn from(sql: &'static str) -> Self {
        Self { sqlite: sql, postgres: sql }
    }
}

/// Where a query reads: on a pool's connection, or in a transaction. Store functions that read take
/// `impl Into<Target<'_>>`, so the same function works inside and outside of a transaction.
#[derive(Debug)]
pub enum Target<'a> {
    /// Any connection, for reading.
    Db(&'a Db),
    /// A transaction's connection.
    Tx(&'a mut Tx),
}

impl<'a> From<&'a Db> for Target<'a> {
    fn from(db: &'a Db) -> Self {
        Self::Db(db)
    }
}

impl<'a> From<&'a mut Tx> for Target<'a> {
    fn from(tx: &'a mut Tx) -> Self {
        Self::Tx(tx)
    }
}

impl<'a> Target<'a> {
    /// A statement that reads.
    pub fn query(self, sql: impl Into<Dialects>) -> Statement<'a> {
        Statement::new(self, sql.into())
    }

    /// The same target, for the first of several statements.
    pub fn reborrow(&mut self) -> Target<'_> {
        match self {
            Self::Db(db) => Target::Db(db),
            Self::Tx(tx) => Target::Tx(tx),
        }
    }

    /// Whether this is the embedded database.
    pub fn is_sqlite(&self) -> bool {
        match self {
            Self::Db(db) => db.is_sqlite(),
            Self::Tx(tx) => tx.is_sqlite(),
        }
    }

    async fn hold(self) -> Result<Held<'a>> {
        Ok(match self {
            Self::Db(db) => Held::Own(db.reader().await?),
            Self::Tx(tx) => Held::Tx(&mut tx.lease),
        })
    }
}

impl Tx {
    /// A statement in this transaction, which may write.
    pub fn query(&mut self, sql: impl Into<Dialects>) -> Statement<'_, Writes> {
        Statement::new(Target::Tx(self), sql.into())
    }
}

/// A connection for one statement: borrowed from a pool for it, or a transaction's.
enum Held<'a> {
    Own(Lease),
    Tx(&'a mut Lease),
}

impl Held<'_> {
    fn lease(&mut self) -> &mut Lease {
        match self {
            Self::Own(lease) => lease,
            Self::Tx(lease) => lease,
        }
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

/// A row that both databases can return.
pub trait Row: Send + Unpin + for<'r> FromRow<'r, SqliteRow> + for<'r> FromRow<'r, PgRow> {}
impl<T> Row for T where T: Send + Unpin + for<'r> FromRow<'r, SqliteRow> + for<'r> FromRow<'r, PgRow>
{}

/// Marks a [`Statement`] that only reads.
#[derive(Debug)]
pub enum Reads {}

/// Marks a [`Statement`] in a transaction, which may write.
#[derive(Debug)]
pub enum Writes {}

/// A statement with its values, ready to run.
#[derive(Debug)]
#[must_use = "a statement does nothing until it is run"]
pub struct Statement<'a, Access = Reads> {
    target: Target<'a>,
    sql: &'static str,
    arguments: Result<Args, sqlx::error::BoxDynError>,
    access: PhantomData<Access>,
}

impl<'a, Access> Statement<'a, Access> {
    fn new(target: Target<'a>, sql: Dialects) -> Self {
        let (sql, arguments) = if target.is_sqlite() {
            (sql.sqlite, Args::Sqlite(SqliteArguments::default()))
        } else {
            (sql.postgres, Args::Postgres(PgArguments::default()))
        };
        Self { target, sql, arguments: Ok(arguments), access: PhantomData }
    }

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
    /// `json_each($n)` on SQLite. Several lists of one length are [`Self::bind_rows`].
    pub fn bind_list<T>(mut self, values: impl IntoIterator<Item = T>) -> Self
    where
        T: Serialize + PgHasArrayType + for<'q> Encode<'q, Postgres> + Type<Postgres>,
    {
        let values: Vec<T> = values.into_iter().collect();
        self.arguments = self.arguments.and_then(|mut arguments| {
            match &mut arguments {
                Args::Sqlite(list) => list.add(serde_json::to_string(&values)?)?,
                Args::Postgres(list) => list.add(values)?,
            }
            Ok(arguments)
        });
        self
    }

    /// Binds rows of several columns: on SQLite one JSON array of rows, read by `json_each($n)` and
    /// `value ->> 0`; on PostgreSQL what `columns` binds, an array per column, read by `unnest`.
    ///
    /// SQLite must not get a list per column: joining them by `key` costs the square of their
    /// length, because `json_each` has no index.
    pub fn bind_rows<T: Serialize>(self, rows: &[T], columns: impl FnOnce(Self) -> Self) -> Self {
        if !self.target.is_sqlite() {
            return columns(self);
        }
        match serde_json::to_string(rows) {
            Ok(json) => self.bind(json),
            Err(error) => Self { arguments: self.arguments.and(Err(error.into())), ..self },
        }
    }

    /// Every row.
    pub async fn all<R: Row>(self) -> Result<Vec<R>> {
        let (sql, arguments) = (self.sql, self.arguments.map_err(sqlx::Error::Encode)?);
        let mut held = self.target.hold().await?;
        let lease = held.lease();
        let limit = lease.limit();
        let outcome = match (lease.connection()?, arguments) {
            (DbConnection::Sqlite(one), Args::Sqlite(list)) => {
                within(limit, sqlx::query_as_with(sql, list).fetch_all(one)).await
            }
            (DbConnection::Postgres(one), Args::Postgres(list)) => {
                within(limit, sqlx::query_as_with(sql, list).fetch_all(one)).await
            }
            _ => Err(mismatched()),
        };
        lease.judge(outcome)
    }

    /// The only column of every row.
    pub async fn column<T: Send + Unpin>(self) -> Result<Vec<T>>
    where
        (T,): Row,
    {
        Ok(self.all::<(T,)>().await?.into_iter().map(|(value,)| value).collect())
    }

    /// The first row, if there is one. All are read: a statement that writes and returns is finished
    /// when its last row has been read.
    pub async fn optional<R: Row>(self) -> Result<Option<R>> {
        Ok(self.all().await?.into_iter().next())
    }

    /// The one row that there must be.
    pub async fn one<R: Row>(self) -> Result<R> {
        self.optional().await?.ok_or_else(|| sqlx::Error::RowNotFound.into())
    }
}

impl Statement<'_, Writes> {
    /// Runs it. Returns how many rows it changed.
    pub async fn execute(self) -> Result<u64> {
        let (sql, arguments) = (self.sql, self.arguments.map_err(sqlx::Error::Encode)?);
        let mut held = self.target.hold().await?;
        let lease = held.lease();
        let limit = lease.limit();
        let outcome = match (lease.connection()?, arguments) {
            (DbConnection::Sqlite(one), Args::Sqlite(list)) => {
                within(limit, sqlx::query_with(sql, list).execute(one))
                    .await
                    .map(|done| done.rows_affected())
            }
            (DbConnection::Postgres(one), Args::Postgres(list)) => {
                within(limit, sqlx::query_with(sql, list).execute(one))
                    .await
                    .map(|done| done.rows_affected())
            }
            _ => Err(mismatched()),
        };
        lease.judge(outcome)
    }
}

/// The arguments are made for the target, so this does not happen.
fn mismatched() -> sqlx::Error {
    sqlx::Error::InvalidArgument("arguments of the other database".to_owned())
}
