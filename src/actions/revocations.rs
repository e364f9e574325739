//! Closes the sockets of sessions that were ended elsewhere (on another node, or by the command
//! line) or have run out. The database is asked, so nothing can be lost on the way.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use crate::app::App;
use crate::domain::error::Result;
use crate::domain::time::Timestamp;
use crate::store::sessions;

/// A socket is closed this much later than its session ended, at most.
pub const INTERVAL: Duration = Duration::from_millis(500);
/// How far back to look: rows are dated before their transaction commits, and that may take as long as
/// the database lets it. Closing twice does nothing.
const MARGIN: Duration = Duration::from_secs(60);

/// One turn. Looks back to the last one that succeeded (`seen`, in microseconds), so that what
/// happened while the database was away is not missed.
pub async fn close_ended(app: Arc<App>, seen: Arc<AtomicI64>) -> Result<()> {
    let now = app.clock.now();
    let since = Timestamp::from_micros(seen.load(Ordering::Relaxed)).min(now).minus(MARGIN);
    let ended = sessions::ended_since(&app.db, since, now).await?;
    app.hub.people.end_sessions(&ended);
    seen.store(now.micros(), Ordering::Relaxed);
    Ok(())
}
