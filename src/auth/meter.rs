//! Counts the uses of one rate limit by key, in memory of a fixed size, however many keys there are.
//! Knows neither what is counted nor what a key is.

use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use crate::domain::rate::Rate;
use crate::domain::time::Timestamp;

/// Each key has one cell in each row.
const ROWS: usize = 4;
/// Cells in a row. The four rows take half a megabyte.
const CELLS: usize = 1 << 14;

/// A rate limit per key, as a count-min sketch. Keys can share a cell, so each key has a cell in every
/// row, and is refused only if all of them are used up: other keys can use up a key's limit only if
/// they share every cell with it. Nobody can choose such keys, since the hash has a random seed.
#[derive(Debug)]
pub(super) struct Meter {
    /// The rate of every key.
    pub(super) rate: Rate,
    hasher: RandomState,
    /// When each limit is full again, in microseconds since the epoch (see [`Rate::take`]).
    cells: Box<[AtomicI64]>,
}

impl Meter {
    /// Nothing is used yet.
    pub(super) fn new(rate: Rate) -> Self {
        let cells = (0..ROWS * CELLS).map(|_| AtomicI64::new(0)).collect();
        Self { rate, hasher: RandomState::new(), cells }
    }

    /// Takes `weight` uses of a key's limit. The error says how long to wait.
    pub(super) fn take(&self, key: impl Hash, weight: u32, now: Timestamp) -> Result<(), Duration> {
        let hash = self.hasher.hash_one(key).to_le_bytes();
        let mut taken = Err(Duration::MAX);
        for (row, bytes) in self.cells.chunks(CELLS).zip(hash.chunks_exact(8 / ROWS)) {
            let index = bytes.iter().fold(0, |index, byte| index << 8 | usize::from(*byte));
            let one = self.take_cell(&row[index % CELLS], weight, now);
            // Counted in every cell that has room.
            taken = match (taken, one) {
                (Err(least), Err(wait)) => Err(wait.min(least)),
                _ => Ok(()),
            };
        }
        taken
    }

    fn take_cell(&self, cell: &AtomicI64, weight: u32, now: Timestamp) -> Result<(), Duration> {
        let mut full_at = cell.load(Ordering::Relaxed);
        loop {
            let next = self.rate.take(weight, Timestamp::from_micros(full_at), now)?.micros();
            match cell.compare_exchange_weak(full_at, next, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return Ok(()),
                Err(other) => full_at = other,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_micros(1_800_000_000_000_000);

    #[test]
    fn each_key_has_a_limit_of_its_own() {
        let meter = Meter::new(Rate::parse("2/min").expect("a rate"));
        for _ in 0..5 {
            meter.take("tom", 1, NOW).expect("allowed");
        }
        assert_eq!(meter.take("tom", 1, NOW), Err(Duration::from_secs(30)));
        meter.take("jerry", 1, NOW).expect("allowed");
        meter.take("tom", 1, NOW.plus(Duration::from_secs(30))).expect("allowed again");
    }

    #[test]
    fn many_keys_do_not_use_up_the_limit_of_others() {
        let meter = Meter::new(Rate::parse("2/min").expect("a rate"));
        for key in 0..20_000 {
            for _ in 0..2 {
                meter.take(key, 1, NOW).ok();
            }
        }
        let refused = (20_000..21_000).filter(|key| meter.take(key, 1, NOW).is_err()).count();
        assert!(refused < 50, "{refused} of 1000");
    }
}
