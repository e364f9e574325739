//! Readiness: whether the node can serve. The database is checked at most once a second.

use std::time::Duration;

use tokio::time::{Instant, timeout};

use crate::app::{App, Unready};
use crate::store::migrations::{self, State};
use crate::store::site;

use super::clocks;

/// The node is not ready if the database does not answer within this time.
const CHECK_TIMEOUT: Duration = Duration::from_secs(2);
/// A result is reused for this long, so that frequent checks put no load on the database.
const REUSED_FOR: Duration = Duration::from_secs(1);

/// The state of a node that is ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Readiness {
    /// Whether the bus is connected; `None` where none is configured. Without it everything works, but
    /// delivery to other nodes is delayed: no reason to take the node out of service.
    pub bus: Option<bool>,
    /// How far the system clock is ahead of the database's, in milliseconds, and negative when it is
    /// behind; `None` if it is correct to the second. The node does not depend on it.
    pub clock_offset_ms: Option<i64>,
}

/// Fails where the node is draining, or its database does not accept writes or has an unsupported schema.
pub async fn ready(app: &App) -> Result<Readiness, Unready> {
    if app.draining.is_cancelled() {
        return Err(Unready::Draining);
    }
    let checked = timeout(CHECK_TIMEOUT, async {
        // A check that arrives during another one waits for its result.
        let mut last = app.last_check.lock().await;
        if let Some((at, seen)) = *last
            && at.elapsed() < REUSED_FOR
        {
            return seen;
        }
        let seen = timeout(CHECK_TIMEOUT, look(app)).await.unwrap_or(Err(Unready::Database));
        *last = Some((Instant::now(), seen));
        seen
    });
    checked.await.unwrap_or(Err(Unready::Database))?;
    let offset_ms = Some(app.clock.system_offset_ms());
    let clock_offset_ms = offset_ms.filter(|offset_ms| clocks::is_off(*offset_ms));
    Ok(Readiness { bus: app.hub.bus.is_connected(), clock_offset_ms })
}

/// Reads which migrations were applied, then writes and commits.
async fn look(app: &App) -> Result<(), Unready> {
    match migrations::state(&app.db).await {
        Ok(State::Current | State::NewerCompatible(_)) => {}
        Ok(State::Behind(_) | State::NewerIncompatible(_) | State::Edited(_)) => {
            return Err(Unready::Migrations);
        }
        Err(error) => return Err(unready(&error)),
    }
    site::try_to_write(&app.db).await.map_err(|error| unready(&error))
}

fn unready(error: &crate::store::error::StoreError) -> Unready {
    tracing::warn!(%error, "not ready: database check failed");
    Unready::Database
}
