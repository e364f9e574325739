//! Rate limits as DRF writes them (`10/min`), and their arithmetic. Pure: the time is passed in, and
//! the whole state of a limit is one time.

use std::time::Duration;

use super::time::Timestamp;

/// So many in a while, such as `10/min`. Two and a half times as many may come at once; after that
/// they are allowed one by one, evenly spread (the generic cell rate algorithm).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    count: i64,
    /// In microseconds.
    period: i64,
}

/// How often what may be done; what is `None` is not limited.
#[derive(Clone, Debug, Default)]
pub struct Rates {
    /// `THROTTLE_LOGIN`: tries of a password, an account and address.
    pub login: Option<Rate>,
    /// `THROTTLE_REGISTER`: an address.
    pub register: Option<Rate>,
    /// `THROTTLE_ANON`: calls without a valid token, an address.
    pub anon: Option<Rate>,
    /// `THROTTLE_USER`: calls of a user.
    pub user: Option<Rate>,
    /// `THROTTLE_MESSAGES`: sends of a user.
    pub messages: Option<Rate>,
    /// `THROTTLE_MEMBERS`: people whom a user adds to groups.
    pub members: Option<Rate>,
    /// Mails of one kind to one address.
    pub mails: Option<Rate>,
}

impl Rate {
    const fn new(count: i64, period: i64) -> Self {
        Self { count, period }
    }

    /// So many an hour.
    pub const fn hourly(count: u32) -> Self {
        Self::new(count as i64, 3_600_000_000)
    }

    /// Reads `10/min`, as DRF does: of the period only the first letter counts.
    pub fn parse(text: &str) -> Result<Self, String> {
        let fault = || format!("must be a rate such as 10/min or 20/second, or off, not {text:?}");
        let (count, period) = text.split_once('/').ok_or_else(fault)?;
        let count: i64 = count.trim().parse().map_err(|_| fault())?;
        let seconds = match period.trim().chars().next() {
            Some('s') => 1,
            Some('m') => 60,
            Some('h') => 3_600,
            Some('d') => 86_400,
            _ => return Err(fault()),
        };
        if !(1..=1_000_000).contains(&count) {
            return Err(fault());
        }
        Ok(Self::new(count, seconds * 1_000_000))
    }

    /// So many times as often.
    pub fn times(self, factor: i64) -> Self {
        Self::new(self.count * factor, self.period)
    }

    /// Between two, once the burst is used up, in microseconds.
    pub fn interval(self) -> i64 {
        (self.period / self.count).max(1)
    }

    /// How many are allowed at once.
    pub fn burst(self) -> i64 {
        self.count * 5 / 2
    }

    /// How long an allowance that is used up takes to fill, in microseconds.
    pub fn capacity(self) -> i64 {
        self.burst() * self.interval()
    }

    /// What `weight` uses take off an allowance, in microseconds.
    pub fn cost(self, weight: i64) -> i64 {
        weight.saturating_mul(self.interval())
    }

    /// The latest time at which an allowance that admits `weight` more is full again; and a time so
    /// far off that no use explains it: a clock was wrong, and nobody has to wait for it.
    pub fn bounds(self, weight: i64, now: Timestamp) -> (i64, i64) {
        let (now, capacity) = (now.micros(), self.capacity());
        (now + capacity - self.cost(weight), now + 2 * capacity)
    }

    /// Takes `weight` uses at once, all or none, of an allowance that is full again at `full_at`.
    /// Returns the new `full_at`; both are microseconds since the epoch. The error says how long to
    /// wait. More than [`Rate::burst`] is never allowed: the error then is how long so many take.
    pub fn take(self, weight: i64, full_at: i64, now: Timestamp) -> Result<i64, Duration> {
        let (latest, absurd) = self.bounds(weight, now);
        let full_at = if full_at > absurd { latest } else { full_at };
        let from = full_at.max(now.micros());
        match from.saturating_sub(latest) {
            wait @ 1.. => Err(Duration::from_micros(wait.unsigned_abs())),
            _ => Ok(from + self.cost(weight)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_micros(1_800_000_000_000_000);

    fn rate(text: &str) -> Rate {
        Rate::parse(text).expect("a rate")
    }

    #[test]
    fn rates_are_read_as_drf_reads_them() {
        for (text, interval) in [
            ("10/min", 6_000_000),
            ("5/m", 12_000_000),
            ("20/second", 50_000),
            ("20/hour", 180_000_000),
            (" 1 / day", 86_400_000_000),
        ] {
            assert_eq!(rate(text).interval(), interval, "{text}");
        }
        for bad in ["", "10", "/min", "0/min", "-1/s", "1.5/s", "10/week", "10/", "9999999/s"] {
            assert!(Rate::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn two_and_a_half_times_the_rate_at_once_then_one_by_one() {
        let rate = rate("10/min");
        let mut full_at = 0;
        for _ in 0..25 {
            full_at = rate.take(1, full_at, NOW).expect("allowed");
        }
        assert_eq!(rate.take(1, full_at, NOW), Err(Duration::from_secs(6)));
        let almost = NOW.plus(Duration::from_micros(5_999_999));
        assert_eq!(rate.take(1, full_at, almost), Err(Duration::from_micros(1)));
        let then = NOW.plus(Duration::from_secs(6));
        full_at = rate.take(1, full_at, then).expect("allowed");
        assert!(rate.take(1, full_at, then).is_err());
    }

    #[test]
    fn several_are_taken_together_or_not_at_all() {
        let rate = rate("10/min");
        let full_at = rate.take(20, 0, NOW).expect("allowed");
        assert_eq!(rate.take(6, full_at, NOW), Err(Duration::from_secs(6)));
        assert_eq!(rate.take(5, full_at, NOW), Ok(NOW.plus(Duration::from_secs(150)).micros()));
        // More than may come at once is refused, however full the allowance is.
        assert_eq!(rate.take(26, 0, NOW), Err(Duration::from_secs(6)));
        let absurd = NOW.plus(Duration::from_secs(7_200)).micros();
        assert!(rate.take(26, absurd, NOW).is_err() && rate.take(i64::MAX, 0, NOW).is_err());
    }

    #[test]
    fn a_clock_that_was_wrong_locks_nobody_out() {
        let rate = rate("10/min");
        let mut full_at = NOW.plus(Duration::from_secs(7_200)).micros();
        full_at = rate.take(1, full_at, NOW).expect("allowed");
        assert_eq!(rate.take(1, full_at, NOW), Err(Duration::from_secs(6)));
    }
}
