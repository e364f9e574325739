//! How connections of the hub come and go. The order of the steps is in `actions::connect`.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::domain::ids::{ChatId, SessionId, UserId};
use crate::domain::numbering::Version;

use super::Hub;
use super::connection::Connection;
use super::feeds::Memberships;
use super::lock::Order;
use super::people::TooManyConnections;
use super::presence::hidden::Relations;

impl Hub {
    /// Registers a connection. From now on it gets the chats that its user enters. `max` is the most
    /// connections that a user may have here.
    pub fn connect(
        &self,
        user: UserId,
        session: SessionId,
        max: usize,
    ) -> Result<Arc<Connection>, TooManyConnections> {
        let connection = self.people.add(user, session, max)?;
        self.accounts.open(user);
        self.presence.local.connected(user, connection.number);
        Ok(connection)
    }

    /// Starts delivery, after [`super::feeds::Feeds::join`] and reading the memberships from the database. Returns the
    /// versions for `ready`: every event after them will be delivered, and none before.
    pub fn start(
        &self,
        connection: &Arc<Connection>,
        memberships: &Memberships<'_>,
    ) -> BTreeMap<ChatId, Version> {
        let subscriptions = &self.presence.subscriptions;
        let started = self.feeds.start(connection, memberships, subscriptions);
        subscriptions.end_former_peers(connection);
        started
    }

    /// Forgets a connection.
    pub fn disconnect(&self, connection: &Connection, now: Duration) {
        self.people.remove(connection);
        self.accounts.close(connection.user, &self.people);
        self.feeds.leave_all(connection);
        self.presence.disconnected(connection, now);
        self.set_relations(connection.user, None);
    }

    /// Replaces what is known of the blocks that concern a user. Nothing is known of one without connections; with
    /// `None`, only that is done. Returns the users whose presence looks different from now on.
    pub fn set_relations(&self, user: UserId, relations: Option<Relations>) -> Vec<UserId> {
        let mut order = Order::start();
        // Locked throughout: a connection that registers later reads the blocks from the database.
        let (people, _) = self.people.lock(&mut order);
        match (people.contains_key(&user), relations) {
            (true, None) => Vec::new(),
            (true, Some(relations)) => self.presence.hidden.set(user, relations),
            (false, _) => self.presence.hidden.set(user, Relations::default()),
        }
    }

    /// Forgets every chat's versions: they belong to another epoch. Connections have to be closed.
    pub fn forget(&self) {
        self.feeds.clear();
        self.accounts.clear();
        self.witness.forget();
    }
}
