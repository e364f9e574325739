//! The local fan-out: who is connected here, and which of them hear of which chat. It is handed
//! what was committed and puts a chat's events in order; it reads no database and checks no right.
//!
//! Locks are held for as long as it takes to push to queues, never over an await, and taken in one
//! order: people → feeds → a connection's own → who watches whom → all others.

mod feed;
mod interest;
mod left;
pub mod link;
pub mod news;
pub mod presence;
mod publish;
pub mod queue;
pub mod replies;
mod signals;
mod watch;
pub mod witness;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::domain::ids::{ChatId, SessionId, UserId};
use crate::domain::numbering::Version;
use crate::domain::urls::Urls;

use feed::Feed;
pub use feed::Hole;
use interest::Interest;
use left::Left;
use link::Link;
use news::{News, Seen, Topic, What};
use presence::Presence;
use queue::{Closing, Queue};
use signals::{Receipts, Typing};
use watch::Watch;
use witness::Witness;

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
    /// Who is seen as what by their connections here.
    pub presence: Presence,
    /// Who wants to know how whom is seen.
    watch: Watch,
    /// Who went out of a chat, so that others may not watch them any more, nor they others.
    departed: Mutex<HashSet<UserId>>,
    typing: Typing,
    receipts: Receipts,
    interest: Interest,
    /// What the database has to have.
    pub witness: Witness,
    /// The way to the other nodes, where there is a bus.
    link: Option<Link>,
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

impl Connection {
    /// Whose it is.
    pub fn user(&self) -> UserId {
        self.user
    }

    /// Tells it from all others of this node.
    pub fn number(&self) -> u64 {
        self.number
    }
}

/// Somebody who may share no chat any more with others, of whom some watch others.
#[derive(Debug)]
pub struct Doubt {
    /// Who.
    pub user: UserId,
    /// Their connections, with whom these watch.
    own: Vec<Arc<Connection>>,
    /// The connections that watch them.
    watchers: Vec<Arc<Connection>>,
}

impl Doubt {
    /// The others.
    pub fn others(&self) -> Vec<UserId> {
        let watched = self.own.iter().flat_map(|own| lock(&own.places).watched.clone());
        let mut others: Vec<_> = watched.chain(self.watchers.iter().map(|w| w.user)).collect();
        others.sort_unstable();
        others.dedup();
        others
    }
}

/// Where a connection is.
#[derive(Debug, Default)]
struct Places {
    /// The feeds that it is in, to be left when it goes.
    chats: Vec<ChatId>,
    /// The chats that its user has left.
    left: Left,
    /// The other ones of private chats: they are watched.
    peers: HashMap<ChatId, UserId>,
    /// Whom the client asked to watch besides.
    watched: Vec<UserId>,
}

impl Places {
    fn watches(&self, user: UserId) -> bool {
        self.watched.contains(&user) || self.peers.values().any(|peer| *peer == user)
    }
}

/// The user has as many connections here as allowed.
#[derive(Debug, PartialEq, Eq)]
pub struct TooManyConnections;

