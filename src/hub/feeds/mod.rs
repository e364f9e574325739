//! The feeds of all chats that somebody here subscribes to: who enters and leaves them, and what they
//! deliver. Checks no right: a connection enters a chat when its user's membership was read or published.

mod starting;

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio_tungstenite::tungstenite::Utf8Bytes;

use crate::domain::event::Departed;
use crate::domain::ids::{ChatId, UserId};
use crate::domain::numbering::Version;

use super::bus::envelope::{Entered, Topic};
use super::bus::interest::Interest;
use super::connection::Connection;
use super::feed::{Feed, Gap, Knows};
use super::left::Noted;
use super::lock::{Before, FeedsLevel, Order, Ordered, lock};
use super::presence::subscriptions::Subscriptions;
use super::queue::{Closing, Frame, SignalKey};

/// Feeds are spread over this many locks, so that busy chats rarely wait for each other.
const SHARDS: usize = 64;
/// When a client comes back whose user has left more chats than can be remembered.
const RETURN_AFTER: Duration = Duration::from_secs(1);

type Shard = Ordered<FeedsLevel, HashMap<ChatId, Feed>>;

/// A user's chats, as the database has them after the connection's [`Feeds::join`].
#[derive(Clone, Copy, Debug, Default)]
pub struct Memberships<'a> {
    /// The user's chats, with their versions.
    pub versions: &'a [(ChatId, Version)],
    /// The chats that the user has left recently, and by which version. Read with the versions, or after
    /// them.
    pub left: &'a [(ChatId, Version)],
}

/// The feeds of this node.
#[derive(Debug)]
pub struct Feeds {
    shards: [Shard; SHARDS],
    interest: Arc<Interest>,
    /// Chats that began a feed when somebody entered them. What other nodes publish before the bus has this
    /// node's subscription does not arrive here.
    entered: Mutex<Vec<ChatId>>,
    /// Users whose join came too late to be believed: see [`Self::enter`].
    unconfirmed: Mutex<Vec<(UserId, ChatId)>>,
}

impl Feeds {
    pub(super) fn new(interest: Arc<Interest>) -> Self {
        Self {
            shards: std::array::from_fn(|_| Shard::default()),
            interest,
            entered: Mutex::default(),
            unconfirmed: Mutex::default(),
        }
    }

    /// Unsubscribes a connection that is gone from all chats.
    pub(super) fn leave_all(&self, connection: &Connection) {
        let mut order = Order::start();
        let chats = std::mem::take(&mut connection.subscribed.lock(&mut order).0.chats);
        for chat in chats {
            self.unsubscribe(connection, chat);
        }
    }

    /// Sends a connection the chat that its user has entered, and subscribes it to what follows. Not if the feed began
    /// after the join: what happened in between did not arrive here, so the user may have left again. The caller of
    /// [`Self::take_unconfirmed`] asks the database.
    pub(super) fn enter<Held: Before<FeedsLevel>>(
        &self,
        order: &mut Order<'_, Held>,
        connection: &Arc<Connection>,
        entered: &Entered,
        frame: &Frame,
        presence: &Subscriptions,
    ) {
        let &Entered { chat, version, joined, .. } = entered;
        let (mut feeds, mut order) = self.shard(chat).lock(order);
        let (mut subscribed, mut order) = connection.subscribed.lock(&mut order);
        if subscribed.left.is_after(chat, version) {
            return;
        }
        if feeds.get(&chat).is_some_and(|feed| feed.lacks_join(connection.number, version)) {
            lock(&self.unconfirmed).push((connection.user, chat));
            return;
        }
        subscribed.left.forget(chat);
        if !feeds.contains_key(&chat) && !self.interest.is_alone() {
            lock(&self.entered).push(chat);
        }
        let feed = self.feed(&mut feeds, chat);
        let is_new = feed.subscribe(connection, Knows::Upto(version));
        // Another client got the chat by its `ready`, or will.
        if !(is_new || joined && feed.renew(connection.number, version)) {
            return;
        }
        if is_new {
            subscribed.chats.push(chat);
        }
        if let Some((peer, status)) = &entered.peer {
            subscribed.peers.insert(chat, *peer);
            presence.add(&mut order, *peer, connection, Some(status));
        }
        // The feed is locked, so no event of the chat gets in between.
        connection.queue.push(frame.clone());
        // Later events have been delivered to the other subscribers already, and do not come again.
        if feed.position().is_some_and(|delivered| delivered > version) {
            connection.queue.resync(chat);
        }
    }

    /// Unsubscribes a connection whose user has left a chat, and sends it `chat.deleted`, once. Also without a
    /// subscription: a sync may have brought the client a chat that this node does not know it to be in.
    pub(super) fn depart<Held: Before<FeedsLevel>>(
        &self,
        order: &mut Order<'_, Held>,
        connection: &Arc<Connection>,
        (chat, departed): (ChatId, &Departed),
        text: &Utf8Bytes,
        presence: &Subscriptions,
    ) {
        let version = departed.version;
        let (mut feeds, mut order) = self.shard(chat).lock(order);
        let (mut subscribed, mut order) = connection.subscribed.lock(&mut order);
        let noted = subscribed.left.note(chat, version, Instant::now());
        if noted == Noted::TooMany {
            connection.queue.close(Closing::Restarting { retry_after: RETURN_AFTER });
        }
        match feeds.get(&chat).and_then(|feed| feed.knows(connection.number)) {
            // [`Self::start`] compares the version with the database's: the user may have joined again.
            Some(Knows::AwaitsReady) => return,
            Some(Knows::Upto(known)) if known >= version => return,
            Some(Knows::Upto(_)) => self.unsubscribe_from(&mut feeds, connection, chat),
            None => {}
        }
        presence.end_peer(&mut order, &mut subscribed, connection, chat);
        subscribed.chats.retain(|other| *other != chat);
        if !subscribed.is_ready {
            // The client has not received the chat yet, and will not.
            connection.queue.retain(|other, _| other != chat);
        } else if noted == Noted::New {
            connection.queue.push(Frame::of_chat(chat, version, text.clone()));
        }
    }

