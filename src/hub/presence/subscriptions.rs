//! Presence subscriptions: which connections on this node subscribe to which users' presence. Callers
//! authorise.

use std::collections::HashMap;
use std::sync::Arc;

use tokio_tungstenite::tungstenite::Utf8Bytes;

use crate::domain::ids::{ChatId, UserId};
use crate::hub::bus::envelope::Topic;
use crate::hub::bus::interest::Interest;
use crate::hub::connection::{Connection, Subscribed};
use crate::hub::lock::{Before, Order, Ordered, PresenceLevel};
use crate::hub::queue::SignalKey;

use super::hidden::Hidden;
use super::status::ShownStatus;

/// Presence subscriptions, by the user whose presence it is.
#[derive(Debug)]
pub struct Subscriptions {
    by_user: Ordered<PresenceLevel, HashMap<UserId, Subscribers>>,
    interest: Arc<Interest>,
}

#[derive(Debug, Default)]
struct Subscribers {
    connections: Vec<Arc<Connection>>,
    /// The status that they were sent last, or that held when the first of them subscribed; unknown
    /// for a moment before that was read.
    published: Option<ShownStatus>,
}

impl Subscriptions {
    pub(super) fn new(interest: Arc<Interest>) -> Self {
        Self { by_user: Ordered::default(), interest }
    }

    /// Subscribes to the presence of the other members of the user's private chats. Returns those whose
    /// published status is not known yet.
    pub fn set_peers(
        &self,
        connection: &Arc<Connection>,
        peers: &[(ChatId, UserId)],
    ) -> Vec<UserId> {
        let mut order = Order::start();
        let (mut subscribed, mut order) = connection.subscribed.lock(&mut order);
        let mut unknown = Vec::new();
        for (chat, peer) in peers {
            subscribed.peers.insert(*chat, *peer);
            if !self.add(&mut order, *peer, connection, None) {
                unknown.push(*peer);
            }
        }
        unknown
    }

    /// Subscribes to the presence of these users, instead of those that the client asked for before.
    pub fn set_users(&self, connection: &Arc<Connection>, users: &[UserId]) {
        let mut order = Order::start();
        let (mut subscribed, mut order) = connection.subscribed.lock(&mut order);
        let before = std::mem::replace(&mut subscribed.users, users.to_vec());
        self.end_unwanted(&mut order, &subscribed, connection, before);
        for user in users {
            self.add(&mut order, *user, connection, None);
        }
    }

    /// Ends the subscriptions that the client asked for, to those users that `is_stranger` names.
    pub(super) fn end_strangers(
        &self,
        connection: &Connection,
        is_stranger: impl Fn(UserId) -> bool,
    ) {
        let mut order = Order::start();
        let (mut subscribed, mut order) = connection.subscribed.lock(&mut order);
        let users = std::mem::take(&mut subscribed.users);
        let (strangers, users) = users.into_iter().partition(|user| is_stranger(*user));
        subscribed.users = users;
        self.end_unwanted(&mut order, &subscribed, connection, strangers);
    }

    /// Ends the subscriptions to peers in chats that the connection does not subscribe to.
    pub(crate) fn end_former_peers(&self, connection: &Connection) {
        let mut order = Order::start();
        let (mut subscribed, mut order) = connection.subscribed.lock(&mut order);
        let chats = subscribed.peers.keys().filter(|chat| !subscribed.chats.contains(chat));
        for chat in chats.copied().collect::<Vec<_>>() {
            self.end_peer(&mut order, &mut subscribed, connection, chat);
        }
    }

    /// Ends the subscription to the other member of a private chat, unless there is another reason for it.
    pub(crate) fn end_peer<Held: Before<PresenceLevel>>(
        &self,
        order: &mut Order<'_, Held>,
        subscribed: &mut Subscribed,
        connection: &Connection,
        chat: ChatId,
    ) {
        let peer = subscribed.peers.remove(&chat);
        self.end_unwanted(order, subscribed, connection, peer);
    }

    /// Ends all subscriptions of a connection that is gone.
    pub(super) fn end_all(&self, connection: &Connection) {
        let mut order = Order::start();
        let (mut subscribed, mut order) = connection.subscribed.lock(&mut order);
        let peers = std::mem::take(&mut subscribed.peers).into_values();
        let users: Vec<_> = peers.chain(std::mem::take(&mut subscribed.users)).collect();
        self.end_unwanted(&mut order, &subscribed, connection, users);
    }

