//! When a user leaves a chat, presence subscriptions to and from them are checked again on the next tick,
//! and ended where no chat is shared any more. Which chats are shared is the caller's to find out.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};

use crate::domain::ids::UserId;
use crate::hub::connection::Connection;
use crate::hub::lock::{Order, lock};
use crate::hub::people::People;

use super::subscriptions::Subscriptions;

/// Users who have left a chat since it was last taken from.
#[derive(Debug, Default)]
pub struct RecheckQueue(Mutex<HashSet<UserId>>);

/// A user some of whose subscriptions may be to strangers by now.
#[derive(Debug)]
pub struct Recheck {
    /// The user.
    pub user: UserId,
    /// The user's connections that subscribe to others because their clients asked for it.
    own: Vec<Arc<Connection>>,
    /// Connections of others that subscribe to the user.
    subscribers: Vec<Arc<Connection>>,
}

impl RecheckQueue {
    /// Adds users: they have left a chat, or could not be checked.
    pub fn add(&self, users: impl IntoIterator<Item = UserId>) {
        lock(&self.0).extend(users);
    }

    /// Takes the users, with their subscriptions that may be to strangers by now.
    pub fn take(&self, people: &People, subscriptions: &Subscriptions) -> Vec<Recheck> {
        let recheck = |user| {
            let mut own = people.of(user);
            own.retain(|one| !one.subscribed.lock(&mut Order::start()).0.users.is_empty());
            let recheck = Recheck { user, own, subscribers: subscriptions.of(user) };
            (!recheck.own.is_empty() || !recheck.subscribers.is_empty()).then_some(recheck)
        };
        let users = std::mem::take(&mut *lock(&self.0));
        users.into_iter().filter_map(recheck).collect()
    }
}

impl Recheck {
    /// The users at the other ends of the subscriptions.
    pub fn others(&self) -> Vec<UserId> {
        let users =
            |one: &Arc<Connection>| one.subscribed.lock(&mut Order::start()).0.users.clone();
        let mut others: Vec<_> = self.own.iter().flat_map(users).collect();
        others.extend(self.subscribers.iter().map(|one| one.user));
        others.sort_unstable();
        others.dedup();
        others
    }

    /// Ends the subscriptions between the user and strangers, except between the two members of a private
    /// chat.
    pub fn end(&self, subscriptions: &Subscriptions, strangers: &HashSet<UserId>) {
        for own in &self.own {
            subscriptions.end_strangers(own, |user| strangers.contains(&user));
        }
        for one in self.subscribers.iter().filter(|one| strangers.contains(&one.user)) {
            subscriptions.end_strangers(one, |user| user == self.user);
        }
    }
}
