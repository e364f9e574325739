//! The socket's frames as they are read. What they do to what one knows is `replica`'s business.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use time::OffsetDateTime;
use time::serde::rfc3339;

use crate::errors::{Error, Kind, Refusal, Result};
use crate::types::{Chat, Marks, Member, Message, StatusOf, User, UserRef};

/// A durable change in a chat. Each has a version of its own, one more than the change before.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type")]
#[expect(missing_docs, reason = "the fields are the chat's id, its version, and the new state")]
pub enum Change {
    /// Somebody sent a message.
    #[serde(rename = "message.created")]
    MessageCreated { chat: i64, version: i64, message: Message },
    /// Its sender edited a message.
    #[serde(rename = "message.updated")]
    MessageUpdated { chat: i64, version: i64, message: Message },
    /// A message is a tombstone now.
    #[serde(rename = "message.deleted")]
    MessageDeleted { chat: i64, version: i64, message: Message },
    /// The group has another name, description or picture.
    #[serde(rename = "chat.updated")]
    ChatUpdated {
        chat: i64,
        version: i64,
        name: String,
        description: String,
        avatar: Option<String>,
    },
    /// Somebody else is in the group from now on.
    #[serde(rename = "member.joined")]
    MemberJoined { chat: i64, version: i64, member: Member },
    /// Somebody has another role.
    #[serde(rename = "member.updated")]
    MemberUpdated { chat: i64, version: i64, member: Member },
    /// Somebody else is no longer in the group.
    #[serde(rename = "member.left")]
    MemberLeft { chat: i64, version: i64, member: Member },
}

impl Change {
    /// The chat, and the version that the change made.
    pub fn place(&self) -> (i64, i64) {
        match *self {
            Self::MessageCreated { chat, version, .. }
            | Self::MessageUpdated { chat, version, .. }
            | Self::MessageDeleted { chat, version, .. }
            | Self::ChatUpdated { chat, version, .. }
            | Self::MemberJoined { chat, version, .. }
            | Self::MemberUpdated { chat, version, .. }
            | Self::MemberLeft { chat, version, .. } => (chat, version),
        }
    }

    /// The message, of a change of one.
    pub fn message(&self) -> Option<&Message> {
        match self {
            Self::MessageCreated { message, .. }
            | Self::MessageUpdated { message, .. }
            | Self::MessageDeleted { message, .. } => Some(message),
            _ => None,
        }
    }
}

/// What has no version: it may be merged with a later one of its kind, or be lost.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type")]
#[expect(missing_docs, reason = "`chat` and `user` are ids; the rest is the state")]
pub enum Signal {
    /// A member's marks moved.
    #[serde(rename = "receipt")]
    Receipt {
        chat: i64,
        user: i64,
        #[serde(flatten)]
        marks: Marks,
    },
    /// Somebody writes, or has stopped.
    #[serde(rename = "typing")]
    Typing { chat: i64, user: i64, active: bool },
    /// Somebody who is watched is seen otherwise.
    #[serde(rename = "status")]
    Status(StatusOf),
    /// Somebody who is watched has another name or picture.
    #[serde(rename = "user.updated")]
    UserUpdated { user: UserRef },
}

/// The first frame after authentication.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Ready {
    /// Oneself.
    pub user: User,
    /// This device.
    pub session: i64,
    /// The server's clock.
    #[serde(with = "rfc3339")]
    pub server_time: OffsetDateTime,
    /// Changes when the past of the server's data does.
    pub epoch: String,
    /// Seconds of silence after which the other side is pinged; after two and a half times as
    /// many it is given up.
    pub heartbeat: u64,
    /// By chat: what comes after this version comes as a change.
    pub versions: BTreeMap<i64, i64>,
}

/// What a client knows, as the server is asked for the rest.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct SyncRequest {
    /// By chat, the version that one has.
    pub versions: BTreeMap<i64, i64>,
    /// The epoch that they are of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub epoch: Option<String>,
    /// Most messages in the answer, 1–1000; 500 where it is left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
}

/// The rest.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Synced {
    /// The present epoch.
    pub epoch: String,
    /// The chats that are newer.
    pub changes: Vec<Newer>,
    /// The chats that were named and are not one's own.
    pub gone: Vec<i64>,
    /// Something is missing: chats for which there was no room, or messages of a chat. Ask again.
    #[serde(default)]
    pub more: bool,
}

