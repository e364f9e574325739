//! One authenticated socket, as the hub knows it: whose it is, what waits to be written to it, and what
//! it subscribes to. The subscriptions themselves are kept by `feeds` and `presence::subscriptions`.

use std::collections::HashMap;

use crate::domain::ids::{ChatId, SessionId, UserId};

use super::left::LeftChats;
use super::lock::{ConnectionLevel, Ordered};
use super::queue::Queue;

/// A connection.
#[derive(Debug)]
pub struct Connection {
    pub(super) number: u64,
    pub(super) user: UserId,
    pub(super) session: SessionId,
    /// What waits to be written to the socket.
    pub queue: Queue,
    pub(super) subscribed: Ordered<ConnectionLevel, Subscribed>,
}

/// What a connection subscribes to.
#[derive(Debug, Default)]
pub(crate) struct Subscribed {
    /// Chats: the connection is in their feeds.
    pub(super) chats: Vec<ChatId>,
    /// The connection's `ready` was made: from now on it is sent `chat.deleted`.
    pub(super) is_ready: bool,
    /// Chats that the user has left, by departures that the client knows of or is being sent.
    pub(super) left: LeftChats,
    /// The other members of private chats: the connection subscribes to their presence.
    pub(super) peers: HashMap<ChatId, UserId>,
    /// Users whose presence the client has asked for.
    pub(super) users: Vec<UserId>,
}

impl Connection {
    /// A connection whose queue holds at most `queue_bytes`.
    pub(super) fn new(number: u64, user: UserId, session: SessionId, queue_bytes: usize) -> Self {
        let queue = Queue::new(queue_bytes);
        Self { number, user, session, queue, subscribed: Ordered::default() }
    }

    /// The user.
    pub fn user(&self) -> UserId {
        self.user
    }

    /// Unique among the connections of this node.
    pub fn number(&self) -> u64 {
        self.number
    }
}

impl Subscribed {
    /// Whether the connection has any reason to subscribe to the user's presence.
    pub(super) fn wants_presence_of(&self, user: UserId) -> bool {
        self.users.contains(&user) || self.peers.values().any(|peer| *peer == user)
    }
}
