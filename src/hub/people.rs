//! Who is connected to this node, and with which session. Knows no chat and no presence.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, MutexGuard};

use tokio_tungstenite::tungstenite::Utf8Bytes;

use crate::domain::ids::{ChatId, SessionId, UserId};

use super::bus::envelope::Topic;
use super::bus::interest::Interest;
use super::connection::Connection;
use super::lock::{Before, Order, Ordered, PeopleLevel};
use super::queue::{Closing, SignalKey};

type ByUser = HashMap<UserId, Vec<Arc<Connection>>>;

/// The connections of this node, by user.
#[derive(Debug)]
pub struct People {
    by_user: Ordered<PeopleLevel, ByUser>,
    next_number: AtomicU64,
    /// Bound of each connection's queue, in bytes.
    queue_bytes: usize,
    interest: Arc<Interest>,
}

/// The user has as many connections as allowed.
#[derive(Debug, PartialEq, Eq)]
pub struct TooManyConnections;

impl People {
    pub(super) fn new(queue_bytes: usize, interest: Arc<Interest>) -> Self {
        let (by_user, next_number) = (Ordered::default(), AtomicU64::new(1));
        Self { by_user, next_number, queue_bytes, interest }
    }

    /// Registers a connection, unless the user has `max` here already.
    pub(super) fn add(
        &self,
        user: UserId,
        session: SessionId,
        max: usize,
    ) -> Result<Arc<Connection>, TooManyConnections> {
        let mut order = Order::start();
        let (mut people, _) = self.by_user.lock(&mut order);
        if people.get(&user).map_or(0, Vec::len) >= max {
            return Err(TooManyConnections);
        }
        let connections = people.entry(user).or_default();
        let number = self.next_number.fetch_add(1, Ordering::Relaxed);
        let connection = Arc::new(Connection::new(number, user, session, self.queue_bytes));
        if connections.is_empty() {
            self.interest.begins(Topic::of_user(user));
        }
        connections.push(Arc::clone(&connection));
        Ok(connection)
    }

    pub(super) fn remove(&self, connection: &Connection) {
        let mut order = Order::start();
        let (mut people, _) = self.by_user.lock(&mut order);
        let Some(connections) = people.get_mut(&connection.user) else { return };
        connections.retain(|other| other.number != connection.number);
        if connections.is_empty() {
            people.remove(&connection.user);
            self.interest.ends(Topic::of_user(connection.user));
        }
    }

    /// Holds off connections that come or go.
    pub(super) fn lock<'a, Held: Before<PeopleLevel>>(
        &'a self,
        order: &'a mut Order<'_, Held>,
    ) -> (MutexGuard<'a, ByUser>, Order<'a, PeopleLevel>) {
        self.by_user.lock(order)
    }

    /// Whether the user has a connection here.
    pub fn is_connected(&self, user: UserId) -> bool {
        self.lock(&mut Order::start()).0.contains_key(&user)
    }

    /// A user's connections.
    pub(super) fn of(&self, user: UserId) -> Vec<Arc<Connection>> {
        self.lock(&mut Order::start()).0.get(&user).cloned().unwrap_or_default()
    }

    /// How many users are connected here, and by how many connections.
    pub fn count(&self) -> (usize, usize) {
        let mut order = Order::start();
        let (people, _) = self.by_user.lock(&mut order);
        (people.len(), people.values().map(Vec::len).sum())
    }

    /// All connections.
    pub fn all(&self) -> Vec<Arc<Connection>> {
        self.lock(&mut Order::start()).0.values().flatten().cloned().collect()
    }

    /// Whether the user has a connection here that does not subscribe to the chat.
    pub fn any_lacks(&self, user: UserId, chat: ChatId) -> bool {
        let mut order = Order::start();
        let (people, mut order) = self.by_user.lock(&mut order);
        let mut connections = people.get(&user).into_iter().flatten();
        connections.any(|one| !one.subscribed.lock(&mut order).0.chats.contains(&chat))
    }

    /// Sends a signal to a user's connections, but not to the one with the number `except`.
    pub(super) fn signal(
        &self,
        user: UserId,
        key: SignalKey,
        text: &Utf8Bytes,
        except: Option<u64>,
    ) {
        for connection in self.lock(&mut Order::start()).0.get(&user).into_iter().flatten() {
            if Some(connection.number) != except {
                connection.queue.signal(key, text.clone());
            }
        }
    }

    /// Closes the sockets of sessions that have ended.
    pub fn end_sessions(&self, sessions: &[SessionId]) {
        if sessions.is_empty() {
            return;
        }
        let sessions: HashSet<_> = sessions.iter().collect();
        for connections in self.lock(&mut Order::start()).0.values() {
            for connection in connections.iter().filter(|c| sessions.contains(&c.session)) {
                connection.queue.close(Closing::SessionEnded);
            }
        }
    }
}
