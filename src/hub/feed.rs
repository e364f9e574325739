//! One chat's events on their way to its subscribers: in the order of their versions, each once. An event
//! that comes early is held; a gap that stays open is the owner's to fill or to skip.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::domain::ids::ChatId;
use crate::domain::numbering::Version;

use super::connection::Connection;
use super::queue::Frame;

/// Most events that wait for those before them.
const HELD_MAX: usize = 1_000;

/// A chat's feed.
#[derive(Debug, Default)]
pub(super) struct Feed {
    /// The version delivered last; unknown until the first subscriber has read the database.
    last: Option<Version>,
    /// What `last` was when it became known: nothing before it was ever delivered.
    base: Version,
    /// Events that came before their turn.
    held: BTreeMap<Version, Frame>,
    /// A version that the database is known to have, though its event has not come.
    in_database: Version,
    /// Since when a version has been missing.
    gap_since: Option<Instant>,
    /// Ordered by connection number, so that one of ten thousand is found without reading them all.
    subscribers: Vec<Subscriber>,
}

#[derive(Debug)]
struct Subscriber {
    connection: Arc<Connection>,
    knows: Knows,
}

/// How far a subscriber's client knows the chat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Knows {
    /// Not at all: its `ready` is still being made and will say. Until then every event is queued.
    AwaitsReady,
    /// Up to this version.
    Upto(Version),
}

impl Knows {
    /// Whether the event that made this version is new to the client.
    pub(super) fn lacks(self, version: Version) -> bool {
        match self {
            Self::AwaitsReady => true,
            Self::Upto(known) => known < version,
        }
    }
}

/// Missing versions of a chat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gap {
    /// The chat.
    pub chat: ChatId,
    /// The version before the gap.
    pub after: Version,
    /// The last version in it.
    pub upto: Version,
}

impl Feed {
    /// Adds a subscriber. False where it is one already.
    pub(super) fn subscribe(&mut self, connection: &Arc<Connection>, knows: Knows) -> bool {
        let Err(at) = self.index_of(connection.number) else { return false };
        // A client that gets the chat as it is at a version starts the feed there, too.
        if let Knows::Upto(version) = knows {
            self.begin(version);
        }
        self.subscribers.insert(at, Subscriber { connection: Arc::clone(connection), knows });
        true
    }

    /// Removes a subscriber. True where none is left.
    pub(super) fn unsubscribe(&mut self, connection: u64) -> bool {
        if let Ok(at) = self.index_of(connection) {
            self.subscribers.remove(at);
        }
        self.subscribers.is_empty()
    }

    /// Begins the feed at a version that was read from the database, unless it has begun. True if it has begun later:
    /// what happened in between was never delivered.
    pub(super) fn begins_after(&mut self, version: Version) -> bool {
        self.begin(version);
        self.base > version
    }

    /// Starts delivery to a subscriber who read `version` from the database after subscribing. Returns the version that
    /// its client may rely on: a later one if the feed began there, since nothing before that was delivered.
    pub(super) fn start(&mut self, connection: u64, version: Version) -> Version {
        self.begin(version);
        let mut from = version.max(self.base);
        if let Some(subscriber) = self.subscriber(connection) {
            if let Knows::Upto(known) = subscriber.knows {
                // The user joined again after the reading.
                from = from.max(known);
            }
            subscriber.knows = Knows::Upto(from);
        }
        from
    }

    /// The subscribers whose `ready` was made.
    pub(super) fn connections(&self) -> impl Iterator<Item = &Arc<Connection>> {
        let ready = self.subscribers.iter().filter(|one| one.knows != Knows::AwaitsReady);
        ready.map(|subscriber| &subscriber.connection)
    }

    /// How far a subscriber's client knows the chat. `None` if the connection is no subscriber.
    pub(super) fn knows(&self, connection: u64) -> Option<Knows> {
        self.index_of(connection).ok().map(|at| self.subscribers[at].knows)
    }

    /// Whether the feed began after a join by this version, and the connection is no subscriber yet.
    pub(super) fn lacks_join(&self, connection: u64, version: Version) -> bool {
        self.base > version && self.knows(connection).is_none()
    }

    /// Advances a subscriber whose client gets `chat.created` with the chat at this version. False
    /// where the client knows as much already, or its `ready` will say so.
    pub(super) fn renew(&mut self, connection: u64, version: Version) -> bool {
        match self.subscriber(connection) {
            Some(Subscriber { knows: Knows::Upto(known), .. }) if *known < version => {
                *known = version;
                true
            }
            _ => false,
        }
    }

    fn subscriber(&mut self, connection: u64) -> Option<&mut Subscriber> {
        let at = self.index_of(connection).ok()?;
        self.subscribers.get_mut(at)
    }

    /// Where a connection is among the subscribers, or where it would be.
    fn index_of(&self, connection: u64) -> Result<usize, usize> {
        self.subscribers.binary_search_by_key(&connection, |one| one.connection.number)
    }

