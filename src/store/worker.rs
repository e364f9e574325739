//! The thread of a connection to the embedded database: SQLite blocks, and the runtime's threads must
//! not wait for a disk. A statement, or a whole transaction, is one job: one hop there and one back.

use std::convert::Infallible;
use std::thread;

use rusqlite::InterruptHandle;
use tokio::sync::{mpsc, oneshot};

use super::error::{Failure, Result};
use super::sqlite::{Settings, Sqlite};

type Job = Box<dyn FnOnce(&mut Sqlite) + Send>;

/// A connection on a thread of its own. Dropped, it closes once it has done its jobs.
pub struct Worker {
    jobs: mpsc::UnboundedSender<Job>,
    interrupt: InterruptHandle,
    closed: oneshot::Receiver<Infallible>,
}

impl std::fmt::Debug for Worker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Worker").finish_non_exhaustive()
    }
}

impl Worker {
    pub(super) async fn open(settings: Settings) -> Result<Self> {
        let (jobs, waiting) = mpsc::unbounded_channel();
        let (opened, opening) = oneshot::channel();
        let (closes, closed) = oneshot::channel();
        let work = move || work(&settings, opened, waiting, closes);
        thread::Builder::new().name("sqlite".to_owned()).spawn(work)?;
        let interrupt = opening.await.unwrap_or_else(|_| Err(Failure::Crashed.into()))?;
        Ok(Self { jobs, interrupt, closed })
    }

    /// Runs a job after those before it. It runs even if the caller no longer waits.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut Sqlite) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let (answer, answered) = oneshot::channel();
        let job = move |sqlite: &mut Sqlite| {
            // Nobody may wait any more.
            answer.send(job(sqlite)).ok();
        };
        self.jobs.send(Box::new(job)).map_err(|_| Failure::Crashed)?;
        answered.await.unwrap_or(Err(Failure::Crashed.into()))
    }

    /// Ends the statement that runs: nobody waits for it any more.
    pub(super) fn interrupt(&self) {
        self.interrupt.interrupt();
    }

    /// Closes the connection, and waits until it is closed.
    pub(super) async fn close(self) {
        drop(self.jobs);
        // The other end is dropped at the end of the thread.
        self.closed.await.ok();
    }
}

fn work(
    settings: &Settings,
    opened: oneshot::Sender<Result<InterruptHandle>>,
    mut jobs: mpsc::UnboundedReceiver<Job>,
    // Dropped after the connection.
    _closes: oneshot::Sender<Infallible>,
) {
    let mut sqlite = match Sqlite::open(settings) {
        Ok(sqlite) => sqlite,
        Err(failure) => {
            opened.send(Err(failure)).ok();
            return;
        }
    };
    opened.send(Ok(sqlite.interrupt_handle())).ok();
    while let Some(job) = jobs.blocking_recv() {
        job(&mut sqlite);
    }
}
