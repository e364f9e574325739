//! Which versions of chats this node knows to be committed. A database that lacks one of them was
//! restored from a backup. Decides nothing and reads no database.

use std::collections::{HashSet, VecDeque};
use std::sync::Mutex;

use crate::domain::event::Event;
use crate::domain::ids::ChatId;
use crate::domain::numbering::Version;

use super::lock::lock;

/// Number of versions that are checked against the database.
pub const NEWEST: usize = 64;
/// Most changes remembered, to recognise a version that is committed twice.
const CHANGES: usize = 1_024;

/// The newest known commits, by this node and others.
#[derive(Debug, Default)]
pub struct Witness(Mutex<Commits>);

#[derive(Debug, Default)]
struct Commits {
    /// Versions that the database must have, oldest first.
    newest: VecDeque<(ChatId, Version)>,
    /// Whether something was added since `newest` was last taken.
    is_new: bool,
    /// Known changes, one per version; `changes` has their order.
    known: HashSet<(ChatId, Version)>,
    changes: VecDeque<(ChatId, Version)>,
    /// A version was committed twice.
    contradicted: bool,
}

impl Commits {
    fn add(&mut self, version: (ChatId, Version)) {
        self.is_new = true;
        self.newest.push_back(version);
        if self.newest.len() > NEWEST {
            self.newest.pop_front();
        }
    }

    /// False if the change is known already.
    fn add_change(&mut self, change: (ChatId, Version)) -> bool {
        self.add(change);
        if !self.known.insert(change) {
            return false;
        }
        self.changes.push_back(change);
        if self.changes.len() > CHANGES
            && let Some(oldest) = self.changes.pop_front()
        {
            self.known.remove(&oldest);
        }
        true
    }
}

impl Witness {
    /// Records the version of a chat that an event of this node has made.
    pub(super) fn note(&self, event: &Event) {
        match event {
            Event::Chat(event) => self.committed(event.chat, event.version),
            Event::ChatCreated { chat, .. } => self.is_at(chat.id, chat.version),
            _ => {}
        }
    }

    /// Records a change that this node has committed. Each version is committed once: if it is
    /// known already, the database has lost the first one and assigned its number again.
    fn committed(&self, chat: ChatId, version: Version) {
        let mut commits = lock(&self.0);
        commits.contradicted |= !commits.add_change((chat, version));
    }

    /// Records a change that another node has committed; it may arrive more than once.
    pub(super) fn reported(&self, chat: ChatId, version: Version) {
        lock(&self.0).add_change((chat, version));
    }

    /// Records that a chat is at a version. The change itself is recorded separately.
    fn is_at(&self, chat: ChatId, version: Version) {
        lock(&self.0).add((chat, version));
    }

    /// The newest commits: the newest version of each chat.
    pub fn newest(&self) -> Vec<(ChatId, Version)> {
        lock(&self.0).newest(NEWEST)
    }

    /// The same for the last `count` commits, if there are new ones since the last call.
    pub fn take_newest(&self, count: usize) -> Option<Vec<(ChatId, Version)>> {
        let mut commits = lock(&self.0);
        std::mem::take(&mut commits.is_new).then(|| commits.newest(count))
    }

    /// Whether a version was committed twice.
    pub fn is_contradicted(&self) -> bool {
        lock(&self.0).contradicted
    }

    /// Forgets everything: it belongs to the old epoch.
    pub(super) fn forget(&self) {
        *lock(&self.0) = Commits::default();
    }
}

impl Commits {
    fn newest(&self, count: usize) -> Vec<(ChatId, Version)> {
        let mut newest: Vec<(ChatId, Version)> = Vec::with_capacity(count);
        for &(chat, version) in self.newest.iter().rev().take(count) {
            match newest.iter_mut().find(|(known, _)| *known == chat) {
                Some((_, known)) => *known = version.max(*known),
                None => newest.push((chat, version)),
            }
        }
        newest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_committed_once_and_reported_often() {
        let witness = Witness::default();
        let chat = ChatId(1);
        witness.reported(chat, Version(2));
        witness.reported(chat, Version(2));
        // A new member gets the chat as it is after the change.
        witness.is_at(chat, Version(4));
        witness.committed(chat, Version(4));
        witness.committed(chat, Version(3));
        witness.reported(chat, Version(4));
        assert!(!witness.is_contradicted());
        assert_eq!(witness.take_newest(8).as_deref(), Some(&[(chat, Version(4))][..]));
        assert_eq!(witness.take_newest(8), None);
        witness.committed(chat, Version(2));
        assert!(witness.is_contradicted());
        witness.forget();
        assert!(!witness.is_contradicted() && witness.newest().is_empty());
    }

    #[test]
    fn the_oldest_are_forgotten() {
        let witness = Witness::default();
        for number in 0..=i64::try_from(CHANGES).expect("few") {
            witness.committed(ChatId(number), Version(number));
        }
        witness.committed(ChatId(0), Version(0));
        assert!(!witness.is_contradicted());
        assert_eq!(witness.newest().len(), NEWEST);
        assert_eq!(witness.take_newest(1).as_deref(), Some(&[(ChatId(0), Version(0))][..]));
        assert_eq!(lock(&witness.0).known.len(), CHANGES);
    }
}
