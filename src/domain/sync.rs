//! Sync: what a client has, and what has changed since.

use std::ops::Deref;

use super::account_version::AccountDelta;
use super::chat::ChatView;
use super::ids::{ChatId, MAX_ID};
use super::message::Message;
use super::numbering::{AccountVersion, Version};

/// A client's state.
#[derive(Clone, Debug)]
pub struct Known {
    /// The version that it has of each chat.
    pub versions: Versions,
    /// The epoch of these versions, if the client names it.
    pub epoch: Option<String>,
    /// Most messages in the answer, 1–1000.
    pub limit: i64,
    /// The account's version that it has, if the client names it.
    pub account: Option<AccountVersion>,
}

impl Known {
    /// The default number of messages in an answer.
    pub const LIMIT: i64 = 500;
}

/// Versions by chat, in the order of the ids, each chat once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Versions(Vec<(ChatId, Version)>);

impl Deref for Versions {
    type Target = [(ChatId, Version)];

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl IntoIterator for Versions {
    type Item = (ChatId, Version);
    type IntoIter = std::vec::IntoIter<Self::Item>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

/// If a chat occurs more than once, the last version counts, as everywhere in JSON.
impl FromIterator<(ChatId, Version)> for Versions {
    fn from_iter<T: IntoIterator<Item = (ChatId, Version)>>(versions: T) -> Self {
        let mut versions: Vec<_> = versions.into_iter().collect();
        versions.sort_by_key(|(chat, _)| *chat);
        versions.dedup_by(|later, earlier| {
            let same = later.0 == earlier.0;
            if same {
                *earlier = *later;
            }
            same
        });
        Self(versions)
    }
}

/// Parses an id or a version: 1 to 18 digits and nothing else, of a number that an id can be.
pub fn digits(text: &[u8]) -> Option<i64> {
    if !(1..=18).contains(&text.len()) {
        return None;
    }
    let digit = |byte: u8| byte.is_ascii_digit().then(|| i64::from(byte - b'0'));
    let id = text.iter().try_fold(0, |number, byte| Some(number * 10 + digit(*byte)?));
    id.filter(|id| *id <= MAX_ID)
}

/// What has changed since.
#[derive(Clone, Debug)]
pub struct Changes {
    /// The current epoch.
    pub epoch: String,
    /// The chats with a later version.
    pub changes: Vec<ChatDelta>,
    /// The named chats that the user is not a member of.
    pub gone: Vec<ChatId>,
    /// The answer is incomplete: chats or messages did not fit.
    pub more: bool,
    /// What changed in the account.
    pub account: AccountDelta,
}

/// A chat with a later version than the client's.
#[derive(Clone, Debug)]
pub struct ChatDelta {
    /// The chat as it is now.
    pub chat: ChatView,
    /// Its messages with a later version, in version order; for a chat that the client does not have, only
    /// the newest.
    pub messages: Vec<Message>,
    /// There are more messages.
    pub more: bool,
}

/// The approximate maximum size of an answer, in bytes.
pub const BYTES: usize = 1024 * 1024;
/// The estimated size of a message, without its text.
const MESSAGE: usize = 128;
/// The estimated size of a chat, without its texts and its newest message.
pub const CHAT: usize = 256;

/// The remaining space in an answer. The first item always fits.
#[derive(Debug)]
pub struct Room {
    left: usize,
    is_empty: bool,
}

impl Default for Room {
    fn default() -> Self {
        Self { left: BYTES, is_empty: true }
    }
}

impl Room {
    /// Takes space for a chat as its member sees it, and for one of its messages.
    pub fn take_view(&mut self, view: &ChatView, first: Option<&Message>) -> bool {
        let messages = view.last_message.iter().chain(first).map(size).sum::<usize>();
        self.take(CHAT + written(&view.chat.name) + written(&view.chat.description) + messages)
    }

    /// Takes space for another message.
    pub fn take_message(&mut self, message: &Message) -> bool {
        self.take(size(message))
    }

    fn take(&mut self, bytes: usize) -> bool {
        let fits = self.is_empty || bytes <= self.left;
        if fits {
            self.left = self.left.saturating_sub(bytes);
            self.is_empty = false;
        }
        fits
    }
}

fn size(message: &Message) -> usize {
    MESSAGE + written(message.content.as_str())
}

/// The size of a text in JSON, in bytes.
fn written(text: &str) -> usize {
    let byte = |byte: u8| match byte {
        b'"' | b'\\' => 2,
        0..=0x1f => 6,
        _ => 1,
    };
    text.bytes().map(byte).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_first_fits_and_then_what_there_is_room_for() {
        let mut room = Room::default();
        assert!(room.take(2 * BYTES), "the first");
        assert!(!room.take(1));
        let mut room = Room::default();
        assert_eq!((0..2_000).filter(|_| room.take(1_024)).count(), 1_024);
    }

    #[test]
    fn texts_are_reckoned_as_they_are_written() {
        for text in ["meow", "\"\\\"", "\u{1}\u{1f}", "🐈"] {
            let json = serde_json::to_string(text).expect("JSON");
            assert_eq!(written(text) + 2, json.len(), "{json}");
        }
    }
}
