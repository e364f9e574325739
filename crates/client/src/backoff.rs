//! How long to wait before the next try: exponential, with full jitter, so that clients who lost
//! the same server do not come back at the same moment.

use std::time::Duration;

/// Waits that grow: each is anything from nothing to a bound that doubles.
#[derive(Clone, Debug)]
pub struct Backoff {
    base: Duration,
    cap: Duration,
    tries: u32,
    rng: fastrand::Rng,
}

impl Backoff {
    /// The first wait is at most `base`, none is longer than `cap`.
    pub fn new(base: Duration, cap: Duration) -> Self {
        Self { base, cap, tries: 0, rng: fastrand::Rng::new() }
    }

    /// The next wait.
    pub fn next_wait(&mut self) -> Duration {
        let bound = self.base.saturating_mul(2_u32.saturating_pow(self.tries)).min(self.cap);
        self.tries = self.tries.saturating_add(1);
        bound.mul_f64(self.rng.f64())
    }

    /// Begins anew: the last try succeeded.
    pub fn reset(&mut self) {
        self.tries = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_the_cap_and_are_spread() {
        let (base, cap) = (Duration::from_millis(100), Duration::from_secs(5));
        let mut longest = [Duration::ZERO; 40];
        for seed in 0..500 {
            let rng = fastrand::Rng::with_seed(seed);
            let mut backoff = Backoff { rng, ..Backoff::new(base, cap) };
            for longest in &mut longest {
                *longest = backoff.next_wait().max(*longest);
            }
        }
        for (longest, bound) in longest.iter().zip([100, 200, 400, 800, 1600, 3200, 5000, 5000]) {
            let bound = Duration::from_millis(bound);
            assert!((bound / 2..=bound).contains(longest), "{longest:?} of {bound:?}");
        }
        assert!(longest[39] <= cap, "no overflow");
    }

    #[test]
    fn a_success_begins_anew() {
        let mut backoff = Backoff::new(Duration::from_millis(1), Duration::from_secs(60));
        for _ in 0..20 {
            backoff.next_wait();
        }
        backoff.reset();
        assert!(backoff.next_wait() <= Duration::from_millis(1));
    }
}
