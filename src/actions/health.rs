//! Whether the node can serve: asked of what serving needs, and not more often than once a second.

use std::time::Duration;

use tokio::time::{Instant, timeout};

use crate::app::{App, Unready};
use crate::store::migrations::{self, State};
use crate::store::site;

use super::clocks;

/// How long the database may take to answer before the node counts as not ready.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long an answer is reused: more frequent checks put no load on the database.
const HOLDS: Duration = Duration::from_secs(1);

/// How well a node can serve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Readiness {
    /// Whether the bus is there; `None` where none is wanted. Without it all works, but other nodes
    /// hear late of what happens here: no reason to send anybody elsewhere.
    pub bus: Option<bool>,
    /// How far the system clock is ahead of the database's, in milliseconds, and negative when it is behind;
    /// `None` if it is right to the second. The node does not depend on it.
    pub clock_offset_ms: Option<i64>,
}

/// Fails where the node stops, its database takes no writes, or has another schema.
pub async fn ready(app: &App) -> Result<Readiness, Unready> {
    if app.draining.is_cancelled() {
        return Err(Unready::Draining);
    }
    let looked = timeout(PATIENCE, async {
        // Who asks while somebody else looks gets what that one sees.
        let mut last = app.looked.lock().await;
        if let Some((at, seen)) = *last
            && at.elapsed() < HOLDS
        {
            return seen;
        }
        let seen = timeout(PATIENCE, look(app)).await.unwrap_or(Err(Unready::Database));
        *last = Some((Instant::now(), seen));
        seen
    });
    looked.await.unwrap_or(Err(Unready::Database))?;
    let offset_ms = Some(app.clock.system_offset_ms());
    let clock_offset_ms = offset_ms.filter(|offset_ms| clocks::is_off(*offset_ms));
    Ok(Readiness { bus: app.hub.bus.is_connected(), clock_offset_ms })
}

/// Reads which migrations were applied, then writes and commits.
async fn look(app: &App) -> Result<(), Unready> {
    match migrations::state(&app.db).await {
        Ok(State::Current | State::NewerCompatible(_)) => {}
        Ok(State::Behind(_) | State::NewerIncompatible(_)) => return Err(Unready::Migrations),
        Err(error) => return Err(unready(&error)),
    }
    site::try_to_write(&app.db).await.map_err(|error| unready(&error))
}

fn unready(error: &crate::store::error::Error) -> Unready {
    tracing::warn!(%error, "not ready: the database fails");
    Unready::Database
}
