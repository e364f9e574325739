//! The databases: their pools and transactions, with timeouts for every wait. Knows no table, and no
//! statement: those are in [`super::query`].

use std::io;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use deadpool::Status;
use deadpool::managed::PoolError;
use futures_util::future::join_all;
use prometheus_client::metrics::histogram::Histogram;
use tokio::runtime::Handle;
use tokio::task::spawn_blocking;
use tokio::time::{sleep, timeout};
use tracing::Instrument;

use crate::metrics::database::{DatabaseMetrics, observe};

use super::error::{Failure, Result, StoreError};
use super::faults::Faults;
use super::lease::{self, Lease};
use super::observer::Observer;
use super::pools::{Pool, Pooled, Timeouts};
use super::reserve::Reserve;
use super::sqlite::Sqlite;

/// How much longer than the statement timeout we wait for an answer. So the server ends the
/// statement first, and the connection survives.
const MARGIN: Duration = Duration::from_secs(1);
/// Pauses between tries to open a connection.
const AGAIN: Duration = Duration::from_millis(20);
const AGAIN_AT_MOST: Duration = Duration::from_millis(500);
/// Timeout for closing connections in order. SQLite copies its log then.
const CLOSE: Duration = Duration::from_secs(2);

/// Sets durability again, at no cost, in case a pooler ever loses the session's settings.
const BEGIN_POSTGRES: &str = "begin; set local synchronous_commit = on";

/// Disables the server's timeout. If that ended the wait for a synchronous standby, PostgreSQL
/// would report success although the standby has not received the commit. With our timeout the
/// outcome is unknown.
const COMMIT_POSTGRES: &str = "set local statement_timeout = 0; commit";

/// A database: where to read, and where transactions begin.
///
/// Every wait has a timeout: [`Timeouts::connect`] for a connection, [`Db::answer_timeout`] for each
/// statement (and `begin` and `commit`).
#[derive(Clone, Debug)]
pub struct Db {
    sqlite: bool,
    /// On SQLite, several connections that refuse to write (`query_only`).
    readers: Pool,
    /// On SQLite, the one connection that writes: writers queue here instead of meeting
    /// SQLITE_BUSY. On PostgreSQL the same pool as the readers'.
    writer: Pool,
    timeouts: Timeouts,
    faults: Arc<Faults>,
    observer: Arc<Observer>,
    /// How long readers and writers wait for a connection.
    waits: [Histogram; 2],
    /// Only on SQLite: PostgreSQL manages its own disk.
    reserve: Option<Arc<Reserve>>,
    /// See [`Db::turn`].
    turn: Option<Arc<Mutex<()>>>,
}

/// The state of a pool of connections.
#[derive(Clone, Copy, Debug)]
pub struct PoolState {
    /// Its name.
    pub name: &'static str,
    /// How many there may be.
    pub max: usize,
    /// How many are open.
    pub open: usize,
    /// How many of them nobody uses.
    pub idle: usize,
    /// How many callers wait for one.
    pub waiting: usize,
}

/// A transaction that can write. Dropped without [`Tx::commit`], it is rolled back. On SQLite it
/// holds the writer; on PostgreSQL it is at READ COMMITTED, where a statement sees what was
/// committed before it began.
#[derive(Debug)]
pub struct Tx {
    pub(super) lease: Lease,
    sqlite: bool,
    /// Taken again after the commit.
    reserve: Option<Arc<Reserve>>,
}

impl Db {
    /// Opens one connection of each pool, so that a fault shows at once. The writer comes first: it
    /// makes SQLite's file and its log, which readers cannot.
    pub(super) async fn open(
        (readers, writer): (Pool, Pool),
        timeouts: Timeouts,
        faults: Arc<Faults>,
        observer: Arc<Observer>,
        reserve: Option<Reserve>,
    ) -> Result<Self> {
        let (sqlite, reserve) = (reserve.is_some(), reserve.map(Arc::new));
        let is_spare = Handle::current().metrics().num_workers() > 1;
        let turn = (sqlite && is_spare).then(Arc::default);
        let waits = ["reads", "writes"].map(|of| observer.metrics.waits(of));
        let db = Self { sqlite, readers, writer, timeouts, faults, observer, waits, reserve, turn };
        let mut writer = db.writer().await?;
        if sqlite {
            // After a failed flush, the log may exist in the system's memory alone while the system
            // believes it to be on the disk. Copying it into the database writes it anew. Any other
            // failure here, such as a full disk, shows again where it matters.
            let copied = writer.script("pragma wal_checkpoint(passive)".to_owned()).await;
            db.faults.check().and(copied.or(Ok(())))?;
            drop(db.reader().await?);
        }
        Ok(db)
    }

