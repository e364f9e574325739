//! The times of one connection: when something was last received, when it counts as silent or dead, and
//! when the next sync may be sent. Pure: the time is passed in.

use std::time::Duration;

use tokio::time::Instant;

/// The least time between two syncs, so that a server whose answers bring nothing is not asked in a
/// tight loop.
const SYNC_PAUSE: Duration = Duration::from_millis(50);
/// The heartbeat interval until the server's `ready` has named its own.
const DEFAULT_HEARTBEAT: Duration = Duration::from_secs(30);

/// The times of one connection.
pub(crate) struct Timers {
    pub(crate) heartbeat: Duration,
    /// When something was last received.
    received_at: Instant,
    /// A ping was sent since.
    pinged: bool,
    sync_not_before: Instant,
    /// When the sync that is in progress was sent.
    sync_sent_at: Option<Instant>,
}

/// What a silent connection needs.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Liveness {
    Alive,
    /// The heartbeat interval passed in silence.
    NeedsPing,
    /// Two and a half intervals passed in silence.
    Dead,
}

impl Timers {
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            heartbeat: DEFAULT_HEARTBEAT,
            received_at: now,
            pinged: false,
            sync_not_before: now,
            sync_sent_at: None,
        }
    }

    pub(crate) fn received(&mut self, now: Instant) {
        (self.received_at, self.pinged) = (now, false);
    }

    pub(crate) fn ping_sent(&mut self) {
        self.pinged = true;
    }

    pub(crate) fn liveness(&self, now: Instant) -> Liveness {
        if now >= self.dead_at() {
            Liveness::Dead
        } else if !self.pinged && now >= self.received_at + self.heartbeat {
            Liveness::NeedsPing
        } else {
            Liveness::Alive
        }
    }

    /// When to look at [`Self::liveness`] again.
    pub(crate) fn next_check(&self) -> Instant {
        if self.pinged { self.dead_at() } else { self.received_at + self.heartbeat }
    }

    pub(crate) fn sync_sent(&mut self, now: Instant) {
        self.sync_sent_at = Some(now);
    }

    /// The sync was answered; the next one waits for a pause after `now`.
    pub(crate) fn sync_answered(&mut self, now: Instant) {
        (self.sync_not_before, self.sync_sent_at) = (now + SYNC_PAUSE, None);
    }

    /// When the sync in progress was sent.
    pub(crate) fn sync_sent_at(&self) -> Option<Instant> {
        self.sync_sent_at
    }

    /// When the next sync may be sent.
    pub(crate) fn sync_not_before(&self) -> Instant {
        self.sync_not_before
    }

    fn dead_at(&self) -> Instant {
        self.received_at + self.heartbeat * 5 / 2
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_silent_connection_is_pinged_once_and_then_dead() {
        let start = Instant::now();
        let after = |seconds| start + Duration::from_secs(seconds);
        let mut timers = Timers::new(start);
        timers.heartbeat = Duration::from_secs(10);
        assert_eq!(timers.liveness(after(9)), Liveness::Alive);
        assert_eq!(timers.next_check(), after(10));
        assert_eq!(timers.liveness(after(10)), Liveness::NeedsPing);
        timers.ping_sent();
        assert_eq!(timers.liveness(after(11)), Liveness::Alive);
        assert_eq!(timers.next_check(), after(25));
        assert_eq!(timers.liveness(after(25)), Liveness::Dead);
        timers.received(after(24));
        assert_eq!(timers.liveness(after(25)), Liveness::Alive);
    }
}
