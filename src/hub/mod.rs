//! The local fan-out: who is connected here, and which of them hear of which chat. It is handed
//! what was committed and puts a chat's events in order; it reads no database and checks no right.
//!
//! Locks are held for as long as it takes to push to queues, never over an await, and taken in one
//! order: people → feeds → a connection's own.

mod feed;
pub mod queue;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::domain::chat::ChatView;
use crate::domain::event::{ChatEvent, Departed, Event};
use crate::domain::ids::{ChatId, SessionId, UserId};
use crate::domain::urls::Urls;
use crate::wire::frames;

use feed::Feed;
pub use feed::Hole;
use queue::{Closing, Frame, Queue};

/// Feeds are spread over this many locks, so that busy chats rarely wait for each other.
const SHARDS: usize = 64;

/// One node's connections and feeds.
#[derive(Debug)]
pub struct Hub {
    /// Who is connected here. Touched when a connection comes or goes, or a chat is made.
    people: Mutex<HashMap<UserId, Vec<Arc<Connection>>>>,
    /// The chats that somebody here listens to.
    feeds: [Mutex<HashMap<ChatId, Feed>>; SHARDS],
    /// Numbers connections, to tell them apart.
    next_connection: AtomicU64,
    /// Bound of each connection's queue, in bytes.
    queue_bytes: usize,
    /// For the URLs in events.
    urls: Arc<Urls>,
}

/// An authenticated socket, as the hub knows it.
#[derive(Debug)]
pub struct Connection {
    number: u64,
    user: UserId,
    session: SessionId,
    /// What waits to be written to the socket.
    pub queue: Queue,
    places: Mutex<Places>,
}

/// Where a connection is.
#[derive(Debug, Default)]
struct Places {
    /// The feeds that it is in, to be left when it goes.
    chats: Vec<ChatId>,
    /// The chats that its user went out of, by which version: what is told late of an earlier
    /// coming in is no news.
    left: HashMap<ChatId, i64>,
}

/// The user has as many connections here as allowed.
#[derive(Debug, PartialEq, Eq)]
pub struct TooManyConnections;

impl Hub {
    /// An empty hub whose connections' queues hold at most `queue_bytes`.
    pub fn new(queue_bytes: usize, urls: Arc<Urls>) -> Self {
        Self {
            people: Mutex::default(),
            feeds: std::array::from_fn(|_| Mutex::default()),
            next_connection: AtomicU64::new(1),
            queue_bytes,
            urls,
        }
    }

    /// Registers a connection, which hears from now on of chats that are made with its user in
    /// them. `max` is the most connections that a user may have here.
    pub fn connect(
        &self,
        user: UserId,
        session: SessionId,
        max: usize,
    ) -> Result<Arc<Connection>, TooManyConnections> {
        let mut people = lock(&self.people);
        let connections = people.entry(user).or_default();
        if connections.len() >= max {
            return Err(TooManyConnections);
        }
        let connection = Arc::new(Connection {
            number: self.next_connection.fetch_add(1, Ordering::Relaxed),
            user,
            session,
            queue: Queue::new(self.queue_bytes),
            places: Mutex::default(),
        });
        connections.push(Arc::clone(&connection));
        Ok(connection)
    }

    /// Joins the feeds of the chats. Whatever passes them from now on is queued, until
    /// [`Self::start`] says which of it the client knows already.
    pub fn join(&self, connection: &Arc<Connection>, chats: &[ChatId]) {
        for chat in chats {
            self.listen(connection, *chat, i64::MIN);
        }
    }

    /// Starts the flow of events: `versions` are those of the user's chats, read from the database
    /// after [`Self::join`]. The answer is what the client is told; of every chat in it, what comes
    /// after the version named will come as events, and nothing before.
    pub fn start(
        &self,
        connection: &Arc<Connection>,
        versions: &[(ChatId, i64)],
    ) -> BTreeMap<ChatId, i64> {
        let mut told = BTreeMap::new();
        for &(chat, version) in versions {
            // Left since they were read.
            if lock(&connection.places).left.get(&chat).is_some_and(|left| *left > version) {
                continue;
            }
            // A chat that the user came into since `join` is joined here.
            self.listen(connection, chat, i64::MIN);
            let from = lock(self.shard(chat))
                .get_mut(&chat)
                .map_or(version, |feed| feed.start(connection.number, version));
            told.insert(chat, from);
        }
        // Left since `join`. One that was made since the reading is not: its `chat.created` waits.
        let mut left = lock(&connection.places).chats.clone();
        left.retain(|chat| !told.contains_key(chat) && self.is_waiting(connection, *chat));
        for chat in &left {
            self.unlisten(connection, *chat);
        }
        lock(&connection.places).chats.retain(|chat| !left.contains(chat));
        connection.queue.retain(|chat, version| match told.get(&chat) {
            Some(from) => version > *from,
            None => !left.contains(&chat),
        });
        told
    }

