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
use std::panic::Location;
use std::sync::Arc;
use std::time::Instant;

use rusqlite::types::ToSql;
use serde::Serialize;
use sqlx::postgres::{PgArguments, PgHasArrayType};
use sqlx::{Arguments as _, Encode, PgConnection, Postgres, Type};
use tracing::Instrument;

use super::db::{Db, Tx};
use super::error::{Failure, Result};
use super::lease::{Lease, within};
use super::observer::At;
use super::pools::DbConnection;
use super::rows::{self, Row};
use super::sqlite;

/// A statement's text for each database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dialects {
    /// For the embedded database.
    pub sqlite: &'static str,
    /// For a PostgreSQL server.
    pub postgres: &'static str,
}

impl Dialects {
    /// One text that both databases understand, in a constant.
    pub const fn both(sql: &'static str) -> Self {
        Self { sqlite: sql, postgres: sql }
    }
}

/// One text that both databases understand.
impl From<&'static str> for Dialects {
    fn from(sql: &'static str) -> Self {
        Self::both(sql)
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
    /// A statement that reads, named after the function that calls this.
    #[track_caller]
    pub fn query(self, sql: impl Into<Dialects>) -> Statement<'a> {
        Statement::new(self, sql.into(), Location::caller())
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
    /// A statement in this transaction, which may write, named after the function that calls this.
    #[track_caller]
    pub fn query(&mut self, sql: impl Into<Dialects>) -> Statement<'_, Writes> {
        Statement::new(Target::Tx(self), sql.into(), Location::caller())
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
    Sqlite(sqlite::Arguments),
    Postgres(PgArguments),
}

/// A value that both databases can store.
pub trait Value: ToSql + for<'q> Encode<'q, Postgres> + Type<Postgres> {}
impl<T> Value for T where T: ToSql + for<'q> Encode<'q, Postgres> + Type<Postgres> {}

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
    at: At,
    arguments: Result<Args>,
    brief: bool,
    access: PhantomData<Access>,
}

impl<'a, Access> Statement<'a, Access> {
    fn new(target: Target<'a>, sql: Dialects, at: At) -> Self {
        let (sql, arguments) = if target.is_sqlite() {
            (sql.sqlite, Args::Sqlite(sqlite::Arguments::default()))
        } else {
            (sql.postgres, Args::Postgres(PgArguments::default()))
        };
        Self { target, sql, at, arguments: Ok(arguments), brief: false, access: PhantomData }
    }

    /// Binds the next placeholder.
    pub fn bind<T: Value>(mut self, value: T) -> Self {
        self.arguments = self.arguments.and_then(|mut arguments| {
            match &mut arguments {
                Args::Sqlite(list) => list.add(&value)?,
                Args::Postgres(list) => list.add(value).map_err(Failure::Wrong)?,
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
                Args::Sqlite(list) => list.add_json(&values)?,
                Args::Postgres(list) => list.add(values).map_err(Failure::Wrong)?,
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
    pub fn bind_rows<T: Serialize>(
        mut self,
        rows: &[T],
        columns: impl FnOnce(Self) -> Self,
    ) -> Self {
        if !self.target.is_sqlite() {
            return columns(self);
        }
        self.arguments = self.arguments.and_then(|mut arguments| {
            if let Args::Sqlite(list) = &mut arguments {
                list.add_json(rows)?;
            }
            Ok(arguments)
        });
        self
    }

    /// Says that this reads a few rows by their keys, which takes microseconds: outside of a transaction,
    /// SQLite may run it on the calling thread. A page that is not in memory is then waited for there.
    pub fn brief(self) -> Self {
        Self { brief: true, ..self }
    }

    /// Every row, or the only column of every row.
    pub async fn all<R: Row>(self) -> Result<Vec<R>> {
        let (sql, at, arguments) = (self.sql, self.at, self.arguments?);
        let turn = match &self.target {
            Target::Db(db) if self.brief => db.turn(),
            _ => None,
        };
        let mut held = self.target.hold().await?;
        let lease = held.lease();
        let (limit, observer) = (lease.limit(), Arc::clone(lease.observer()));
        let outcome = match (lease.connection()?, arguments) {
            (DbConnection::Sqlite(worker), Args::Sqlite(list)) => {
                match turn.and_then(|turn| worker.run_here(&turn, |s| s.rows(sql, at, &list))) {
                    Some(outcome) => outcome,
                    None => {
                        within(limit, worker.run(move |sqlite| sqlite.rows(sql, at, &list))).await
                    }
                }
            }
            (DbConnection::Postgres(one), Args::Postgres(list)) => {
                let (started, span) = (Instant::now(), observer.span(at));
                let outcome = within(limit, postgres_rows(one, sql, list)).instrument(span).await;
                observer.ran(at, started.elapsed(), sql);
                outcome
            }
            _ => mismatched(),
        };
        lease.judge(outcome)
    }

    /// The first row, if there is one. All are read: a statement that writes and returns is finished
    /// when its last row has been read.
    pub async fn optional<R: Row>(self) -> Result<Option<R>> {
        Ok(self.all().await?.into_iter().next())
    }

    /// The one row that there must be.
    pub async fn one<R: Row>(self) -> Result<R> {
        self.optional()
            .await?
            .ok_or_else(|| Failure::wrong("no row where there must be one").into())
    }
}

impl Statement<'_, Writes> {
    /// Runs it. Returns how many rows it changed.
    pub async fn execute(self) -> Result<u64> {
        let (sql, at, arguments) = (self.sql, self.at, self.arguments?);
        let mut held = self.target.hold().await?;
        let lease = held.lease();
        let (limit, observer) = (lease.limit(), Arc::clone(lease.observer()));
        let outcome = match (lease.connection()?, arguments) {
            (DbConnection::Sqlite(worker), Args::Sqlite(list)) => {
                within(limit, worker.run(move |sqlite| sqlite.execute(sql, at, &list))).await
            }
            (DbConnection::Postgres(one), Args::Postgres(list)) => {
                let (started, span) = (Instant::now(), observer.span(at));
                let run = async { Ok(sqlx::query_with(sql, list).execute(one).await?) };
                let outcome = within(limit, run).instrument(span).await;
                let outcome = outcome.map(|done| done.rows_affected());
                observer.ran(at, started.elapsed(), sql);
                outcome
            }
            _ => mismatched(),
        };
        lease.judge(outcome)
    }
}

async fn postgres_rows<R: Row>(
    connection: &mut PgConnection,
    sql: &'static str,
    arguments: PgArguments,
) -> Result<Vec<R>> {
    let found = sqlx::query_with(sql, arguments).fetch_all(connection).await?;
    let read = |(index, row)| Ok(rows::read(row, index == 0)?);
    found.iter().enumerate().map(read).collect()
}

/// The arguments are made for the target, so this does not happen.
fn mismatched<T>() -> Result<T> {
    Err(Failure::wrong("arguments of the other database").into())
}
