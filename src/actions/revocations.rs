//! Closes the sockets of sessions that were ended elsewhere (on another node, or by the command
//! line) or have run out. The database is asked, so nothing can be lost on the way.

use std::sync::Arc;
use std::time::Duration;

use crate::app::App;
use crate::domain::error::Result;
use crate::store::sessions;

/// A socket is closed this much later than its session ended, at most.
pub const INTERVAL: Duration = Duration::from_millis(500);
/// How far back to look: other nodes' clocks may be behind by as much. Closing twice does nothing.
const MARGIN: Duration = Duration::from_secs(30);

/// One turn.
pub async fn close_ended(app: Arc<App>) -> Result<()> {
    let now = app.clock.now();
    let ended = sessions::ended_since(&app.db, now.minus(MARGIN), now).await?;
    app.hub.end_sessions(&ended);
    Ok(())
}
