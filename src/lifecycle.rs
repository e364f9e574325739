//! How the process starts and stops: the limit of open files, signals, draining and shutdown.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::{sleep, timeout};

use crate::app::App;
use crate::hub::queue::Closing;

/// Deadline of the whole drain, from the signal on. Service managers kill after 30 s or more.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(25);
/// Timeout for closing the database's connections after that.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(3);
/// Clients are asked to reconnect spread over at least this time; longer if there are many.
const RECONNECT_SPREAD: Duration = Duration::from_secs(5);
/// Most clients that are asked to reconnect in one second.
const RECONNECTS_PER_SECOND: usize = 1_000;
/// Sockets are closed in batches with a pause between them: ten thousand in two seconds.
const BATCH: usize = 250;
const BATCH_PAUSE: Duration = Duration::from_millis(50);

/// Files that the server has open or may open beside its database and its connections: its log, the
/// runtime, the bus, mail, pictures.
const OWN_FILES: u64 = 24;
/// One in this many files of the limit is kept for more of these, up to a maximum.
const FILES_SHARE: u64 = 64;
const FILES_SHARE_MAX: u64 = 256;
/// A server with fewer connections is useless.
const CONNECTIONS_MIN: usize = 10;
/// More have never been tried.
const CONNECTIONS_MAX: u64 = 1_000_000;

/// Raises the soft limit of open files to the hard one, and returns the limit that holds then. Each
/// socket is a file.
pub fn raise_file_limit() -> u64 {
    let files = rlimit::Resource::NOFILE;
    let Ok((soft, hard)) = files.get() else { return 0 };
    // Some systems have a hard limit that they do not grant; the soft one holds then.
    if files.set(hard, hard).is_ok() { hard } else { soft }
}

/// The number of connections that fit into a limit of open files, beside `database` files for the
/// database and the server's own. `None` where that is too few to serve with.
pub fn connections(files: u64, database: u64) -> Option<usize> {
    let share = (files / FILES_SHARE).min(FILES_SHARE_MAX);
    let left = files.checked_sub(OWN_FILES + share + database)?;
    let most = usize::try_from(left.min(CONNECTIONS_MAX)).ok();
    most.filter(|most| *most >= CONNECTIONS_MIN)
}

/// The signals that stop the process.
#[derive(Debug)]
pub struct StopSignals {
    terminate: Signal,
    interrupt: Signal,
}

/// A signal that stops the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopSignal {
    /// SIGTERM: sent by a service manager, perhaps behind a load balancer.
    Terminate,
    /// SIGINT: Ctrl-C, by somebody who waits.
    Interrupt,
}

impl StopSignal {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Terminate => "SIGTERM",
            Self::Interrupt => "SIGINT",
        }
    }
}

impl StopSignals {
    /// Handles the signals from now on.
    pub fn listen() -> io::Result<Self> {
        let terminate = signal(SignalKind::terminate())?;
        Ok(Self { terminate, interrupt: signal(SignalKind::interrupt())? })
    }

    /// Waits for the next signal.
    pub async fn next(&mut self) -> StopSignal {
        tokio::select! {
            _ = self.terminate.recv() => StopSignal::Terminate,
            _ = self.interrupt.recv() => StopSignal::Interrupt,
        }
    }
}

/// Why the process stops.
#[derive(Debug, PartialEq, Eq)]
pub enum StopReason {
    /// A signal.
    Signal(StopSignal),
    /// The disk has lost what it was to keep.
    DiskFault(String),
}

impl StopReason {
    /// How long to drain: `SHUTDOWN_DELAY` after SIGTERM alone. Nobody waits for a load balancer after
    /// Ctrl-C, and nothing more should be written to a broken disk.
    pub fn drain_delay(&self, shutdown_delay: Duration) -> Duration {
        match self {
            Self::Signal(StopSignal::Terminate) => shutdown_delay,
            Self::Signal(StopSignal::Interrupt) | Self::DiskFault(_) => Duration::ZERO,
        }
    }
}

/// Waits until the process has to stop.
pub async fn stop_requested(app: &App, signals: &mut StopSignals) -> StopReason {
    tokio::select! {
        signal = signals.next() => {
            tracing::info!("{} received; stopping", signal.name());
            StopReason::Signal(signal)
        }
        reason = app.db.lost() => {
            tracing::error!(%reason, "stopping: a later flush that succeeds would prove nothing");
            StopReason::DiskFault(reason)
        }
    }
}

/// Drains and stops. For `delay` the node goes on serving, while `/readyz` makes load balancers leave it
/// and every answer closes its connection. Then nothing new is accepted, sockets are closed with a hint
/// when to reconnect, and requests in flight are finished. Nothing acknowledged is lost, since it was
/// committed before it was acknowledged.
pub async fn drain(app: &Arc<App>, delay: Duration) {
    app.draining.cancel();
    let drained = async {
        sleep(delay).await;
        app.stopping.cancel();
        app.tasks.close();
        close_sockets(app).await;
        app.tasks.wait().await;
    };
    if timeout(DRAIN_TIMEOUT, drained).await.is_err() {
        tracing::warn!(tasks = app.tasks.len(), "drain timed out with tasks still running");
    }
}

/// Closes every socket, in batches. The hint when to reconnect grows along the connections, so that
/// their clients do not all come back at once.
pub async fn close_sockets(app: &App) {
    let connections = app.hub.people.all();
    let count = u32::try_from(connections.len().max(1)).unwrap_or(u32::MAX);
    let seconds = (connections.len() / RECONNECTS_PER_SECOND) as u64;
    let step = RECONNECT_SPREAD.max(Duration::from_secs(seconds)) / count;
    let mut retry_after = Duration::ZERO;
    for batch in connections.chunks(BATCH) {
        for connection in batch {
            connection.queue.close(Closing::Restarting { retry_after });
            retry_after += step;
        }
        sleep(BATCH_PAUSE).await;
    }
}

/// Ends the background tasks and closes the database.
pub async fn close(app: &Arc<App>) {
    app.stopped.cancel();
    // A connection that hangs delays nothing that was acknowledged.
    if timeout(CLOSE_TIMEOUT, app.db.close()).await.is_err() {
        tracing::warn!("closing the database's connections timed out");
    }
    tracing::info!("stopped");
}
