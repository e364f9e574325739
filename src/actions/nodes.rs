//! The nodes of a site, as they learn of each other through the database: heartbeats, the clean-up after
//! dead nodes, and leaving at shutdown.

use std::sync::Arc;
use std::time::Duration;

use crate::app::{App, HEARTBEAT_TIMEOUT, living_heartbeats};
use crate::domain::error::Result;
use crate::domain::ids::UserId;
use crate::domain::time::Timestamp;
use crate::hub::presence::local::{GRACE, LAST_SEEN_INTERVAL};
use crate::store::presence;

use super::clocks;
use super::presence::refresh;
use super::unit::Unit;

/// How often a node writes its heartbeat.
pub const HEARTBEAT_INTERVAL: Duration = Duration::from_secs(10);
/// Users written in one transaction: on SQLite every send waits for it meanwhile.
const WRITTEN: usize = 500;

/// Writes the node's heartbeat, removes dead nodes, and stores when the users here were last
/// seen.
pub async fn heartbeat(app: Arc<App>) -> Result<()> {
    // The others judge this heartbeat by their time, and this node theirs.
    clocks::catch_up(&app).await?;
    let (now, (earliest, latest)) = (app.clock.now(), living_heartbeats(&app.clock));
    let mut unit = Unit::begin(&app).await?;
    let was_known = presence::heartbeat(&mut unit.tx, &app.nodes.name, now).await?;
    let gone = presence::bury(&mut unit.tx, earliest, latest).await?;
    unit.commit().await?;
    let local = &app.hub.presence.local;
    if !was_known {
        local.mark_all_changed();
    }
    // The next flush publishes that they are offline, and tries again where that fails.
    gone.into_iter().for_each(|user| local.mark_changed(user, None));
    store_due_last_seen(&app, now).await?;
    let has_peers = presence::has_company(&app.db, &app.nodes.name, earliest).await?;
    app.nodes.set_has_peers(has_peers);
    if has_peers {
        refresh(&app).await?;
    }
    Ok(())
}

/// Leaves at shutdown. The node's users have [`GRACE`] to reconnect elsewhere; then whichever node finds
/// this one dead publishes that the others are offline.
pub async fn leave(app: &Arc<App>) -> Result<()> {
    let now = app.clock.now();
    let last_heartbeat = now.minus(HEARTBEAT_TIMEOUT).plus(GRACE);
    let mut unit = Unit::begin(app).await?;
    let gone = presence::leave(&mut unit.tx, &app.nodes.name, last_heartbeat).await?;
    unit.commit().await?;
    for chunk in gone.chunks(WRITTEN) {
        store_last_seen(app, chunk, now).await?;
    }
    Ok(())
}

async fn store_due_last_seen(app: &Arc<App>, now: Timestamp) -> Result<()> {
    let (presence, uptime) = (&app.hub.presence.local, app.clock.uptime());
    for chunk in presence.due_last_seen(uptime).chunks(WRITTEN) {
        store_last_seen(app, chunk, now).await?;
        presence.last_seen_stored(chunk, uptime);
    }
    Ok(())
}

async fn store_last_seen(app: &Arc<App>, users: &[UserId], now: Timestamp) -> Result<()> {
    let mut unit = Unit::begin(app).await?;
    presence::seen(&mut unit.tx, users, now, LAST_SEEN_INTERVAL).await?;
    unit.commit().await
}