    /// Delivers an event, and the held ones that follow it; or holds it.
    pub(super) fn accept(&mut self, version: Version, frame: Frame, now: Instant) {
        match self.last {
            Some(last) if version <= last => return,
            Some(last) if version == last.next() => self.deliver(version, &frame),
            _ => {
                self.held.insert(version, frame);
                if self.held.len() > HELD_MAX {
                    // Filling the gap will bring it back from the database.
                    let dropped = self.held.pop_last().map(|(version, _)| version);
                    self.in_database = self.in_database.max(dropped.unwrap_or_default());
                }
            }
        }
        self.drain(now);
    }

    /// Records that the database has a version.
    pub(super) fn is_in_database(&mut self, version: Version, now: Instant) {
        self.in_database = self.in_database.max(version);
        self.drain(now);
    }

    /// The version delivered last.
    pub(super) fn position(&self) -> Option<Version> {
        self.last
    }

    /// The first gap, where it has been open for `older_than`.
    pub(super) fn gap(&self, chat: ChatId, now: Instant, older_than: Duration) -> Option<Gap> {
        let since = self.gap_since?;
        let after = self.last?;
        let upto = self.held.keys().next().map_or(self.in_database, |first| first.plus(-1));
        let is_due = now.duration_since(since) >= older_than;
        is_due.then_some(Gap { chat, after, upto })
    }

    /// Gives up on a gap: its subscribers get `resync`, and delivery continues after it.
    pub(super) fn skip(&mut self, gap: &Gap, now: Instant) {
        if self.last.is_none_or(|last| last >= gap.upto) {
            return;
        }
        for subscriber in self.subscribers.iter().filter(|one| one.knows.lacks(gap.upto)) {
            subscriber.connection.queue.resync(gap.chat);
        }
        self.last = Some(gap.upto);
        // Events of the gap that arrived since it was looked at are covered by the `resync`. Left
        // here, they would hide every later gap.
        self.held = self.held.split_off(&(gap.upto.next()));
        self.drain(now);
    }

    fn begin(&mut self, version: Version) {
        if self.last.is_none() {
            self.last = Some(version);
            self.base = version;
            self.held = self.held.split_off(&(version.next()));
            self.drain(Instant::now());
        }
    }

    /// Delivers what is held and due, and notes whether a version is missing then.
    fn drain(&mut self, now: Instant) {
        let Some(mut last) = self.last else { return };
        while let Some(frame) = self.held.remove(&last.next()) {
            last = last.next();
            self.deliver(last, &frame);
        }
        let is_missing = !self.held.is_empty() || self.in_database > last;
        self.gap_since = is_missing.then(|| self.gap_since.unwrap_or(now));
    }

    fn deliver(&mut self, version: Version, frame: &Frame) {
        self.last = Some(version);
        for subscriber in self.subscribers.iter().filter(|one| one.knows.lacks(version)) {
            subscriber.connection.queue.push(frame.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ids::{SessionId, UserId};

    const CHAT: ChatId = ChatId(1);

    /// A feed at version 3, with its subscriber.
    fn feed() -> (Feed, Arc<Connection>) {
        let connection = Arc::new(Connection::new(1, UserId(1), SessionId(1), usize::MAX));
        let mut feed = Feed::default();
        assert!(feed.subscribe(&connection, Knows::Upto(Version(3))));
        (feed, connection)
    }

    fn accept(feed: &mut Feed, version: i64, now: Instant) {
        feed.accept(Version(version), Frame::of_chat(CHAT, Version(version), "{}".into()), now);
    }

    #[test]
    fn a_gap_is_as_old_as_its_first_missing_version() {
        let ((mut feed, _connection), start) = (feed(), Instant::now());
        let (second, older_than) = (Duration::from_secs(1), Duration::from_millis(300));
        feed.is_in_database(Version(3), start);
        accept(&mut feed, 5, start + second);
        accept(&mut feed, 7, start + second + older_than);
        let gap = Gap { chat: CHAT, after: Version(3), upto: Version(4) };
        assert_eq!(feed.gap(CHAT, start + second, older_than), None);
        assert_eq!(feed.gap(CHAT, start + second + older_than, older_than), Some(gap));
    }

    #[test]
    fn what_is_held_is_bounded_and_the_rest_is_a_gap() {
        let ((mut feed, connection), now) = (feed(), Instant::now());
        let held = i64::try_from(HELD_MAX).expect("small");
        (0..=held + 1).for_each(|number| accept(&mut feed, 5 + number, now));
        assert_eq!(feed.held.len(), HELD_MAX);
        accept(&mut feed, 4, now);
        assert_eq!(connection.queue.take().frames.len(), 1 + HELD_MAX);
        let (after, upto) = (Version(4 + held), Version(6 + held));
        assert_eq!(feed.gap(CHAT, now, Duration::ZERO), Some(Gap { chat: CHAT, after, upto }));
    }
}
