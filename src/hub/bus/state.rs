//! What both ends of the link know of the connection to NATS.

use std::sync::atomic::{AtomicBool, Ordering};

use async_nats::Event;
use tokio::sync::{Notify, watch};

/// The state of the connection.
#[derive(Debug, Default)]
pub(super) struct LinkState {
    /// There is a connection, and the node's subscriptions are made on it.
    is_connected: AtomicBool,
    /// There is a new connection.
    pub(super) reconnected: Notify,
    /// Messages may have been lost.
    lost: Notify,
    /// The change of the hub's interest up to which subscriptions are made.
    pub(super) subscribed: watch::Sender<u64>,
}

impl LinkState {
    pub(super) fn is_connected(&self) -> bool {
        self.is_connected.load(Ordering::Relaxed)
    }

    pub(super) fn disconnected(&self) {
        self.is_connected.store(false, Ordering::Relaxed);
    }

    /// All subscriptions are made on a new connection. What was sent before is lost.
    pub(super) fn resubscribed(&self) {
        self.is_connected.store(true, Ordering::Relaxed);
        self.lost.notify_one();
    }

    /// Waits until messages may have been lost.
    pub(super) async fn may_have_lost(&self) {
        self.lost.notified().await;
    }

    /// Follows what the client says of the connection.
    pub(super) fn note(&self, event: &Event) {
        match event {
            Event::Connected => {
                tracing::info!("NATS connected");
                self.reconnected.notify_one();
            }
            Event::Disconnected => {
                tracing::warn!("NATS disconnected; cross-node delivery is delayed");
                self.disconnected();
            }
            Event::SlowConsumer(_) => {
                tracing::warn!(
                    "NATS slow consumer: messages dropped; catching up from the database"
                );
                self.lost.notify_one();
            }
            Event::Draining | Event::Closed => {}
            other => tracing::warn!(event = %other, "NATS event"),
        }
    }
}
