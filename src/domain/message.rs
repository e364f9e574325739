//! Messages: what may be sent, and what a message is. Numbering is the store's business.

use super::error::Error;
use super::ids::{ChatId, MessageId, UserId};
use super::receipt::{LeastMarks, MessageStatus};
use super::text;
use super::time::Timestamp;
use super::user::UserRef;

/// Longest `client_id`, in characters.
pub const CLIENT_ID_MAX: usize = 64;

/// What a message says: not blank, no NUL, at most the configured number of characters, and
/// otherwise exactly what was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Content(String);

impl Content {
    /// Checks; `max` is `MESSAGE_MAX_LENGTH`, in characters. The error is DRF's text.
    pub fn parse(value: String, max: usize) -> Result<Self, String> {
        text::check_present(&value, max)?;
        Ok(Self(value))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The sender's own name for a message: a retry under the same one makes no second message.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ClientId(String);

impl ClientId {
    /// 1–64 characters, no NUL. The error is DRF's text.
    pub fn parse(value: String) -> Result<Self, String> {
        if value.is_empty() {
            return Err(text::BLANK.to_owned());
        }
        text::check(&value, CLIENT_ID_MAX)?;
        Ok(Self(value))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What a sender wrote, valid in itself.
#[derive(Clone, Debug)]
pub struct Draft {
    /// What it says.
    pub content: Content,
    /// The message of the same chat that it answers.
    pub reply_to: Option<MessageId>,
    /// Names the attempt, see [`ClientId`].
    pub client_id: Option<ClientId>,
}

/// What a sender wrote that is not valid.
#[derive(Debug)]
pub struct Unfit {
    /// What is wrong with it in itself.
    pub error: Error,
    /// The message that it answers, where that could be read: whether it is there is told together
    /// with the rest.
    pub reply_to: Option<MessageId>,
}

impl From<Error> for Unfit {
    fn from(error: Error) -> Self {
        Self { error, reply_to: None }
    }
}

/// A draft on its way. Whether its sender may is decided in the transaction that sends it.
#[derive(Clone, Debug)]
pub struct NewMessage {
    /// Where to.
    pub chat: ChatId,
    /// Who.
    pub sender: UserId,
    /// What.
    pub content: Content,
    /// The message of the same chat that it answers.
    pub reply_to: Option<MessageId>,
    /// Names the attempt, see [`ClientId`].
    pub client_id: Option<ClientId>,
}

/// A message as it stands, a tombstone included.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Its id.
    pub id: MessageId,
    /// Where it is.
    pub chat: ChatId,
    /// Its place in the chat: 1, 2, 3, … without holes.
    pub seq: i64,
    /// The chat's version that its last change made.
    pub version: i64,
    /// Who sent it, a member or not any more.
    pub sender: UserRef,
    /// Empty where deleted.
    pub content: String,
    /// When it was committed, by the server's clock.
    pub timestamp: Timestamp,
    /// When its content last changed.
    pub edited_at: Option<Timestamp>,
    /// When it became a tombstone.
    pub deleted_at: Option<Timestamp>,
    /// The message that it answers.
    pub reply_to: Option<MessageId>,
    /// The sender's own name for it.
    pub client_id: Option<String>,
    /// How far it came.
    pub status: MessageStatus,
}

impl Message {
    /// The same with its status worked out anew; as it is where its chat has no marks any more.
    pub fn with_status(mut self, least: Option<&LeastMarks>) -> Self {
        if let Some(least) = least {
            self.status = least.status(self.seq, self.sender.id);
        }
        self
    }
}
