//! Catching up: what a client knows, and what is new to it.

use super::chat::ChatView;
use super::ids::ChatId;
use super::message::Message;

/// What a client knows.
#[derive(Clone, Debug)]
pub struct Known {
    /// The version that it has of each chat, by id, each once: see [`Known::in_order`].
    pub versions: Vec<(ChatId, i64)>,
    /// The epoch that these are of; none where it does not say.
    pub epoch: Option<String>,
    /// Most messages in the answer, 1–1000.
    pub limit: i64,
}

impl Known {
    /// Messages in an answer where the client does not say how many.
    pub const LIMIT: i64 = 500;

    /// Versions by id. Of several of one chat the last counts, as everywhere in JSON.
    pub fn in_order(mut versions: Vec<(ChatId, i64)>) -> Vec<(ChatId, i64)> {
        versions.sort_by_key(|(chat, _)| *chat);
        versions.dedup_by(|later, earlier| {
            let same = later.0 == earlier.0;
            if same {
                *earlier = *later;
            }
            same
        });
        versions
    }
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
