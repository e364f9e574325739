//! Closes the sockets of sessions that were ended elsewhere (on another node, or by the command
//! line) or have run out. The database is asked, so nothing can be lost on the way.

use std::sync::Arc;
use std::time::Duration;

use crate::app::App;
use crate::store::sessions;

/// A socket is closed this much later than its session ended, at most.
const INTERVAL: Duration = Duration::from_millis(500);
/// How far back to look: other nodes' clocks may be behind by as much. Closing twice does nothing.
const MARGIN: Duration = Duration::from_secs(30);

/// Runs until it is cut off.
pub async fn run(app: Arc<App>) {
    let mut interval = tokio::time::interval(INTERVAL);
    loop {
        interval.tick().await;
        let now = app.clock.now();
        match sessions::ended_since(&app.db, now.minus(MARGIN), now).await {
            Ok(ended) => app.hub.end_sessions(&ended),
            // The next turn looks as far back.
            Err(error) => tracing::warn!(%error, "cannot look for ended sessions"),
        }
    }
}