    /// Whether this is the embedded database.
    pub fn is_sqlite(&self) -> bool {
        self.sqlite
    }

    /// Logs statements that take this long; `None`: none.
    pub fn log_slow(self, from: Option<Duration>) -> Self {
        self.observer.log_slow(from);
        self
    }

    /// The slow statements whose plan is to be logged now, by name.
    pub(super) fn unexplained(&self) -> Vec<(&'static str, String)> {
        self.observer.unexplained()
    }

    /// What is counted of this database.
    pub fn metrics(&self) -> &DatabaseMetrics {
        &self.observer.metrics
    }

    /// The pools, by name.
    pub fn pools(&self) -> Vec<PoolState> {
        let state = |name, pool: &Pool| {
            let Status { max_size, size, available, waiting } = pool.status();
            PoolState { name, max: max_size, open: size, idle: available, waiting }
        };
        match self.sqlite {
            true => vec![state("readers", &self.readers), state("writer", &self.writer)],
            false => vec![state("postgres", &self.writer)],
        }
    }

    /// How long to wait for the answer to one statement.
    pub fn answer_timeout(&self) -> Duration {
        self.timeouts.statement + MARGIN
    }

    /// Begins a transaction. On SQLite the write lock is taken at once (`BEGIN IMMEDIATE`), since
    /// a lock that is upgraded later can fail half-way.
    pub async fn begin(&self) -> Result<Tx> {
        self.faults.check()?;
        let lease = self.writer().await?;
        self.begin_on(lease).await
    }

    /// A connection to PostgreSQL on which each statement is a transaction of its own, so that the last
    /// word about its failure is [`StoreError::at_commit`].
    pub(super) async fn autocommit(&self) -> Result<Tx> {
        let lease = self.writer().await?;
        Ok(Tx { lease, sqlite: self.sqlite, reserve: None })
    }

    /// Runs a whole transaction on the embedded database in one visit to the writer's thread: `work`
    /// between `begin` and `commit`, without a hop for each statement. An error of `work` rolls back.
    /// If the caller is dropped meanwhile, it still runs to its end. Errors as of [`Tx::commit`].
    pub async fn visit<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Sqlite) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.faults.check()?;
        self.writer().await?.visit(work).await
    }

    /// Begins a small transaction that must succeed even if SQLite's disk is full, such as a
    /// logout. It may use the reserved disk space.
    pub async fn begin_vital(&self) -> Result<Tx> {
        self.faults.check()?;
        // We hold the only writer, so nobody else can take the space.
        let lease = self.writer().await?;
        with_reserve(self.reserve.clone(), Reserve::make_room).await;
        Ok(Tx { reserve: self.reserve.clone(), ..self.begin_on(lease).await? })
    }

    /// Reserves the space on SQLite's disk that [`Db::begin_vital`] may need.
    pub async fn keep_reserve(&self) {
        with_reserve(self.reserve.clone(), Reserve::take).await;
    }

    /// A reader's connection, as a transaction has it.
    pub(super) async fn reading(&self) -> Result<Tx> {
        Ok(Tx { lease: self.reader().await?, sqlite: self.sqlite, reserve: None })
    }

    async fn begin_on(&self, mut lease: Lease) -> Result<Tx> {
        // Set before sending: if the caller is dropped meanwhile, the transaction is rolled back.
        lease.in_transaction = true;
        let sql = if self.sqlite { "begin immediate" } else { BEGIN_POSTGRES };
        let started = Instant::now();
        let begun = lease.script(sql.to_owned()).await;
        lease.observer().begun(started.elapsed());
        lease.in_transaction = begun.is_ok();
        begun.map(|()| Tx { lease, sqlite: self.sqlite, reserve: None })
    }

    /// Waits until a flush fails. Returns the disk's error. All writes are refused from then on,
    /// since a later successful flush proves nothing. The process has to end, and the next one
    /// reads what is really there.
    pub async fn lost(&self) -> String {
        self.faults.lost().await
    }

    /// Closes connections to PostgreSQL that have been idle this long. After a busy hour they would
    /// occupy the server's slots, and one that a firewall has forgotten costs its next user a
    /// second. SQLite's stay, because of their caches.
    pub async fn close_idle(&self, unused: Duration) {
        if !self.sqlite {
            let idle = self.writer.retain(|_, metrics| metrics.last_used() < unused).removed;
            close_all(idle).await;
        }
    }

    /// How many reading statements can run at a time.
    pub fn readers(&self) -> u32 {
        u32::try_from(self.readers.status().max_size).unwrap_or(u32::MAX)
    }

    /// Closes every idle connection; the others close when they are returned.
    pub async fn close(&self) {
        for pool in [&self.readers, &self.writer] {
            let idle = pool.retain(|_, _| false).removed;
            pool.close();
            close_all(idle).await;
        }
    }

    /// Whose turn it is to read on the calling thread. It is one at a time, so that a disk that does not
    /// answer holds up one thread of the runtime. `None` where that is the only one, and on PostgreSQL.
    pub(super) fn turn(&self) -> Option<Arc<Mutex<()>>> {
        self.turn.clone()
    }

    /// A connection for one statement that reads.
    pub(super) async fn reader(&self) -> Result<Lease> {
        self.lease(&self.readers, &self.waits[0]).await
    }

    /// A connection that may write.
    async fn writer(&self) -> Result<Lease> {
        self.lease(&self.writer, &self.waits[1]).await
    }

    async fn lease(&self, pool: &Pool, waits: &Histogram) -> Result<Lease> {
        let started = Instant::now();
        let mut last = None;
        let opening = async {
            let mut pause = AGAIN;
            loop {
                match pool.get().await {
                    Ok(pooled) => return Ok(pooled),
                    Err(PoolError::Backend(error)) if error.is_of_a_start() => last = Some(error),
                    Err(PoolError::Backend(error)) => return Err(error),
                    Err(_) => return Err(Failure::Closed.into()),
                }
                sleep(pause).await;
                pause = AGAIN_AT_MOST.min(pause * 2);
            }
        };
        let limit = self.timeouts.connect;
        let opened = timeout(limit, opening).await;
        let late = || {
            let text = format!("no connection became free or was opened within {limit:?}");
            StoreError::late(text)
        };
        let pooled = opened.unwrap_or_else(|_| Err(last.unwrap_or_else(late)));
        observe(waits, started.elapsed());
        let pooled = pooled.inspect_err(|error| self.observer.failed(error))?;
        let (faults, observer) = (Arc::clone(&self.faults), Arc::clone(&self.observer));
        Ok(Lease::new(pooled, faults, observer, self.answer_timeout()))
    }
}

