//! The fan-out on this node: takes committed events, encodes each once, and delivers it to the connections
//! that subscribe to it, in the order of its chat's versions. Reads no database and checks no right.

pub mod accounts;
pub mod bus;
mod connecting;
pub mod connection;
mod delivery;
mod encode;
pub mod feed;
pub mod feeds;
pub mod in_progress;
mod left;
mod lock;
pub mod people;
pub mod presence;
pub mod queue;
pub mod replies;
pub mod signals;
pub mod witness;

use std::sync::Arc;
use std::time::Duration;

use crate::domain::event::{AccountEvent, Event};
use crate::domain::ids::{ChatId, UserId};
use crate::domain::urls::Urls;
use crate::domain::user::Profile;
use crate::metrics::realtime::RealtimeMetrics;
use crate::wire::frames;

use accounts::Accounts;
use bus::PeerBus;
use bus::envelope::{Envelope, Reach, Route};
use bus::link::Link;
use delivery::Delivery;
use encode::Encoder;
use feeds::Feeds;
use people::People;
use presence::Presence;
use signals::Signals;
use witness::Witness;

/// The connections of one node, and what they subscribe to.
#[derive(Debug)]
pub struct Hub {
    /// Who is connected here.
    pub people: People,
    /// How far their accounts were delivered.
    pub accounts: Accounts,
    /// The chats that somebody here subscribes to.
    pub feeds: Feeds,
    /// Who is online here, and who subscribes to whose presence.
    pub presence: Presence,
    /// Typing indicators, and receipts that are still to be sent.
    pub signals: Signals,
    /// The way to other nodes.
    pub bus: PeerBus,
    /// What the database must have.
    pub witness: Witness,
    /// What is counted here.
    pub metrics: RealtimeMetrics,
    /// For the URLs in events.
    urls: Arc<Urls>,
}

impl Hub {
    /// An empty hub whose connections' queues hold at most `queue_bytes`. `link` leads to the other
    /// nodes, where there is a bus.
    pub fn new(queue_bytes: usize, urls: Arc<Urls>, link: Option<Link>) -> Self {
        let bus = PeerBus::new(link);
        let interest = || Arc::clone(&bus.interest);
        Self {
            people: People::new(queue_bytes, interest()),
            accounts: Accounts::default(),
            feeds: Feeds::new(interest()),
            presence: Presence::new(interest()),
            signals: Signals::default(),
            witness: Witness::default(),
            metrics: RealtimeMetrics::default(),
            bus,
            urls,
        }
    }

    /// Publishes a committed event to the connections on the nodes in reach.
    pub fn publish(&self, event: &Event, reach: Reach) {
        if reach == Reach::AllNodes {
            self.witness.note(event);
            self.metrics.published(event.name());
        }
        let encoder = Encoder {
            people: &self.people,
            feeds: &self.feeds,
            presence: &self.presence.local,
            urls: &self.urls,
            has_bus: self.bus.is_configured(),
        };
        encoder.encode(event, |envelope| self.send(envelope, reach));
    }

    /// A user says whether they are typing.
    pub fn typing(&self, user: UserId, chat: ChatId, is_active: bool, now: Duration) {
        if let Some(envelope) = self.signals.typing(user, chat, is_active, now) {
            self.send(envelope, Reach::AllNodes);
        }
    }

    /// Sends receipts, and the ends of typing indicators that have expired. The interval of the calls
    /// bounds how often a receipt is sent. Returns the changes of accounts that moved read markers are,
    /// which are still to be published.
    #[must_use]
    pub fn send_signals(&self, now: Duration) -> Vec<AccountEvent> {
        let (signals, account_events) = self.signals.take_due(now);
        for (envelope, reach) in signals {
            self.send(envelope, reach);
        }
        account_events
    }

    /// Delivers an envelope that another node has sent.
    pub fn receive(&self, envelope: &Envelope, now: Duration) {
        self.metrics.received(envelope.route.name());
        match envelope.route {
            Route::Typing { user, chat, active } => {
                self.signals.typing_elsewhere(user, chat, active, now);
            }
            Route::Change { chat, version, .. } => self.witness.reported(chat, version),
            _ => {}
        }
        self.deliver(envelope);
    }

    /// A block by or of a user has changed. Matters only where the user is connected.
    pub fn blocks_changed(&self, user: UserId) {
        self.deliver(&Envelope { route: Route::Blocks { user }, text: Default::default() });
    }

    /// Sends a viewer's connections the status of a user that they subscribe to, as the viewer sees it from now on.
    pub fn show_status(&self, viewer: UserId, profile: &Profile) {
        let text = frames::status(profile, None).into();
        self.presence.subscriptions.send_status_to(viewer, profile.user.id, &text);
    }

    fn send(&self, envelope: Envelope, reach: Reach) {
        self.deliver(&envelope);
        if reach == Reach::AllNodes {
            self.bus.send(envelope);
        }
    }

    fn deliver(&self, envelope: &Envelope) {
        let Self { people, feeds, presence, accounts, .. } = self;
        Delivery { people, feeds, presence, accounts }.deliver(envelope);
    }
}

#[cfg(test)]
mod samples;
#[cfg(test)]
mod simulation;
#[cfg(test)]
mod tests;
