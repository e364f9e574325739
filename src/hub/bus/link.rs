//! The connection to NATS, seen from both ends: the hub queues envelopes and asks how things are, the
//! worker sends them. NATS delivers at most once, so nothing relies on it: what is lost, repeated or late
//! is made good by versions.

use std::sync::Arc;
use std::time::Duration;

use async_nats::{ConnectOptions, ServerAddr};
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::auth::secrets::SigningKey;
use crate::metrics::realtime::BusMetrics;
use crate::reach::Server;
use crate::traces::TraceOrigin;

use super::envelope::Envelope;
use super::state::{LinkState, Outgoing};
use super::worker::{BACKOFF_MAX, BusWorker};

/// Envelopes that may wait to be sent; more are dropped.
const OUTGOING_MAX: usize = 16_384;
/// Messages of one subject that may wait to be delivered; more are dropped.
const INCOMING_MAX: usize = 512;
/// Most that a connecting socket waits for the node's subscriptions to be made.
const SUBSCRIBED_TIMEOUT: Duration = Duration::from_millis(250);
/// Timeout of a request to the server.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(2);
/// A silent server is pinged this often.
const PING_INTERVAL: Duration = Duration::from_secs(10);

/// The hub's end.
#[derive(Debug)]
pub struct Link {
    outgoing: mpsc::Sender<Outgoing>,
    state: Arc<LinkState>,
}

impl Link {
    /// Both ends of a connection to one of `servers`. Messages are signed with `key`, which is the same on
    /// all nodes of a site.
    pub fn new(
        servers: Vec<ServerAddr>,
        options: ConnectOptions,
        key: SigningKey,
    ) -> (Self, BusWorker) {
        let (sender, outgoing) = mpsc::channel(OUTGOING_MAX);
        let names = servers
            .iter()
            .map(|server| Server { host: server.host().to_owned(), port: server.port() });
        let state = Arc::new(LinkState::new(names.collect()));
        let noting = Arc::clone(&state);
        let backoff = |tries: usize| Duration::from_millis(50 << tries.min(10)).min(BACKOFF_MAX);
        let options = options
            .name("meowsenger")
            .retry_on_initial_connect()
            .reconnect_delay_callback(backoff)
            .ping_interval(PING_INTERVAL)
            .request_timeout(Some(REQUEST_TIMEOUT))
            // This node has delivered its own messages already.
            .no_echo()
            .subscription_capacity(INCOMING_MAX)
            .event_callback(move |event| {
                let noting = Arc::clone(&noting);
                async move { noting.note(&event).await }
            });
        let link = Self { outgoing: sender, state: Arc::clone(&state) };
        (link, BusWorker::new(servers, options, outgoing, state, key))
    }

    /// The hub's end alone, for tests that carry the envelopes themselves.
    #[cfg(test)]
    pub(crate) fn without_nats() -> (Self, mpsc::Receiver<Outgoing>) {
        let (sender, outgoing) = mpsc::channel(OUTGOING_MAX);
        (Self { outgoing: sender, state: Arc::new(LinkState::new(Vec::new())) }, outgoing)
    }

    pub(super) fn is_connected(&self) -> bool {
        self.state.is_connected()
    }

    /// Queues an envelope for the other nodes. Where the queue is full it is dropped; its version shows
    /// the others that it is missing.
    pub(super) fn send(&self, envelope: Envelope) {
        let outgoing = Outgoing { envelope, origin: TraceOrigin::current() };
        if self.outgoing.try_send(outgoing).is_err() {
            self.state.metrics.passed("queue_full");
        }
    }

    /// How many envelopes wait, and for how many there is room.
    pub(super) fn waiting(&self) -> (usize, usize) {
        let limit = self.outgoing.max_capacity();
        (limit - self.outgoing.capacity(), limit)
    }

    pub(super) fn metrics(&self) -> &BusMetrics {
        &self.state.metrics
    }

    /// Waits until messages may have been lost.
    pub(super) async fn may_have_lost(&self) {
        self.state.may_have_lost().await;
    }

    /// Waits until subscriptions are made up to a change of interest, for [`SUBSCRIBED_TIMEOUT`] at most.
    pub(super) async fn subscribed(&self, change: u64) {
        if self.is_connected() {
            let mut subscribed = self.state.subscribed.subscribe();
            // Without them nothing is lost either: versions are compared with the database's.
            drop(timeout(SUBSCRIBED_TIMEOUT, subscribed.wait_for(|upto| *upto >= change)).await);
        }
    }
}
