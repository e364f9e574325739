//! When the messages of a segment were sent, roughly: ranges of ids, each with its earliest and latest time.
//! So a search between two times reads few of the others. Ids are nearly in the order of time, but not quite.

use crate::domain::ids::MessageId;
use crate::domain::time::Timestamp;

use super::varint::{put, take};

/// Messages in a zone, at first.
const ZONE: usize = 256;
/// Most zones of a segment.
const ZONES_MAX: usize = 1_024;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Zone {
    first: i64,
    last: i64,
    earliest: i64,
    latest: i64,
}

impl Zone {
    fn with(self, other: Self) -> Self {
        Self {
            first: self.first.min(other.first),
            last: self.last.max(other.last),
            earliest: self.earliest.min(other.earliest),
            latest: self.latest.max(other.latest),
        }
    }
}

/// The zones of a segment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Zones(Vec<Zone>);

/// Ids between which messages of a time may be; both ends count.
pub type ZonesRange = (MessageId, MessageId);

impl Zones {
    pub(super) fn of(mut times: Vec<(MessageId, Timestamp)>) -> Self {
        times.sort_unstable();
        let zones = times.chunks(ZONE).filter_map(|chunk| {
            let zones = chunk.iter().map(|(id, at)| Zone {
                first: id.0,
                last: id.0,
                earliest: at.micros(),
                latest: at.micros(),
            });
            zones.reduce(Zone::with)
        });
        Self(zones.collect())
    }

    /// The zones of several segments together.
    pub fn merged(all: impl IntoIterator<Item = Self>) -> Self {
        let mut zones: Vec<_> = all.into_iter().flat_map(|zones| zones.0).collect();
        zones.sort_unstable();
        while zones.len() > ZONES_MAX {
            let pairs = zones.chunks(2).filter_map(|two| two.iter().copied().reduce(Zone::with));
            zones = pairs.collect();
        }
        Self(zones)
    }

    /// The ids between which messages may be that were sent after the one time and before the other, in order.
    pub fn between(&self, after: Option<Timestamp>, before: Option<Timestamp>) -> Vec<ZonesRange> {
        let is_met = |zone: &&Zone| {
            after.is_none_or(|after| zone.latest > after.micros())
                && before.is_none_or(|before| zone.earliest < before.micros())
        };
        let mut ranges: Vec<ZonesRange> = Vec::new();
        for zone in self.0.iter().filter(is_met) {
            match ranges.last_mut() {
                Some((_, last)) if zone.first <= last.0 + 1 => last.0 = last.0.max(zone.last),
                _ => ranges.push((MessageId(zone.first), MessageId(zone.last))),
            }
        }
        ranges
    }

    /// As bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.0.len() * 16);
        for Zone { first, last, earliest, latest } in &self.0 {
            for number in [first, last, earliest, latest] {
                put(&mut bytes, number.unsigned_abs());
            }
        }
        bytes
    }

    /// Of bytes; what is damaged is left out.
    pub fn of_bytes(mut bytes: &[u8]) -> Self {
        let mut number = || i64::try_from(take(&mut bytes)?).ok();
        let zone = || {
            Some(Zone { first: number()?, last: number()?, earliest: number()?, latest: number()? })
        };
        Self(std::iter::from_fn(zone).collect())
    }
}
