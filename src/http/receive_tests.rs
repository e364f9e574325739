//! Bodies that arrive slowly, or not at all, in paused time.

use std::convert::Infallible;

use axum::body::{Body, Bytes};
use futures_util::stream;
use tokio::time::sleep;

use super::*;

const TOO_LARGE: &str = "too large";
const MAX: usize = 5 << 20;

/// A body of `size` bytes that arrives at a steady rate, in pieces of half a second. After `stall` bytes
/// nothing more arrives, not even the end.
fn request(size: usize, per_second: usize, stall: Option<usize>) -> Request {
    let piece = per_second.div_ceil(2);
    let pieces = stream::unfold(0, move |sent| async move {
        if stall.is_some_and(|stall| sent >= stall) {
            std::future::pending::<()>().await;
        }
        sleep(Duration::from_millis(500)).await;
        let next = piece.min(size - sent);
        (next > 0).then(|| (Ok::<_, Infallible>(Bytes::from(vec![7; next])), sent + next))
    });
    Request::new(Body::from_stream(pieces))
}

/// The result, and after how many seconds.
async fn received(request: Request) -> (Result<usize>, u64) {
    let start = Instant::now();
    let spool = receive(request, BodyLimits::new(MAX, TOO_LARGE)).await;
    let received = match spool {
        Ok(spool) => {
            let len = spool.len();
            let bytes = spool.into_bytes().await.expect("read back");
            assert!(bytes.len() == len && bytes.iter().all(|byte| *byte == 7));
            Ok(len)
        }
        Err(error) => Err(error),
    };
    (received, start.elapsed().as_secs())
}

#[tokio::test(start_paused = true)]
async fn a_large_body_may_come_by_a_slow_line() {
    let (received, seconds) = received(request(3_000_000, 40_000, None)).await;
    assert_eq!(received.expect("received"), 3_000_000);
    assert!(seconds >= 75, "{seconds}");
}

#[tokio::test(start_paused = true)]
async fn a_body_that_stalls_is_cut_off() {
    for (request, least, most) in [
        (request(10, 10, Some(0)), 20, 20),
        (request(1 << 20, 1 << 20, Some(1 << 19)), 20, 40),
        (request(1 << 20, 900, None), 20, 20),
        (request(MAX, 2_000, None), 600, 600),
    ] {
        let (received, seconds) = received(request).await;
        assert!(matches!(received, Err(Error::Malformed(_))), "{received:?}");
        assert!((least..=most).contains(&seconds), "{seconds}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_has_a_size_at_most() {
    assert_eq!(received(request(MAX, MAX, None)).await.0.expect("received"), MAX);
    let (received, _) = received(request(MAX + 1, MAX, None)).await;
    assert!(matches!(received, Err(Error::TooLarge(TOO_LARGE))), "{received:?}");
    let (received, _) = self::received(Request::new(Body::empty())).await;
    assert_eq!(received.expect("received"), 0);
}
