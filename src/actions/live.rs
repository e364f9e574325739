//! The handle of a live socket: what requests on it may do with its connection. Dropping it disconnects.

use std::sync::Arc;

use crate::app::App;
use crate::domain::ids::{ChatId, UserId};
use crate::hub::connection::Connection;
use crate::hub::in_progress::InProgress;
use crate::hub::queue::Queue;
use crate::hub::replies::Weight;

/// A connected socket.
#[derive(Debug)]
pub struct LiveSocket {
    app: Arc<App>,
    pub(super) connection: Arc<Connection>,
}

impl LiveSocket {
    pub(super) fn new(app: Arc<App>, connection: Arc<Connection>) -> Self {
        Self { app, connection }
    }

    /// What waits to be written.
    pub fn queue(&self) -> &Queue {
        &self.connection.queue
    }

    /// The user.
    pub fn user(&self) -> UserId {
        self.connection.user()
    }

    /// Unique among the connections of this node.
    pub fn number(&self) -> u64 {
        self.connection.number()
    }

    /// Counts a request as in progress.
    pub fn begin(&self, weight: Weight) -> InProgress {
        InProgress::begin(&self.connection, weight)
    }

    /// Whether its user is a member of the chat, as far as this node knows.
    pub(super) fn has_subscribed(&self, chat: ChatId) -> bool {
        self.app.hub.feeds.has_subscribed(&self.connection, chat)
    }

    /// Subscribes to the presence of users, instead of those before.
    pub(super) fn subscribe_to(&self, users: &[UserId]) {
        self.app.hub.presence.subscriptions.set_users(&self.connection, users);
    }
}

impl Drop for LiveSocket {
    fn drop(&mut self) {
        self.app.hub.disconnect(&self.connection, self.app.clock.uptime());
    }
}
