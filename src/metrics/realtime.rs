//! Events, frames and sockets, and what passes over the bus.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::registry::Registry;

use super::families::{Counters, counters};

/// What the hub and the sockets count. Clones count together.
#[derive(Clone, Debug)]
pub struct RealtimeMetrics {
    published: Counters,
    received: Counters,
    frames_in: Counters,
    frames_out: Counters,
    /// Those of `frames_out`. To look one up for each frame would cost more than to count it.
    events_out: Counter,
    replies_out: Counter,
    pings_out: Counter,
    opened: Counter,
    closed: Counters,
    resyncs: Counter,
    gaps: Counters,
}

impl Default for RealtimeMetrics {
    fn default() -> Self {
        let frames_out = Counters::default();
        let out = |kind| Counter::clone(&frames_out.get_or_create(&[("type", kind)]));
        Self {
            published: Counters::default(),
            received: Counters::default(),
            frames_in: Counters::default(),
            events_out: out("event"),
            replies_out: out("reply"),
            pings_out: out("ping"),
            frames_out,
            opened: Counter::default(),
            closed: counters("reason", &["client_gone", "slow_consumer"]),
            resyncs: Counter::default(),
            gaps: counters("outcome", &["filled", "skipped"]),
        }
    }
}

impl RealtimeMetrics {
    pub(super) fn register(&self, registry: &mut Registry) {
        let mut add = |name: &str, help: &str, counters: &Counters| {
            registry.register(name, help, counters.clone());
        };
        add("events_published", "Events that this node published, by type", &self.published);
        add("events_received", "Events of other nodes, by route", &self.received);
        add("frames_received", "Frames of clients, by type", &self.frames_in);
        add("frames_sent", "Frames to clients: events, replies, pings", &self.frames_out);
        add("sockets_closed", "Sockets that were closed, by reason", &self.closed);
        add("feed_gaps", "Gaps in the events of a chat: filled or skipped", &self.gaps);
        registry.register("sockets_opened", "Sockets that authenticated", self.opened.clone());
        registry.register("resyncs", "`resync` frames that were sent", self.resyncs.clone());
    }

    /// Counts an event.
    pub fn published(&self, event: &'static str) {
        self.published.get_or_create(&[("type", event)]).inc();
    }

    /// Counts an event of another node.
    pub fn received(&self, route: &'static str) {
        self.received.get_or_create(&[("route", route)]).inc();
    }

    /// Counts a client's frame.
    pub fn frame_received(&self, kind: &'static str) {
        self.frames_in.get_or_create(&[("type", kind)]).inc();
    }

    /// Counts events and replies to a client.
    pub fn frames_sent(&self, events: usize, replies: usize) {
        self.events_out.inc_by(events as u64);
        if replies > 0 {
            self.replies_out.inc_by(replies as u64);
        }
    }

    /// Counts a ping to a client.
    pub fn pinged(&self) {
        self.pings_out.inc();
    }

    /// Counts a `resync` to a client.
    pub fn resync(&self) {
        self.resyncs.inc();
    }

    /// Counts a socket that authenticated.
    pub fn socket_opened(&self) {
        self.opened.inc();
    }

    /// Counts a socket that was closed.
    pub fn socket_closed(&self, reason: &'static str) {
        self.closed.get_or_create(&[("reason", reason)]).inc();
    }

    /// Counts a gap: `filled` or `skipped`.
    pub fn gap(&self, outcome: &'static str) {
        self.gaps.get_or_create(&[("outcome", outcome)]).inc();
    }
}

/// What becomes of a message.
const OUTCOMES: [&str; 6] = ["sent", "received", "queue_full", "disconnected", "failed", "refused"];

/// What passes over the bus. Clones count together.
#[derive(Clone, Debug)]
pub struct BusMetrics {
    messages: Counters,
}

impl Default for BusMetrics {
    fn default() -> Self {
        Self { messages: counters("outcome", &OUTCOMES) }
    }
}

impl BusMetrics {
    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register(
            "bus_messages",
            "Messages of the bus: sent, received, dropped (queue full, disconnected) or refused (signature)",
            self.messages.clone(),
        );
    }

    /// Counts a message: `sent`, `received`, `queue_full`, `disconnected`, `failed` or `refused`.
    pub fn passed(&self, outcome: &'static str) {
        self.messages.get_or_create(&[("outcome", outcome)]).inc();
    }
}
