//! Rate limits as DRF writes them (`10/min`), and their arithmetic. Pure: the time is passed in, and
//! the whole state of a limit is one time.

use std::time::Duration;

use super::text::quoted;
use super::time::Timestamp;

/// A rate such as `10/min`. Bursts of up to 2.5 times the number are allowed; after a burst, uses are
/// allowed one by one, evenly spread (generic cell rate algorithm, GCRA).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    count: u32,
    period: Duration,
}

/// The rates of all limits; `None` is unlimited.
#[derive(Clone, Debug, Default)]
pub struct Rates {
    /// `THROTTLE_LOGIN`: login attempts for an account from an address.
    pub login: Option<Rate>,
    /// `THROTTLE_REGISTER`: registration attempts from an address.
    pub register: Option<Rate>,
    /// `THROTTLE_ANON`: requests without a valid token from an address.
    pub anon: Option<Rate>,
    /// `THROTTLE_USER`: requests and frames of a user.
    pub user: Option<Rate>,
    /// `THROTTLE_MESSAGES`: messages that a user sends, edits, deletes, reacts to or pins.
    pub messages: Option<Rate>,
    /// `THROTTLE_MEMBERS`: members that a user adds to groups.
    pub members: Option<Rate>,
    /// `THROTTLE_UPLOADS`: attachments that a user uploads.
    pub uploads: Option<Rate>,
    /// Reports to the staff, by a user.
    pub reports: Option<Rate>,
    /// Mails of one kind to one address.
    pub mails: Option<Rate>,
}

/// Between which times a limit has to be full again for a use to be allowed; see [`Rate::bounds`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// If the limit is full again by then, the use is allowed.
    pub latest: Timestamp,
    /// If it would be full again only after this, a clock was wrong: no use explains it, and nobody
    /// has to wait for it.
    pub absurd: Timestamp,
}

impl Rate {
    const fn new(count: u32, period: Duration) -> Self {
        Self { count, period }
    }

    /// A number per hour.
    pub const fn hourly(count: u32) -> Self {
        Self::new(count, Duration::from_secs(3_600))
    }

    /// Reads `10/min`, as DRF does: only the first letter of the period counts.
    pub fn parse(text: &str) -> Result<Self, String> {
        let error =
            || format!("must be a rate such as 10/min or 20/second, or off, not {}", quoted(text));
        let (count, period) = text.split_once('/').ok_or_else(error)?;
        let count: u32 = count.trim().parse().map_err(|_| error())?;
        let seconds = match period.trim().chars().next() {
            Some('s') => 1,
            Some('m') => 60,
            Some('h') => 3_600,
            Some('d') => 86_400,
            _ => return Err(error()),
        };
        if !(1..=1_000_000).contains(&count) {
            return Err(error());
        }
        Ok(Self::new(count, Duration::from_secs(seconds)))
    }

    /// The same period with `factor` times the number.
    pub fn times(self, factor: u32) -> Self {
        Self::new(self.count.saturating_mul(factor), self.period)
    }

    /// The interval between two uses after a burst; whole microseconds, as times are stored.
    pub fn interval(self) -> Duration {
        let micros = self.period.as_micros() / u128::from(self.count);
        Duration::from_micros(u64::try_from(micros).unwrap_or(u64::MAX).max(1))
    }

    /// How many uses are allowed at once.
    pub fn burst(self) -> u32 {
        self.count.saturating_mul(5) / 2
    }

    /// How long the limit takes to become full after a burst.
    pub fn capacity(self) -> Duration {
        self.cost(self.burst())
    }

    /// How much later the limit is full again for `weight` uses.
    pub fn cost(self, weight: u32) -> Duration {
        self.interval().saturating_mul(weight)
    }

    /// When the limit has to be full again for `weight` uses to be allowed now.
    pub fn bounds(self, weight: u32, now: Timestamp) -> Bounds {
        let full = now.plus(self.capacity());
        Bounds { latest: full.minus(self.cost(weight)), absurd: full.plus(self.capacity()) }
    }

    /// Takes `weight` uses at once, all or none, of a limit that is full again at `full_at`. Returns
    /// the new `full_at`; the error says how long to wait. More than [`Rate::burst`] is never allowed:
    /// then the error is the time that so many uses take.
    pub fn take(
        self,
        weight: u32,
        full_at: Timestamp,
        now: Timestamp,
    ) -> Result<Timestamp, Duration> {
        let Bounds { latest, absurd } = self.bounds(weight, now);
        let full_at = if full_at > absurd { latest } else { full_at };
        let from = full_at.max(now);
        match from.since(latest) {
            Duration::ZERO => Ok(from.plus(self.cost(weight))),
            wait => Err(wait),
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
            ("3/s", 333_333),
        ] {
            assert_eq!(rate(text).interval(), Duration::from_micros(interval), "{text}");
        }
        for bad in ["", "10", "/min", "0/min", "-1/s", "1.5/s", "10/week", "10/", "9999999/s"] {
            assert!(Rate::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn two_and_a_half_times_the_rate_at_once_then_one_by_one() {
        let rate = rate("10/min");
        let mut full_at = Timestamp::MIN;
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
        let full_at = rate.take(20, Timestamp::MIN, NOW).expect("allowed");
        assert_eq!(rate.take(6, full_at, NOW), Err(Duration::from_secs(6)));
        assert_eq!(rate.take(5, full_at, NOW), Ok(NOW.plus(Duration::from_secs(150))));
        // More than a burst is refused, even if nothing was used.
        assert_eq!(rate.take(26, Timestamp::MIN, NOW), Err(Duration::from_secs(6)));
        let absurd = NOW.plus(Duration::from_secs(7_200));
        assert!(
            rate.take(26, absurd, NOW).is_err()
                && rate.take(u32::MAX, Timestamp::MIN, NOW).is_err()
        );
    }

    #[test]
    fn a_clock_that_was_wrong_locks_nobody_out() {
        let rate = rate("10/min");
        let mut full_at = NOW.plus(Duration::from_secs(7_200));
        full_at = rate.take(1, full_at, NOW).expect("allowed");
        assert_eq!(rate.take(1, full_at, NOW), Err(Duration::from_secs(6)));
    }
}
