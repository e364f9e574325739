//! The frames that the server sends, parsed. What they change is decided in `replica`.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use time::OffsetDateTime;
use time::serde::rfc3339;

use crate::errors::{ApiError, Error, ErrorKind, Result};
use crate::ids::{ChatId, Seq, SessionId, UserId, Version};
use crate::types::{Chat, ChatSettings, Markers, Member, Message, Presence, User, UserRef};

/// A durable change in a chat. Its version is one more than that of the chat's previous change.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type")]
#[non_exhaustive]
#[expect(
    missing_docs,
    reason = "the fields are the chat's id, the change's version, and the new state"
)]
pub enum Change {
    /// A message was sent.
    #[serde(rename = "message.created")]
    #[non_exhaustive]
    MessageCreated { chat: ChatId, version: Version, message: Message },
    /// A message was edited, pinned or unpinned, or its reactions changed.
    #[serde(rename = "message.updated")]
    #[non_exhaustive]
    MessageUpdated { chat: ChatId, version: Version, message: Message },
    /// A message was deleted; it is a tombstone now.
    #[serde(rename = "message.deleted")]
    #[non_exhaustive]
    MessageDeleted { chat: ChatId, version: Version, message: Message },
    /// The site's retention removed all messages before `first_seq`.
    #[serde(rename = "messages.removed")]
    #[non_exhaustive]
    MessagesRemoved { chat: ChatId, version: Version, first_seq: Seq },
    /// The group's name, description or avatar changed.
    #[serde(rename = "chat.updated")]
    #[non_exhaustive]
    ChatUpdated {
        chat: ChatId,
        version: Version,
        name: String,
        description: String,
        avatar: Option<String>,
    },
    /// Another user joined the group.
    #[serde(rename = "member.joined")]
    #[non_exhaustive]
    MemberJoined { chat: ChatId, version: Version, member: Member },
    /// A member's role changed.
    #[serde(rename = "member.updated")]
    #[non_exhaustive]
    MemberUpdated { chat: ChatId, version: Version, member: Member },
    /// Another user left the group or was removed.
    #[serde(rename = "member.left")]
    #[non_exhaustive]
    MemberLeft { chat: ChatId, version: Version, member: Member },
}

impl Change {
    /// The chat that changed.
    pub fn chat(&self) -> ChatId {
        self.chat_and_version().0
    }

    /// The version that the change created.
    pub fn version(&self) -> Version {
        self.chat_and_version().1
    }

    fn chat_and_version(&self) -> (ChatId, Version) {
        match *self {
            Self::MessageCreated { chat, version, .. }
            | Self::MessageUpdated { chat, version, .. }
            | Self::MessageDeleted { chat, version, .. }
            | Self::MessagesRemoved { chat, version, .. }
            | Self::ChatUpdated { chat, version, .. }
            | Self::MemberJoined { chat, version, .. }
            | Self::MemberUpdated { chat, version, .. }
            | Self::MemberLeft { chat, version, .. } => (chat, version),
        }
    }

    /// The message that changed, if a message did.
    pub fn message(&self) -> Option<&Message> {
        match self {
            Self::MessageCreated { message, .. }
            | Self::MessageUpdated { message, .. }
            | Self::MessageDeleted { message, .. } => Some(message),
            _ => None,
        }
    }
}

/// An ephemeral signal. It has no version, may be coalesced with a later one, and may be lost.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type")]
#[non_exhaustive]
#[expect(missing_docs, reason = "`chat` and `user` are ids; the rest is the state")]
pub enum Signal {
    /// A member's markers moved.
    #[serde(rename = "receipt")]
    #[non_exhaustive]
    Receipt {
        chat: ChatId,
        user: UserId,
        #[serde(flatten)]
        markers: Markers,
        /// The account's version, if your own read marker moved.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        account: Option<Version>,
    },
    /// You changed your settings of a chat, on any device.
    #[serde(rename = "chat.settings")]
    #[non_exhaustive]
    ChatSettings {
        chat: ChatId,
        /// The account's version.
        account: Version,
        #[serde(flatten)]
        settings: ChatSettings,
    },
    /// You blocked or unblocked a user, on any device.
    #[serde(rename = "block.updated")]
    #[non_exhaustive]
    BlockUpdated {
        user: UserId,
        blocked: bool,
        /// The account's version.
        account: Version,
    },
    /// A member started or stopped typing.
    #[serde(rename = "typing")]
    #[non_exhaustive]
    Typing { chat: ChatId, user: UserId, active: bool },
    /// The presence of a user you subscribed to changed.
    #[serde(rename = "status")]
    Presence(Presence),
    /// The name or avatar of a user you subscribed to changed.
    #[serde(rename = "user.updated")]
    #[non_exhaustive]
    UserUpdated {
        user: UserRef,
        /// The account's version, if it is your own profile.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        account: Option<Version>,
    },
}

