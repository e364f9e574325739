//! Detects dead peers: a silent one is pinged, then given up. Pure: the time is passed in.

use std::time::Duration;

use tokio::time::Instant;

use crate::wire::frames::HEARTBEAT;

/// Silence after which the peer is pinged.
const PING_AFTER: Duration = Duration::from_secs(HEARTBEAT);
/// Silence after which it counts as dead.
pub const DEAD_AFTER: Duration = Duration::from_secs(75);

/// The heartbeat of a socket.
#[derive(Debug)]
pub(super) struct Heartbeat {
    received_at: Instant,
    pinged: bool,
}

/// What is due.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum HeartbeatAction {
    /// Nothing yet.
    Wait,
    /// A ping.
    Ping,
    /// Closing: the peer is dead.
    Dead,
}

impl Heartbeat {
    pub(super) fn new(now: Instant) -> Self {
        Self { received_at: now, pinged: false }
    }

    /// The peer sent something, of any kind.
    pub(super) fn received(&mut self, now: Instant) {
        *self = Self::new(now);
    }

    /// When to check again.
    pub(super) fn due(&self) -> Instant {
        self.received_at + if self.pinged { DEAD_AFTER } else { PING_AFTER }
    }

    /// What is due now.
    pub(super) fn check(&mut self, now: Instant) -> HeartbeatAction {
        if now < self.due() {
            return HeartbeatAction::Wait;
        }
        if self.pinged {
            return HeartbeatAction::Dead;
        }
        self.pinged = true;
        HeartbeatAction::Ping
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_silent_peer_is_pinged_after_30_s_and_given_up_after_75() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut heartbeat = Heartbeat::new(start);
        assert_eq!(heartbeat.check(at(29)), HeartbeatAction::Wait);
        assert_eq!(heartbeat.check(at(30)), HeartbeatAction::Ping);
        assert_eq!(heartbeat.check(at(74)), HeartbeatAction::Wait);
        assert_eq!(heartbeat.check(at(75)), HeartbeatAction::Dead);
        heartbeat.received(at(40));
        assert_eq!(heartbeat.check(at(69)), HeartbeatAction::Wait);
        assert_eq!(heartbeat.check(at(70)), HeartbeatAction::Ping);
    }
}
