//! A node of the simulation: its hub, what it still has to publish, and what the bus brings to it. Catches up
//! with the database as `actions::catchup` does.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use meowsenger_testing::Chance;
use tokio::sync::mpsc;

use crate::domain::event::{Change, ChatEvent, Event};
use crate::hub::Hub;
use crate::hub::bus::envelope::{Envelope, Reach};
use crate::hub::bus::link::Link;
use crate::hub::bus::state::Outgoing;
use crate::hub::samples;

use super::database::Database;
use super::fault::Fault;

pub(super) struct Node {
    pub(super) hub: Arc<Hub>,
    /// What the hub sends to other nodes.
    outgoing: mpsc::Receiver<Outgoing>,
    /// What other nodes have sent, in the order of arrival.
    incoming: VecDeque<Envelope>,
    /// Events that were committed and are still to be published.
    committed: VecDeque<Event>,
    fault: Option<Fault>,
}

impl Node {
    pub(super) fn new(queue_bytes: usize, fault: Option<Fault>) -> Self {
        let (link, outgoing) = Link::without_nats();
        let hub = Arc::new(Hub::new(queue_bytes, Arc::default(), Some(link)));
        Self { hub, outgoing, incoming: VecDeque::new(), committed: VecDeque::new(), fault }
    }

    pub(super) fn commit(&mut self, events: Vec<Event>) {
        self.committed.extend(events);
    }

    /// Publishes the oldest event here, and returns what goes to the other nodes.
    pub(super) fn publish_next(&mut self) -> Vec<Envelope> {
        if let Some(event) = self.committed.pop_front() {
            self.publish(&event, Reach::AllNodes);
        }
        std::iter::from_fn(|| self.outgoing.try_recv().ok().map(|one| one.envelope)).collect()
    }

    pub(super) fn has_committed(&self) -> bool {
        !self.committed.is_empty()
    }

    /// The bus carries an envelope to this node, or loses it, repeats it, or puts it before earlier ones.
    pub(super) fn carry(&mut self, envelope: &Envelope, chance: &mut Chance) {
        let copies = match chance.below(10) {
            0 | 1 => 0,
            2 => 2,
            _ => 1,
        };
        for _ in 0..copies {
            let overtaken = chance.below(1 + self.incoming.len().min(4));
            self.incoming.insert(self.incoming.len() - overtaken, envelope.clone());
        }
    }

    /// Receives the next envelope. False if there is none.
    pub(super) fn receive(&mut self) -> bool {
        let Some(envelope) = self.incoming.pop_front() else { return false };
        self.hub.receive(&envelope, Duration::ZERO);
        true
    }

    /// As `catchup::fill_gaps` does. False if there is no gap.
    pub(super) fn fill_gaps(&self, database: &Database) -> bool {
        if self.fault == Some(Fault::GapsStayOpen) {
            return false;
        }
        let gaps = self.hub.feeds.gaps(Duration::ZERO);
        for gap in &gaps {
            if let Some(events) = database.messages_in(gap) {
                events.iter().for_each(|event| self.publish(event, Reach::ThisNode));
                continue;
            }
            if let Some(departed) = database.departed_in(gap) {
                self.publish(&departed, Reach::ThisNode);
            }
            self.hub.feeds.skip(gap);
        }
        !gaps.is_empty()
    }

    /// As `catchup::confirm_entered` does.
    pub(super) fn confirm_entered(&self, database: &Database) {
        for (user, chat) in self.hub.feeds.take_unconfirmed() {
            if database.versions_of(user).contains_key(&chat) {
                self.publish(&database.found(user, chat), Reach::ThisNode);
            }
        }
    }

    /// As `compare_versions`, `publish_departures` and `find_chats` of `catchup` do.
    pub(super) fn sweep(&self, database: &Database) {
        for (chat, delivered) in self.hub.feeds.positions() {
            let version = database.version(chat);
            assert!(delivered <= version, "delivered what was never committed");
            self.hub.feeds.is_in_database(chat, version);
        }
        database.departed().iter().for_each(|event| self.publish(event, Reach::ThisNode));
        for (user, chat) in database.members() {
            if self.hub.people.any_lacks(user, chat) {
                self.publish(&database.found(user, chat), Reach::ThisNode);
            }
        }
    }

    fn publish(&self, event: &Event, reach: Reach) {
        match event {
            Event::ChatDeleted { .. } if self.fault == Some(Fault::DeparturesIgnored) => {}
            Event::Chat(ChatEvent { chat, version, change: Change::MemberLeft(_) })
                if self.fault == Some(Fault::DeparturesIgnored) =>
            {
                self.hub.publish(&samples::message_created(*chat, *version), reach);
            }
            Event::ChatCreated { .. } | Event::ChatFound(..)
                if self.fault == Some(Fault::JoinsIgnored) => {}
            event => self.hub.publish(event, reach),
        }
    }
}
