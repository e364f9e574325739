//! Forgets what is of no use any more: sessions long over, tickets that ran out, allowances that are
//! full again.

use std::sync::Arc;
use std::time::Duration;

use crate::app::App;
use crate::domain::error::Result;
use crate::store::{sessions, throttles, tickets};

use super::unit::Unit;

/// How often.
pub const INTERVAL: Duration = Duration::from_secs(3_600);
/// How long a session that has ended is kept: every node has to notice, and someone who looks for
/// a thief wants to see it.
const KEEP: Duration = Duration::from_secs(86_400);

/// One turn. Several nodes may do the same work; the second finds none.
pub async fn forget(app: Arc<App>) -> Result<()> {
    let now = app.clock.now();
    let mut unit = Unit::begin(&app).await?;
    tickets::forget_expired(&mut unit.tx, now).await?;
    throttles::forget_full(&mut unit.tx, now).await?;
    sessions::forget_over(&mut unit.tx, now.minus(KEEP)).await?;
    unit.commit().await
}
