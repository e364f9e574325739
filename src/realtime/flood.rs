//! Whether a socket is sent too much through: a machine of two allowances, told the time.

use std::time::Duration;

use tokio::time::Instant;

use crate::domain::rate::Rate;
use crate::domain::time::Timestamp;

/// How many frames a socket may still send, and how many may still be refused.
#[derive(Debug)]
pub(super) struct Flood {
    /// None: as many as it likes.
    rate: Option<Rate>,
    began: Instant,
    frames: i64,
    refusals: i64,
}

/// What becomes of a frame.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Flow {
    /// It is read.
    Pass,
    /// It is refused; this long later one would not be.
    Refuse(Duration),
    /// So many were refused that the socket is closed.
    Close,
}

impl Flood {
    pub(super) fn new(rate: Option<Rate>, now: Instant) -> Self {
        Self { rate, began: now, frames: 0, refusals: 0 }
    }

    /// A frame came, of any kind.
    pub(super) fn frame(&mut self, now: Instant) -> Flow {
        let Some(rate) = self.rate else {
            return Flow::Pass;
        };
        let elapsed = i64::try_from((now - self.began).as_micros()).unwrap_or(i64::MAX / 2);
        let now = Timestamp::from_micros(elapsed);
        let wait = match rate.take(1, self.frames, now) {
            Ok(frames) => {
                self.frames = frames;
                return Flow::Pass;
            }
            Err(wait) => wait,
        };
        match rate.take(1, self.refusals, now) {
            Ok(refusals) => {
                self.refusals = refusals;
                Flow::Refuse(wait)
            }
            Err(_) => Flow::Close,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_goes_on_after_being_refused_is_closed() {
        let now = Instant::now();
        let mut flood = Flood::new(Some(Rate::parse("2/second").expect("a rate")), now);
        let flow: Vec<_> = (0..11).map(|_| flood.frame(now)).collect();
        let refused = Flow::Refuse(Duration::from_millis(500));
        assert!(flow[..5].iter().all(|flow| *flow == Flow::Pass), "{flow:?}");
        assert!(flow[5..10].iter().all(|flow| *flow == refused), "{flow:?}");
        assert_eq!(flow[10], Flow::Close);
        assert_eq!(flood.frame(now + Duration::from_millis(500)), Flow::Pass, "had it waited");
    }

    #[test]
    fn without_a_limit_everything_passes() {
        let now = Instant::now();
        let mut flood = Flood::new(None, now);
        assert!((0..10_000).all(|_| flood.frame(now) == Flow::Pass));
    }
}
