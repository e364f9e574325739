//! Clean-up: removes old sessions, expired tickets and invites, unused rate limits, old counters and the messages of
//! deleted chats;
//! returns unused connections and freed memory.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use crate::app::{AGREEMENT, App};
use crate::domain::error::Result;
use crate::store::{
    chats, checkpoint, counters as counter_rows, departures, invites, rate_limits, sessions, site,
    tickets,
};

use super::counters;
use super::tickets as tickets_action;
use super::unit::Unit;

/// How often old rows are removed.
pub const INTERVAL: Duration = Duration::from_secs(3_600);
/// How long an ended session is kept: every node has to notice it, and it helps to investigate a theft.
const KEEP: Duration = Duration::from_secs(86_400);

/// Timeout of each statement of a sweep: after a wave of password attempts, for example, there may be
/// millions of rows to remove.
const FORGETTING: Duration = Duration::from_secs(60);

/// How far a sweep may advance the moment up to which rows are removed.
pub(super) const STRIDE: Duration = Duration::from_secs(86_400);

/// How often database connections are checked, and after which time an unused one is closed.
pub const TRIM_INTERVAL: Duration = Duration::from_secs(60);
const UNUSED: Duration = Duration::from_secs(600);

/// How often messages of deleted chats are removed.
pub const PURGE_INTERVAL: Duration = Duration::from_secs(10);
/// Messages removed in one transaction.
const PURGED: i64 = 500;

/// How often SQLite's log is looked at. At 10,000 messages a second it grows by some 50 MiB in between.
pub const CHECKPOINT_INTERVAL: Duration = Duration::from_millis(250);

/// How often freed memory is returned to the system.
pub const MEMORY_INTERVAL: Duration = Duration::from_secs(2);
/// A size, in bytes, that the allocator takes directly from the system.
const LARGE: usize = 1 << 20;

/// The sweep. Several nodes may run it; the second one finds nothing to do.
///
/// Deleted rows do not come back when a clock is set right. So the database stores the moment up to which
/// rows count as old, and a sweep advances it by a day at most: a site whose clock is 100 days ahead runs
/// for days before it loses anything.
pub async fn forget(app: Arc<App>) -> Result<()> {
    let mut unit = Unit::begin(&app).await?;
    unit.tx.allow(Some(FORGETTING)).await?;
    let now = unit.now();
    let until = now.min(site::aged_until(&mut unit.tx).await?.plus(STRIDE));
    site::set_aged_until(&mut unit.tx, until).await?;
    tickets::forget_expired(&mut unit.tx, until, tickets_action::latest(now)).await?;
    rate_limits::forget_full(&mut unit.tx, until).await?;
    sessions::forget_over(&mut unit.tx, until.minus(KEEP)).await?;
    sessions::forget_spent_after(&mut unit.tx, now.plus(AGREEMENT)).await?;
    invites::forget(&mut unit.tx, until.minus(KEEP)).await?;
    departures::forget(&mut unit.tx, until.minus(KEEP)).await?;
    counter_rows::forget(&mut unit.tx, until.minus(counters::KEEP)).await?;
    unit.commit().await
}

/// Makes the allocator return freed memory. It keeps freed memory for a tenth of a second for reuse, and
/// checks it only when something large is freed, which may be hours after the last large picture. So
/// this frees something large.
pub async fn give_memory_back(_: Arc<App>) -> Result<()> {
    drop(black_box(Vec::<u8>::with_capacity(LARGE)));
    Ok(())
}

/// Copies SQLite's write-ahead log into the database.
pub async fn checkpoint(app: Arc<App>) -> Result<()> {
    Ok(checkpoint::checkpoint(&app.db).await?)
}

/// Removes the messages of deleted chats, in small batches, so that nobody waits long for the database.
pub async fn purge(app: Arc<App>) -> Result<()> {
    loop {
        let mut unit = Unit::begin(&app).await?;
        let Some(keys) = chats::purge(&mut unit.tx, PURGED).await? else { return Ok(()) };
        unit.discard_files(keys);
        unit.commit().await?;
    }
}

/// Closes database connections that were only needed in busier times.
pub async fn close_idle(app: Arc<App>) -> Result<()> {
    app.db.close_idle(UNUSED).await;
    Ok(())
}
