//! The bus as the hub uses it: what this node sends to the others, and whose envelopes it wants from them.
//! Without a bus the node is alone, and all of this does nothing.

pub mod envelope;
pub mod interest;
pub mod link;
mod signed;
pub(crate) mod state;
pub mod worker;

use std::sync::Arc;

use crate::metrics::realtime::BusMetrics;

use envelope::Envelope;
use interest::Interest;
use link::Link;

/// The hub's end of the bus.
#[derive(Debug)]
pub struct PeerBus {
    link: Option<Link>,
    /// What this node wants from the others.
    pub interest: Arc<Interest>,
}

impl PeerBus {
    pub(super) fn new(link: Option<Link>) -> Self {
        let interest = Arc::new(Interest::new(link.is_none()));
        Self { link, interest }
    }

    /// Whether a bus is configured.
    pub(super) fn is_configured(&self) -> bool {
        self.link.is_some()
    }

    /// Whether the bus is connected; `None` where none is configured.
    pub fn is_connected(&self) -> Option<bool> {
        self.link.as_ref().map(Link::is_connected)
    }

    /// How many envelopes wait to be sent, and for how many there is room; `None` where no bus is configured.
    pub fn waiting(&self) -> Option<(usize, usize)> {
        self.link.as_ref().map(Link::waiting)
    }

    /// What is counted of the bus.
    pub fn metrics(&self) -> Option<&BusMetrics> {
        self.link.as_ref().map(Link::metrics)
    }

    /// Sends an envelope to the other nodes.
    pub(super) fn send(&self, envelope: Envelope) {
        if let Some(link) = &self.link {
            link.send(envelope);
        }
    }

    /// Waits, for a limited time, until the bus has taken the subscriptions for everything that this node
    /// is interested in by now. Returns at once where there is no bus.
    pub async fn subscribed(&self) {
        if let Some(link) = &self.link {
            link.subscribed(self.interest.changes()).await;
        }
    }

    /// Waits until envelopes of other nodes may have been lost; for ever where there is no bus.
    pub async fn may_have_lost(&self) {
        match &self.link {
            Some(link) => link.may_have_lost().await,
            None => std::future::pending().await,
        }
    }
}
