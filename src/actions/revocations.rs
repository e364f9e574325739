//! Closes the sockets of sessions that have expired or were revoked elsewhere (on another node, or from the
//! command line). The database is asked, so no revocation can be lost on its way.

use std::sync::Arc;
use std::time::Duration;

use crate::app::App;
use crate::domain::error::Result;
use crate::store::sessions;

use super::look_back::LookBack;

/// A socket is closed at most this long after its session ended.
pub const INTERVAL: Duration = Duration::from_millis(500);

/// Closes the sockets of sessions that ended since the last success. Closing twice does nothing.
pub async fn close_ended(app: Arc<App>, seen: Arc<LookBack>) -> Result<()> {
    let now = app.clock.now();
    let ended = sessions::ended_since(&app.db, seen.since(now), now).await?;
    app.hub.people.end_sessions(&ended);
    seen.succeeded(now);
    Ok(())
}
