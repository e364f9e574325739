//! The beginning and the end of the process: limits, signals, and the way out.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};

use crate::app::App;

/// How long what is in flight may take at the end. Service managers kill after 30 s or more.
const DRAIN: Duration = Duration::from_secs(25);
/// How long the database's connections may take to close after that.
const CLOSE: Duration = Duration::from_secs(3);
/// Over how long clients are asked to come back.
const COME_BACK_OVER: Duration = Duration::from_secs(5);

/// Raises the soft limit of open files to the hard one; the limit that holds then. Each socket is
/// a file.
pub fn raise_file_limit() -> u64 {
    let files = rlimit::Resource::NOFILE;
    let Ok((soft, hard)) = files.get() else { return 0 };
    // Some systems have a hard limit that they do not grant; the soft one holds then.
    if files.set(hard, hard).is_ok() { hard } else { soft }
}

/// Waits for SIGTERM or SIGINT.
pub async fn signalled() -> io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::select! {
        _ = terminate.recv() => tracing::info!("SIGTERM: stopping"),
        _ = interrupt.recv() => tracing::info!("SIGINT: stopping"),
    }
    Ok(())
}

/// Stops the node: nothing new is accepted, sockets are sent away with a hint when to come back,
/// what is in flight is finished, and only then the database is closed. Nothing acknowledged is
/// lost, since it was committed before it was acknowledged.
pub async fn stop(app: &Arc<App>) {
    app.stopping.cancel();
    app.hub.close_all(COME_BACK_OVER);
    app.tasks.close();
    if tokio::time::timeout(DRAIN, app.tasks.wait()).await.is_err() {
        tracing::warn!(left = app.tasks.len(), "not everything ended in time");
    }
    app.stopped.cancel();
    // A connection that hangs holds up nothing that was acknowledged.
    if tokio::time::timeout(CLOSE, app.db.close()).await.is_err() {
        tracing::warn!("the database's connections did not close in time");
    }
    tracing::info!("stopped");
}