    /// Takes the chats whose feeds began when somebody entered them. Empty without a bus.
    pub fn take_entered(&self) -> Vec<ChatId> {
        std::mem::take(&mut *lock(&self.entered))
    }

    /// Takes the users who may have entered chats, each with the chat. One may be listed more than once.
    pub fn take_unconfirmed(&self) -> Vec<(UserId, ChatId)> {
        std::mem::take(&mut *lock(&self.unconfirmed))
    }

    /// Delivers an event of a chat.
    pub(super) fn accept(&self, chat: ChatId, version: Version, text: &Utf8Bytes) {
        if let Some(feed) = self.shard(chat).lock(&mut Order::start()).0.get_mut(&chat) {
            feed.accept(version, Frame::of_chat(chat, version, text.clone()), Instant::now());
        }
    }

    /// Sends a signal to the subscribers of a chat, but not to the connections of `except`.
    pub(super) fn signal(
        &self,
        chat: ChatId,
        key: SignalKey,
        text: &Utf8Bytes,
        except: Option<UserId>,
    ) {
        if let Some(feed) = self.shard(chat).lock(&mut Order::start()).0.get(&chat) {
            for connection in feed.connections().filter(|c| Some(c.user) != except) {
                connection.queue.signal(key, text.clone());
            }
        }
    }

    /// Whether anybody here subscribes to the chat.
    pub(super) fn contains(&self, chat: ChatId) -> bool {
        self.shard(chat).lock(&mut Order::start()).0.contains_key(&chat)
    }

    /// Whether the connection subscribes to the chat: its user is a member.
    pub fn has_subscribed(&self, connection: &Connection, chat: ChatId) -> bool {
        connection.subscribed.lock(&mut Order::start()).0.chats.contains(&chat)
    }

    /// How many chats have a feed here.
    pub fn count(&self) -> usize {
        self.shards.iter().map(|shard| shard.lock(&mut Order::start()).0.len()).sum()
    }

    /// Each chat with the version that its feed has delivered last.
    pub fn positions(&self) -> Vec<(ChatId, Version)> {
        self.collect(|chat, feed| Some((chat, feed.position()?)))
    }

    /// Records that the database has a version of a chat. If its event does not come, that is a gap.
    pub fn is_in_database(&self, chat: ChatId, version: Version) {
        if let Some(feed) = self.shard(chat).lock(&mut Order::start()).0.get_mut(&chat) {
            feed.is_in_database(version, Instant::now());
        }
    }

    /// The gaps that have been open for so long that the missing events must have been lost.
    pub fn gaps(&self, older_than: Duration) -> Vec<Gap> {
        let now = Instant::now();
        self.collect(|chat, feed| feed.gap(chat, now, older_than))
    }

    /// Gives up on a gap: the chat's subscribers get `resync`, and delivery continues after it.
    pub fn skip(&self, gap: &Gap) {
        if let Some(feed) = self.shard(gap.chat).lock(&mut Order::start()).0.get_mut(&gap.chat) {
            feed.skip(gap, Instant::now());
        }
    }

    /// Drops all feeds: their versions belong to another epoch. Connections get no more events of chats,
    /// and have to be closed.
    pub(super) fn clear(&self) {
        for shard in &self.shards {
            let feeds = std::mem::take(&mut *shard.lock(&mut Order::start()).0);
            feeds.into_keys().for_each(|chat| self.interest.ends(Topic::of_chat(chat)));
        }
    }

    fn collect<T>(&self, of: impl Fn(ChatId, &Feed) -> Option<T>) -> Vec<T> {
        let mut all = Vec::new();
        for shard in &self.shards {
            let mut order = Order::start();
            let (feeds, _) = shard.lock(&mut order);
            all.extend(feeds.iter().filter_map(|(chat, feed)| of(*chat, feed)));
        }
        all
    }

    /// A chat's feed, which begins where there is none.
    fn feed<'a>(&self, feeds: &'a mut HashMap<ChatId, Feed>, chat: ChatId) -> &'a mut Feed {
        feeds.entry(chat).or_insert_with(|| {
            self.interest.begins(Topic::of_chat(chat));
            Feed::default()
        })
    }

    fn unsubscribe(&self, connection: &Connection, chat: ChatId) {
        let mut order = Order::start();
        let (mut feeds, _) = self.shard(chat).lock(&mut order);
        self.unsubscribe_from(&mut feeds, connection, chat);
    }

    fn unsubscribe_from(
        &self,
        feeds: &mut HashMap<ChatId, Feed>,
        connection: &Connection,
        chat: ChatId,
    ) {
        if feeds.get_mut(&chat).is_some_and(|feed| feed.unsubscribe(connection.number)) {
            feeds.remove(&chat);
            self.interest.ends(Topic::of_chat(chat));
        }
    }

    fn shard(&self, chat: ChatId) -> &Shard {
        // Ids are dense, so the low bits spread the chats evenly.
        &self.shards[usize::try_from(chat.0.unsigned_abs()).unwrap_or_default() % SHARDS]
    }
}
