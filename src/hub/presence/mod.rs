//! Presence on this node: which users are connected here, and which connections subscribe to whose
//! presence. Decides nothing about rights, writes and publishes nothing: `actions::presence` does.

pub mod hidden;
pub mod local;
pub mod recheck;
pub mod status;
pub mod subscriptions;

use std::sync::Arc;

use super::bus::interest::Interest;
use super::connection::Connection;

use hidden::Hidden;
use local::LocalPresence;
use recheck::RecheckQueue;
use subscriptions::Subscriptions;

/// Presence on this node.
#[derive(Debug)]
pub struct Presence {
    /// The users who are connected here.
    pub local: LocalPresence,
    /// Who subscribes to whose presence.
    pub subscriptions: Subscriptions,
    /// Whose presence is hidden from which users.
    pub hidden: Hidden,
    /// Users whose subscriptions have to be checked again.
    pub recheck: RecheckQueue,
    /// Serialises reading and publishing presence, so that a stale status never follows a newer one.
    pub publishing: tokio::sync::Mutex<()>,
}

impl Presence {
    pub(super) fn new(interest: Arc<Interest>) -> Self {
        Self {
            local: LocalPresence::default(),
            subscriptions: Subscriptions::new(interest),
            hidden: Hidden::default(),
            recheck: RecheckQueue::default(),
            publishing: tokio::sync::Mutex::default(),
        }
    }

    /// Forgets a connection that is gone.
    pub(super) fn disconnected(&self, connection: &Connection, now: std::time::Duration) {
        self.local.disconnected(connection.user, connection.number, now);
        self.subscriptions.end_all(connection);
    }
}
