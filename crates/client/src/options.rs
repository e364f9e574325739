//! How a connection is made and kept: authentication, timeouts, backoff, and the state to start
//! from. Values only; nothing here acts on them.

use std::sync::Arc;
use std::time::Duration;

use crate::replica::Replica;

/// How a connection is made and kept.
#[derive(Clone)]
pub struct Options {
    /// How the connection authenticates.
    pub auth: Auth,
    /// The state to start from; see [`Connection::replica`](crate::Connection::replica).
    pub replica: Replica,
    /// The longest delay before the first reconnection. It doubles with each further attempt; jitter
    /// shortens each delay.
    pub backoff_base: Duration,
    /// The longest delay between two attempts.
    pub backoff_cap: Duration,
    /// How long a connection may take until it is ready, and a request until it is answered.
    pub timeout: Duration,
    /// Receives every text frame as it arrives, for logs and tests.
    pub tap: Option<FrameTap>,
}

/// A callback for received text frames: the number of the connection, counted from 1, and the text.
pub type FrameTap = Arc<dyn Fn(u64, &str) + Send + Sync>;

/// How a connection authenticates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Auth {
    /// With an `Authorization` header in the handshake.
    Header,
    /// With an `auth` frame after the handshake.
    Frame,
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