/// The first frame after authentication.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[non_exhaustive]
pub struct Ready {
    /// Your account.
    pub user: User,
    /// The session that the connection belongs to.
    pub session: SessionId,
    /// The server's time.
    #[serde(with = "rfc3339")]
    pub server_time: OffsetDateTime,
    /// Identifies the history of the server's data. It changes after a restore from a backup.
    pub epoch: String,
    /// Seconds of silence after which to ping. After two and a half times as many the connection is
    /// dead.
    pub heartbeat: u64,
    /// Your chats and their versions. Every later change is delivered over this connection.
    pub versions: BTreeMap<ChatId, Version>,
    /// The version of your account. Every later change is delivered over this connection.
    #[serde(default)]
    pub account: Version,
}

/// A frame from the server.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
#[expect(clippy::large_enum_variant, reason = "each is inspected once and taken apart")]
pub enum Frame {
    /// See [`Ready`].
    Ready(Ready),
    /// See [`Change`].
    Change(Change),
    /// You became a member of a chat.
    ChatCreated(Chat),
    /// You are no longer a member of a chat, or it was deleted.
    ChatDeleted(ChatId),
    /// See [`Signal`].
    Signal(Signal),
    /// The server dropped events of these chats for this connection; of any chat if none is named.
    Resync(Option<Vec<ChatId>>),
    /// A request succeeded: its number, and the whole frame.
    Ack(u64, Value),
    /// A request failed. Without a number, what failed was not a valid request.
    Error(Option<u64>, ApiError),
    /// A pong, or a type that this client does not know.
    Other,
}

#[derive(Deserialize)]
struct ErrorFrame {
    code: ErrorKind,
    detail: String,
    #[serde(default)]
    errors: BTreeMap<String, Vec<String>>,
}

impl Frame {
    /// Parses a frame. [`Error::Protocol`] if a known type is malformed.
    pub fn parse(text: &str) -> Result<Self> {
        let value: Value = expect(text, serde_json::from_str(text))?;
        let id = value["id"].as_u64();
        Ok(match value["type"].as_str().unwrap_or_default() {
            "ready" => Self::Ready(expect(text, serde_json::from_value(value))?),
            "chat.created" => {
                Self::ChatCreated(expect(text, serde_json::from_value(value["chat"].clone()))?)
            }
            "chat.deleted" => {
                Self::ChatDeleted(expect(text, serde_json::from_value(value["chat"].clone()))?)
            }
            "resync" => Self::Resync(expect(text, serde_json::from_value(value["chats"].clone()))?),
            "ack" => Self::Ack(
                id.ok_or_else(|| Error::Protocol(format!("an ack without an id: {text}")))?,
                value,
            ),
            "error" => {
                let ErrorFrame { code, detail, errors } =
                    expect(text, serde_json::from_value(value))?;
                let retry_after = seconds_in(&detail).filter(|_| code == ErrorKind::Throttled);
                let (status, request_id) = (None, None);
                let error = ApiError {
                    kind: code,
                    status,
                    detail,
                    code: None,
                    errors,
                    retry_after,
                    request_id,
                };
                Self::Error(id, error)
            }
            "receipt" | "typing" | "status" | "user.updated" | "chat.settings"
            | "block.updated" => Self::Signal(expect(text, serde_json::from_value(value))?),
            kind if kind.starts_with("message.")
                || kind.starts_with("member.")
                || matches!(kind, "chat.updated" | "messages.removed") =>
            {
                Self::Change(expect(text, serde_json::from_value(value))?)
            }
            _ => Self::Other,
        })
    }
}

fn expect<T>(text: &str, parsed: serde_json::Result<T>) -> Result<T> {
    parsed.map_err(|error| Error::Protocol(format!("{error}: {}", text.get(..300).unwrap_or(text))))
}

/// The delay in "Expected available in 3 seconds.": an `error` frame has no field for it.
fn seconds_in(detail: &str) -> Option<Duration> {
    let words = detail.split_whitespace().rev();
    words.filter_map(|word| word.parse().ok()).map(Duration::from_secs).next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_types_are_ignored_and_malformed_frames_are_errors() {
        assert_eq!(Frame::parse(r#"{"type":"new.kind","x":1}"#).expect("valid"), Frame::Other);
        assert_eq!(
            Frame::parse(r#"{"type":"resync"}"#).expect("valid"),
            Frame::Resync(None),
            "of any chat"
        );
        for wrong in [r#"{"type":"chat.deleted"}"#, "no json", r#"{"type":"ack"}"#] {
            assert!(matches!(Frame::parse(wrong), Err(Error::Protocol(_))), "{wrong}");
        }
    }

    #[test]
    fn a_rate_limit_error_says_when_to_retry() {
        let text = r#"{"type":"error","id":4,"code":"throttled","new":true,
            "detail":"Request was throttled. Expected available in 3 seconds."}"#;
        let Frame::Error(Some(4), error) = Frame::parse(text).expect("valid") else {
            panic!("not an error");
        };
        assert_eq!(error.retry_after, Some(Duration::from_secs(3)));
        assert!(error.kind.is_transient());
    }
}
