//! This node among the others of its site: its name, whether there are others, and which of their
//! heartbeats count. Reads no database.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::domain::time::Timestamp;

use super::clock::Clock;

/// A node whose last heartbeat is older than this is dead, and its users are offline.
pub const HEARTBEAT_TIMEOUT: Duration = Duration::from_secs(30);

/// The nodes of a site, as this one sees them.
#[derive(Debug)]
pub struct Nodes {
    /// This run of the program; unique among the nodes.
    pub name: String,
    has_peers: AtomicBool,
}

impl Nodes {
    pub(super) fn new(name: String) -> Self {
        // Until the database has been asked.
        Self { name, has_peers: AtomicBool::new(true) }
    }

    /// Whether there were peer nodes when the last heartbeat was written.
    pub fn has_peers(&self) -> bool {
        self.has_peers.load(Ordering::Relaxed)
    }

    /// Records whether there are peer nodes.
    pub fn set_has_peers(&self, has_peers: bool) {
        self.has_peers.store(has_peers, Ordering::Relaxed);
    }
}

/// The earliest and the latest date of a living node's last heartbeat. When the time has just jumped, the
/// others' may still have the old time: they all count until they are due again.
pub fn living_heartbeats(clock: &Clock) -> (Timestamp, Timestamp) {
    if clock.jumped_within(HEARTBEAT_TIMEOUT) {
        return (Timestamp::MIN, Timestamp::MAX);
    }
    let now = clock.now();
    (now.minus(HEARTBEAT_TIMEOUT), now.plus(HEARTBEAT_TIMEOUT))
}
