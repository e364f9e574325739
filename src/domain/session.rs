//! A login that lasts: one device of a user. Its id is the `sid` of its tokens.

use std::fmt;
use std::net::IpAddr;

use super::ids::SessionId;
use super::time::Timestamp;
use super::user::User;

/// Who is asking, and by which session. Made only by `actions::sessions` and `actions::tickets`, from
/// a token or ticket whose session was alive when they looked.
#[derive(Clone, Debug)]
pub struct Caller {
    /// The account, as it was when the request came.
    pub user: User,
    /// The device.
    pub session: SessionId,
}

/// A session as its owner sees it in the list of devices.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct SessionInfo {
    /// The `sid` of its tokens.
    pub id: SessionId,
    /// When the login was.
    pub created_at: Timestamp,
    /// When it was last seen in use, give or take a minute.
    pub last_used_at: Timestamp,
    /// Where the login came from.
    pub ip: String,
    /// With what.
    pub user_agent: String,
}

/// The tokens of one session, as a client keeps them.
#[derive(Clone)]
pub struct TokenPair {
    /// Short-lived; goes with every request.
    pub access: String,
    /// Long-lived and good for one use.
    pub refresh: String,
}

impl fmt::Debug for TokenPair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenPair")
    }
}

/// Where a login came from, as its owner sees it in the list of devices.
#[derive(Clone, Debug)]
pub struct Device {
    /// The client's address.
    pub ip: IpAddr,
    /// The `User-Agent`, cut to 200 characters.
    pub user_agent: String,
}
