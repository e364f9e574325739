//! Forgets what is of no use any more: sessions long over, tickets that ran out, allowances that are
//! full again, and memory that was freed.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use crate::app::App;
use crate::domain::error::Result;
use crate::store::{chats, departures, sessions, throttles, tickets};

use super::unit::Unit;

/// How often.
pub const INTERVAL: Duration = Duration::from_secs(3_600);
/// How long a session that has ended is kept: every node has to notice, and someone who looks for
/// a thief wants to see it.
const KEEP: Duration = Duration::from_secs(86_400);

/// How long each statement of a turn may take: after a wave of tries of passwords, say, there may be
/// millions of rows to remove.
const FORGETTING: Duration = Duration::from_secs(60);

/// How often the leavings of chats are removed.
pub const PURGE_INTERVAL: Duration = Duration::from_secs(10);
/// Messages removed in one transaction.
const PURGED: i64 = 500;

/// How often freed memory is given back to the system.
pub const MEMORY_INTERVAL: Duration = Duration::from_secs(2);
/// Large enough for the allocator to take it from the system's pages, in bytes.
const LARGE: usize = 1 << 20;

/// One turn. Several nodes may do the same work; the second finds none.
pub async fn forget(app: Arc<App>) -> Result<()> {
    let now = app.clock.now();
    let mut unit = Unit::begin(&app).await?;
    unit.tx.allow(Some(FORGETTING)).await?;
    tickets::forget_expired(&mut unit.tx, now).await?;
    throttles::forget_full(&mut unit.tx, now).await?;
    sessions::forget_over(&mut unit.tx, now.minus(KEEP)).await?;
    departures::forget(&mut unit.tx, now.minus(KEEP)).await?;
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
