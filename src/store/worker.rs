//! The thread of a connection to the embedded database: SQLite blocks, and the runtime's threads must
//! not wait for a disk. A statement, or a whole transaction, is one job: one hop there and one back.

use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use rusqlite::InterruptHandle;
use tokio::sync::{mpsc, oneshot};

use crate::traces;

use super::error::{Failure, Result};
use super::sqlite::{Settings, Sqlite};

type Job = Box<dyn FnOnce(&mut Sqlite) + Send>;

/// A connection on a thread of its own. Dropped, it closes once it has done its jobs.
pub struct Worker {
    /// Dropped before `jobs`, so that it is the thread that closes the connection.
    sqlite: Arc<Mutex<Sqlite>>,
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
    pub(super) async fn open(settings: Settings) -> Result<Self, Failure> {
        let (jobs, waiting) = mpsc::unbounded_channel();
        let (opened, opening) = oneshot::channel();
        let (closes, closed) = oneshot::channel();
        let work = move || work(&settings, opened, waiting, closes);
        thread::Builder::new().name("sqlite".to_owned()).spawn(work)?;
        let sqlite = opening.await.unwrap_or(Err(Failure::Crashed))?;
        let interrupt = lock(&sqlite).interrupt_handle();
        Ok(Self { sqlite, jobs, interrupt, closed })
    }

    /// Runs a job after those before it. It runs even if the caller no longer waits.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut Sqlite) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let (answer, answered) = oneshot::channel();
        let span = traces::current();
        let job = move |sqlite: &mut Sqlite| {
            // Nobody may wait any more.
            answer.send(span.in_scope(|| job(sqlite))).ok();
        };
        self.jobs.send(Box::new(job)).map_err(|_| Failure::Crashed)?;
        answered.await.unwrap_or(Err(Failure::Crashed.into()))
    }

    /// Runs a job of microseconds on the calling thread, for which a hop would cost more. `None`: it has
    /// to run on the connection's thread, since that is at work, or it is not our turn, or it would wait
    /// for another process's lock.
    pub(super) fn run_here<T>(
        &self,
        turn: &Mutex<()>,
        job: impl FnOnce(&mut Sqlite) -> Result<T>,
    ) -> Option<Result<T>> {
        let _turn = turn.try_lock().ok()?;
        let mut sqlite = self.sqlite.try_lock().ok()?;
        sqlite.without_waiting(job).transpose()
    }

    /// Ends the statement that runs: nobody waits for it any more.
    pub(super) fn interrupt(&self) {
        self.interrupt.interrupt();
    }

    /// Closes the connection, and waits until it is closed.
    pub(super) async fn close(self) {
        drop((self.sqlite, self.jobs));
        // The other end is dropped at the end of the thread.
        self.closed.await.ok();
    }
}

fn work(
    settings: &Settings,
    opened: oneshot::Sender<Result<Arc<Mutex<Sqlite>>, Failure>>,
    mut jobs: mpsc::UnboundedReceiver<Job>,
    // Dropped after the connection.
    _closes: oneshot::Sender<Infallible>,
) {
    let sqlite = match Sqlite::open(settings) {
        Ok(sqlite) => Arc::new(Mutex::new(sqlite)),
        Err(failure) => {
            opened.send(Err(failure)).ok();
            return;
        }
    };
    opened.send(Ok(Arc::clone(&sqlite))).ok();
    while let Some(job) = jobs.blocking_recv() {
        job(&mut lock(&sqlite));
    }
}

fn lock(sqlite: &Mutex<Sqlite>) -> MutexGuard<'_, Sqlite> {
    sqlite.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::observer::Observer;
    use super::*;

    #[tokio::test]
    async fn a_connection_at_work_is_not_waited_for_on_the_calling_thread() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("meow.sqlite3");
        std::fs::File::create(&file).expect("a file");
        let busy = Duration::from_secs(1);
        let worker = Worker::open(Settings {
            file,
            busy,
            reads_only: true,
            observer: Arc::new(Observer::new("sqlite")),
        })
        .await
        .expect("open");
        let read = |sqlite: &mut Sqlite| sqlite.query("select 1").all::<i64>();
        let turn = Mutex::new(());
        assert_eq!(worker.run_here(&turn, read).expect("here").expect("read"), [1]);
        let elsewhere = turn.lock().expect("free");
        assert!(worker.run_here(&turn, read).is_none());
        drop(elsewhere);
        let (finish, finished) = std::sync::mpsc::channel();
        let (started, starting) = oneshot::channel();
        let work = worker.run(move |_| {
            started.send(()).ok();
            finished.recv().ok();
            Ok(())
        });
        let meanwhile = async {
            starting.await.expect("it runs");
            assert!(worker.run_here(&turn, read).is_none());
            finish.send(()).expect("waited for");
        };
        let (worked, ()) = tokio::join!(work, meanwhile);
        worked.expect("done");
        worker.close().await;
    }
}