    /// Records a user's status where none is known to have been published. Returns the published one: who
    /// subscribes is sent this, not an older one.
    ///
    /// Only a status that differs from it is sent on. Re-sending an unchanged one would reveal when
    /// invisible users connect.
    pub fn record(&self, user: UserId, status: ShownStatus) -> ShownStatus {
        match self.by_user.lock(&mut Order::start()).0.get_mut(&user) {
            Some(subscribers) => subscribers.published.get_or_insert(status).clone(),
            None => status,
        }
    }

    /// Sends subscribers a user's status, unless it is the one that they were sent last, or hidden from them.
    pub(crate) fn send_status(
        &self,
        user: UserId,
        status: &ShownStatus,
        text: &Utf8Bytes,
        hidden: &Hidden,
    ) {
        let mut order = Order::start();
        let (mut by_user, _) = self.by_user.lock(&mut order);
        let Some(subscribers) = by_user.get_mut(&user) else { return };
        if subscribers.published.as_ref() != Some(status) {
            subscribers.published = Some(status.clone());
            for connection in subscribers.connections.iter() {
                if !hidden.hides(user, connection.user) {
                    connection.queue.signal(SignalKey::Status(user), text.clone());
                }
            }
        }
    }

    /// Sends the connections of one subscriber a user's status.
    pub(crate) fn send_status_to(&self, viewer: UserId, user: UserId, text: &Utf8Bytes) {
        let connections = self.of(user).into_iter().filter(|one| one.user == viewer);
        connections.for_each(|one| one.queue.signal(SignalKey::Status(user), text.clone()));
    }

    /// Sends subscribers that a user's names or avatar changed.
    pub(crate) fn send_profile(&self, user: UserId, text: &Utf8Bytes) {
        if let Some(subscribers) = self.by_user.lock(&mut Order::start()).0.get(&user) {
            subscribers.signal(SignalKey::User(user), text);
        }
    }

    /// The connections that subscribe to a user's presence.
    pub(super) fn of(&self, user: UserId) -> Vec<Arc<Connection>> {
        let mut order = Order::start();
        let (by_user, _) = self.by_user.lock(&mut order);
        by_user.get(&user).map(|one| one.connections.clone()).unwrap_or_default()
    }

    /// All users whose presence somebody here subscribes to.
    pub fn users(&self) -> Vec<UserId> {
        self.by_user.lock(&mut Order::start()).0.keys().copied().collect()
    }

    /// Adds a subscriber, unless it is one; `status` is recorded as [`Self::record`] does. Returns whether
    /// the published status is known.
    pub(crate) fn add<Held: Before<PresenceLevel>>(
        &self,
        order: &mut Order<'_, Held>,
        user: UserId,
        connection: &Arc<Connection>,
        status: Option<&ShownStatus>,
    ) -> bool {
        let (mut by_user, _) = self.by_user.lock(order);
        let subscribers = by_user.entry(user).or_default();
        if subscribers.connections.is_empty() {
            self.interest.begins(Topic::of_user(user));
        }
        if !subscribers.connections.iter().any(|other| other.number == connection.number) {
            subscribers.connections.push(Arc::clone(connection));
        }
        if subscribers.published.is_none() {
            subscribers.published = status.cloned();
        }
        subscribers.published.is_some()
    }

    /// Unsubscribes the connection from those users that it has no reason to subscribe to any more.
    fn end_unwanted<Held: Before<PresenceLevel>>(
        &self,
        order: &mut Order<'_, Held>,
        subscribed: &Subscribed,
        connection: &Connection,
        users: impl IntoIterator<Item = UserId>,
    ) {
        let (mut by_user, _) = self.by_user.lock(order);
        for user in users.into_iter().filter(|user| !subscribed.wants_presence_of(*user)) {
            let Some(subscribers) = by_user.get_mut(&user) else { continue };
            subscribers.connections.retain(|other| other.number != connection.number);
            if subscribers.connections.is_empty() {
                by_user.remove(&user);
                self.interest.ends(Topic::of_user(user));
            }
        }
    }
}

impl Subscribers {
    fn signal(&self, key: SignalKey, text: &Utf8Bytes) {
        for connection in &self.connections {
            connection.queue.signal(key, text.clone());
        }
    }
}