    /// Forgets a connection.
    pub fn disconnect(&self, connection: &Connection) {
        {
            let mut people = lock(&self.people);
            if let Some(connections) = people.get_mut(&connection.user) {
                connections.retain(|other| other.number != connection.number);
                if connections.is_empty() {
                    people.remove(&connection.user);
                }
            }
        }
        let chats = std::mem::take(&mut lock(&connection.places).chats);
        for chat in chats {
            self.unlisten(connection, chat);
        }
    }

    /// Whether the user has a connection here that does not hear of the chat.
    pub fn misses(&self, user: UserId, chat: ChatId) -> bool {
        let people = lock(&self.people);
        let Some(connections) = people.get(&user) else { return false };
        connections.iter().any(|connection| !lock(&connection.places).chats.contains(&chat))
    }

    /// Whether the user has a connection here.
    pub fn is_connected(&self, user: UserId) -> bool {
        lock(&self.people).contains_key(&user)
    }

    /// Passes on what was committed.
    pub fn publish(&self, event: &Event) {
        match event {
            Event::Chat(event) => self.publish_change(event),
            Event::ChatCreated { chat, last_message, newcomers } => {
                for newcomer in newcomers {
                    let view = || newcomer.view(chat, last_message.as_deref());
                    self.publish_chat(newcomer.user, chat.id, chat.version, true, view);
                }
            }
            Event::ChatFound(user, view) => {
                let (chat, version) = (view.chat.id, view.chat.version);
                self.publish_chat(*user, chat, version, false, || (**view).clone());
            }
            Event::ChatDeleted { chat, departed } => {
                for departed in departed {
                    self.publish_departure(*chat, *departed);
                }
            }
            Event::SessionsEnded(sessions) => self.end_sessions(sessions),
        }
    }

    /// Closes the sockets of sessions that ended.
    pub fn end_sessions(&self, sessions: &[SessionId]) {
        if sessions.is_empty() {
            return;
        }
        let sessions: HashSet<_> = sessions.iter().collect();
        for connections in lock(&self.people).values() {
            for connection in connections.iter().filter(|c| sessions.contains(&c.session)) {
                connection.queue.close(Closing::SessionEnded);
            }
        }
    }

    /// Closes every socket because the node stops. The hint grows along the connections, so that
    /// their clients come back spread over `over`.
    pub fn close_all(&self, over: Duration) {
        let people = lock(&self.people);
        let connections: Vec<_> = people.values().flatten().collect();
        let step = over / u32::try_from(connections.len().max(1)).unwrap_or(u32::MAX);
        let mut after = Duration::ZERO;
        for connection in connections {
            connection.queue.close(Closing::Restarting { retry_after: after });
            after += step;
        }
    }

    /// The chats listened to here, with the version that each feed has passed on.
    pub fn positions(&self) -> Vec<(ChatId, i64)> {
        let mut positions = Vec::new();
        for shard in &self.feeds {
            positions.extend(
                lock(shard).iter().filter_map(|(chat, feed)| Some((*chat, feed.position()?))),
            );
        }
        positions
    }

    /// Notes that the database has a chat at a version, as of when it was asked.
    pub fn known(&self, chat: ChatId, version: i64) {
        if let Some(feed) = lock(self.shard(chat)).get_mut(&chat) {
            feed.known(version, Instant::now());
        }
    }

    /// The holes that have stood open for so long that what fills them must have been lost.
    pub fn holes(&self, older_than: Duration) -> Vec<Hole> {
        let now = Instant::now();
        let mut holes = Vec::new();
        for shard in &self.feeds {
            holes.extend(
                lock(shard).iter().filter_map(|(chat, feed)| feed.hole(*chat, now, older_than)),
            );
        }
        holes
    }

