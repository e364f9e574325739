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

/// What came of recording that the user left a chat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Noted {
    /// It was not known.
    New,
    /// This departure or a later one of the same chat was recorded already.
    Known,
    /// The user left too many chats recently: the client has to reconnect, and is sent its chats again.
    TooMany,
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

    /// Records that the user left the chat by this version, unless a later one is recorded already.
    #[must_use]
    pub(super) fn note(&mut self, chat: ChatId, version: Version, now: Instant) -> Noted {
        let known = self.by_chat.get(&chat).map(|(left, _)| *left);
        self.by_chat.insert(chat, (version.max(known.unwrap_or_default()), now));
        if self.by_chat.len() >= self.sweep_at {
            self.by_chat.retain(|_, (_, at)| now.duration_since(*at) < HORIZON);
            self.by_chat.shrink_to_fit();
            self.sweep_at = (2 * self.by_chat.len()).max(KEPT);
        }
        match known {
            _ if self.by_chat.len() > MAX => Noted::TooMany,
            Some(known) if known >= version => Noted::Known,
            _ => Noted::New,
        }
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
            assert_eq!(left.note(ChatId(n), Version(5), at(n)), Noted::New);
            assert!(left.by_chat.len() <= KEPT);
            assert!(left.is_after(ChatId(n), Version(4)) && !left.is_after(ChatId(n), Version(5)));
            assert!(left.is_after(ChatId((n - 3).max(0)), Version(4)), "within the horizon");
        }
    }

    #[test]
    fn a_few_are_kept_for_ever_and_the_latest_version_counts() {
        let (mut left, now) = (LeftChats::default(), Instant::now());
        let long_after = now + 1_000 * HORIZON;
        for (chat, version, at, noted) in [
            (1, 7, now, Noted::New),
            (1, 6, now, Noted::Known),
            (1, 7, now, Noted::Known),
            (2, 9, long_after, Noted::New),
            (1, 7, long_after, Noted::Known),
            (1, 8, long_after, Noted::New),
        ] {
            assert_eq!(left.note(ChatId(chat), Version(version), at), noted);
        }
        assert!(left.is_after(ChatId(1), Version(7)) && !left.is_after(ChatId(1), Version(8)));
        left.forget(ChatId(1));
        assert!(!left.is_after(ChatId(1), Version(7)));
    }

    #[test]
    fn too_many_at_once_are_refused() {
        let (mut left, now) = (LeftChats::default(), Instant::now());
        let most = i64::try_from(MAX).expect("small");
        assert!((0..most).all(|n| left.note(ChatId(n), Version(1), now) == Noted::New));
        assert_eq!(left.note(ChatId(most), Version(1), now), Noted::TooMany);
    }
}
