//! Waiting for a state that no event announces, such as a row that a background task writes. Where
//! there is an event, a test awaits that instead.

use std::time::Duration;

use tokio::time::{Instant, sleep};

/// The pause between two looks. It leaves the processor to what is awaited.
const PAUSE: Duration = Duration::from_millis(2);

/// Calls `look` until it returns `Some`, and returns what is inside. Panics with `what` if that takes
/// longer than `deadline`.
pub async fn eventually<T>(
    deadline: Duration,
    what: &str,
    mut look: impl AsyncFnMut() -> Option<T>,
) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(start.elapsed() < deadline, "waited {deadline:?} in vain: {what}");
        sleep(PAUSE).await;
    }
}
