//! The rate limits of this node: requests, registrations and sends. Kept in memory of a fixed size,
//! however many users and addresses there are. (Password attempts are counted in the database, by
//! `actions::attempts`.)

use std::hash::Hash;
use std::net::IpAddr;

use crate::domain::error::{Error, Result};
use crate::domain::ids::UserId;
use crate::domain::network::block;
use crate::domain::rate::{Rate, Rates};
use crate::domain::time::Timestamp;

use super::meter::Meter;

/// Frames of any kind that a socket may send for each message that its user may.
const FRAMES_PER_MESSAGE: u32 = 5;

/// The limits, and what is used of them.
#[derive(Debug)]
pub struct RateLimits {
    /// Password attempts. This and the next three are counted in the database, by `actions::attempts`.
    pub login: Option<Rate>,
    /// Members added to groups.
    pub members: Option<Rate>,
    /// Reports to the staff.
    pub reports: Option<Rate>,
    /// Mails of one kind to one address.
    pub mails: Option<Rate>,
    /// Frames of one socket, which counts them itself.
    pub frames: Option<Rate>,
    register: Option<Meter>,
    anon: Option<Meter>,
    user: Option<Meter>,
    guesses: Option<Meter>,
    messages: Option<Meter>,
    uploads: Option<Meter>,
}

impl RateLimits {
    /// Nothing is used yet.
    pub fn new(rates: &Rates) -> Self {
        Self {
            login: rates.login,
            members: rates.members,
            reports: rates.reports,
            mails: rates.mails,
            frames: rates.messages.map(|rate| rate.times(FRAMES_PER_MESSAGE)),
            register: rates.register.map(Meter::new),
            anon: rates.anon.map(Meter::new),
            user: rates.user.map(Meter::new),
            guesses: rates.login.map(Meter::new),
            messages: rates.messages.map(Meter::new),
            uploads: rates.uploads.map(Meter::new),
        }
    }

    /// Counts a request without a valid token. Over the limit, all of these return
    /// [`Error::Throttled`].
    pub fn anonymous(&self, address: IpAddr, now: Timestamp) -> Result<()> {
        take(self.anon.as_ref(), block(address), 1, now)
    }

    /// Counts a request or frame of a user, which counts as `weight` requests, but at most as a whole
    /// burst: otherwise it would never be allowed.
    pub fn user(&self, user: UserId, weight: u32, now: Timestamp) -> Result<()> {
        let Some(meter) = &self.user else { return Ok(()) };
        meter.take(user.0, weight.min(meter.rate.burst()), now).map_err(Error::Throttled)
    }

    /// Counts a registration attempt.
    pub fn registration(&self, address: IpAddr, now: Timestamp) -> Result<()> {
        take(self.register.as_ref(), block(address), 1, now)
    }

    /// Counts an attempt to change a username or e-mail address: whether a name is taken shows as in a
    /// registration. Counts for the address, together with registrations, and for the user.
    pub fn name_probe(&self, user: UserId, address: IpAddr, now: Timestamp) -> Result<()> {
        self.registration(address, now)?;
        take(self.register.as_ref(), user.0, 1, now)
    }

    /// Counts a code of an invite that does not exist: as many as password attempts.
    pub fn guess(&self, user: UserId, now: Timestamp) -> Result<()> {
        take(self.guesses.as_ref(), user.0, 1, now)
    }

    /// Counts a message that is sent, edited or deleted.
    pub fn message(&self, user: UserId, now: Timestamp) -> Result<()> {
        self.messages(user, 1, now)
    }

    /// Counts so many messages that are sent at once.
    pub fn messages(&self, user: UserId, count: u32, now: Timestamp) -> Result<()> {
        take(self.messages.as_ref(), user.0, count, now)
    }

    /// Counts an attachment that is uploaded.
    pub fn upload(&self, user: UserId, now: Timestamp) -> Result<()> {
        take(self.uploads.as_ref(), user.0, 1, now)
    }
}

fn take(meter: Option<&Meter>, key: impl Hash, weight: u32, now: Timestamp) -> Result<()> {
    meter.map_or(Ok(()), |meter| meter.take(key, weight, now)).map_err(Error::Throttled)
}
