//! Messages, their receipts, and drafts.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use time::serde::rfc3339;

use super::{Attachment, UserRef};
use crate::ids::{AttachmentId, ChatId, MessageId, Seq, UserId, Version};

/// A message that a search found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct FoundMessage {
    /// The message.
    pub message: Message,
    /// The matching parts of its content: where each begins and ends, in Unicode code points.
    pub highlights: Vec<(usize, usize)>,
}

/// A message, or the tombstone of a deleted one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Message {
    /// The message id.
    pub id: MessageId,
    /// The id of its chat.
    pub chat: ChatId,
    /// Its position in the chat.
    pub seq: Seq,
    /// The chat version of its latest change.
    pub version: Version,
    /// The user who sent it.
    pub sender: UserRef,
    /// The text, exactly as it was sent. Empty for a tombstone.
    pub content: String,
    /// When it was sent.
    #[serde(with = "rfc3339")]
    pub timestamp: OffsetDateTime,
    /// When it was last edited.
    #[serde(with = "rfc3339::option")]
    pub edited_at: Option<OffsetDateTime>,
    /// When it was deleted.
    #[serde(with = "rfc3339::option")]
    pub deleted_at: Option<OffsetDateTime>,
    /// The id of the message that it replies to.
    pub reply_to: Option<MessageId>,
    /// The idempotency key that its sender chose, if any.
    pub client_id: Option<String>,
    /// Whether it was delivered and read, at the time of this answer or event. Receipts change it
    /// without a new version.
    pub status: MessageStatus,
    /// The reactions, in the order in which the emoji were first used.
    #[serde(default)]
    pub reactions: Vec<ReactionSummary>,
    /// The ids of the members that the content names with `@`.
    #[serde(default)]
    pub mentions: Vec<UserId>,
    /// Whether it mentions everybody, by `@all`.
    #[serde(default)]
    pub mentions_all: bool,
    /// When it was pinned.
    #[serde(default, with = "rfc3339::option")]
    pub pinned_at: Option<OffsetDateTime>,
    /// Where it was forwarded from.
    #[serde(default)]
    pub forwarded_from: Option<ForwardedFrom>,
    /// The files that were sent with it.
    #[serde(default)]
    pub attachments: Vec<Attachment>,
}

/// Who wrote a forwarded message first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ForwardedFrom {
    /// The user, if this is still known.
    pub user: Option<UserRef>,
    /// When they sent it.
    #[serde(with = "rfc3339")]
    pub timestamp: OffsetDateTime,
}

/// Who reacts to a message with an emoji.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ReactionSummary {
    /// The emoji, in its fully qualified form.
    pub emoji: String,
    /// How many users react with it.
    pub count: usize,
    /// The ids of the first 100 of them, oldest reaction first.
    pub users: Vec<UserId>,
}

/// A user's reaction to a message.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Reaction {
    /// The emoji, in its fully qualified form.
    pub emoji: String,
    /// The user.
    pub user: UserRef,
    /// When the user reacted.
    #[serde(with = "rfc3339")]
    pub created_at: OffsetDateTime,
}

/// Whether a message was delivered and read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum MessageStatus {
    /// Stored by the server.
    Sent,
    /// Every other member has received it.
    Delivered,
    /// Every other member has read it.
    Read,
    /// A value that this client does not know.
    #[serde(other)]
    Other,
}

/// Who has received and read a message, apart from its sender.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Receipts {
    /// Users who have read it: at most 1,000, by username.
    pub read: Vec<UserRef>,
    /// Users who have received but not read it: at most 1,000, by username.
    pub delivered: Vec<UserRef>,
    /// The number of users who have read it.
    pub read_count: i64,
    /// The number of users who have received but not read it.
    pub delivered_count: i64,
}

/// A message to be sent. A text converts into one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Draft {
    content: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    reply_to: Option<MessageId>,
    client_id: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    attachments: Vec<AttachmentId>,
}

impl Draft {
    /// A text: at most 10,000 characters, not blank. It may be empty if there are attachments.
    pub fn new(content: impl Into<String>) -> Self {
        Self { content: content.into(), ..Self::default() }
    }

    /// Replies to a message of the same chat.
    pub fn reply_to(self, message: MessageId) -> Self {
        Self { reply_to: Some(message), ..self }
    }

    /// Files that you uploaded and did not send yet: at most 10, in this order.
    pub fn attachments(self, attachments: impl IntoIterator<Item = AttachmentId>) -> Self {
        Self { attachments: attachments.into_iter().collect(), ..self }
    }

    /// The idempotency key, 1–64 characters: under the same one, you send at most one message to a
    /// chat. Chosen at random if there is none.
    pub fn client_id(self, client_id: impl Into<String>) -> Self {
        Self { client_id: Some(client_id.into()), ..self }
    }

    /// Chooses an idempotency key unless there is one, so that every retry is the same message.
    pub(crate) fn with_client_id(mut self) -> Self {
        self.client_id.get_or_insert_with(random_client_id);
        self
    }
}

/// An idempotency key that nobody else chooses.
pub(crate) fn random_client_id() -> String {
    format!("{:032x}", fastrand::u128(..))
}

impl From<&str> for Draft {
    fn from(content: &str) -> Self {
        Self::new(content)
    }
}

impl From<String> for Draft {
    fn from(content: String) -> Self {
        Self::new(content)
    }
}
