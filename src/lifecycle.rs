//! The beginning and the end of the process: limits, signals, and the way out.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::sleep;

use crate::app::App;
use crate::hub::queue::Closing;

/// How long all of that may take from the signal on. Service managers kill after 30 s or more.
const DRAIN: Duration = Duration::from_secs(25);
/// How long the database's connections may take to close after that.
const CLOSE: Duration = Duration::from_secs(3);
/// Over how long clients are asked to come back, at least; with many of them longer.
const COME_BACK_OVER: Duration = Duration::from_secs(5);
/// How many are asked to come back in a second, at most.
const COME_BACK_RATE: usize = 1_000;
/// So many sockets are sent away at a time, so often: ten thousand in two seconds.
const BATCH: usize = 250;
const BATCH_PAUSE: Duration = Duration::from_millis(50);

/// Files that the server has open or may open beside its database and its connections: its log, the
/// runtime, the bus, mail, pictures.
const OWN_FILES: u64 = 24;
/// Of the limit, one in so many is for more of these, up to so many.
const FILES_SHARE: u64 = 64;
const FILES_SHARE_MAX: u64 = 256;
/// With fewer connections it is of no use.
const CONNECTIONS_MIN: usize = 10;
/// More have never been tried.
const CONNECTIONS_MAX: u64 = 1_000_000;

/// Raises the soft limit of open files to the hard one; the limit that holds then. Each socket is
/// a file.
pub fn raise_file_limit() -> u64 {
    let files = rlimit::Resource::NOFILE;
    let Ok((soft, hard)) = files.get() else { return 0 };
    // Some systems have a hard limit that they do not grant; the soft one holds then.
    if files.set(hard, hard).is_ok() { hard } else { soft }
}

/// How many connections a limit of open files has room for, less what the rest of the server opens:
/// so many files for its database, and its own. `None` where that is too little to serve with.
pub fn connections(files: u64, database: u64) -> Option<usize> {
    let share = (files / FILES_SHARE).min(FILES_SHARE_MAX);
    let left = files.checked_sub(OWN_FILES + share + database)?;
    let most = usize::try_from(left.min(CONNECTIONS_MAX)).ok();
    most.filter(|most| *most >= CONNECTIONS_MIN)
}

/// The signals that end the process.
#[derive(Debug)]
pub struct StopSignals {
    terminate: Signal,
    interrupt: Signal,
}

impl StopSignals {
    /// From now on they end it only as its user says.
    pub fn listen() -> io::Result<Self> {
        let terminate = signal(SignalKind::terminate())?;
        Ok(Self { terminate, interrupt: signal(SignalKind::interrupt())? })
    }

    /// Waits for the next one; its name.
    pub async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}

/// Waits until the process has to end: by a signal, or because its disk has lost what it was to keep
/// (the reason).
pub async fn end(app: &App, signals: &mut StopSignals) -> Option<String> {
    tokio::select! {
        name = signals.next() => {
            tracing::info!("{name}: stopping");
            None
        }
        reason = app.db.lost() => {
            tracing::error!(%reason, "stopping: a later flush that succeeds would prove nothing");
            Some(reason)
        }
    }
}

/// First the node goes on serving for a while (`SHUTDOWN_DELAY`), in which `/readyz` tells balancers to
/// leave it and every answer ends its connection. Then nothing new is accepted, sockets are sent away with a
/// hint when to come back, and what is in flight is finished. Nothing acknowledged is lost, since it
/// was committed before it was acknowledged.
pub async fn drain(app: &Arc<App>, delay: Duration) {
    app.draining.cancel();
    let drained = async {
        sleep(delay).await;
        app.stopping.cancel();
        app.tasks.close();
        send_away(app).await;
        app.tasks.wait().await;
    };
    if tokio::time::timeout(DRAIN, drained).await.is_err() {
        tracing::warn!(left = app.tasks.len(), "not everything ended in time");
    }
}

/// Sends every socket away, a batch at a time. The hint grows along the connections, so that their
/// clients do not all come back at once.
pub async fn send_away(app: &App) {
    let connections = app.hub.people.all();
    let count = u32::try_from(connections.len().max(1)).unwrap_or(u32::MAX);
    let over = COME_BACK_OVER.max(Duration::from_secs((connections.len() / COME_BACK_RATE) as u64));
    let mut retry_after = Duration::ZERO;
    for batch in connections.chunks(BATCH) {
        for connection in batch {
            connection.queue.close(Closing::Restarting { retry_after });
            retry_after += over / count;
        }
        sleep(BATCH_PAUSE).await;
    }
}

/// Ends the background tasks and closes the database.
pub async fn close(app: &Arc<App>) {
    app.stopped.cancel();
    // A connection that hangs holds up nothing that was acknowledged.
    if tokio::time::timeout(CLOSE, app.db.close()).await.is_err() {
        tracing::warn!("the database's connections did not close in time");
    }
    tracing::info!("stopped");
}
