//! A connection on loan from its pool. Every wait for the database has a timeout here. A connection
//! in doubt is dropped: after a deadline, a lost line or a failed rollback. Its place in the pool
//! is free at once.

use std::sync::Arc;
use std::time::Duration;

use deadpool::managed::Object;
use sqlx::{AssertSqlSafe, Connection as _};
use tokio::runtime::Handle;
use tokio::time::timeout;

use super::error::{Failure, Harm, Result, StoreError};
use super::faults::Faults;
use super::observer::Observer;
use super::pools::{DbConnection, Opener, Pooled};
use super::sqlite::Sqlite;

/// A connection on loan. If dropped during a statement or transaction, it is rolled back or
/// discarded.
#[derive(Debug)]
pub(super) struct Lease {
    /// `None` once it is discarded.
    pooled: Option<Object<Opener>>,
    faults: Arc<Faults>,
    observer: Arc<Observer>,
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
    pub(super) fn new(
        pooled: Object<Opener>,
        faults: Arc<Faults>,
        observer: Arc<Observer>,
        timeout: Duration,
    ) -> Self {
        let (in_transaction, failed, busy) = (false, false, false);
        let (pooled, limit) = (Some(pooled), Some(timeout));
        Self { pooled, faults, observer, timeout, limit, in_transaction, failed, busy }
    }

    /// Watches the database's statements.
    pub(super) fn observer(&self) -> &Arc<Observer> {
        &self.observer
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
    pub(super) fn judge<T>(&mut self, outcome: Result<T>) -> Result<T> {
        self.busy = false;
        let error = match outcome {
            Ok(value) => return Ok(value),
            Err(error) => error,
        };
        self.failed = true;
        self.observer.failed(&error);
        let harm = Harm::of(&error);
        if harm != Harm::None
            && let Some(pooled) = self.pooled.take()
        {
            if harm == Harm::Line {
                self.faults.note(pooled.generation);
            }
            discard(pooled);
        }
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

    /// Runs a whole transaction on the embedded database as one job of its thread.
    pub(super) async fn visit<T: Send + 'static>(
        &mut self,
        work: impl FnOnce(&mut Sqlite) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let limit = self.limit();
        let DbConnection::Sqlite(worker) = self.connection()? else {
            return self.judge(Err(Failure::wrong("a visit to a server").into()));
        };
        // Without an answer from the thread, the commit may have happened.
        let visit = worker.run(move |sqlite| Ok(sqlite.transaction(work)));
        let outcome = within(limit, visit).await.map_err(StoreError::at_commit).flatten();
        // What `work` leaves behind when it fails is rolled back when the lease ends.
        self.in_transaction = outcome.is_err();
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
            Err(_) => discard(pooled),
        }
    }
}

/// Drops a connection. On SQLite, ends the statement that still runs on it.
fn discard(pooled: Object<Opener>) {
    let pooled = Object::take(pooled);
    if let DbConnection::Sqlite(worker) = &pooled.connection {
        worker.interrupt();
    }
}

/// Makes a connection reusable, or discards it.
async fn tidy(mut pooled: Object<Opener>, rollback: bool, timeout: Duration, faults: Arc<Faults>) {
    let Pooled { connection, generation } = &mut *pooled;
    let tidied = async {
        match connection {
            // Comes after a statement that is still in progress.
            DbConnection::Sqlite(worker) => worker.run(Sqlite::end).await,
            DbConnection::Postgres(connection) if rollback => {
                Ok(sqlx::raw_sql("rollback").execute(connection).await.map(drop)?)
            }
            DbConnection::Postgres(connection) => Ok(connection.ping().await?),
        }
    };
    let outcome = within(Some(timeout), tidied).await;
    if let Err(error) = outcome {
        if Harm::of(&error) == Harm::Line {
            faults.note(*generation);
        }
        discard(pooled);
    }
}

async fn run(connection: &mut DbConnection, limit: Option<Duration>, sql: String) -> Result<()> {
    match connection {
        DbConnection::Sqlite(worker) => {
            within(limit, worker.run(move |sqlite| sqlite.script(&sql))).await
        }
        DbConnection::Postgres(connection) => {
            let script = sqlx::raw_sql(AssertSqlSafe(sql)).execute(connection);
            within(limit, async { Ok(script.await.map(drop)?) }).await
        }
    }
}

/// Waits for the database, with a timeout.
pub(super) async fn within<T>(
    limit: Option<Duration>,
    work: impl Future<Output = Result<T>>,
) -> Result<T> {
    let Some(limit) = limit else { return work.await };
    timeout(limit, work).await.unwrap_or_else(|_| {
        Err(StoreError::late(format!("no answer within {} s", limit.as_secs_f32())))
    })
}

/// Closes an unused connection in order.
pub(super) async fn close(pooled: Pooled) {
    match pooled.connection {
        DbConnection::Sqlite(worker) => worker.close().await,
        DbConnection::Postgres(connection) => {
            if let Err(error) = connection.close().await {
                tracing::debug!(%error, "a connection did not close in order");
            }
        }
    }
}
