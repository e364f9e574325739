//! How a connection starts: it subscribes to its user's chats before the memberships are read from the database, and
//! learns from the reading which of their events its client knows. Reads nothing itself.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use tokio_tungstenite::tungstenite::Utf8Bytes;

use crate::domain::event::Departed;
use crate::domain::ids::ChatId;
use crate::domain::numbering::Version;
use crate::hub::connection::Connection;
use crate::hub::feed::Knows;
use crate::hub::lock::Order;
use crate::hub::presence::subscriptions::Subscriptions;

use super::{Feeds, Memberships};

impl Feeds {
    /// Subscribes to chats. Their events are queued from now on, until [`crate::hub::Hub::start`] says which
    /// of them the client knows already.
    pub fn join(&self, connection: &Arc<Connection>, chats: &[ChatId]) {
        for chat in chats {
            let mut order = Order::start();
            let (mut feeds, mut order) = self.shard(*chat).lock(&mut order);
            if self.feed(&mut feeds, *chat).subscribe(connection, Knows::AwaitsReady) {
                connection.subscribed.lock(&mut order).0.chats.push(*chat);
            }
        }
    }

    /// Whether events are missing between the reading and what will be delivered, so that the memberships have to be
    /// read again: a feed began later, or delivered more before the connection subscribed to it. Subscribes to the
    /// chats that the user has joined since [`Self::join`].
    pub fn is_outdated(&self, connection: &Arc<Connection>, memberships: &Memberships<'_>) -> bool {
        let mut is_outdated = false;
        for &(chat, version) in memberships.versions {
            let mut order = Order::start();
            let (mut feeds, mut order) = self.shard(chat).lock(&mut order);
            let feed = self.feed(&mut feeds, chat);
            if feed.subscribe(connection, Knows::AwaitsReady) {
                connection.subscribed.lock(&mut order).0.chats.push(chat);
                is_outdated |= feed.position().is_some_and(|delivered| delivered > version);
            }
            is_outdated |= feed.begins_after(version);
        }
        is_outdated
    }

    /// See [`crate::hub::Hub::start`].
    pub(in crate::hub) fn start(
        &self,
        connection: &Arc<Connection>,
        memberships: &Memberships<'_>,
        presence: &Subscriptions,
    ) -> BTreeMap<ChatId, Version> {
        self.note_left(connection, memberships, presence);
        connection.subscribed.lock(&mut Order::start()).0.is_ready = true;
        let mut started = BTreeMap::new();
        for &(chat, version) in memberships.versions {
            // Left since the versions were read.
            if connection.subscribed.lock(&mut Order::start()).0.left.is_after(chat, version) {
                continue;
            }
            // A chat that the user joined since `join` is joined here.
            self.join(connection, &[chat]);
            let mut order = Order::start();
            let (mut feeds, _) = self.shard(chat).lock(&mut order);
            let feed = feeds.get_mut(&chat);
            let from = feed.map_or(version, |feed| feed.start(connection.number, version));
            started.insert(chat, from);
        }
        // Chats left since `join`. One that was made since the reading is none of them: its
        // `chat.created` is queued.
        let mut left = connection.subscribed.lock(&mut Order::start()).0.chats.clone();
        left.retain(|chat| !started.contains_key(chat) && self.awaits_ready(connection, *chat));
        for chat in &left {
            self.unsubscribe(connection, *chat);
        }
        let mut order = Order::start();
        connection.subscribed.lock(&mut order).0.chats.retain(|chat| !left.contains(chat));
        connection.queue.retain(|chat, version| match started.get(&chat) {
            Some(from) => version > *from,
            None => !left.contains(&chat),
        });
        started
    }

    /// Records which chats the user has left and not joined again. Otherwise a late event of an earlier join would
    /// subscribe the connection to a chat that is no longer the user's.
    fn note_left(
        &self,
        connection: &Arc<Connection>,
        memberships: &Memberships<'_>,
        presence: &Subscriptions,
    ) {
        let current: HashMap<_, _> = memberships.versions.iter().copied().collect();
        for &(chat, version) in memberships.left {
            if current.get(&chat).is_none_or(|current| *current < version) {
                let departed = Departed { user: connection.user, version };
                let (mut order, text) = (Order::start(), Utf8Bytes::default());
                self.depart(&mut order, connection, (chat, &departed), &text, presence);
            }
        }
    }

    fn awaits_ready(&self, connection: &Connection, chat: ChatId) -> bool {
        let mut order = Order::start();
        let (feeds, _) = self.shard(chat).lock(&mut order);
        let knows = feeds.get(&chat).and_then(|feed| feed.knows(connection.number));
        knows == Some(Knows::AwaitsReady)
    }
}
