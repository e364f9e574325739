//! Catching up: what a client knows, and what is new to it.

use std::ops::Deref;

use super::chat::ChatView;
use super::ids::ChatId;
use super::message::Message;

/// What a client knows.
#[derive(Clone, Debug)]
pub struct Known {
    /// The version that it has of each chat.
    pub versions: Versions,
    /// The epoch that these are of; none where it does not say.
    pub epoch: Option<String>,
    /// Most messages in the answer, 1–1000.
    pub limit: i64,
}

impl Known {
    /// Messages in an answer where the client does not say how many.
    pub const LIMIT: i64 = 500;
}

/// Versions by chat: in the ids' order, each chat once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Versions(Vec<(ChatId, i64)>);

impl Deref for Versions {
    type Target = [(ChatId, i64)];

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl IntoIterator for Versions {
    type Item = (ChatId, i64);
    type IntoIter = std::vec::IntoIter<Self::Item>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

/// Of several of one chat the last counts, as everywhere in JSON.
impl FromIterator<(ChatId, i64)> for Versions {
    fn from_iter<T: IntoIterator<Item = (ChatId, i64)>>(versions: T) -> Self {
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
