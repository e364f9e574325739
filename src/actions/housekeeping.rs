//! Forgets what is of no use any more: sessions long over, tickets that ran out, allowances that are
//! full again, and memory that was freed.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use crate::app::{AGREEMENT, App};
use crate::domain::error::Result;
use crate::store::{chats, departures, sessions, site, throttles, tickets};

use super::tickets as tickets_action;
use super::unit::Unit;

/// How often.
pub const INTERVAL: Duration = Duration::from_secs(3_600);
/// How long a session that has ended is kept: every node has to notice, and someone who looks for
/// a thief wants to see it.
const KEEP: Duration = Duration::from_secs(86_400);

/// How long each statement of a turn may take: after a wave of tries of passwords, say, there may be
/// millions of rows to remove.
const FORGETTING: Duration = Duration::from_secs(60);

/// How far one turn may move the moment up to which old rows are removed.
const STRIDE: Duration = Duration::from_secs(86_400);

/// How often connections to the database are looked at, and for how long one has to be unused to be
/// closed.
pub const TRIM_INTERVAL: Duration = Duration::from_secs(60);
const UNUSED: Duration = Duration::from_secs(600);

/// How often the leavings of chats are removed.
pub const PURGE_INTERVAL: Duration = Duration::from_secs(10);
/// Messages removed in one transaction.
const PURGED: i64 = 500;

/// How often freed memory is given back to the system.
pub const MEMORY_INTERVAL: Duration = Duration::from_secs(2);
/// Large enough for the allocator to take it from the system's pages, in bytes.
const LARGE: usize = 1 << 20;

/// One turn. Several nodes may do the same work; the second finds none.
///
/// Deleted rows do not come back when a clock is set right. So the database keeps the moment up to which rows
/// count as old, and a turn moves it by a day at most: a site whose clock is 100 days ahead runs for days
/// before it loses anything.
pub async fn forget(app: Arc<App>) -> Result<()> {
    let mut unit = Unit::begin(&app).await?;
    unit.tx.allow(Some(FORGETTING)).await?;
    let now = unit.now();
    let until = now.min(site::aged_until(&mut unit.tx).await?.plus(STRIDE));
    site::set_aged_until(&mut unit.tx, until).await?;
    tickets::forget_expired(&mut unit.tx, until, tickets_action::latest(now)).await?;
    throttles::forget_full(&mut unit.tx, until).await?;
    sessions::forget_over(&mut unit.tx, until.minus(KEEP)).await?;
    sessions::forget_spent_after(&mut unit.tx, now.plus(AGREEMENT)).await?;
    departures::forget(&mut unit.tx, until.minus(KEEP)).await?;
    unit.commit().await
}

/// Has the allocator give freed memory back. It keeps what was freed for a tenth of a second, in
/// case it is asked for again, and looks at it next when something large is freed, which after a
/// large picture may be hours later. So something large is freed.
pub async fn give_memory_back(_: Arc<App>) -> Result<()> {
    drop(black_box(Vec::<u8>::with_capacity(LARGE)));
    Ok(())
}

/// Removes what chats that were ended left behind, a little at a time so that nobody waits long for
/// the database.
pub async fn purge(app: Arc<App>) -> Result<()> {
    loop {
        let mut unit = Unit::begin(&app).await?;
        let more = chats::purge(&mut unit.tx, PURGED).await?;
        unit.commit().await?;
        if !more {
            return Ok(());
        }
    }
}

/// Gives connections back to the database that were needed in busier times.
pub async fn close_idle(app: Arc<App>) -> Result<()> {
    app.db.close_idle(UNUSED).await;
    Ok(())
}
