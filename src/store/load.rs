//! Filling an empty database with the rows of an export, all in one transaction: until it is committed nobody
//! sees any of them, and if the process is killed the database is empty as before. Whether the rows are
//! well-formed is the caller's to check; the database checks its constraints.

use super::db::{Db, Tx};
use super::dynamic;
use super::error::{Result, StoreError};
use super::query::Dialects;
use super::site_tables::{self, SITE, TableLayout};

/// A database that is being filled.
#[derive(Debug)]
pub struct Load {
    tx: Tx,
    /// The tables, with their columns.
    pub layouts: Vec<TableLayout>,
}

/// Why some rows cannot be inserted.
#[derive(Debug)]
pub enum Rejected {
    /// The row with this index among them breaks a constraint.
    Row(usize, StoreError),
    /// The database failed.
    Store(StoreError),
}

impl Load {
    /// Begins, and keeps everybody else from writing. On PostgreSQL that waits for writers, up to the lock
    /// timeout.
    pub async fn begin(db: &Db) -> Result<Self> {
        let mut tx = db.begin().await?;
        let layouts = site_tables::layouts(&mut tx).await?;
        // A new database has no tables yet.
        if !tx.is_sqlite() && !layouts.is_empty() {
            tx.script(format!("lock table {} in exclusive mode", names(&layouts))).await?;
            tx.script("set local idle_in_transaction_session_timeout = 0".to_owned()).await?;
        }
        tx.allow(None).await?;
        Ok(Self { tx, layouts })
    }

    /// Its transaction.
    pub fn tx(&mut self) -> &mut Tx {
        &mut self.tx
    }

    /// The first table that has rows.
    pub async fn first_with_rows(&mut self) -> Result<Option<String>> {
        site_tables::first_with_rows(&mut self.tx, &self.layouts).await
    }

    /// Removes the row of the epoch, which the export brings.
    pub async fn clear_site(&mut self) -> Result<()> {
        self.tx.script(format!("delete from \"{SITE}\"")).await
    }

    /// Inserts rows, each a JSON object. If one is rejected, it is found; nothing can be committed any more.
    pub async fn insert(&mut self, layout: &TableLayout, rows: &[String]) -> Result<(), Rejected> {
        let sql = layout.insert(self.tx.is_sqlite());
        let Err(error) = self.try_insert(&sql, rows).await else { return Ok(()) };
        for (index, row) in rows.iter().enumerate() {
            match self.try_insert(&sql, std::slice::from_ref(row)).await {
                Ok(()) => {}
                Err(StoreError::Unavailable(failure)) => {
                    return Err(Rejected::Store(StoreError::Unavailable(failure)));
                }
                Err(error) => return Err(Rejected::Row(index, error)),
            }
        }
        Err(Rejected::Store(error))
    }

    async fn try_insert(&mut self, sql: &str, rows: &[String]) -> Result<()> {
        self.tx.script("savepoint rows".to_owned()).await?;
        let list = format!("[{}]", rows.join(","));
        match dynamic::execute(&mut self.tx, sql.to_owned(), list).await {
            Ok(_) => self.tx.script("release savepoint rows".to_owned()).await,
            Err(error) => {
                // If this fails as well, the first error says why.
                self.tx.script("rollback to savepoint rows".to_owned()).await.ok();
                Err(error)
            }
        }
    }

    /// Sets the last id that a table has assigned. False if the table does not assign ids.
    pub async fn set_last_id(&mut self, table: &str, id: i64) -> Result<bool> {
        let (assigns,): (i64,) = self
            .tx
            .query(Dialects {
                sqlite: "select count(*) from sqlite_master \
                         where type = 'table' and name = $1 and sql like '%autoincrement%'",
                postgres: "select count(*) from information_schema.columns \
                           where table_schema = current_schema() and table_name = $1 \
                                 and column_name = 'id' and is_identity = 'YES'",
            })
            .bind(table)
            .one()
            .await?;
        if assigns == 0 || id == 0 {
            return Ok(assigns > 0);
        }
        if self.tx.is_sqlite() {
            let rows = "delete from sqlite_sequence where name = $1";
            self.tx.query(rows).bind(table).execute().await?;
            let insert = "insert into sqlite_sequence (name, seq) values ($1, $2)";
            self.tx.query(insert).bind(table).bind(id).execute().await?;
        } else {
            let set = "select setval(pg_get_serial_sequence(quote_ident($1), 'id'), $2)";
            self.tx.query(set).bind(table).bind(id).all::<i64>().await?;
        }
        Ok(true)
    }

    /// Commits everything.
    pub async fn commit(mut self) -> Result<()> {
        if !self.tx.is_sqlite() {
            // The planner knows nothing of tables that were filled a moment ago.
            self.tx.script(format!("analyze {}", names(&self.layouts))).await?;
        }
        self.tx.commit().await
    }
}

fn names(layouts: &[TableLayout]) -> String {
    let names = layouts.iter().map(|layout| format!("\"{}\"", layout.table.name));
    names.collect::<Vec<_>>().join(", ")
}
