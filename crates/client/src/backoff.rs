//! Exponential backoff with full jitter: clients that lost the same server do not come back at the
//! same moment.

use std::time::Duration;

/// Delays between attempts. Each is random between zero and a bound that doubles.
#[derive(Clone, Debug)]
pub struct Backoff {
    base: Duration,
    cap: Duration,
    attempts: u32,
    rng: fastrand::Rng,
}

impl Backoff {
    /// The first delay is at most `base`, none is longer than `cap`.
    pub fn new(base: Duration, cap: Duration) -> Self {
        Self { base, cap, attempts: 0, rng: fastrand::Rng::new() }
    }

    /// The delay before the next attempt.
    pub fn next_delay(&mut self) -> Duration {
        let bound = self.base.saturating_mul(2_u32.saturating_pow(self.attempts)).min(self.cap);
        self.attempts = self.attempts.saturating_add(1);
        bound.mul_f64(self.rng.f64())
    }

    /// Starts over, after an attempt that succeeded.
    pub fn reset(&mut self) {
        self.attempts = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_grow_to_the_cap_and_are_jittered() {
        let (base, cap) = (Duration::from_millis(100), Duration::from_secs(5));
        let mut longest = [Duration::ZERO; 40];
        for seed in 0..500 {
            let rng = fastrand::Rng::with_seed(seed);
            let mut backoff = Backoff { rng, ..Backoff::new(base, cap) };
            for longest in &mut longest {
                *longest = backoff.next_delay().max(*longest);
            }
        }
        for (longest, bound) in longest.iter().zip([100, 200, 400, 800, 1600, 3200, 5000, 5000]) {
            let bound = Duration::from_millis(bound);
            assert!((bound / 2..=bound).contains(longest), "{longest:?} of {bound:?}");
        }
        assert!(longest[39] <= cap, "no overflow");
    }

    #[test]
    fn a_success_starts_over() {
        let mut backoff = Backoff::new(Duration::from_millis(1), Duration::from_secs(60));
        for _ in 0..20 {
            backoff.next_delay();
        }
        backoff.reset();
        assert!(backoff.next_delay() <= Duration::from_millis(1));
    }
}
