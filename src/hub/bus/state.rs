//! What both ends of the link know of the connection to NATS.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use async_nats::Event;
use tokio::sync::{Notify, watch};

use crate::metrics::realtime::BusMetrics;
use crate::reach::Server;
use crate::traces::TraceOrigin;

use super::envelope::Envelope;

/// How long to look for the cause of a failed connection. The client's other events wait meanwhile.
const PROBE_TIMEOUT: Duration = Duration::from_secs(1);

/// An envelope that waits to be sent, and what it is a part of.
#[derive(Debug)]
pub(crate) struct Outgoing {
    pub(crate) envelope: Envelope,
    pub(super) origin: TraceOrigin,
}

/// The state of the connection.
#[derive(Debug)]
pub(super) struct LinkState {
    /// Where NATS is, for the log.
    servers: Vec<Server>,
    /// The last error of connecting, until there is a connection.
    failure: Mutex<String>,
    /// There is a connection, and the node's subscriptions are made on it.
    is_connected: AtomicBool,
    /// There is a new connection.
    pub(super) reconnected: Notify,
    /// Messages may have been lost.
    lost: Notify,
    /// The change of the hub's interest up to which subscriptions are made.
    pub(super) subscribed: watch::Sender<u64>,
    /// What passes over it.
    pub(super) metrics: BusMetrics,
}

impl LinkState {
    pub(super) fn new(servers: Vec<Server>) -> Self {
        Self {
            servers,
            failure: Mutex::default(),
            is_connected: AtomicBool::default(),
            reconnected: Notify::default(),
            lost: Notify::default(),
            subscribed: watch::Sender::default(),
            metrics: BusMetrics::default(),
        }
    }

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
    pub(super) async fn note(&self, event: &Event) {
        match event {
            Event::Connected => {
                tracing::info!("NATS connected");
                self.failure.lock().unwrap_or_else(PoisonError::into_inner).clear();
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
            Event::ClientError(error) => self.failed(error.to_string()).await,
            other => tracing::warn!(event = %other, "NATS event"),
        }
    }

    /// Logs why there is no connection: once, though the client tries again every two seconds.
    async fn failed(&self, error: String) {
        if self.is_known(&error) {
            return;
        }
        for server in &self.servers {
            // The client does not say whether the network or NATS refused it.
            let cause = server.probe(PROBE_TIMEOUT).await.err();
            let cause = cause.as_deref().unwrap_or(&error);
            tracing::warn!(%server, cause, "cannot connect to NATS; trying again");
        }
    }

    /// Whether the last attempt failed in the same way.
    fn is_known(&self, error: &str) -> bool {
        let mut last = self.failure.lock().unwrap_or_else(PoisonError::into_inner);
        let is_known = *last == error;
        error.clone_into(&mut last);
        is_known
    }
}
