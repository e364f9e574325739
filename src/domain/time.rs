//! A point in time, to the microsecond, in UTC. Reading the clock is not done here: see `app::Clock`.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use time::OffsetDateTime;
use time::format_description::BorrowedFormatItem;
use time::format_description::well_known::Rfc3339;
use time::macros::format_description;

const RFC3339_MICROS: &[BorrowedFormatItem<'_>] =
    format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:6]Z");

/// Microseconds since 1970-01-01T00:00:00Z. Both databases store exactly this precision, so a time
/// reads back as it was written. Displayed as RFC 3339 with six digits and `Z`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Timestamp(i64);

impl Timestamp {
    /// Before everything that this program does.
    pub const MIN: Self = Self(0);
    /// The end of the year 9999, which both databases and RFC 3339 can hold.
    pub const MAX: Self = Self(253_402_300_799_999_999);

    /// From microseconds since the epoch.
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// Reads RFC 3339; without an offset, as UTC. What is finer than a microsecond is cut off.
    pub fn parse(text: &str) -> Option<Self> {
        let read = |text: &str| OffsetDateTime::parse(text, &Rfc3339).ok();
        let moment = read(text).or_else(|| read(&format!("{text}Z")))?;
        i64::try_from(moment.unix_timestamp_nanos().div_euclid(1000)).ok().map(Self)
    }

    /// Microseconds since the epoch.
    pub const fn micros(self) -> i64 {
        self.0
    }

    /// Whole seconds since the epoch, as JWT counts (RFC 7519, NumericDate).
    pub const fn seconds(self) -> i64 {
        self.0.div_euclid(1_000_000)
    }

    /// The time this much later. Saturates instead of wrapping.
    pub fn plus(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)))
    }

    /// The time this much earlier. Saturates instead of wrapping.
    pub fn minus(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)))
    }

    /// How much later this is than `earlier`; zero if it is not later.
    pub fn since(self, earlier: Self) -> Duration {
        let micros = self.0.saturating_sub(earlier.0);
        Duration::from_micros(u64::try_from(micros).unwrap_or_default())
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let moment = OffsetDateTime::from_unix_timestamp_nanos(i128::from(self.0) * 1000)
            .map_err(|_| fmt::Error)?;
        f.write_str(&moment.format(RFC3339_MICROS).map_err(|_| fmt::Error)?)
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Read from the databases' rows, not from JSON: clients send no times.
impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            return Err(de::Error::custom("a time is read from a row only"));
        }
        i64::deserialize(deserializer).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_shown_as_rfc3339_with_six_digits_and_z() {
        assert_eq!(Timestamp::from_micros(0).to_string(), "1970-01-01T00:00:00.000000Z");
        let moment = Timestamp::from_micros(1_795_305_600_000_042);
        assert_eq!(moment.to_string(), "2026-11-22T00:00:00.000042Z");
    }

    #[test]
    fn is_read_with_any_offset_and_cut_to_microseconds() {
        for (text, shown) in [
            ("2026-11-22T00:00:00.000042Z", "2026-11-22T00:00:00.000042Z"),
            ("2026-11-22T01:30:00.0000429+01:30", "2026-11-22T00:00:00.000042Z"),
            ("2026-11-22T00:00:00", "2026-11-22T00:00:00.000000Z"),
            ("1969-12-31T23:59:59.9999999Z", "1969-12-31T23:59:59.999999Z"),
        ] {
            assert_eq!(Timestamp::parse(text).expect("a time").to_string(), shown);
        }
        for rubbish in ["", "Z", "tomorrow", "2026-11-22", "2026-02-30T00:00:00Z", "5"] {
            assert_eq!(Timestamp::parse(rubbish), None, "{rubbish}");
        }
    }
}
