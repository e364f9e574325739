//! A connection to the embedded database, and the statements that run on it. Everything here blocks the
//! thread that calls it: `worker.rs` is the thread of a connection. Nothing here knows a table.

use std::panic::Location;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rusqlite::config::DbConfig;
use rusqlite::types::{ToSql, ToSqlOutput, Value, ValueRef};
use rusqlite::{CachedStatement, Connection, InterruptHandle, OpenFlags};
use serde::Serialize;

use super::error::{Failure, Result, StoreError};
use super::observer::{At, Observer};
use super::rows::{self, Cell, Columns, Row, Unfit};

/// Prepared statements that a connection keeps: more than there are texts.
const STATEMENTS: usize = 512;

/// How a connection is opened.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    /// The file, which exists.
    pub(super) file: PathBuf,
    /// How long to wait for another process's lock, such as a backup's.
    pub(super) busy: Duration,
    /// Whether to refuse every write.
    pub(super) reads_only: bool,
    /// Watches its statements.
    pub(super) observer: Arc<Observer>,
}

/// A connection.
#[derive(Debug)]
pub struct Sqlite {
    connection: Connection,
    busy: Duration,
    observer: Arc<Observer>,
}

impl Sqlite {
    pub(super) fn open(settings: &Settings) -> Result<Self, Failure> {
        // A connection is used by one thread at a time, so SQLite's own mutexes are not needed.
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(&settings.file, flags)?;
        connection.busy_timeout(settings.busy)?;
        connection.execute_batch(PRAGMAS)?;
        connection.execute_batch(if settings.reads_only { READER } else { WRITER })?;
        connection.set_prepared_statement_cache_capacity(STATEMENTS);
        // Otherwise SQLite prepares a statement again whenever its values change, in case they allow a
        // better plan: that cost more than running it.
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
        Ok(Self { connection, busy: settings.busy, observer: Arc::clone(&settings.observer) })
    }

    /// Ends the statement that runs, from any thread.
    pub(super) fn interrupt_handle(&self) -> InterruptHandle {
        self.connection.get_interrupt_handle()
    }

    /// Runs `work` without waiting for another process's lock. `None` if there is one.
    pub(super) fn without_waiting<T>(
        &mut self,
        work: impl FnOnce(&mut Self) -> Result<T>,
    ) -> Result<Option<T>> {
        self.connection.busy_timeout(Duration::ZERO)?;
        let outcome = work(self);
        self.connection.busy_timeout(self.busy)?;
        match outcome {
            Err(error) if error.is_busy() => Ok(None),
            outcome => outcome.map(Some),
        }
    }

