//! Reading a whole database as it is at one moment, while others go on writing. Rows are passed on as they
//! are read, so memory does not depend on their number. It holds one connection and locks nothing; on SQLite
//! the write-ahead log cannot begin anew until it ends.

use std::mem;

use constcat::concat;
use sqlx::AssertSqlSafe;
use tokio::sync::mpsc;

use super::attachments::THUMBNAIL;
use super::db::{Db, Tx};
use super::error::Result;
use super::pools::DbConnection;
use super::postgres_row::first_text;
use super::site_tables::{self, TableLayout};
use super::sqlite::Sqlite;

/// Bytes that are passed on at once.
const PIECE: usize = 64 * 1024;
/// Pieces that wait.
const WAITING: usize = 4;

/// So few that their size does not matter.
const FETCH: &str = "fetch 500 from exported";

/// On PostgreSQL: no timeouts, since a slow disk may hold up what reads the rows. Other settings of the
/// connection keep plans from reading whole tables, which this does.
const BEGIN_POSTGRES: &str = "\
    begin isolation level repeatable read read only; \
    set local statement_timeout = 0; \
    set local idle_in_transaction_session_timeout = 0; \
    set local tcp_user_timeout = 0; \
    set local enable_seqscan = on";

/// A database at one moment.
#[derive(Debug)]
pub struct Snapshot {
    tx: Tx,
}

/// Some rows, a line each.
#[derive(Debug, Default)]
pub struct RowLines {
    /// With the line breaks.
    pub text: String,
    /// Their number.
    pub count: u64,
}

impl RowLines {
    fn add(&mut self, line: &str) {
        self.text.push_str(line);
        self.text.push('\n');
        self.count += 1;
    }
}

impl Snapshot {
    /// The database as it is now.
    pub async fn begin(db: &Db) -> Result<Self> {
        let mut tx = db.reading().await?;
        tx.lease.set_limit(None);
        // Set before sending: if the caller is dropped meanwhile, the transaction is rolled back.
        tx.lease.in_transaction = true;
        let sql = if tx.is_sqlite() { "begin" } else { BEGIN_POSTGRES };
        tx.lease.script(sql.to_owned()).await?;
        // The moment is that of the first statement.
        tx.query("select id from site").all::<i64>().await?;
        Ok(Self { tx })
    }

    /// Its connection, for small queries. It refuses to write.
    pub fn tx(&mut self) -> &mut Tx {
        &mut self.tx
    }

    /// Passes on each row of a table as a JSON object on a line. `take` may end it by an error.
    pub async fn rows<E>(
        &mut self,
        layout: &TableLayout,
        mut take: impl FnMut(RowLines) -> Result<(), E>,
    ) -> Result<Result<(), E>> {
        let (sender, mut receiver) = mpsc::channel(WAITING);
        let sql = layout.select(self.tx.is_sqlite());
        let taking = async move {
            while let Some(lines) = receiver.recv().await {
                take(lines)?;
            }
            Ok(())
        };
        let (read, taken) = tokio::join!(self.read(sql, sender), taking);
        read.map(|()| taken)
    }

    async fn read(&mut self, sql: String, to: mpsc::Sender<RowLines>) -> Result<()> {
        let outcome = match self.tx.lease.connection()? {
            DbConnection::Sqlite(worker) => {
                let job = move |sqlite: &mut Sqlite| {
                    let mut lines = RowLines::default();
                    sqlite.texts(&sql, |line| {
                        lines.add(line);
                        let is_full = lines.text.len() >= PIECE;
                        !is_full || to.blocking_send(mem::take(&mut lines)).is_ok()
                    })?;
                    // If nobody takes them, that is no fault of the database.
                    to.blocking_send(lines).ok();
                    Ok(())
                };
                worker.run(job).await
            }
            DbConnection::Postgres(one) => {
                let run = async {
                    let declare = format!("declare exported no scroll cursor for {sql}");
                    sqlx::raw_sql(AssertSqlSafe(declare)).execute(&mut *one).await?;
                    loop {
                        let rows = sqlx::query(FETCH).fetch_all(&mut *one).await?;
                        let mut lines = RowLines::default();
                        for row in &rows {
                            lines.add(first_text(row)?);
                        }
                        if to.send(lines).await.is_err() || rows.is_empty() {
                            break;
                        }
                    }
                    sqlx::raw_sql("close exported").execute(&mut *one).await?;
                    Ok(())
                };
                run.await
            }
        };
        self.tx.lease.judge(outcome)
    }

    /// The tables with their columns.
    pub async fn layouts(&mut self) -> Result<Vec<TableLayout>> {
        site_tables::layouts(&mut self.tx).await
    }

    /// How many stored files rows refer to.
    pub async fn count_files(&mut self) -> Result<u64> {
        let (count,): (i64,) = self
            .tx
            .query(concat!(
                "select count(*) from (select avatar from users where avatar is not null \
                                           union select avatar from chats where avatar is not null \
                                           union select storage_key from attachments \
                                           union select storage_key || '",
                THUMBNAIL,
                "' from attachments where thumbnail is not null) f"
            ))
            .one()
            .await?;
        Ok(count.unsigned_abs())
    }

    /// The next paths of stored files that rows refer to, in order, after this one; none at the end.
    pub async fn files_after(&mut self, path: &str) -> Result<Vec<String>> {
        let rows: Vec<(String,)> = self
            .tx
            .query(concat!(
                "select avatar from users where avatar > $1 \
                     union select avatar from chats where avatar > $1 \
                     union select * from (select distinct storage_key from attachments \
                         where storage_key > $1 order by storage_key limit 500) f \
                     union select storage_key || '",
                THUMBNAIL,
                "' from (select distinct storage_key from attachments \
                         where thumbnail is not null and storage_key >= $2 \
                         order by storage_key limit 501) t where storage_key || '",
                THUMBNAIL,
                "' > $1 order by 1 limit 500"
            ))
            .bind(path)
            // A thumbnail comes directly behind its file.
            .bind(path.strip_suffix(THUMBNAIL).unwrap_or(path))
            .all()
            .await?;
        Ok(rows.into_iter().map(|(path,)| path).collect())
    }
}
