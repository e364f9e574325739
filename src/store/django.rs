//! Reading the database of a Django site, as it is at one moment, without changing it: the rows of a table as
//! objects with whatever columns there are. What they mean is decided in `actions::django`. The names in
//! statements are our own, or those that the database lists.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use futures_util::TryStreamExt;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, OpenFlags};
use serde_json::{Map, Value};
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, PgConnection, Row as _};
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;

use super::error::{Failure, Result};
use super::lease::within;
use super::pooler::OpenError;
use super::postgres_url::explain;

/// A row: its columns with their values. Times are texts.
pub type DjangoRow = Map<String, Value>;

/// Rows that are passed on at once, and how many such pieces wait.
const PIECE: usize = 500;
const WAITING: usize = 4;

/// Timeout for connecting.
const CONNECT: Duration = Duration::from_secs(10);
/// For as long as the import takes, whatever the server's defaults are.
const BEGIN_POSTGRES: &str = "\
    set timezone = 'UTC'; \
    set statement_timeout = 0; \
    set idle_in_transaction_session_timeout = 0; \
    begin isolation level repeatable read read only";

/// Where the Django site's data is.
#[derive(Clone, PartialEq, Eq)]
pub enum DjangoUrl {
    /// Its file.
    Sqlite(PathBuf),
    /// The server. The URL may hold a password.
    Postgres(String),
}

impl fmt::Debug for DjangoUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(file) => f.debug_tuple("Sqlite").field(file).finish(),
            Self::Postgres(_) => f.write_str("Postgres"),
        }
    }
}

/// An open Django database.
#[derive(Debug)]
pub struct DjangoDatabase(Open);

#[derive(Debug)]
enum Open {
    /// `None` while a statement runs.
    Sqlite(Option<Connection>),
    Postgres(Box<PgConnection>),
}

impl DjangoDatabase {
    /// Opens it for reading.
    pub async fn open(url: &DjangoUrl) -> Result<Self, OpenError> {
        Ok(Self(match url {
            DjangoUrl::Sqlite(file) => {
                let opened = blocking({
                    let file = file.clone();
                    move || open_sqlite(&file)
                });
                let fault = |error| OpenError::File { file: file.clone(), error };
                Open::Sqlite(Some(opened.await.map_err(fault)?))
            }
            DjangoUrl::Postgres(url) => {
                let options = PgConnectOptions::from_str(url)?.application_name("meowsenger");
                let opened = within(Some(CONNECT), open_postgres(&options)).await;
                Open::Postgres(Box::new(opened.map_err(|error| explain(&options, error))?))
            }
        }))
    }

    /// The columns of a table, in no order; none if there is no such table.
    pub async fn columns(&mut self, table: &'static str) -> Result<Vec<String>> {
        let sql = match &self.0 {
            Open::Sqlite(_) => {
                format!("select name as \"column\" from pragma_table_info('{table}')")
            }
            Open::Postgres(_) => format!(
                "select json_build_object('column', column_name)::text \
                 from information_schema.columns where table_name = '{table}' \
                   and table_schema = any (current_schemas(false))"
            ),
        };
        let rows = self.all(sql).await?;
        let name = |row: &DjangoRow| row.get("column").and_then(Value::as_str).map(str::to_owned);
        Ok(rows.iter().filter_map(name).collect())
    }

    /// How many rows a table has.
    pub async fn count(&mut self, table: &str) -> Result<u64> {
        let sql = match &self.0 {
            Open::Sqlite(_) => format!("select count(*) as \"count\" from \"{table}\""),
            Open::Postgres(_) => {
                format!("select json_build_object('count', count(*))::text from \"{table}\"")
            }
        };
        let rows = self.all(sql).await?;
        Ok(rows.first().and_then(|row| row.get("count")?.as_u64()).unwrap_or_default())
    }

    /// The rows of a table that fulfil a condition, in an order: few enough for memory.
    pub async fn some(
        &mut self,
        table: &str,
        condition: &str,
        order: &str,
    ) -> Result<Vec<DjangoRow>> {
        let sql = self.select(table, &format!("where {condition} order by {order}"));
        self.all(sql).await
    }

