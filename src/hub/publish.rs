//! From events to queues: what is published is turned into news, told to other nodes, and handed to
//! those whom it concerns here; what other nodes tell goes the same way.

use std::sync::Arc;
use std::time::Instant;

use crate::domain::event::{ChatEvent, Event};
use crate::domain::ids::{ChatId, UserId};
use crate::domain::receipt::Marks;
use crate::domain::time::Timestamp;
use crate::wire::frames;

use super::news::{News, Seen, What};
use super::queue::{Frame, SignalKey};
use super::{Connection, Hub, Topic, lock};

impl Hub {
    /// Passes on what was committed, on every node.
    pub fn publish(&self, event: &Event) {
        self.news(event, |news| {
            self.hear(&news);
            self.tell_others(news);
        });
    }

    /// Passes on, here alone, what other nodes have told or will find out themselves.
    pub fn publish_here(&self, event: &Event) {
        self.news(event, |news| self.hear(&news));
    }

    /// Somebody says whether they write.
    pub fn typing(&self, user: UserId, chat: ChatId, active: bool, now: Timestamp) {
        if self.typing.said((chat, user), active, now) {
            self.signal(What::Typing { user, chat }, frames::typing(chat, user, active));
        }
    }

    /// Somebody's marks moved. It is told with the next [`Self::flush`].
    pub fn marks_moved(&self, chat: ChatId, user: UserId, marks: Marks) {
        self.receipts.moved((chat, user), marks);
    }

    /// Tells of marks that moved, and of those who have stopped writing without a word. Called in
    /// turns, which bounds how often anything is told.
    pub fn flush(&self, now: Timestamp) {
        for ((chat, user), marks) in self.receipts.take() {
            self.signal(What::Receipt { user, chat }, frames::receipt(chat, user, marks));
        }
        for (chat, user) in self.typing.ended(now) {
            self.signal(What::Typing { user, chat }, frames::typing(chat, user, false));
        }
    }

    /// Hands news, ours or another node's, to those whom they concern here.
    pub fn hear(&self, news: &News) {
        match news.what {
            What::Change { chat, version } => {
                if let Some(feed) = lock(self.shard(chat)).get_mut(&chat) {
                    let frame = Frame::of_chat(chat, version, news.text.clone());
                    feed.accept(version, frame, Instant::now());
                }
            }
            What::Entered { user, chat, version, ref peer, joined } => {
                // Held throughout: a connection that registers later reads the chat from the
                // database.
                let people = lock(&self.people);
                let frame = Frame::of_chat(chat, version, news.text.clone());
                for connection in people.get(&user).into_iter().flatten() {
                    self.enter(connection, (chat, version, joined), peer.as_ref(), &frame);
                }
            }
            What::Departed { user, chat, version } => {
                lock(&self.departed).insert(user);
                let people = lock(&self.people);
                let frame = Frame::of_chat(chat, version, news.text.clone());
                for connection in people.get(&user).into_iter().flatten() {
                    self.depart(connection, chat, version, &frame);
                }
            }
            What::Typing { user, chat } => {
                self.tell_chat(chat, SignalKey::Typing(chat, user), news, Some(user));
            }
            What::Receipt { user, chat } => {
                self.tell_chat(chat, SignalKey::Receipt(chat, user), news, None);
            }
            What::Status { user, ref seen, except } => {
                self.watch.tell(user, news);
                if self.presence.tells(user, seen) {
                    self.tell_user(user, SignalKey::Status(user), news, except);
                }
            }
            What::Renamed { user } => {
                self.watch.tell(user, news);
                self.tell_user(user, SignalKey::User(user), news, None);
            }
        }
    }