impl Hub {
    /// An empty hub whose connections' queues hold at most `queue_bytes`. Other nodes are told
    /// through `link`, where there is a bus.
    pub fn new(queue_bytes: usize, urls: Arc<Urls>, link: Option<Link>) -> Self {
        Self {
            presence: Presence::default(),
            watch: Watch::default(),
            departed: Mutex::default(),
            typing: Typing::default(),
            receipts: Receipts::default(),
            interest: Interest::new(link.is_none()),
            witness: Witness::default(),
            link,
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
        if connections.is_empty() {
            self.interest.begins(Topic::of_user(user));
        }
        connections.push(Arc::clone(&connection));
        self.presence.came(user, connection.number);
        Ok(connection)
    }

    /// Joins the feeds of the chats. Whatever passes them from now on is queued, until
    /// [`Self::start`] says which of it the client knows already.
    pub fn join(&self, connection: &Arc<Connection>, chats: &[ChatId]) {
        for chat in chats {
            self.listen(connection, *chat, Version(i64::MIN));
        }
    }

    /// Starts the flow of events: `versions` are those of the user's chats, read from the database
    /// after [`Self::join`]. The answer is what the client is told; of every chat in it, what comes
    /// after the version named will come as events, and nothing before.
    pub fn start(
        &self,
        connection: &Arc<Connection>,
        versions: &[(ChatId, Version)],
    ) -> BTreeMap<ChatId, Version> {
        let mut told = BTreeMap::new();
        for &(chat, version) in versions {
            // Left since they were read.
            if lock(&connection.places).left.is_after(chat, version) {
                continue;
            }
            // A chat that the user came into since `join` is joined here.
            self.listen(connection, chat, Version(i64::MIN));
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
        {
            let mut places = lock(&connection.places);
            places.chats.retain(|chat| !left.contains(chat));
            let strangers: Vec<_> =
                places.peers.keys().filter(|chat| !places.chats.contains(chat)).copied().collect();
            strangers
                .into_iter()
                .for_each(|chat| self.part_from_peer(&mut places, connection, chat));
        }
        connection.queue.retain(|chat, version| match told.get(&chat) {
            Some(from) => version > *from,
            None => !left.contains(&chat),
        });
        told
    }

    /// Forgets a connection.
    pub fn disconnect(&self, connection: &Connection, now: Duration) {
        {
            let mut people = lock(&self.people);
            if let Some(connections) = people.get_mut(&connection.user) {
                connections.retain(|other| other.number != connection.number);
                if connections.is_empty() {
                    people.remove(&connection.user);
                    self.interest.ends(Topic::of_user(connection.user));
                }
            }
        }
        self.presence.went(connection.user, connection.number, now);
        let places = std::mem::take(&mut *lock(&connection.places));
        for chat in places.chats {
            self.unlisten(connection, chat);
        }
        for user in places.peers.into_values().chain(places.watched) {
            self.watch.remove(user, connection, &self.interest);
        }
    }

    /// Watches the other ones of the user's private chats; those of whom it has to be noted how they
    /// are seen.
    pub fn watch_peers(
        &self,
        connection: &Arc<Connection>,
        peers: &[(ChatId, UserId)],
    ) -> Vec<UserId> {
        let mut places = lock(&connection.places);
        let mut unknown = Vec::new();
        for (chat, peer) in peers {
            places.peers.insert(*chat, *peer);
            if !self.watch.add(*peer, connection, &self.interest) {
                unknown.push(*peer);
            }
        }
        unknown
    }

    /// Watches these users, and none of those that were asked for before.
    pub fn watch(&self, connection: &Arc<Connection>, users: &[UserId]) {
        let mut places = lock(&connection.places);
        let before = std::mem::replace(&mut places.watched, users.to_vec());
        for user in before.into_iter().filter(|user| !places.watches(*user)) {
            self.watch.remove(user, connection, &self.interest);
        }
        for user in users {
            self.watch.add(*user, connection, &self.interest);
        }
    }

    /// Notes how users are seen who are watched, so that only what changes is told from now on. That
    /// somebody is seen as before is no news, and must not be told: it would betray that the
    /// invisible come and go.
    ///
    /// What is noted, by it or before it: who is told of a user's status at the beginning is told
    /// this.
    pub fn note(&self, user: UserId, seen: Seen) -> Seen {
        self.watch.note(user, seen)
    }

    /// Who went out of a chat since it was asked last, and so may share none any more with whom they
    /// watch here, or who watch them.
    pub fn doubtful(&self) -> Vec<Doubt> {
        let departed = std::mem::take(&mut *lock(&self.departed));
        let doubt = |user| {
            let mut own = lock(&self.people).get(&user).cloned().unwrap_or_default();
            own.retain(|connection| !lock(&connection.places).watched.is_empty());
            let doubt = Doubt { user, own, watchers: self.watch.watchers(user) };
            (!doubt.own.is_empty() || !doubt.watchers.is_empty()).then_some(doubt)
        };
        departed.into_iter().filter_map(doubt).collect()
    }

    /// Ends what watching there is between the user and others, of whom these are strangers by now;
    /// save between the two of a private chat.
    pub fn part(&self, doubt: &Doubt, strangers: &HashSet<UserId>) {
        for own in &doubt.own {
            self.unwatch(own, |user| strangers.contains(&user));
        }
        for watcher in doubt.watchers.iter().filter(|w| strangers.contains(&w.user)) {
            self.unwatch(watcher, |user| user == doubt.user);
        }
    }

    fn unwatch(&self, connection: &Connection, is_stranger: impl Fn(UserId) -> bool) {
        let mut places = lock(&connection.places);
        let watched = std::mem::take(&mut places.watched);
        let (strangers, watched): (Vec<_>, _) = watched.into_iter().partition(|u| is_stranger(*u));
        places.watched = watched;
        for user in strangers.into_iter().filter(|user| !places.watches(*user)) {
            self.watch.remove(user, connection, &self.interest);
        }
    }

    /// Everybody who is watched here.
    pub fn watched(&self) -> Vec<UserId> {
        self.watch.all()
    }

    /// Whether the connection hears of the chat: its user is a member.
    pub fn hears(&self, connection: &Connection, chat: ChatId) -> bool {
        lock(&connection.places).chats.contains(&chat)
    }

    /// Whether the user has a connection here that does not hear of the chat.
    pub fn misses(&self, user: UserId, chat: ChatId) -> bool {
        let people = lock(&self.people);
        let Some(connections) = people.get(&user) else { return false };
        connections.iter().any(|connection| !lock(&connection.places).chats.contains(&chat))
    }

    /// Whether the bus is there; `None` where none is wanted.
    pub fn bus(&self) -> Option<bool> {
        self.link.as_ref().map(Link::is_connected)
    }

    /// Waits until the other nodes are asked for all that somebody here has to do with by now; not
    /// for long, and not at all where there is no bus.
    pub async fn asked(&self) {
        if let Some(link) = &self.link {
            link.asked(self.interest.changes()).await;
        }
    }

    /// Waits until news of other nodes may have been lost; for ever where there is no bus.
    pub async fn lost(&self) {
        match &self.link {
            Some(link) => link.lost().await,
            None => std::future::pending().await,
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

    /// Whether the user has a connection here.
    pub fn is_connected(&self, user: UserId) -> bool {
        lock(&self.people).contains_key(&user)
    }

    /// Everybody who is connected.
    pub fn connections(&self) -> Vec<Arc<Connection>> {
        lock(&self.people).values().flatten().cloned().collect()
    }

    /// The chats listened to here, with the version that each feed has passed on.
    pub fn positions(&self) -> Vec<(ChatId, Version)> {
        let mut positions = Vec::new();
        for shard in &self.feeds {
            positions.extend(
                lock(shard).iter().filter_map(|(chat, feed)| Some((*chat, feed.position()?))),
            );
        }
        positions
    }

    /// Notes that the database has a chat at a version, as of when it was asked.
    pub fn known(&self, chat: ChatId, version: Version) {
        if let Some(feed) = lock(self.shard(chat)).get_mut(&chat) {
            feed.known(version, Instant::now());
        }
    }

    /// Forgets every chat's versions: they were of another past. Connections hear nothing more of
    /// chats, and are to be sent away.
    pub fn forget(&self) {
        for shard in &self.feeds {
            let feeds = std::mem::take(&mut *lock(shard));
            feeds.into_keys().for_each(|chat| self.interest.ends(Topic::of_chat(chat)));
        }
        self.witness.forget();
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

    /// The chat with the peer is over: they are watched no more, unless for another reason.
    fn part_from_peer(&self, places: &mut Places, connection: &Connection, chat: ChatId) {
        if let Some(peer) = places.peers.remove(&chat)
            && !places.watches(peer)
        {
            self.watch.remove(peer, connection, &self.interest);
        }
    }

    /// Adds a listener who will be told of the chat by its `ready`, unless it is one already.
    fn listen(&self, connection: &Arc<Connection>, chat: ChatId, from: Version) {
        let mut feeds = lock(self.shard(chat));
        if self.feed(&mut feeds, chat).listen(connection, from) {
            lock(&connection.places).chats.push(chat);
        }
    }

    /// A chat's feed, which begins where there is none.
    fn feed<'a>(&self, feeds: &'a mut HashMap<ChatId, Feed>, chat: ChatId) -> &'a mut Feed {
        feeds.entry(chat).or_insert_with(|| {
            self.interest.begins(Topic::of_chat(chat));
            Feed::default()
        })
    }

    fn is_waiting(&self, connection: &Connection, chat: ChatId) -> bool {
        lock(self.shard(chat)).get(&chat).is_some_and(|feed| feed.is_waiting(connection.number))
    }

    fn unlisten(&self, connection: &Connection, chat: ChatId) {
        let mut feeds = lock(self.shard(chat));
        if feeds.get_mut(&chat).is_some_and(|feed| feed.unlisten(connection.number)) {
            feeds.remove(&chat);
            self.interest.ends(Topic::of_chat(chat));
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
