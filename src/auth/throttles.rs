//! Who has asked too often, on this node: calls, registrations and sends. Kept in memory of a fixed
//! size, whoever asks. (Tries of passwords are counted in the database, by `actions::attempts`.)

use std::hash::Hash;
use std::net::IpAddr;

use crate::domain::error::{Error, Result};
use crate::domain::ids::UserId;
use crate::domain::network::block;
use crate::domain::rate::{Rate, Rates};
use crate::domain::time::Timestamp;

use super::meter::Meter;

/// Frames of any kind that a socket may send for each send that its user may.
const FRAMES: i64 = 5;

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
