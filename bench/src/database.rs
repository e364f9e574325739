//! A connection to the database itself, beside the server's. Knows no table but those that the server indexes.

use std::path::Path;
use std::time::Duration;

use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, PgConnection};
use tokio::time::{Instant, sleep};

use crate::Result;

/// How long the server may take to index names and messages.
const INDEXING: Duration = Duration::from_secs(900);
/// How long to wait for the server, which has the write lock.
const BUSY: Duration = Duration::from_secs(30);

/// The connection. SQLite's blocks the thread: nothing is measured meanwhile.
pub enum Database {
    Sqlite(rusqlite::Connection),
    Postgres(PgConnection),
}

impl Database {
    /// Of a `postgres://` URL, or the embedded one in a server's folder.
    pub async fn open(folder: &Path, postgres: Option<&str>) -> Result<Self> {
        match postgres {
            Some(url) => Self::postgres(url).await,
            None => Self::sqlite(&folder.join("data/meowsenger.sqlite3")),
        }
    }

    /// Of a `postgres://` URL.
    pub async fn postgres(url: &str) -> Result<Self> {
        Ok(Self::Postgres(url.parse::<PgConnectOptions>()?.connect().await?))
    }

    fn sqlite(file: &Path) -> Result<Self> {
        let connection = rusqlite::Connection::open(file)?;
        connection.busy_timeout(BUSY)?;
        connection.execute_batch(
            "pragma journal_mode = wal; pragma synchronous = normal; pragma foreign_keys = on; \
             pragma cache_size = -262144",
        )?;
        Ok(Self::Sqlite(connection))
    }

    /// Executes statements.
    pub async fn run(&mut self, script: String) -> Result {
        match self {
            Self::Sqlite(to) => to.execute_batch(&script)?,
            Self::Postgres(to) => {
                sqlx::raw_sql(AssertSqlSafe(script)).execute(to).await.map(drop)?
            }
        }
        Ok(())
    }

    /// The number that a query returns.
    pub async fn number(&mut self, query: &str) -> Result<i64> {
        Ok(match self {
            Self::Sqlite(to) => to.query_row(query, [], |row| row.get(0))?,
            Self::Postgres(to) => {
                sqlx::query_scalar(AssertSqlSafe(query.to_owned())).fetch_one(to).await?
            }
        })
    }

    /// Closes the connection.
    pub async fn close(self) -> Result {
        match self {
            Self::Sqlite(to) => to.close().map_err(|(_, error)| error)?,
            Self::Postgres(to) => to.close().await?,
        }
        Ok(())
    }

    /// Waits until the server has indexed all names and messages.
    pub async fn wait_for_index(&mut self) -> Result {
        let until = Instant::now() + INDEXING;
        let missing = "select (select count(*) from users where search_text = '') + \
                       (select count(*) from chats where type = 'group' and search_text = '')";
        while self.number(missing).await? > 0 {
            if Instant::now() > until {
                return Err("the server did not index the names in time".into());
            }
            sleep(Duration::from_millis(100)).await;
        }
        // Programs from before the index of messages have no such table.
        let missing =
            "select coalesce((select max(id) from messages), 0) - indexed_upto from search_state";
        while self.number(missing).await.unwrap_or_default() > 0 {
            if Instant::now() > until {
                return Err("the server did not index the messages in time".into());
            }
            sleep(Duration::from_millis(100)).await;
        }
        Ok(())
    }
}
