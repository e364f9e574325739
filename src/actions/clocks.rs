//! Keeps the node's time in step with the database's, and warns when the system clock is off.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use crate::app::{AGREEMENT, App};
use crate::domain::error::Result;

use super::housekeeping;

/// How often the time is compared.
pub const INTERVAL: Duration = Duration::from_secs(5);

/// Follows the database's clock. `logged` is the offset of the system clock that was logged last, in
/// milliseconds.
pub async fn follow(app: Arc<App>, logged: Arc<AtomicI64>) -> Result<()> {
    catch_up(&app).await?;
    let offset_ms = app.clock.system_offset_ms();
    if should_log(offset_ms, logged.load(Ordering::Relaxed)) {
        logged.store(offset_ms, Ordering::Relaxed);
        match is_off(offset_ms) {
            true => tracing::warn!(offset_ms, "the system clock is off; see docs/clocks.md"),
            false => tracing::info!(offset_ms, "the system clock is correct again"),
        }
    }
    Ok(())
}

/// Compares the time with the database's and corrects it. Where it went back, rows that are dated later are
/// removed.
pub(super) async fn catch_up(app: &Arc<App>) -> Result<()> {
    let Some(micros) = app.clock.follow(&app.db).await? else { return Ok(()) };
    tracing::warn!(
        jump_ms = micros / 1_000,
        "time jumped: the database's clock (with SQLite: the system clock) was set"
    );
    if micros < 0 {
        housekeeping::forget(Arc::clone(app)).await?;
    }
    Ok(())
}

/// Whether a system clock is off by more than the nodes' tolerance.
pub(super) fn is_off(offset_ms: i64) -> bool {
    u128::from(offset_ms.unsigned_abs()) > AGREEMENT.as_millis()
}

/// Whether an offset is logged: it is new, is gone, or has changed by more than half.
fn should_log(offset_ms: i64, logged: i64) -> bool {
    match (is_off(offset_ms), is_off(logged)) {
        (true, true) => offset_ms.abs_diff(logged) > logged.unsigned_abs() / 2,
        (now, before) => now != before,
    }
}

#[cfg(test)]
mod tests {
    use super::should_log;

    #[test]
    fn an_offset_is_logged_once_and_again_when_it_changes() {
        for (offset_ms, logged) in [(30_000, 0), (-2_000, 0), (0, 2_000), (2_000, -2_000)] {
            assert!(should_log(offset_ms, logged), "{offset_ms} after {logged}");
        }
        assert!(should_log(3_600_000, 30_000));
        for (offset_ms, logged) in
            [(0, 0), (900, 0), (-900, 900), (30_100, 30_000), (20_000, 30_000)]
        {
            assert!(!should_log(offset_ms, logged), "{offset_ms} after {logged}");
        }
    }
}
