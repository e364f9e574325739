//! The pools of connections: how a connection is opened, and which ones may be used again. The values
//! come from [`super::open`].
//!
//! The pools are deadpool's, not sqlx's: sqlx waits without a timeout for a connection's answer
//! before it takes the connection back, so a silent connection keeps its slot in the pool.

use std::sync::Arc;
use std::time::Duration;

use deadpool::managed::{self, Manager, Metrics, QueueMode, RecycleError, RecycleResult};
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection as _, PgConnection, Row};
use tokio::time::timeout;

use super::error::{Result, StoreError};
use super::faults::Faults;
use super::sqlite::Settings;
use super::worker::Worker;

/// A connection to PostgreSQL that was last handed out this long ago is tested before it is used.
const TRUSTED: Duration = Duration::from_secs(1);
/// Timeout of that test.
const PING: Duration = Duration::from_secs(1);
/// A connection to PostgreSQL is replaced at this age: its process's memory only grows.
const MAX_AGE: Duration = Duration::from_secs(1_800);

/// Timeouts of the database.
#[derive(Clone, Copy, Debug)]
pub struct Timeouts {
    /// For getting a connection, including the wait for a free one.
    pub connect: Duration,
    /// For running one statement, by the server's clock. We wait a little longer.
    pub statement: Duration,
}

/// A connection to either database.
#[derive(Debug)]
pub enum DbConnection {
    /// To the embedded database.
    Sqlite(Worker),
    /// To a server.
    Postgres(PgConnection),
}

/// A connection, and the number of its database's faults when it was opened.
#[derive(Debug)]
pub(super) struct Pooled {
    pub(super) connection: DbConnection,
    pub(super) generation: u64,
}

/// A pool of connections of one kind.
pub(super) type Pool = managed::Pool<Opener>;

/// Opens a pool's connections, and decides which of them may be used again.
#[derive(Debug)]
pub(super) struct Opener {
    options: Options,
    faults: Arc<Faults>,
}

#[derive(Debug)]
pub(super) enum Options {
    Sqlite(Settings),
    Postgres { options: Box<PgConnectOptions>, session: String },
}

impl Opener {
    pub(super) fn pool(options: Options, size: usize, faults: &Arc<Faults>) -> Result<Pool> {
        managed::Pool::builder(Self { options, faults: Arc::clone(faults) })
            .max_size(size)
            // Other connections are not kept warm: a dead one is detected when it is needed.
            .queue_mode(QueueMode::Lifo)
            .build()
            .map_err(|error| StoreError::unavailable(error.to_string()))
    }
}

impl Manager for Opener {
    type Type = Pooled;
    type Error = StoreError;

    /// The caller sets the timeout.
    async fn create(&self) -> Result<Pooled> {
        // Read before opening: a fault meanwhile may be this connection's own.
        let generation = self.faults.generation();
        let connection = match &self.options {
            Options::Sqlite(settings) => {
                let opened = Worker::open(settings.clone()).await;
                DbConnection::Sqlite(opened.map_err(StoreError::Unavailable)?)
            }
            Options::Postgres { options, session } => {
                DbConnection::Postgres(connect_postgres(options, session).await?)
            }
        };
        Ok(Pooled { connection, generation })
    }

    /// Refuses connections opened before the last fault: they may be dead as well.
    async fn recycle(&self, pooled: &mut Pooled, metrics: &Metrics) -> RecycleResult<StoreError> {
        if pooled.generation != self.faults.generation() {
            return Err(RecycleError::message("opened before the last fault"));
        }
        let DbConnection::Postgres(connection) = &mut pooled.connection else { return Ok(()) };
        if metrics.age() > MAX_AGE {
            return Err(RecycleError::message("old"));
        }
        if metrics.last_used() < TRUSTED
            || matches!(timeout(PING, connection.ping()).await, Ok(Ok(())))
        {
            return Ok(());
        }
        self.faults.note(pooled.generation);
        Err(RecycleError::message("does not answer"))
    }
}

/// Opens a connection that can write. sqlx does not expose the TCP socket, so we cannot set
/// keepalive and user timeout on our side. The deadlines detect what these would.
async fn connect_postgres(options: &PgConnectOptions, session: &str) -> Result<PgConnection> {
    // Whatever it is, there is no database.
    let unavailable = |error: sqlx::Error| StoreError::Unavailable(error.into());
    let mut connection = options.connect().await.map_err(unavailable)?;
    let script = format!(
        "{session} select pg_is_in_recovery() or current_setting('transaction_read_only')::bool"
    );
    let row = sqlx::raw_sql(AssertSqlSafe(script)).fetch_one(&mut connection).await;
    let read_only: bool = row.and_then(|row| row.try_get_unchecked(0)).map_err(unavailable)?;
    if read_only {
        return Err(StoreError::unavailable(
            "the PostgreSQL server takes no writes: a standby, or read-only by its settings",
        ));
    }
    Ok(connection)
}
