//! The index for searching messages.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

/// What the index lacks, and what was added to it.
#[derive(Debug, Default)]
pub struct SearchMetrics {
    /// About how many messages are not indexed: ids without a message count as well.
    pub waiting: Gauge,
    /// Messages that this node has indexed.
    pub indexed: Counter,
}

impl SearchMetrics {
    pub(super) fn register(&self, registry: &mut Registry) {
        let waiting = "Messages that cannot be found by searching yet";
        registry.register("search_waiting_messages", waiting, self.waiting.clone());
        let indexed = "Messages that this node has indexed for searching";
        registry.register("search_indexed_messages", indexed, self.indexed.clone());
    }
}
