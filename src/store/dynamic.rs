//! Statements whose text is made at run time, of the names of tables and columns that the database itself
//! lists. Never of what a client or a file says. Everything else has constant texts: [`super::query`].

use std::panic::Location;

use sqlx::postgres::PgArguments;
use sqlx::{Arguments as _, AssertSqlSafe};

use super::db::Tx;
use super::error::{Failure, Result};
use super::lease::within;
use super::pools::DbConnection;
use super::rows::{self, Row};
use super::sqlite::Arguments;

/// The rows of a statement without values.
pub(super) async fn rows<R: Row>(tx: &mut Tx, sql: String) -> Result<Vec<R>> {
    let limit = tx.lease.limit();
    let outcome = match tx.lease.connection()? {
        DbConnection::Sqlite(worker) => {
            let (none, at) = (Arguments::default(), Location::caller());
            within(limit, worker.run(move |sqlite| sqlite.rows(&sql, at, &none))).await
        }
        DbConnection::Postgres(one) => {
            let run = async {
                let found = sqlx::query(AssertSqlSafe(sql)).fetch_all(one).await?;
                let read = |(index, row)| Ok(rows::read(row, index == 0)?);
                found.iter().enumerate().map(read).collect()
            };
            within(limit, run).await
        }
    };
    tx.lease.judge(outcome)
}

/// Runs a statement with one text. Returns how many rows it changed.
pub(super) async fn execute(tx: &mut Tx, sql: String, text: String) -> Result<u64> {
    let limit = tx.lease.limit();
    let outcome = match tx.lease.connection()? {
        DbConnection::Sqlite(worker) => {
            let (mut list, at) = (Arguments::default(), Location::caller());
            list.add(&text)?;
            within(limit, worker.run(move |sqlite| sqlite.execute(&sql, at, &list))).await
        }
        DbConnection::Postgres(one) => {
            let mut list = PgArguments::default();
            list.add(text).map_err(Failure::Wrong)?;
            let run = async {
                Ok(sqlx::query_with(AssertSqlSafe(sql), list).execute(one).await?.rows_affected())
            };
            within(limit, run).await
        }
    };
    tx.lease.judge(outcome)
}