    /// Gives up on a hole: its listeners are told to sync, and what comes after it is passed on.
    pub fn skip(&self, hole: &Hole) {
        if let Some(feed) = lock(self.shard(hole.chat)).get_mut(&hole.chat) {
            feed.skip(hole);
        }
    }

    fn publish_change(&self, event: &ChatEvent) {
        if let Some(feed) = lock(self.shard(event.chat)).get_mut(&event.chat) {
            let frame =
                Frame::of_chat(event.chat, event.version, frames::chat_event(event, &self.urls));
            feed.accept(event.version, frame, Instant::now());
        }
    }

    /// Tells a user of a chat, and lets their connections hear of it from then on. `joined` where
    /// the version made the user a member: one who listens since before that was out meanwhile.
    fn publish_chat(
        &self,
        user: UserId,
        chat: ChatId,
        version: i64,
        joined: bool,
        view: impl FnOnce() -> ChatView,
    ) {
        // Held throughout: a connection that registers later reads the chat from the database.
        let people = lock(&self.people);
        let Some(connections) = people.get(&user) else { return };
        let frame = Frame::of_chat(chat, version, frames::chat_created(&view(), &self.urls));
        for connection in connections {
            self.enter(connection, chat, version, joined, &frame);
        }
    }

    fn enter(
        &self,
        connection: &Arc<Connection>,
        chat: ChatId,
        version: i64,
        joined: bool,
        frame: &Frame,
    ) {
        let mut feeds = lock(self.shard(chat));
        let mut places = lock(&connection.places);
        if places.left.get(&chat).is_some_and(|left| *left > version) {
            return;
        }
        places.left.remove(&chat);
        let feed = feeds.entry(chat).or_default();
        let new = feed.listen(connection, version);
        // One that listens already was told of the chat by its `ready`, or will be.
        if !(new || joined && feed.renew(connection.number, version)) {
            return;
        }
        if new {
            places.chats.push(chat);
        }
        // The feed is held, so no event of the chat gets in between.
        connection.queue.push(frame.clone());
        // What others were told meanwhile does not come again.
        if feed.position().is_some_and(|passed| passed > version) {
            connection.queue.resync(chat);
        }
    }

    /// Tells a user that they are out of a chat; their connections hear nothing of it any more.
    fn publish_departure(&self, chat: ChatId, Departed { user, version }: Departed) {
        let people = lock(&self.people);
        for connection in people.get(&user).into_iter().flatten() {
            let mut feeds = lock(self.shard(chat));
            let mut places = lock(&connection.places);
            let left = places.left.entry(chat).or_insert(version);
            *left = version.max(*left);
            let Some(feed) = feeds.get_mut(&chat) else { continue };
            let Some(from) = feed.from(connection.number).filter(|from| *from < version) else {
                continue;
            };
            places.chats.retain(|other| *other != chat);
            if feed.unlisten(connection.number) {
                feeds.remove(&chat);
            }
            // One that waits for its `ready` was not told of the chat yet.
            if from >= 0 {
                let frame = Frame::of_chat(chat, version, frames::chat_deleted(chat));
                connection.queue.push(frame);
            }
        }
    }

    /// Adds a listener who will be told of the chat by its `ready`, unless it is one already.
    fn listen(&self, connection: &Arc<Connection>, chat: ChatId, from: i64) {
        let mut feeds = lock(self.shard(chat));
        if feeds.entry(chat).or_default().listen(connection, from) {
            lock(&connection.places).chats.push(chat);
        }
    }

    fn is_waiting(&self, connection: &Connection, chat: ChatId) -> bool {
        lock(self.shard(chat)).get(&chat).is_some_and(|feed| feed.is_waiting(connection.number))
    }

    fn unlisten(&self, connection: &Connection, chat: ChatId) {
        let mut feeds = lock(self.shard(chat));
        if feeds.get_mut(&chat).is_some_and(|feed| feed.unlisten(connection.number)) {
            feeds.remove(&chat);
        }
    }

    fn shard(&self, chat: ChatId) -> &Mutex<HashMap<ChatId, Feed>> {
        // Chats are numbered in turn, so the low bits spread them evenly.
        &self.feeds[usize::try_from(chat.0.unsigned_abs()).unwrap_or_default() % SHARDS]
    }
}

/// A panic elsewhere while a lock was held leaves data that is still whole: every change under
/// these locks is a single push, insert or removal.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