    /// Passes on every row of a table, in an order, as they are read. `take` may end it by an error.
    pub async fn each<E>(
        &mut self,
        table: &str,
        order: &str,
        mut take: impl AsyncFnMut(Vec<DjangoRow>) -> Result<(), E>,
    ) -> Result<Result<(), E>> {
        let sql = self.select(table, &format!("order by {order}"));
        let (to, mut from) = mpsc::channel(WAITING);
        let taking = async move {
            while let Some(rows) = from.recv().await {
                take(rows).await?;
            }
            Ok(())
        };
        let (read, taken) = tokio::join!(self.read(sql, to), taking);
        read.map(|()| taken)
    }

    fn select(&self, table: &str, rest: &str) -> String {
        match self.0 {
            Open::Sqlite(_) => format!("select * from \"{table}\" {rest}"),
            Open::Postgres(_) => format!("select to_jsonb(t)::text from \"{table}\" t {rest}"),
        }
    }

    async fn all(&mut self, sql: String) -> Result<Vec<DjangoRow>> {
        let (to, mut from) = mpsc::channel(WAITING);
        let mut found = Vec::new();
        let taking = async {
            while let Some(rows) = from.recv().await {
                found.extend(rows);
            }
        };
        let (read, ()) = tokio::join!(self.read(sql, to), taking);
        read.map(|()| found)
    }

    /// Runs a statement, and sends its rows. If nobody takes them any more, that is no failure.
    async fn read(&mut self, sql: String, to: mpsc::Sender<Vec<DjangoRow>>) -> Result<()> {
        match &mut self.0 {
            Open::Postgres(connection) => {
                let mut rows = sqlx::query(AssertSqlSafe(sql)).fetch(&mut **connection);
                let mut piece = Vec::new();
                while let Some(row) = rows.try_next().await? {
                    let text: &str = row.try_get(0)?;
                    piece.push(serde_json::from_str(text).map_err(Failure::wrong)?);
                    if piece.len() >= PIECE && to.send(std::mem::take(&mut piece)).await.is_err() {
                        return Ok(());
                    }
                }
                to.send(piece).await.ok();
                Ok(())
            }
            Open::Sqlite(held) => {
                let connection = held.take().ok_or(Failure::Closed)?;
                let read = move || {
                    let read = read_sqlite(&connection, &sql, &to);
                    Ok::<_, Failure>((connection, read))
                };
                let (connection, read) = blocking(read).await?;
                *held = Some(connection);
                Ok(read?)
            }
        }
    }
}

fn open_sqlite(file: &Path) -> Result<Connection, Failure> {
    let connection = Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    // All statements see the same moment.
    connection.execute_batch("pragma query_only = on; begin")?;
    Ok(connection)
}

async fn open_postgres(options: &PgConnectOptions) -> Result<PgConnection> {
    let mut connection = options.connect().await?;
    sqlx::raw_sql(BEGIN_POSTGRES).execute(&mut connection).await?;
    Ok(connection)
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Failure> + Send + 'static,
) -> Result<T> {
    Ok(spawn_blocking(work).await.map_err(|_| Failure::Crashed)??)
}

fn read_sqlite(
    connection: &Connection,
    sql: &str,
    to: &mpsc::Sender<Vec<DjangoRow>>,
) -> Result<(), Failure> {
    let mut statement = connection.prepare(sql)?;
    let names: Vec<_> = statement.column_names().into_iter().map(str::to_owned).collect();
    let mut rows = statement.query([])?;
    let mut piece = Vec::new();
    while let Some(row) = rows.next()? {
        let mut object = DjangoRow::new();
        for (index, name) in names.iter().enumerate() {
            object.insert(name.clone(), value(row.get_ref(index)?));
        }
        piece.push(object);
        if piece.len() >= PIECE && to.blocking_send(std::mem::take(&mut piece)).is_err() {
            return Ok(());
        }
    }
    to.blocking_send(piece).ok();
    Ok(())
}

fn value(value: ValueRef<'_>) -> Value {
    match value {
        ValueRef::Integer(number) => number.into(),
        ValueRef::Real(number) => number.into(),
        // What is not UTF-8 is shown as such, and then does not fit.
        ValueRef::Text(text) => String::from_utf8_lossy(text).into_owned().into(),
        ValueRef::Null | ValueRef::Blob(_) => Value::Null,
    }
}
