//! A connection on loan from its pool. Every wait for the database has a timeout here. A connection
//! in doubt is dropped: after a deadline, a lost line or a failed rollback. Its place in the pool
//! is free at once.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use deadpool::managed::Object;
use sqlx::{AssertSqlSafe, Connection as _};
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::time::timeout;

use super::error::{Error, Harm, Result};
use super::pools::{Connection, Opener, Pooled};

/// A database's faults, shared by all its connections.
#[derive(Debug, Default)]
pub(super) struct Faults {
    /// Incremented when a connection turns out to be dead. Connections opened before are not used
    /// again.
    generation: AtomicU64,
    /// Why all writes are refused: the disk did not keep what was written to it.
    lost: watch::Sender<Option<String>>,
}

impl Faults {
    pub(super) fn generation(&self) -> u64 {
        self.generation.load(Ordering::Relaxed)
    }

    /// Records that a connection of this generation is dead. An earlier generation is ignored.
    pub(super) fn note(&self, generation: u64) {
        let counted = self.generation.compare_exchange(
            generation,
            generation + 1,
            Ordering::Relaxed,
            Ordering::Relaxed,
        );
        if counted.is_ok() {
            tracing::warn!("a connection to the database is dead; those opened before are dropped");
        }
    }

    /// Fails if all writes are refused.
    pub(super) fn check(&self) -> Result<()> {
        match &*self.lost.borrow() {
            Some(reason) => Err(Error::unavailable(reason.clone())),
            None => Ok(()),
        }
    }

    /// Waits until all writes are refused. Returns the reason.
    pub(super) async fn lost(&self) -> String {
        let mut lost = self.lost.subscribe();
        match lost.wait_for(Option::is_some).await.map(|reason| reason.clone()) {
            Ok(Some(reason)) => reason,
            // The sender lives as long as `self`.
            _ => std::future::pending().await,
        }
    }
}

/// A connection on loan. If dropped during a statement or transaction, it is rolled back or
/// discarded.
#[derive(Debug)]
pub(super) struct Lease {
    /// `None` once it is discarded.
    pooled: Option<Object<Opener>>,
    faults: Arc<Faults>,
    /// Timeout of each statement and of the rollback.
    patience: Duration,
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
    pub(super) fn new(pooled: Object<Opener>, faults: Arc<Faults>, patience: Duration) -> Self {
        let (in_transaction, failed, busy) = (false, false, false);
        let (pooled, limit) = (Some(pooled), Some(patience));
        Self { pooled, faults, patience, limit, in_transaction, failed, busy }
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
    pub(super) fn connection(&mut self) -> Result<&mut Connection> {
        let Some(pooled) = &mut self.pooled else {
            return Err(Error::unavailable("the connection was lost before"));
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
        let error = Error::from(error);
        if harm == Harm::Disk {
            let reason = format!("the disk did not keep what was written to it: {error}");
            self.faults.lost.send_replace(Some(reason));
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
                    tidy(pooled, self.in_transaction, self.patience, Arc::clone(&self.faults));
                runtime.spawn(tidy);
            }
            Err(_) => drop(Object::take(pooled)),
        }
    }
}

/// Makes a connection reusable, or discards it.
async fn tidy(mut pooled: Object<Opener>, rollback: bool, patience: Duration, faults: Arc<Faults>) {
    let Pooled { connection, generation } = &mut *pooled;
    let outcome = match rollback {
        true => run(connection, Some(patience), "rollback".to_owned()).await,
        false => within(Some(patience), ping(connection)).await,
    };
    if let Err(error) = outcome {
        if Harm::of(&error) == Harm::Line {
            faults.note(*generation);
        }
        drop(Object::take(pooled));
    }
}

async fn run(
    connection: &mut Connection,
    limit: Option<Duration>,
    sql: String,
) -> Result<(), sqlx::Error> {
    let script = sqlx::raw_sql(AssertSqlSafe(sql));
    match connection {
        Connection::Sqlite(connection) => within(limit, script.execute(connection)).await.map(drop),
        Connection::Postgres(connection) => {
            within(limit, script.execute(connection)).await.map(drop)
        }
    }
}

async fn ping(connection: &mut Connection) -> Result<(), sqlx::Error> {
    match connection {
        Connection::Sqlite(connection) => connection.ping().await,
        Connection::Postgres(connection) => connection.ping().await,
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
        Connection::Sqlite(connection) => connection.close().await,
        Connection::Postgres(connection) => connection.close().await,
    };
    if let Err(error) = closed {
        tracing::debug!(%error, "a connection did not close in order");
    }
}
