//! Closes the sockets of sessions that have expired or were revoked elsewhere (on another node, or from the
//! command line). The database is asked, so no revocation can be lost on its way. If it does not answer for
//! too long, all sockets are closed.

use std::sync::Arc;
use std::time::Duration;

use crate::app::App;
use crate::domain::error::Result;
use crate::lifecycle;
use crate::store::sessions;

use super::look_back::LookBack;

/// A socket is closed at most this long after its session ended.
pub const INTERVAL: Duration = Duration::from_millis(500);
/// Sockets are closed when the database has not answered for this many times the timeout of a statement:
/// longer than a restart or a switchover takes.
const BLIND_AFTER: u32 = 4;

/// Closes the sockets of sessions that ended since the last success. Closing twice does nothing.
pub async fn close_ended(app: Arc<App>, seen: Arc<LookBack>) -> Result<()> {
    let now = app.clock.now();
    match sessions::ended_since(&app.db, seen.since(now), now).await {
        Ok(ended) => {
            app.hub.people.end_sessions(&ended);
            seen.succeeded(now);
            Ok(())
        }
        Err(error) => {
            close_blind(&app, seen.failed(now)).await;
            Err(error.into())
        }
    }
}

/// Closes all sockets after a while without the database. Other nodes may reach it, and their users may end
/// sessions, leave chats and send: this node would neither notice nor pass it on. Its clients find a node that
/// does, or continue here once the database answers. An embedded database has no other nodes.
async fn close_blind(app: &Arc<App>, unanswered: Duration) {
    let sockets = app.hub.people.all().len();
    if app.db.is_sqlite() || sockets == 0 || unanswered < app.db.answer_timeout() * BLIND_AFTER {
        return;
    }
    let seconds = unanswered.as_secs();
    tracing::warn!(
        seconds,
        sockets,
        "the database does not answer; closing all sockets, since ended sessions would go unnoticed"
    );
    lifecycle::close_sockets(app).await;
}