/// A chat that is newer than what one had.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Newer {
    /// As it is.
    pub chat: Chat,
    /// Its messages of a later version, in version order; only the newest of a chat that one did
    /// not name.
    pub messages: Vec<Message>,
    /// There are more: ask again.
    pub more: bool,
}

/// What the server sends.
#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "each is looked at once and taken apart")]
pub enum Frame {
    /// See [`Ready`].
    Ready(Ready),
    /// See [`Change`].
    Change(Change),
    /// One is in a chat from now on.
    ChatCreated(Chat),
    /// One is in a chat no more, or it is no more.
    ChatDeleted(i64),
    /// See [`Signal`].
    Signal(Signal),
    /// Changes of these chats were dropped for this connection; of any, where none are named.
    Resync(Option<Vec<i64>>),
    /// A request was carried out; the frame is all that is told of it.
    Ack(u64, Value),
    /// A request was refused; without its number, something that was no request.
    Refused(Option<u64>, Refusal),
    /// A pong, or what this client does not know.
    Other,
}

#[derive(Deserialize)]
struct ErrorFrame {
    code: Kind,
    detail: String,
    #[serde(default)]
    errors: BTreeMap<String, Vec<String>>,
}

impl Frame {
    /// Reads one. [`Error::Protocol`] where a known type is not as it has to be.
    pub fn read(text: &str) -> Result<Self> {
        let value: Value = parse(text, serde_json::from_str(text))?;
        let id = value["id"].as_u64();
        Ok(match value["type"].as_str().unwrap_or_default() {
            "ready" => Self::Ready(parse(text, serde_json::from_value(value))?),
            "chat.created" => {
                Self::ChatCreated(parse(text, serde_json::from_value(value["chat"].clone()))?)
            }
            "chat.deleted" => {
                Self::ChatDeleted(parse(text, serde_json::from_value(value["chat"].clone()))?)
            }
            "resync" => Self::Resync(parse(text, serde_json::from_value(value["chats"].clone()))?),
            "ack" => Self::Ack(
                id.ok_or_else(|| Error::Protocol(format!("an ack without its request: {text}")))?,
                value,
            ),
            "error" => {
                let ErrorFrame { code, detail, errors } =
                    parse(text, serde_json::from_value(value))?;
                let retry_after = seconds_in(&detail).filter(|_| code == Kind::Throttled);
                let (status, request_id) = (None, None);
                let refusal =
                    Refusal { kind: code, status, detail, errors, retry_after, request_id };
                Self::Refused(id, refusal)
            }
            "receipt" | "typing" | "status" | "user.updated" => {
                Self::Signal(parse(text, serde_json::from_value(value))?)
            }
            kind if kind.starts_with("message.")
                || kind.starts_with("member.")
                || kind == "chat.updated" =>
            {
                Self::Change(parse(text, serde_json::from_value(value))?)
            }
            _ => Self::Other,
        })
    }
}

fn parse<T>(text: &str, read: serde_json::Result<T>) -> Result<T> {
    read.map_err(|error| Error::Protocol(format!("{error}: {}", text.get(..300).unwrap_or(text))))
}

/// "Expected available in 3 seconds."; the frame says it nowhere else.
fn seconds_in(detail: &str) -> Option<Duration> {
    let words = detail.split_whitespace().rev();
    words.filter_map(|word| word.parse().ok()).map(Duration::from_secs).next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_known_is_passed_over_and_what_is_wrong_is_named() {
        assert_eq!(Frame::read(r#"{"type":"new.kind","x":1}"#).expect("read"), Frame::Other);
        assert_eq!(
            Frame::read(r#"{"type":"resync"}"#).expect("read"),
            Frame::Resync(None),
            "of any chat"
        );
        for wrong in [r#"{"type":"chat.deleted"}"#, "no json", r#"{"type":"ack"}"#] {
            assert!(matches!(Frame::read(wrong), Err(Error::Protocol(_))), "{wrong}");
        }
    }

    #[test]
    fn a_refusal_says_when_to_come_back() {
        let text = r#"{"type":"error","id":4,"code":"throttled","new":true,
            "detail":"Request was throttled. Expected available in 3 seconds."}"#;
        let Frame::Refused(Some(4), refusal) = Frame::read(text).expect("read") else {
            panic!("no refusal");
        };
        assert_eq!(refusal.retry_after, Some(Duration::from_secs(3)));
        assert!(refusal.kind.passes());
    }
}
