//! How busy the site is: what each node counted in a minute, for the overview of the admin site. The rows of all nodes
//! together are the site.

use std::sync::Arc;
use std::time::Duration;

use crate::app::App;
use crate::domain::error::Result;
use crate::domain::time::Timestamp;
use crate::store::counters::{self, Counts};

use super::unit::Unit;

/// How often a node writes what it has counted.
pub const INTERVAL: Duration = Duration::from_secs(60);
/// For how long it is kept: the overview shows a day.
pub(super) const KEEP: Duration = Duration::from_secs(2 * 86_400);
const MINUTE: i64 = 60_000_000;

/// Writes what the node has counted since the last time. What cannot be written is written with the next.
pub async fn store(app: Arc<App>) -> Result<()> {
    let mut before = app.stored_counts.lock().await;
    let counted = counted(&app);
    let new = Counts {
        messages: counted.messages - before.messages,
        logins: counted.logins - before.logins,
        errors: counted.errors - before.errors,
        sockets: counted.sockets,
    };
    let mut unit = Unit::begin(&app).await?;
    let minute = minute_of(unit.now());
    counters::add(&mut unit.tx, minute, &app.nodes.name, &new).await?;
    unit.commit().await?;
    *before = counted;
    Ok(())
}

fn counted(app: &App) -> Counts {
    let number = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
    let (_, sockets) = app.hub.people.count();
    Counts {
        messages: number(app.metrics.sends.created_since_start()),
        logins: number(app.metrics.logins.since_start()),
        errors: number(app.metrics.http.server_errors()),
        sockets: i64::try_from(sockets).unwrap_or(i64::MAX),
    }
}

/// The beginning of a time's minute.
pub(super) fn minute_of(time: Timestamp) -> Timestamp {
    Timestamp::from_micros(time.micros().div_euclid(MINUTE) * MINUTE)
}
