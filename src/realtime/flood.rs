//! The rate limit of one socket's frames: two GCRA buckets, for accepted and for rejected frames. Pure: the
//! time is passed in.

use std::time::Duration;

use tokio::time::Instant;

use crate::domain::rate::Rate;
use crate::domain::time::Timestamp;

/// The rate limiter of a socket.
#[derive(Debug)]
pub(super) struct FrameLimiter {
    /// `None`: unlimited.
    rate: Option<Rate>,
    began: Instant,
    /// The state of the bucket of accepted frames, and of that of rejected ones.
    accepted: Timestamp,
    rejected: Timestamp,
}

/// The decision about a frame.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum FrameVerdict {
    /// It is accepted.
    Accept,
    /// It is rejected; after this long the next one would be accepted.
    Reject(Duration),
    /// So many were rejected that the socket is closed.
    Close,
}

impl FrameLimiter {
    pub(super) fn new(rate: Option<Rate>, now: Instant) -> Self {
        Self { rate, began: now, accepted: Timestamp::MIN, rejected: Timestamp::MIN }
    }

    /// Counts a frame of any kind.
    pub(super) fn count(&mut self, now: Instant) -> FrameVerdict {
        let Some(rate) = self.rate else {
            return FrameVerdict::Accept;
        };
        let now = Timestamp::MIN.plus(now - self.began);
        let wait = match rate.take(1, self.accepted, now) {
            Ok(accepted) => {
                self.accepted = accepted;
                return FrameVerdict::Accept;
            }
            Err(wait) => wait,
        };
        match rate.take(1, self.rejected, now) {
            Ok(rejected) => {
                self.rejected = rejected;
                FrameVerdict::Reject(wait)
            }
            Err(_) => FrameVerdict::Close,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_that_goes_on_after_rejections_is_closed() {
        let now = Instant::now();
        let mut limiter = FrameLimiter::new(Some(Rate::parse("2/second").expect("a rate")), now);
        let verdicts: Vec<_> = (0..11).map(|_| limiter.count(now)).collect();
        let rejected = FrameVerdict::Reject(Duration::from_millis(500));
        assert!(
            verdicts[..5].iter().all(|verdict| *verdict == FrameVerdict::Accept),
            "{verdicts:?}"
        );
        assert!(verdicts[5..10].iter().all(|verdict| *verdict == rejected), "{verdicts:?}");
        assert_eq!(verdicts[10], FrameVerdict::Close);
        assert_eq!(
            limiter.count(now + Duration::from_millis(500)),
            FrameVerdict::Accept,
            "after waiting"
        );
    }

    #[test]
    fn without_a_limit_everything_is_accepted() {
        let now = Instant::now();
        let mut limiter = FrameLimiter::new(None, now);
        assert!((0..10_000).all(|_| limiter.count(now) == FrameVerdict::Accept));
    }
}
