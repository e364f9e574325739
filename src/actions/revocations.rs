//! Closes the sockets of sessions that have expired or were revoked elsewhere (on another node, or from the
//! command line). The database is asked, so no revocation can be lost on its way.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use crate::app::App;
use crate::domain::error::Result;
use crate::domain::time::Timestamp;
use crate::store::sessions;

/// A socket is closed at most this long after its session ended.
pub const INTERVAL: Duration = Duration::from_millis(500);
/// How far back to look: rows are dated before their transaction commits, which may take as long as the
/// statement timeout. Closing twice does nothing.
const LOOK_BACK: Duration = Duration::from_secs(60);

/// Closes the sockets of sessions that ended since the last success (`seen`, in microseconds), so that
/// nothing is missed while the database is unavailable.
pub async fn close_ended(app: Arc<App>, seen: Arc<AtomicI64>) -> Result<()> {
    let now = app.clock.now();
    let since = Timestamp::from_micros(seen.load(Ordering::Relaxed)).min(now).minus(LOOK_BACK);
    let ended = sessions::ended_since(&app.db, since, now).await?;
    app.hub.people.end_sessions(&ended);
    seen.store(now.micros(), Ordering::Relaxed);
    Ok(())
}