impl Tx {
    /// Whether this is the embedded database.
    pub fn is_sqlite(&self) -> bool {
        self.sqlite
    }

    /// Raises the timeout of each statement; `None` removes it. For transactions that remove or
    /// rewrite accumulated rows, and hold no row that others wait for.
    pub async fn allow(&mut self, limit: Option<Duration>) -> Result<()> {
        self.lease.set_limit(limit.map(|limit| limit + MARGIN));
        if self.sqlite {
            return Ok(());
        }
        let millis = limit.unwrap_or_default().as_millis();
        self.lease.script(format!("set local statement_timeout = {millis}")).await
    }

    /// Counts a statement that was a transaction of its own: see [`Db::autocommit`].
    pub(super) fn committed_itself(&self, outcome: Result<(), &StoreError>) {
        self.lease.observer().ended(outcome);
    }

    /// Runs a script of several statements. The text is our own, never a client's.
    pub async fn script(&mut self, sql: String) -> Result<()> {
        self.lease.script(sql).await
    }

    /// Commits. On success everything is durable. [`StoreError::Unknown`]: it may have been committed or
    /// not. Any other error: nothing was committed.
    pub async fn commit(mut self) -> Result<()> {
        if self.lease.failed && !self.sqlite {
            // PostgreSQL would roll back and report success.
            let text = "a transaction with a failed statement was to be committed";
            return Err(Failure::wrong(text).into());
        }
        let sql = if self.sqlite { "commit" } else { COMMIT_POSTGRES };
        let started = Instant::now();
        let span = self.lease.observer().span_of("commit");
        let committed = self.lease.script(sql.to_owned()).instrument(span).await;
        let committed = committed.map_err(StoreError::at_commit);
        self.lease.observer().committed(started.elapsed(), committed.as_ref().copied());
        committed?;
        self.lease.in_transaction = false;
        with_reserve(self.reserve.take(), Reserve::take).await;
        Ok(())
    }
}

/// Closes them in order, as far as that is quick.
async fn close_all(idle: Vec<Pooled>) {
    if timeout(CLOSE, join_all(idle.into_iter().map(lease::close))).await.is_err() {
        tracing::warn!("connections to the database did not close in time");
    }
}

/// A failure to reserve space is ignored here: it shows when a write fails for lack of it.
async fn with_reserve(reserve: Option<Arc<Reserve>>, work: fn(&Reserve) -> io::Result<()>) {
    let Some(reserve) = reserve else { return };
    match spawn_blocking(move || work(&reserve)).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::warn!(%error, "the disk is full, or fails"),
        Err(error) => tracing::error!(%error, "the reserve"),
    }
}
