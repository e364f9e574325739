//! Who has asked too often, on this node: calls, registrations and sends. Kept in memory of a fixed
//! size, whoever asks. (Tries of passwords are counted in the database, by `actions::attempts`.)

use std::hash::{BuildHasher, Hash, RandomState};
use std::net::IpAddr;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use crate::domain::error::{Error, Result};
use crate::domain::ids::UserId;
use crate::domain::network::block;
use crate::domain::rate::{Rate, Rates};
use crate::domain::time::Timestamp;

/// Frames of any kind that a socket may send for each send that its user may.
const FRAMES: i64 = 5;
/// Each key has one cell in each row.
const ROWS: usize = 4;
/// Cells in a row. Four rows come to half a megabyte a limit.
const CELLS: usize = 1 << 14;

/// The limits of a node, and how much of them is used.
#[derive(Debug)]
pub struct Throttles {
    /// Tries of a password; counted in the database, by `actions::attempts`, like the next two.
    pub login: Option<Rate>,
    /// People added to groups.
    pub members: Option<Rate>,
    /// Mails of one kind to one address.
    pub mails: Option<Rate>,
    /// Frames of a socket; counted by the socket.
    pub frames: Option<Rate>,
    register: Option<Meter>,
    anon: Option<Meter>,
    user: Option<Meter>,
    messages: Option<Meter>,
}

impl Throttles {
    /// With nothing used.
    pub fn new(rates: &Rates) -> Self {
        Self {
            login: rates.login,
            members: rates.members,
            mails: rates.mails,
            frames: rates.messages.map(|rate| rate.times(FRAMES)),
            register: rates.register.map(Meter::new),
            anon: rates.anon.map(Meter::new),
            user: rates.user.map(Meter::new),
            messages: rates.messages.map(Meter::new),
        }
    }

    /// A call without a valid token. [`Error::Throttled`], as from all of these, where too many
    /// came.
    pub fn anonymous(&self, address: IpAddr, now: Timestamp) -> Result<()> {
        take(self.anon.as_ref(), block(address), 1, now)
    }

    /// A call or a socket's frame of a user that counts as `weight` calls; as a whole burst at most, so that none is
    /// out of reach for ever.
    pub fn user(&self, user: UserId, weight: i64, now: Timestamp) -> Result<()> {
        let Some(meter) = &self.user else { return Ok(()) };
        meter.take(user.0, weight.min(meter.rate.burst()), now).map_err(Error::Throttled)
    }

    /// A try to make an account.
    pub fn registration(&self, address: IpAddr, now: Timestamp) -> Result<()> {
        take(self.register.as_ref(), block(address), 1, now)
    }

    /// A try of a username or address by somebody who has an account: whether it is taken tells as
    /// much as a registration does. Counted for the address, with registrations, and for the user.
    pub fn name_probe(&self, user: UserId, address: IpAddr, now: Timestamp) -> Result<()> {
        self.registration(address, now)?;
        take(self.register.as_ref(), user.0, 1, now)
    }

    /// A message sent, edited or deleted.
    pub fn message(&self, user: UserId, now: Timestamp) -> Result<()> {
        take(self.messages.as_ref(), user.0, 1, now)
    }
}

fn take(meter: Option<&Meter>, key: impl Hash, weight: i64, now: Timestamp) -> Result<()> {
    meter.map_or(Ok(()), |meter| meter.take(key, weight, now)).map_err(Error::Throttled)
}

/// Allowances by key. Keys share cells by chance, so each has several, and is refused only where
/// all of them are used up: to be refused for others' sake, one would have to meet them in every
/// row. Which keys meet nobody can foresee, since the hash has a random key.
#[derive(Debug)]
struct Meter {
    rate: Rate,
    hasher: RandomState,
    /// When each allowance is full again, in microseconds.
    cells: Box<[AtomicI64]>,
}

impl Meter {
    fn new(rate: Rate) -> Self {
        let cells = (0..ROWS * CELLS).map(|_| AtomicI64::new(0)).collect();
        Self { rate, hasher: RandomState::new(), cells }
    }

    fn take(&self, key: impl Hash, weight: i64, now: Timestamp) -> Result<(), Duration> {
        let hash = self.hasher.hash_one(key).to_le_bytes();
        let mut taken = Err(Duration::MAX);
        for (row, bytes) in self.cells.chunks(CELLS).zip(hash.chunks_exact(8 / ROWS)) {
            let place = bytes.iter().fold(0, |place, byte| place << 8 | usize::from(*byte));
            let one = self.take_cell(&row[place % CELLS], weight, now);
            // Every cell counts it, as far as it can.
            taken = match (taken, one) {
                (Err(least), Err(wait)) => Err(wait.min(least)),
                _ => Ok(()),
            };
        }
        taken
    }

    fn take_cell(&self, cell: &AtomicI64, weight: i64, now: Timestamp) -> Result<(), Duration> {
        let mut full_at = cell.load(Ordering::Relaxed);
        loop {
            let next = self.rate.take(weight, full_at, now)?;
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
    fn each_key_has_an_allowance_of_its_own() {
        let meter = Meter::new(Rate::parse("2/min").expect("a rate"));
        for _ in 0..5 {
            meter.take("tom", 1, NOW).expect("allowed");
        }
        assert_eq!(meter.take("tom", 1, NOW), Err(Duration::from_secs(30)));
        meter.take("jerry", 1, NOW).expect("allowed");
        meter.take("tom", 1, NOW.plus(Duration::from_secs(30))).expect("allowed again");
    }

    #[test]
    fn a_crowd_does_not_use_up_the_allowance_of_others() {
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
