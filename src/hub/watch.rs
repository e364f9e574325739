//! Who on this node wants to know how whom is seen. Whether they may is decided by those who ask.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use crate::domain::ids::UserId;

use super::news::{Seen, Topic};
use super::queue::SignalKey;
use super::{Connection, Interest, News, What, lock};

/// Watched users.
#[derive(Debug, Default)]
pub(super) struct Watch(Mutex<HashMap<UserId, Watched>>);

#[derive(Debug, Default)]
struct Watched {
    watchers: Vec<Arc<Connection>>,
    /// What they were told last, or was so when they began to watch; unknown for a moment.
    told: Option<Seen>,
}

impl Watch {
    /// Adds a watcher, unless it is one. Whether it is known how the user is seen.
    pub(super) fn add(
        &self,
        user: UserId,
        connection: &Arc<Connection>,
        interest: &Interest,
    ) -> bool {
        let mut watch = lock(&self.0);
        let watched = watch.entry(user).or_default();
        if watched.watchers.is_empty() {
            interest.begins(Topic::of_user(user));
        }
        if !watched.watchers.iter().any(|other| other.number == connection.number) {
            watched.watchers.push(Arc::clone(connection));
        }
        watched.told.is_some()
    }

    /// Removes a watcher.
    pub(super) fn remove(&self, user: UserId, connection: &Connection, interest: &Interest) {
        let mut watch = lock(&self.0);
        let Some(watched) = watch.get_mut(&user) else { return };
        watched.watchers.retain(|other| other.number != connection.number);
        if watched.watchers.is_empty() {
            watch.remove(&user);
            interest.ends(Topic::of_user(user));
        }
    }

    /// Notes how a user is seen, where nothing was told of it meanwhile.
    /// What is noted now.
    pub(super) fn note(&self, user: UserId, seen: Seen) -> Seen {
        match lock(&self.0).get_mut(&user) {
            Some(watched) => watched.told.get_or_insert(seen).clone(),
            None => seen,
        }
    }

    /// Tells the watchers of a user, of a status only where it is another than they were told.
    pub(super) fn tell(&self, user: UserId, news: &News) {
        let mut watch = lock(&self.0);
        let Some(watched) = watch.get_mut(&user) else { return };
        let key = match &news.what {
            What::Status { seen, .. } if watched.told.as_ref() == Some(seen) => return,
            What::Status { seen, .. } => {
                watched.told = Some(seen.clone());
                SignalKey::Status(user)
            }
            _ => SignalKey::User(user),
        };
        for watcher in &watched.watchers {
            watcher.queue.signal(key, news.text.clone());
        }
    }

    /// Who watches a user.
    pub(super) fn watchers(&self, user: UserId) -> Vec<Arc<Connection>> {
        lock(&self.0).get(&user).map(|watched| watched.watchers.clone()).unwrap_or_default()
    }

    /// Everybody who is watched.
    pub(super) fn all(&self) -> Vec<UserId> {
        lock(&self.0).keys().copied().collect()
    }
}
