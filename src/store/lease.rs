//! A connection on loan from its pool. Every wait for the database has a timeout here. A connection
//! in doubt is dropped: after a deadline, a lost line or a failed rollback. Its place in the pool
//! is free at once.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use deadpool::managed::Object;
use sqlx::{AssertSqlSafe, Connection as _};
use tokio::runtime::Handle;
use tokio::time::timeout;

use super::error::{Harm, Result, StoreError};
use super::faults::Faults;
use super::pools::{DbConnection, Opener, Pooled};

/// A connection on loan. If dropped during a statement or transaction, it is rolled back or
/// discarded.
#[derive(Debug)]
pub(super) struct Lease {
    /// `None` once it is discarded.
    pooled: Option<Object<Opener>>,
    faults: Arc<Faults>,
    /// Timeout of each statement and of the rollback.
    timeout: Duration,
    /// Timeout of each statement in this transaction; `None`: no timeout.
    limit: Option<Duration>,
    /// A transaction has begun and not ended.
    pub(super) in_transaction: bool,
    /// A statement of the transaction failed.
    pub(super) failed: bool,
    /// A statement is in progress.
    busy: bool,
}

impl Lease {
    pub(super) fn new(pooled: Object<Opener>, faults: Arc<Faults>, timeout: Duration) -> Self {
        let (in_transaction, failed, busy) = (false, false, false);
        let (pooled, limit) = (Some(pooled), Some(timeout));
        Self { pooled, faults, timeout, limit, in_transaction, failed, busy }
    }

    /// Raises the statement timeout; `None` removes it.
    pub(super) fn set_limit(&mut self, limit: Option<Duration>) {
        self.limit = limit;
    }

    /// The statement timeout.
    pub(super) fn limit(&self) -> Option<Duration> {
        self.limit
    }

    /// The connection, for one statement. The caller must pass the outcome to [`Lease::judge`].
    pub(super) fn connection(&mut self) -> Result<&mut DbConnection> {
        let Some(pooled) = &mut self.pooled else {
            return Err(StoreError::unavailable("the connection was lost before"));
        };
        self.busy = true;
        Ok(&mut pooled.connection)
    }

    /// Discards the connection, or records a fault, if a statement's outcome says so.
    pub(super) fn judge<T>(&mut self, outcome: Result<T, sqlx::Error>) -> Result<T> {
        self.busy = false;
        let error = match outcome {
            Ok(value) => return Ok(value),
            Err(error) => error,
        };
        self.failed = true;
        let harm = Harm::of(&error);
        if harm != Harm::None
            && let Some(pooled) = self.pooled.take()
        {
            if harm == Harm::Line {
                self.faults.note(pooled.generation);
            }
            drop(Object::take(pooled));
        }
        let error = StoreError::from(error);
        if harm == Harm::Disk {
            let reason = format!("the disk did not keep what was written to it: {error}");
            self.faults.refuse_writes(reason);
        }
        Err(error)
    }

    /// Runs a script of our own that binds and returns nothing.
    pub(super) async fn script(&mut self, sql: String) -> Result<()> {
        let limit = self.limit();
        let outcome = run(self.connection()?, limit, sql).await;
        self.judge(outcome)
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let Some(pooled) = self.pooled.take() else { return };
        if !self.in_transaction && !self.busy {
            return;
        }
        match Handle::try_current() {
            Ok(runtime) => {
                let tidy =
                    tidy(pooled, self.in_transaction, self.timeout, Arc::clone(&self.faults));
                runtime.spawn(tidy);
            }
            Err(_) => drop(Object::take(pooled)),
        }
    }
}

/// Makes a connection reusable, or discards it.
async fn tidy(mut pooled: Object<Opener>, rollback: bool, timeout: Duration, faults: Arc<Faults>) {
    let Pooled { connection, generation } = &mut *pooled;
    let outcome = match rollback {
        true => run(connection, Some(timeout), "rollback".to_owned()).await,
        false => within(Some(timeout), ping(connection)).await,
    };
    if let Err(error) = outcome {
        if Harm::of(&error) == Harm::Line {
            faults.note(*generation);
        }
        drop(Object::take(pooled));
    }
}

async fn run(
    connection: &mut DbConnection,
    limit: Option<Duration>,
    sql: String,
) -> Result<(), sqlx::Error> {
    let script = sqlx::raw_sql(AssertSqlSafe(sql));
    match connection {
        DbConnection::Sqlite(connection) => {
            within(limit, script.execute(connection)).await.map(drop)
        }
        DbConnection::Postgres(connection) => {
            within(limit, script.execute(connection)).await.map(drop)
        }
    }
}

async fn ping(connection: &mut DbConnection) -> Result<(), sqlx::Error> {
    match connection {
        DbConnection::Sqlite(connection) => connection.ping().await,
        DbConnection::Postgres(connection) => connection.ping().await,
    }
}

/// Waits for the database, with a timeout.
pub(super) async fn within<T>(
    limit: Option<Duration>,
    work: impl Future<Output = Result<T, sqlx::Error>>,
) -> Result<T, sqlx::Error> {
    let Some(limit) = limit else { return work.await };
    timeout(limit, work).await.unwrap_or_else(|_| {
        let text = format!("no answer within {} s", limit.as_secs_f32());
        Err(sqlx::Error::Io(io::Error::new(io::ErrorKind::TimedOut, text)))
    })
}

/// Closes an unused connection in order.
pub(super) async fn close(pooled: Pooled) {
    let closed = match pooled.connection {
        DbConnection::Sqlite(connection) => connection.close().await,
        DbConnection::Postgres(connection) => connection.close().await,
    };
    if let Err(error) = closed {
        tracing::debug!(%error, "a connection did not close in order");
    }
}