    /// Turns an event into news, one by one, where anybody could want them.
    fn news(&self, event: &Event, pass: impl Fn(News)) {
        match event {
            Event::Chat(event) => {
                let ChatEvent { chat, version, .. } = *event;
                if self.outgoing.is_some() || lock(self.shard(chat)).contains_key(&chat) {
                    let text = frames::chat_event(event, &self.urls).into();
                    pass(News { what: What::Change { chat, version }, text });
                }
            }
            Event::ChatCreated { chat, last_message, newcomers } => {
                for newcomer in newcomers {
                    let user = newcomer.user;
                    if self.may_matter(user) {
                        let view = newcomer.view(chat, last_message.as_deref());
                        let peer = view.peer.as_ref().map(|peer| (peer.user.id, Seen::of(peer)));
                        let text = frames::chat_created(&view, &self.urls).into();
                        let (chat, version) = (chat.id, chat.version);
                        let what = What::Entered { user, chat, version, peer, joined: true };
                        pass(News { what, text });
                    }
                }
            }
            Event::ChatFound(user, view) => {
                let (user, chat, version) = (*user, view.chat.id, view.chat.version);
                let peer = view.peer.as_ref().map(|peer| (peer.user.id, Seen::of(peer)));
                let text = frames::chat_created(view, &self.urls).into();
                let what = What::Entered { user, chat, version, peer, joined: false };
                pass(News { what, text });
            }
            Event::ChatDeleted { chat, departed } => {
                for gone in departed.iter().filter(|gone| self.may_matter(gone.user)) {
                    let (user, version, chat) = (gone.user, gone.version, *chat);
                    let text = frames::chat_deleted(chat).into();
                    pass(News { what: What::Departed { user, chat, version }, text });
                }
            }
            Event::StatusChanged(profile, except) => {
                let user = profile.user.id;
                let seen = Seen::of(profile);
                if self.presence.knows(user, &seen) {
                    return;
                }
                let text = frames::status(profile).into();
                pass(News { what: What::Status { user, seen, except: *except }, text });
            }
            Event::UserUpdated(user) => {
                let text = frames::user_updated(user, &self.urls).into();
                pass(News { what: What::Renamed { user: user.id }, text });
            }
            // The others ask the database, which loses nothing.
            Event::SessionsEnded(sessions) => self.end_sessions(sessions),
        }
    }

    /// Whether news for this user can reach anybody.
    fn may_matter(&self, user: UserId) -> bool {
        self.outgoing.is_some() || lock(&self.people).contains_key(&user) || self.watch.has(user)
    }

    fn signal(&self, what: What, text: String) {
        let news = News { what, text: text.into() };
        self.hear(&news);
        self.tell_others(news);
    }

    /// Where the way is blocked the news are lost: versions tell the others that they were.
    fn tell_others(&self, news: News) {
        if let Some(outgoing) = &self.outgoing {
            drop(outgoing.try_send(news));
        }
    }

    fn tell_chat(&self, chat: ChatId, key: SignalKey, news: &News, except: Option<UserId>) {
        if let Some(feed) = lock(self.shard(chat)).get(&chat) {
            for connection in feed.connections().filter(|c| Some(c.user) != except) {
                connection.queue.signal(key, news.text.clone());
            }
        }
    }

    fn tell_user(&self, user: UserId, key: SignalKey, news: &News, except: Option<u64>) {
        for connection in lock(&self.people).get(&user).into_iter().flatten() {
            if Some(connection.number) != except {
                connection.queue.signal(key, news.text.clone());
            }
        }
    }

    /// Tells a connection of a chat, and lets it hear of that from then on.
    fn enter(
        &self,
        connection: &Arc<Connection>,
        (chat, version, joined): (ChatId, i64, bool),
        peer: Option<&(UserId, Seen)>,
        frame: &Frame,
    ) {
        let mut feeds = lock(self.shard(chat));
        let mut places = lock(&connection.places);
        if places.left.get(&chat).is_some_and(|left| *left > version) {
            return;
        }
        places.left.remove(&chat);
        let feed = self.feed(&mut feeds, chat);
        let new = feed.listen(connection, version);
        // One that listens already was told of the chat by its `ready`, or will be.
        if !(new || joined && feed.renew(connection.number, version)) {
            return;
        }
        if new {
            places.chats.push(chat);
        }
        if let Some((peer, seen)) = peer {
            places.peers.insert(chat, *peer);
            self.watch.add(*peer, connection, &self.interest);
            self.watch.note(*peer, seen.clone());
        }
        // The feed is held, so no event of the chat gets in between.
        connection.queue.push(frame.clone());
        // What others were told meanwhile does not come again.
        if feed.position().is_some_and(|passed| passed > version) {
            connection.queue.resync(chat);
        }
    }

    /// Tells a connection that its user is out of a chat: it hears nothing of that any more.
    fn depart(&self, connection: &Arc<Connection>, chat: ChatId, version: i64, frame: &Frame) {
        let mut feeds = lock(self.shard(chat));
        let mut places = lock(&connection.places);
        let left = places.left.entry(chat).or_insert(version);
        *left = version.max(*left);
        let Some(feed) = feeds.get_mut(&chat) else { return };
        let Some(from) = feed.from(connection.number).filter(|from| *from < version) else {
            return;
        };
        places.chats.retain(|other| *other != chat);
        if feed.unlisten(connection.number) {
            feeds.remove(&chat);
            self.interest.ends(Topic::Chat(chat));
        }
        if let Some(peer) = places.peers.remove(&chat)
            && !places.watches(peer)
        {
            self.watch.remove(peer, connection, &self.interest);
        }
        // One that waits for its `ready` was not told of the chat yet.
        if from >= 0 {
            connection.queue.push(frame.clone());
        }
    }
}
