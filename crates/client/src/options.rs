//! How a connection is made and kept: authentication, timeouts, backoff, and the state to start
//! from. Values only; nothing here acts on them.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::replica::Replica;

/// How a connection is made and kept.
#[derive(Clone)]
pub struct Options {
    pub(crate) auth: Auth,
    pub(crate) replica: Replica,
    pub(crate) backoff_base: Duration,
    pub(crate) backoff_cap: Duration,
    pub(crate) timeout: Duration,
    pub(crate) tap: Option<FrameTap>,
}

/// A callback for received text frames: the number of the connection, counted from 1, and the text.
pub(crate) type FrameTap = Arc<dyn Fn(u64, &str) + Send + Sync>;

/// How a connection authenticates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Auth {
    /// With an `Authorization` header in the handshake.
    Header,
    /// With an `auth` frame after the handshake.
    Frame,
}

impl Options {
    /// The defaults: an `Authorization` header, an empty replica, a backoff from half a second to 30
    /// seconds, a timeout of 30 seconds.
    pub fn new() -> Self {
        Self::default()
    }

    /// How the connection authenticates.
    pub fn auth(self, auth: Auth) -> Self {
        Self { auth, ..self }
    }

    /// The state to start from; see [`Connection::replica`](crate::Connection::replica).
    pub fn replica(self, replica: Replica) -> Self {
        Self { replica, ..self }
    }

    /// The longest delay before the first reconnection, which doubles with each further attempt, and
    /// the longest delay of all. Jitter shortens each delay.
    pub fn backoff(self, base: Duration, cap: Duration) -> Self {
        Self { backoff_base: base, backoff_cap: cap, ..self }
    }

    /// How long a connection may take until it is ready, and a request until it is answered.
    pub fn timeout(self, timeout: Duration) -> Self {
        Self { timeout, ..self }
    }

    /// Receives every text frame as it arrives, for logs and tests: the number of the connection,
    /// counted from 1, and the text.
    pub fn tap(self, tap: impl Fn(u64, &str) + Send + Sync + 'static) -> Self {
        Self { tap: Some(Arc::new(tap)), ..self }
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            auth: Auth::Header,
            replica: Replica::default(),
            backoff_base: Duration::from_millis(500),
            backoff_cap: Duration::from_secs(30),
            timeout: Duration::from_secs(30),
            tap: None,
        }
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self { auth, timeout, .. }, backoff) = (self, (self.backoff_base, self.backoff_cap));
        f.debug_struct("Options")
            .field("auth", auth)
            .field("backoff", &backoff)
            .field("timeout", timeout)
            .finish_non_exhaustive()
    }
}
