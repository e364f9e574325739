//! Accounts to be created, sessions and their credentials.

use std::fmt;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use time::serde::rfc3339;

use crate::ids::SessionId;

/// The credentials of a session. `Debug` does not show them.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct TokenPair {
    /// Authenticates requests.
    pub access: String,
    /// Exchanged once for the next pair. A program that stores tokens must store the newest pair.
    pub refresh: String,
}

impl TokenPair {
    /// Tokens that the program got elsewhere, for [`Server::resume`](crate::Server::resume).
    pub fn new(access: impl Into<String>, refresh: impl Into<String>) -> Self {
        Self { access: access.into(), refresh: refresh.into() }
    }
}

impl fmt::Debug for TokenPair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenPair").finish_non_exhaustive()
    }
}

/// A single-use credential that opens one WebSocket. `Debug` does not show it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Ticket {
    /// The value for `/ws/?ticket=…`.
    pub ticket: String,
    /// Its lifetime in seconds.
    pub expires_in: u64,
}

impl fmt::Debug for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ticket").field("expires_in", &self.expires_in).finish_non_exhaustive()
    }
}

/// A session: a device that is logged in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Session {
    /// The session id.
    pub id: SessionId,
    /// When it was started.
    #[serde(with = "rfc3339")]
    pub created_at: OffsetDateTime,
    /// When it was last used, to a minute.
    #[serde(with = "rfc3339")]
    pub last_used_at: OffsetDateTime,
    /// The IP address of the login.
    pub ip: String,
    /// The `User-Agent` of the login.
    pub user_agent: String,
    /// Whether it is the session of this request.
    pub current: bool,
}

/// An account to be created. `Debug` does not show the password.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct Registration {
    username: String,
    password: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    first_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_name: Option<String>,
}

impl Registration {
    /// An account with nothing but its name.
    pub fn new(username: impl Into<String>, password: impl Into<String>) -> Self {
        let (username, password) = (username.into(), password.into());
        Self { username, password, email: None, first_name: None, last_name: None }
    }

    /// The email address.
    pub fn email(self, email: impl Into<String>) -> Self {
        Self { email: Some(email.into()), ..self }
    }

    /// The first name, up to 150 characters.
    pub fn first_name(self, name: impl Into<String>) -> Self {
        Self { first_name: Some(name.into()), ..self }
    }

    /// The last name, up to 150 characters.
    pub fn last_name(self, name: impl Into<String>) -> Self {
        Self { last_name: Some(name.into()), ..self }
    }
}

impl fmt::Debug for Registration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registration").field("username", &self.username).finish_non_exhaustive()
    }
}
