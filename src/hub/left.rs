//! Which chats a connection's user has left, and by which version: a late event of an earlier join
//! must not subscribe the connection again. Bounded, however often the user joins and leaves.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use crate::domain::ids::ChatId;
use crate::domain::numbering::Version;

/// Up to this number, entries are kept however old they are.
const KEPT: usize = 1_024;
/// Beyond that, entries older than this are forgotten. No event takes that long from the bus or
/// from a slow database.
const HORIZON: Duration = Duration::from_secs(300);
/// The most entries of a connection. Nothing younger than [`HORIZON`] is forgotten.
const MAX: usize = 16_384;

/// The chats that a user has left.
#[derive(Debug)]
pub(super) struct LeftChats {
    by_chat: HashMap<ChatId, (Version, Instant)>,
    /// Old entries are removed when there are this many, so that an entry costs constant time on average.
    sweep_at: usize,
}

impl Default for LeftChats {
    fn default() -> Self {
        Self { by_chat: HashMap::new(), sweep_at: KEPT }
    }
}

impl LeftChats {
    /// Whether the user left the chat by a later version than this one.
    pub(super) fn is_after(&self, chat: ChatId, version: Version) -> bool {
        self.by_chat.get(&chat).is_some_and(|(left, _)| *left > version)
    }

    /// Records that the user left the chat by this version, unless a later one is recorded already. False
    /// if the user left too many chats recently; then the client has to reconnect and is sent its chats
    /// again.
    #[must_use]
    pub(super) fn note(&mut self, chat: ChatId, version: Version, now: Instant) -> bool {
        let entry = self.by_chat.entry(chat).or_insert((version, now));
        *entry = (version.max(entry.0), now);
        if self.by_chat.len() >= self.sweep_at {
            self.by_chat.retain(|_, (_, at)| now.duration_since(*at) < HORIZON);
            self.by_chat.shrink_to_fit();
            self.sweep_at = (2 * self.by_chat.len()).max(KEPT);
        }
        self.by_chat.len() <= MAX
    }

    /// The user has joined the chat again.
    pub(super) fn forget(&mut self, chat: ChatId) {
        self.by_chat.remove(&chat);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_entries_are_forgotten_when_there_are_many() {
        let (mut left, start) = (LeftChats::default(), Instant::now());
        // A minute between them.
        let at = |n: i64| start + Duration::from_secs(60 * n.unsigned_abs());
        for n in 0..100_000 {
            assert!(left.note(ChatId(n), Version(5), at(n)));
            assert!(left.by_chat.len() <= KEPT);
            assert!(left.is_after(ChatId(n), Version(4)) && !left.is_after(ChatId(n), Version(5)));
            assert!(left.is_after(ChatId((n - 3).max(0)), Version(4)), "within the horizon");
        }
    }

    #[test]
    fn a_few_are_kept_for_ever_and_the_latest_version_counts() {
        let (mut left, now) = (LeftChats::default(), Instant::now());
        assert!(left.note(ChatId(1), Version(7), now));
        assert!(left.note(ChatId(1), Version(6), now));
        assert!(left.note(ChatId(2), Version(9), now + 1_000 * HORIZON));
        assert!(left.is_after(ChatId(1), Version(6)));
        left.forget(ChatId(1));
        assert!(!left.is_after(ChatId(1), Version(6)));
    }

    #[test]
    fn too_many_at_once_are_refused() {
        let (mut left, now) = (LeftChats::default(), Instant::now());
        let most = i64::try_from(MAX).expect("small");
        assert!((0..most).all(|n| left.note(ChatId(n), Version(1), now)));
        assert!(!left.note(ChatId(most), Version(1), now));
    }
}
