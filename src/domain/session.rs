//! Sessions: a session is one login on one device. Its id is the `sid` of its tokens.

use serde::Deserialize;

use std::fmt;
use std::net::IpAddr;

use super::ids::SessionId;
use super::time::Timestamp;
use super::user::User;

/// An authenticated caller. Made only by `actions::sessions` and `actions::tickets`, from a token or
/// ticket whose session was alive when they checked.
#[derive(Clone, Debug)]
pub struct Caller {
    /// The account, as it was when the request arrived.
    pub user: User,
    /// The session.
    pub session: SessionId,
}

/// A session as its user sees it in the list of sessions.
#[derive(Clone, Debug, Deserialize)]
pub struct SessionInfo {
    /// The `sid` of its tokens.
    pub id: SessionId,
    /// The time of the login.
    pub created_at: Timestamp,
    /// The time of its last use, to the minute.
    pub last_used_at: Timestamp,
    /// The address of the login.
    pub ip: String,
    /// The client of the login.
    pub user_agent: String,
}

/// The tokens of one session, as a client keeps them.
#[derive(Clone)]
pub struct TokenPair {
    /// Short-lived; sent with every request.
    pub access: String,
    /// Long-lived, and valid for one use.
    pub refresh: String,
}

impl fmt::Debug for TokenPair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenPair")
    }
}

/// The origin of a login, as its user sees it in the list of sessions.
#[derive(Clone, Debug)]
pub struct Device {
    /// The client's address.
    pub ip: IpAddr,
    /// The `User-Agent`, cut to 200 characters.
    pub user_agent: String,
}
