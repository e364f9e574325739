//! Catching up: what a client knows, and what is new to it.

use std::ops::Deref;

use super::account_version::AccountDelta;
use super::chat::ChatView;
use super::ids::ChatId;
use super::message::Message;
use super::numbering::{AccountVersion, Version};

/// What a client knows.
#[derive(Clone, Debug)]
pub struct Known {
    /// The version that it has of each chat.
    pub versions: Versions,
    /// The epoch that these are of; none where it does not say.
    pub epoch: Option<String>,
    /// Most messages in the answer, 1–1000.
    pub limit: i64,
    /// The account's version that it has; none where it does not say.
    pub account: Option<AccountVersion>,
}

impl Known {
    /// Messages in an answer where the client does not say how many.
    pub const LIMIT: i64 = 500;
}

/// Versions by chat: in the ids' order, each chat once.
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

/// Of several of one chat the last counts, as everywhere in JSON.
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

/// A whole number of 1 to 18 digits and nothing else, as ids and versions are written.
pub fn digits(text: &[u8]) -> Option<i64> {
    if !(1..=18).contains(&text.len()) {
        return None;
    }
    let digit = |byte: u8| byte.is_ascii_digit().then(|| i64::from(byte - b'0'));
    text.iter().try_fold(0, |number, byte| Some(number * 10 + digit(*byte)?))
}

/// What is new to it.
#[derive(Clone, Debug)]
pub struct Changes {
    /// The present epoch.
    pub epoch: String,
    /// The chats that are newer than what it has.
    pub changes: Vec<Change>,
    /// The chats that it named and that are not its user's.
    pub gone: Vec<ChatId>,
    /// Something is missing: chats for which there was no room, or messages of a chat.
    pub more: bool,
    /// What changed in the account.
    pub account: AccountDelta,
}

/// A chat that is newer than what the client has.
#[derive(Clone, Debug)]
pub struct Change {
    /// The chat as it is.
    pub chat: ChatView,
    /// Its messages of a later version, in version order; of a chat that the client does not know,
    /// the newest alone.
    pub messages: Vec<Message>,
    /// There are more than fitted.
    pub more: bool,
}

/// How many bytes an answer may have, about.
pub const BYTES: usize = 1024 * 1024;
/// What a message and a chat are reckoned at beside their texts.
const MESSAGE: usize = 128;
const CHAT: usize = 256;

/// The room that is left in an answer. What comes first always fits.
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
    /// Takes room for a chat whose texts, with its newest message's, have so many bytes. False where
    /// there is too little.
    pub fn take_chat(&mut self, bytes: usize) -> bool {
        self.take(CHAT + bytes)
    }

    /// Takes room for a chat as its member sees it, and for a message of it.
    pub fn take_view(&mut self, view: &ChatView, first: Option<&Message>) -> bool {
        let messages = view.last_message.iter().chain(first).map(size).sum::<usize>();
        self.take(CHAT + written(&view.chat.name) + written(&view.chat.description) + messages)
    }

    /// Takes room for another message.
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
    MESSAGE + written(&message.content)
}

/// How many bytes a text has in JSON.
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
        assert!(room.take_chat(2 * BYTES), "the first");
        assert!(!room.take_chat(0));
        let mut room = Room::default();
        assert_eq!((0..2_000).filter(|_| room.take_chat(1_024 - CHAT)).count(), 1_024);
    }

    #[test]
    fn texts_are_reckoned_as_they_are_written() {
        for text in ["meow", "\"\\\"", "\u{1}\u{1f}", "🐈"] {
            let json = serde_json::to_string(text).expect("JSON");
            assert_eq!(written(text) + 2, json.len(), "{json}");
        }
    }
}
