//! Whether the peer is still there: a machine of two states, told the time.

use std::time::Duration;

use tokio::time::Instant;

use crate::wire::frames::HEARTBEAT;

/// Silence after which the peer is pinged.
const PING_AFTER: Duration = Duration::from_secs(HEARTBEAT);
/// Silence after which it is given up.
pub const DEAD_AFTER: Duration = Duration::from_secs(75);

/// The peer was heard from, or is being waited for.
#[derive(Debug)]
pub(super) struct Heartbeat {
    heard_at: Instant,
    pinged: bool,
}

/// What is due.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Beat {
    /// Nothing yet.
    Wait,
    /// A ping.
    Ping,
    /// The end.
    Dead,
}

impl Heartbeat {
    pub(super) fn new(now: Instant) -> Self {
        Self { heard_at: now, pinged: false }
    }

    /// The peer sent something, whatever it was.
    pub(super) fn heard(&mut self, now: Instant) {
        *self = Self::new(now);
    }

    /// When to look again.
    pub(super) fn due(&self) -> Instant {
        self.heard_at + if self.pinged { DEAD_AFTER } else { PING_AFTER }
    }

    /// What is due now.
    pub(super) fn look(&mut self, now: Instant) -> Beat {
        if now < self.due() {
            return Beat::Wait;
        }
        if self.pinged {
            return Beat::Dead;
        }
        self.pinged = true;
        Beat::Ping
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
        assert_eq!(heartbeat.look(at(29)), Beat::Wait);
        assert_eq!(heartbeat.look(at(30)), Beat::Ping);
        assert_eq!(heartbeat.look(at(74)), Beat::Wait);
        assert_eq!(heartbeat.look(at(75)), Beat::Dead);
        heartbeat.heard(at(40));
        assert_eq!(heartbeat.look(at(69)), Beat::Wait);
        assert_eq!(heartbeat.look(at(70)), Beat::Ping);
    }
}