    /// A statement, named after the function that calls this. The text is our own, never a client's.
    #[track_caller]
    pub fn query(&mut self, sql: &'static str) -> SqliteStatement<'_> {
        let at = Location::caller();
        SqliteStatement { sqlite: self, sql, at, arguments: Ok(Arguments::default()) }
    }

    /// Runs a script that binds and returns nothing.
    pub(super) fn script(&mut self, sql: &str) -> Result<()> {
        Ok(self.connection.execute_batch(sql)?)
    }

    /// A transaction around `work`. After an error it may still be open: see [`Self::end`].
    pub(super) fn transaction<T>(
        &mut self,
        work: impl FnOnce(&mut Self) -> Result<T>,
    ) -> Result<T> {
        let started = Instant::now();
        self.script("begin immediate")?;
        self.observer.begun(started.elapsed());
        let done = work(self)?;
        let started = Instant::now();
        let span = self.observer.span_of("commit");
        let committed = span.in_scope(|| self.script("commit")).map_err(StoreError::at_commit);
        self.observer.committed(started.elapsed(), committed.as_ref().copied());
        committed.map(|()| done)
    }

    /// Rolls back, if a transaction is open.
    pub(super) fn end(&mut self) -> Result<()> {
        match self.connection.is_autocommit() {
            true => Ok(()),
            false => self.script("rollback"),
        }
    }

    /// Runs a statement to its end, and returns its rows.
    pub(super) fn rows<R: Row>(
        &mut self,
        sql: &str,
        at: At,
        arguments: &Arguments,
    ) -> Result<Vec<R>> {
        self.timed(sql, at, |connection| {
            let mut statement = connection.prepare_cached(sql)?;
            bind(&mut statement, arguments)?;
            let mut rows = statement.raw_query();
            let mut found = Vec::new();
            while let Some(row) = rows.next()? {
                found.push(rows::read(row, found.is_empty())?);
            }
            Ok(found)
        })
    }

    /// Runs a statement with one column of text, and passes on each row's as it is read, until `take` returns
    /// false.
    pub(super) fn texts(&mut self, sql: &str, mut take: impl FnMut(&str) -> bool) -> Result<()> {
        let mut statement = self.connection.prepare(sql)?;
        let mut rows = statement.raw_query();
        while let Some(row) = rows.next()? {
            let text = row.get_ref(0)?.as_str().map_err(Failure::wrong)?;
            if !take(text) {
                break;
            }
        }
        Ok(())
    }

    /// Runs a statement to its end, and returns how many rows it changed.
    pub(super) fn execute(&mut self, sql: &str, at: At, arguments: &Arguments) -> Result<u64> {
        self.timed(sql, at, |connection| {
            let mut statement = connection.prepare_cached(sql)?;
            bind(&mut statement, arguments)?;
            let mut rows = statement.raw_query();
            while rows.next()?.is_some() {}
            Ok(connection.changes())
        })
    }

    fn timed<T>(&self, sql: &str, at: At, run: impl FnOnce(&Connection) -> Result<T>) -> Result<T> {
        tracing::trace!(sql, "statement");
        let started = Instant::now();
        let outcome = self.observer.span(at).in_scope(|| run(&self.connection));
        self.observer.ran(at, started.elapsed(), sql);
        outcome
    }
}

/// A write-ahead log, in which every commit is flushed. Temporary structures, among them what undoes a
/// single statement, are in memory: in files they cost a writer of large batches 8 % of its time.
const PRAGMAS: &str = "\
    pragma journal_mode = wal; \
    pragma synchronous = full; \
    pragma foreign_keys = on; \
    pragma temp_store = memory";

/// A reader drops its cache after each commit of the writer, so a large one would gain little.
const READER: &str = "pragma query_only = on; pragma cache_size = -8192";

/// The log stays under some 64 MiB (16,384 pages): see [`super::checkpoint`].
const WRITER: &str = "\
    pragma cache_size = -32768; \
    pragma wal_autocheckpoint = 16384; \
    pragma journal_size_limit = 67108864";

/// SQLite takes `$1` for a name.
fn bind(statement: &mut CachedStatement<'_>, arguments: &Arguments) -> Result<()> {
    for index in 1..=statement.parameter_count() {
        let number = statement.parameter_name(index).and_then(|name| name.get(1..)?.parse().ok());
        let value = number.and_then(|number: usize| arguments.0.get(number.checked_sub(1)?));
        let value = value.ok_or_else(|| Failure::wrong("a placeholder without a value"))?;
        statement.raw_bind_parameter(index, value)?;
    }
    Ok(())
}

/// The values of a statement, `$1` first.
#[derive(Debug, Default)]
pub(super) struct Arguments(Vec<Value>);

impl Arguments {
    pub(super) fn add(&mut self, value: &impl ToSql) -> Result<()> {
        self.0.push(match value.to_sql()? {
            ToSqlOutput::Borrowed(value) => value.try_into().map_err(Failure::wrong)?,
            ToSqlOutput::Owned(value) => value,
            _ => return Err(Failure::wrong("a value that is not stored").into()),
        });
        Ok(())
    }

    /// As JSON, for `json_each($n)`.
    pub(super) fn add_json(&mut self, value: &(impl Serialize + ?Sized)) -> Result<()> {
        self.0.push(Value::Text(serde_json::to_string(value).map_err(Failure::wrong)?));
        Ok(())
    }
}

/// A statement with its values, ready to run on the calling thread.
#[derive(Debug)]
#[must_use = "a statement does nothing until it is run"]
pub struct SqliteStatement<'a> {
    sqlite: &'a mut Sqlite,
    sql: &'static str,
    at: At,
    arguments: Result<Arguments>,
}

impl SqliteStatement<'_> {
    /// Binds the next placeholder.
    pub fn bind(mut self, value: impl ToSql) -> Self {
        self.arguments = self.arguments.and_then(|mut list| list.add(&value).map(|()| list));
        self
    }

    /// Every row.
    pub fn all<R: Row>(self) -> Result<Vec<R>> {
        self.sqlite.rows(self.sql, self.at, &self.arguments?)
    }

    /// The first row, if there is one.
    pub fn optional<R: Row>(self) -> Result<Option<R>> {
        Ok(self.all()?.into_iter().next())
    }

    /// Runs it. Returns how many rows it changed.
    pub fn execute(self) -> Result<u64> {
        self.sqlite.execute(self.sql, self.at, &self.arguments?)
    }
}

impl Columns for rusqlite::Row<'_> {
    fn count(&self) -> usize {
        self.as_ref().column_count()
    }

    fn name(&self, index: usize) -> &str {
        self.as_ref().column_name(index).unwrap_or_default()
    }

    fn cell(&self, index: usize) -> Result<Cell<'_>, Unfit> {
        match self.get_ref(index).map_err(Unfit::because)? {
            ValueRef::Null => Ok(Cell::Null),
            ValueRef::Integer(value) => Ok(Cell::Int(value)),
            ValueRef::Real(value) => Ok(Cell::Real(value)),
            ValueRef::Text(value) => {
                std::str::from_utf8(value).map(Cell::Text).map_err(Unfit::because)
            }
            ValueRef::Blob(value) => Ok(Cell::Bytes(value)),
        }
    }
}
