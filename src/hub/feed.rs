//! One chat's events on their way to those who listen here: put in the order of their versions,
//! each once. What comes early is held; a hole that stays open is the owner's to fill or to skip.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::domain::ids::ChatId;
use crate::domain::numbering::Version;

use super::Connection;
use super::queue::Frame;

/// Most events that wait for those before them.
const HELD_MAX: usize = 1_000;

/// A chat's feed.
#[derive(Debug, Default)]
pub(super) struct Feed {
    /// The version passed on last; unknown until the first listener has read the database.
    last: Option<Version>,
    /// What `last` was when it became known: nothing before it was ever passed on.
    base: Version,
    /// What came before its turn.
    held: BTreeMap<Version, Frame>,
    /// A version that the database is known to have, though its event has not come.
    known: Version,
    /// Since when something is missing.
    hole_since: Option<Instant>,
    /// Ordered by connection number, so that one of ten thousand is found without reading them all.
    listeners: Vec<Listener>,
}

#[derive(Debug)]
struct Listener {
    connection: Arc<Connection>,
    /// The client knows the chat up to here.
    from: Version,
}

/// Versions of a chat whose events did not come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hole {
    /// Which chat.
    pub chat: ChatId,
    /// The version before the hole.
    pub after: Version,
    /// The last version in it.
    pub upto: Version,
}

impl Feed {
    /// Adds a listener who knows the chat up to `from`. False where it is one already.
    pub(super) fn listen(&mut self, connection: &Arc<Connection>, from: Version) -> bool {
        let Err(at) = self.position_of(connection.number) else { return false };
        // One who is told of the chat as it is at a version starts the feed there, too.
        if from >= Version::ZERO {
            self.begin(from);
        }
        self.listeners.insert(at, Listener { connection: Arc::clone(connection), from });
        true
    }

    /// Removes a listener. True where none is left.
    pub(super) fn unlisten(&mut self, connection: u64) -> bool {
        if let Ok(at) = self.position_of(connection) {
            self.listeners.remove(at);
        }
        self.listeners.is_empty()
    }

    /// Starts a listener who read `version` from the database after it began to listen. The answer
    /// is what it may rely on: where another's later reading made the feed begin, that one, since
    /// nothing before it was passed on.
    pub(super) fn start(&mut self, connection: u64, version: Version) -> Version {
        self.begin(version);
        let mut from = version.max(self.base);
        if let Some(listener) = self.listener(connection) {
            // It came in, once more, after the reading.
            from = from.max(listener.from);
            listener.from = from;
        }
        from
    }

    /// Those who listen, whose `ready` was made.
    pub(super) fn connections(&self) -> impl Iterator<Item = &Arc<Connection>> {
        self.listeners
            .iter()
            .filter(|listener| listener.from >= Version::ZERO)
            .map(|l| &l.connection)
    }

    /// Up to where a listener knows the chat; negative while it waits for the database. `None`
    /// where it does not listen.
    pub(super) fn from(&self, connection: u64) -> Option<Version> {
        self.position_of(connection).ok().map(|at| self.listeners[at].from)
    }

    /// Moves a listener who is told of the chat anew on to that version. False where it knows of it
    /// already, or will.
    pub(super) fn renew(&mut self, connection: u64, version: Version) -> bool {
        match self.listener(connection) {
            Some(listener) if (Version::ZERO..version).contains(&listener.from) => {
                listener.from = version;
                true
            }
            _ => false,
        }
    }

    fn listener(&mut self, connection: u64) -> Option<&mut Listener> {
        let at = self.position_of(connection).ok()?;
        self.listeners.get_mut(at)
    }

    /// Where a connection is among the listeners, or where it would be.
    fn position_of(&self, connection: u64) -> Result<usize, usize> {
        self.listeners.binary_search_by_key(&connection, |l| l.connection.number)
    }

    /// Takes an event: passes it on, with what was waiting for it, or holds it.
    pub(super) fn accept(&mut self, version: Version, frame: Frame, now: Instant) {
        match self.last {
            Some(last) if version <= last => return,
            Some(last) if version == last.next() => self.pass(version, &frame),
            _ => {
                self.held.insert(version, frame);
                if self.held.len() > HELD_MAX {
                    // The database has it, and brings it later.
                    let last = self.held.pop_last().map(|(version, _)| version);
                    self.known = self.known.max(last.unwrap_or_default());
                }
            }
        }
        self.drain(now);
    }

    /// See [`super::Hub::known`].
    pub(super) fn known(&mut self, version: Version, now: Instant) {
        self.known = self.known.max(version);
        self.drain(now);
    }

    /// The version passed on last.
    pub(super) fn position(&self) -> Option<Version> {
        self.last
    }

    /// What is missing, where it has been for `older_than`.
    pub(super) fn hole(&self, chat: ChatId, now: Instant, older_than: Duration) -> Option<Hole> {
        let since = self.hole_since?;
        let after = self.last?;
        let upto = self.held.keys().next().map_or(self.known, |first| first.plus(-1));
        (now.duration_since(since) >= older_than && upto > after).then_some(Hole {
            chat,
            after,
            upto,
        })
    }

    /// See [`super::Hub::skip`].
    pub(super) fn skip(&mut self, hole: &Hole) {
        if self.last.is_none_or(|last| last >= hole.upto) {
            return;
        }
        for listener in self.listeners.iter().filter(|l| hole.upto > l.from) {
            listener.connection.queue.resync(hole.chat);
        }
        self.last = Some(hole.upto);
        // What came of the hole after it was looked at is told by the `resync`, too. Left here, it
        // would hide every later hole.
        self.held = self.held.split_off(&hole.upto.next());
        self.drain(Instant::now());
    }

    /// Whether a listener waits for the versions that the database has: it was not told of the chat
    /// by an event.
    pub(super) fn is_waiting(&self, connection: u64) -> bool {
        self.from(connection).is_some_and(|from| from < Version::ZERO)
    }

    fn begin(&mut self, version: Version) {
        if self.last.is_none() {
            self.last = Some(version);
            self.base = version;
            self.held = self.held.split_off(&version.next());
            self.drain(Instant::now());
        }
    }

    /// Passes on what is held and due, and notes whether something is missing then.
    fn drain(&mut self, now: Instant) {
        let Some(mut last) = self.last else { return };
        while let Some(frame) = self.held.remove(&last.next()) {
            last = last.next();
            self.pass(last, &frame);
        }
        let missing = !self.held.is_empty() || self.known > last;
        self.hole_since = missing.then(|| self.hole_since.unwrap_or(now));
    }

    fn pass(&mut self, version: Version, frame: &Frame) {
        self.last = Some(version);
        for listener in self.listeners.iter().filter(|l| version > l.from) {
            listener.connection.queue.push(frame.clone());
        }
    }
}
