//! From events to queues: what is published is turned into news, told to other nodes, and handed to
//! those whom it concerns here; what other nodes tell goes the same way.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio_tungstenite::tungstenite::Utf8Bytes;

use crate::domain::event::{Change, ChatEvent, Departed, Event};
use crate::domain::ids::{ChatId, UserId};
use crate::domain::numbering::Version;
use crate::domain::receipt::Marks;
use crate::wire::frames;

use super::news::{News, Seen, What};
use super::queue::{Closing, Frame, SignalKey};
use super::{Connection, Hub, Topic, lock};

/// When a client comes back whose user has left more chats than can be remembered.
const RETURN_AFTER: Duration = Duration::from_secs(1);

impl Hub {
    /// Passes on what was committed, on every node.
    pub fn publish(&self, event: &Event) {
        match event {
            Event::Chat(event) => self.witness.committed(event.chat, event.version),
            Event::ChatCreated { chat, .. } => self.witness.is_at(chat.id, chat.version),
            _ => {}
        }
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
    pub fn typing(&self, user: UserId, chat: ChatId, active: bool, now: Duration) {
        if self.typing.said((chat, user), active, now) {
            let what = What::Typing { user, chat, active };
            self.signal(what, frames::typing(chat, user, active));
        }
    }

    /// Somebody's marks moved. It is told with the next [`Self::flush`].
    pub fn marks_moved(&self, chat: ChatId, user: UserId, marks: Marks) {
        self.receipts.moved((chat, user), marks);
    }

    /// Tells of marks that moved, and of those who have stopped writing without a word. Called in
    /// turns, which bounds how often anything is told.
    pub fn flush(&self, now: Duration) {
        for ((chat, user), marks) in self.receipts.take() {
            self.signal(What::Receipt { user, chat }, frames::receipt(chat, user, marks));
        }
        for ((chat, user), elsewhere) in self.typing.ended(now) {
            let what = What::Typing { user, chat, active: false };
            let text = frames::typing(chat, user, false);
            if elsewhere {
                self.hear(&News { what, text: text.into() });
            } else {
                self.signal(what, text);
            }
        }
    }

    /// Hands on what another node tells.
    pub(super) fn hear_from_others(&self, news: &News, now: Duration) {
        if let What::Typing { user, chat, active } = news.what {
            self.typing.heard((chat, user), active, now);
        }
        if let What::Change { chat, version, .. } = news.what {
            self.witness.told(chat, version);
        }
        self.hear(news);
    }

    /// Hands news, ours or another node's, to those whom they concern here.
    pub fn hear(&self, news: &News) {
        match news.what {
            What::Change { chat, version, out } => {
                // Whatever else tells of it may have been lost, or come later.
                if let Some(user) = out {
                    self.put_out(chat, &[Departed { user, version }]);
                }
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
            What::Departed { chat, ref departed } => self.put_out(chat, departed),
            What::Typing { user, chat, .. } => {
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
            What::SessionsEnded { ref sessions, .. } => self.end_sessions(sessions),
        }
    }

    /// Turns an event into news, one by one, where anybody could want them.
    fn news(&self, event: &Event, pass: impl Fn(News)) {
        match event {
            Event::Chat(event) => {
                let ChatEvent { chat, version, ref change } = *event;
                if self.link.is_some() || lock(self.shard(chat)).contains_key(&chat) {
                    let out = match change {
                        Change::MemberLeft(member) => Some(member.user.id),
                        _ => None,
                    };
                    let text = frames::chat_event(event, &self.urls).into();
                    pass(News { what: What::Change { chat, version, out }, text });
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
                let (chat, departed) = (*chat, departed.clone());
                pass(News { what: What::Departed { chat, departed }, text: Default::default() });
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
            // The others ask the database as well, which loses nothing.
            Event::SessionsEnded(user, sessions) => {
                let (user, sessions) = (*user, sessions.clone());
                let what = What::SessionsEnded { user, sessions };
                pass(News { what, text: Default::default() });
            }
        }
    }

    /// Whether news for this user can reach anybody.
    fn may_matter(&self, user: UserId) -> bool {
        self.link.is_some() || lock(&self.people).contains_key(&user)
    }

    fn signal(&self, what: What, text: String) {
        let news = News { what, text: text.into() };
        self.hear(&news);
        self.tell_others(news);
    }

    fn tell_others(&self, news: News) {
        if let Some(link) = &self.link {
            link.tell(news);
        }
    }

    /// Tells those who are out of a chat, and lets them hear nothing of it any more.
    fn put_out(&self, chat: ChatId, departed: &[Departed]) {
        lock(&self.departed).extend(departed.iter().map(|one| one.user));
        let text = Utf8Bytes::from(frames::chat_deleted(chat));
        let people = lock(&self.people);
        for &Departed { user, version } in departed {
            for connection in people.get(&user).into_iter().flatten() {
                let frame = Frame::of_chat(chat, version, text.clone());
                self.depart(connection, chat, version, frame);
            }
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
        (chat, version, joined): (ChatId, Version, bool),
        peer: Option<&(UserId, Seen)>,
        frame: &Frame,
    ) {
        let mut feeds = lock(self.shard(chat));
        let mut places = lock(&connection.places);
        if places.left.is_after(chat, version) {
            return;
        }
        places.left.forget(chat);
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
    fn depart(&self, connection: &Arc<Connection>, chat: ChatId, version: Version, frame: Frame) {
        let mut feeds = lock(self.shard(chat));
        let mut places = lock(&connection.places);
        if !places.left.note(chat, version, Instant::now()) {
            connection.queue.close(Closing::Restarting { retry_after: RETURN_AFTER });
        }
        let feed = feeds.get_mut(&chat);
        let from = feed.as_ref().and_then(|feed| feed.from(connection.number));
        if from.is_none_or(|from| from < version) {
            self.part_from_peer(&mut places, connection, chat);
        }
        let (Some(feed), Some(from)) = (feed, from.filter(|from| *from < version)) else { return };
        places.chats.retain(|other| *other != chat);
        if feed.unlisten(connection.number) {
            feeds.remove(&chat);
            self.interest.ends(Topic::of_chat(chat));
        }
        if from >= Version::ZERO {
            connection.queue.push(frame);
        } else {
            // One that waits for its `ready` was not told of the chat yet, and will not be.
            connection.queue.retain(|other, _| other != chat);
        }
    }
}
