//! The server's frames: as the document shows them, and as they are written. An event is written
//! once and its bytes are shared by all who get it.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use crate::domain;
use crate::domain::chat::ChatView;
use crate::domain::error::Error;
use crate::domain::event::{Change, ChatEvent};
use crate::domain::ids::{ChatId, SessionId, UserId};
use crate::domain::numbering::{Seq, Version};
use crate::domain::receipt::Marks;
use crate::domain::time::Timestamp;
use crate::domain::urls::Urls;
use crate::domain::user::Profile;

use super::chats::Chat;
use super::errors::{Code, FieldTexts};
use super::kinds::numbers_by_id;
use super::members::Member;
use super::messages::Message;
use super::presence::StatusOf;
use super::request_id::RequestId;
use super::sync::Changes;
use super::users::{OwnUser, UserRef, avatar};

/// Seconds of silence after which a peer is pinged.
pub const HEARTBEAT: u64 = 30;

/// A frame from the server.
#[derive(Serialize, ToSchema)]
#[serde(tag = "type")]
#[expect(clippy::large_enum_variant, reason = "each lives on the stack while it is written")]
enum ServerFrame<'a> {
    /// The first frame after authentication. Of every chat, what comes after the version named here
    /// comes as events.
    #[serde(rename = "ready")]
    Ready {
        /// Oneself.
        user: OwnUser<'a>,
        /// The session's id: the `sid` of its tokens.
        #[schema(value_type = i64, minimum = 1)]
        session: SessionId,
        #[schema(value_type = String, format = DateTime)]
        server_time: Timestamp,
        /// Changes when the database's past does; then no version that one has counts.
        epoch: &'a str,
        /// Seconds of silence after which the peer is pinged.
        #[schema(example = 30)]
        heartbeat: u64,
        /// The version of each of one's chats, by the chat's id.
        #[schema(schema_with = numbers_by_id)]
        versions: &'a BTreeMap<ChatId, Version>,
    },
    /// The answer to `ping`.
    #[serde(rename = "pong")]
    Pong {
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schema(nullable = false)]
        id: Option<&'a RequestId>,
    },
    /// A request about a message was carried out, and is committed.
    #[serde(rename = "ack")]
    #[schema(title = "ack.message")]
    Ack { id: &'a RequestId, message: Message<'a> },
    /// A request was carried out, and there is nothing to say of it.
    #[serde(rename = "ack")]
    Done { id: &'a RequestId },
    /// The answer to `status.watch`: how those who are watched are seen now.
    #[serde(rename = "ack")]
    #[schema(title = "ack.users")]
    Watching { id: &'a RequestId, users: Vec<StatusOf<'a>> },
    /// The answer to `sync`: the body of `POST /api/sync/`.
    #[serde(rename = "ack")]
    #[schema(title = "ack.changes")]
    Synced {
        id: &'a RequestId,
        #[serde(flatten)]
        #[schema(inline)]
        changes: Changes<'a>,
    },
    /// A request was not carried out; nothing has changed. The socket stays open.
    #[serde(rename = "error")]
    Error {
        /// That of the request, if it had one that could be read.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schema(nullable = false)]
        id: Option<&'a RequestId>,
        code: Code,
        /// What is wrong, in English.
        detail: Cow<'a, str>,
        /// With `invalid`: texts a field, all wrong fields at once.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schema(nullable = false, value_type = Option<FieldTexts>)]
        errors: Option<&'a BTreeMap<String, Vec<String>>>,
    },
    /// A message was sent: for every connection of every member.
    #[serde(rename = "message.created")]
    MessageCreated {
        /// The chat's id.
        #[schema(value_type = i64, minimum = 1, example = 3)]
        chat: ChatId,
        /// The chat's version that this change made.
        #[schema(value_type = i64, minimum = 2, example = 6)]
        version: Version,
        message: Message<'a>,
    },
    /// A message was edited.
    #[serde(rename = "message.updated")]
    MessageUpdated {
        /// The chat's id.
        #[schema(value_type = i64, minimum = 1, example = 3)]
        chat: ChatId,
        /// The chat's version that this change made.
        #[schema(value_type = i64, minimum = 2, example = 6)]
        version: Version,
        message: Message<'a>,
    },
    /// A message was deleted; what is left is a tombstone.
    #[serde(rename = "message.deleted")]
    MessageDeleted {
        /// The chat's id.
        #[schema(value_type = i64, minimum = 1, example = 3)]
        chat: ChatId,
        /// The chat's version that this change made.
        #[schema(value_type = i64, minimum = 2, example = 6)]
        version: Version,
        message: Message<'a>,
    },
    /// One is in a chat from now on: it was made with one in it, or one was added.
    #[serde(rename = "chat.created")]
    ChatCreated { chat: Chat<'a> },
    /// The name, description or picture of a group changed.
    #[serde(rename = "chat.updated")]
    ChatUpdated {
        /// The chat's id.
        #[schema(value_type = i64, minimum = 1, example = 3)]
        chat: ChatId,
        /// The chat's version that this change made.
        #[schema(value_type = i64, minimum = 2, example = 6)]
        version: Version,
        #[schema(min_length = 1, max_length = 100)]
        name: &'a str,
        #[schema(max_length = 1000)]
        description: &'a str,
        /// The picture's absolute URL.
        #[schema(required)]
        avatar: Option<String>,
    },
    /// One is in a chat no more, or the chat is no more.
    #[serde(rename = "chat.deleted")]
    ChatDeleted {
        /// The chat's id.
        #[schema(value_type = i64, minimum = 1, example = 3)]
        chat: ChatId,
    },
    /// Somebody came into the group. They themselves get `chat.created` instead.
    #[serde(rename = "member.joined")]
    MemberJoined {
        /// The chat's id.
        #[schema(value_type = i64, minimum = 1, example = 3)]
        chat: ChatId,
        /// The chat's version that this change made.
        #[schema(value_type = i64, minimum = 2, example = 6)]
        version: Version,
        member: Member<'a>,
    },
    /// Somebody's role changed.
    #[serde(rename = "member.updated")]
    MemberUpdated {
        /// The chat's id.
        #[schema(value_type = i64, minimum = 1, example = 3)]
        chat: ChatId,
        /// The chat's version that this change made.
        #[schema(value_type = i64, minimum = 2, example = 6)]
        version: Version,
        member: Member<'a>,
    },
    /// Somebody left the group, or was removed. They themselves get `chat.deleted` instead.
    #[serde(rename = "member.left")]
    MemberLeft {
        /// The chat's id.
        #[schema(value_type = i64, minimum = 1, example = 3)]
        chat: ChatId,
        /// The chat's version that this change made.
        #[schema(value_type = i64, minimum = 2, example = 6)]
        version: Version,
        member: Member<'a>,
    },
    /// Somebody's marks moved: at most one a user and chat in 100 ms, and the last state always
    /// comes. Sending a message moves its sender's marks and makes none.
    #[serde(rename = "receipt")]
    Receipt {
        /// The chat's id.
        #[schema(value_type = i64, minimum = 1, example = 3)]
        chat: ChatId,
        /// The user's id.
        #[schema(value_type = i64, minimum = 1, example = 7)]
        user: UserId,
        /// Everything up to here has reached one of the user's devices.
        #[schema(value_type = i64, minimum = 0)]
        last_delivered_seq: Seq,
        /// Everything up to here has been read.
        #[schema(value_type = i64, minimum = 0)]
        last_read_seq: Seq,
    },
    /// Somebody writes, or has stopped.
    #[serde(rename = "typing")]
    Typing {
        /// The chat's id.
        #[schema(value_type = i64, minimum = 1, example = 3)]
        chat: ChatId,
        /// The user's id.
        #[schema(value_type = i64, minimum = 1, example = 7)]
        user: UserId,
        /// Whether they do.
        active: bool,
    },
    /// Somebody who is watched is seen otherwise; or oneself, by another device's doing.
    #[serde(rename = "status")]
    Status(#[schema(inline)] StatusOf<'a>),
    /// The names or picture of somebody who is watched changed, or one's own.
    #[serde(rename = "user.updated")]
    UserUpdated { user: UserRef<'a> },
    /// Events were dropped for this connection: `sync` before going on.
    #[serde(rename = "resync")]
    Resync {
        /// Of these chats; where it is missing, of any.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schema(nullable = false, value_type = Option<Vec<i64>>)]
        chats: Option<&'a [ChatId]>,
    },
}

/// Every frame of the server's, and the schemas that they name.
pub fn schemas() -> (RefOr<Schema>, Vec<(String, RefOr<Schema>)>) {
    let mut named = Vec::new();
    ServerFrame::schemas(&mut named);
    (ServerFrame::schema(), named)
}

/// The first frame after authentication.
pub fn ready(
    me: &Profile,
    session: SessionId,
    server_time: Timestamp,
    epoch: &str,
    versions: &BTreeMap<ChatId, Version>,
    urls: &Urls,
) -> String {
    write(&ServerFrame::Ready {
        user: OwnUser::of(me, urls),
        session,
        server_time,
        epoch,
        heartbeat: HEARTBEAT,
        versions,
    })
}

/// The answer to a ping.
pub fn pong(id: Option<&RequestId>) -> String {
    write(&ServerFrame::Pong { id })
}

/// A request about a message was carried out.
pub fn ack(id: &RequestId, message: &domain::message::Message, urls: &Urls) -> String {
    write(&ServerFrame::Ack { id, message: Message::of(message, urls) })
}

/// A request was carried out, and there is nothing to say of it.
pub fn done(id: &RequestId) -> String {
    write(&ServerFrame::Done { id })
}

/// The answer to `status.watch`: how those who are watched are seen.
pub fn watching(id: &RequestId, users: &[Profile]) -> String {
    write(&ServerFrame::Watching { id, users: users.iter().map(StatusOf::of).collect() })
}

/// The answer to `sync`: the body of `POST /api/sync/`.
pub fn synced(id: &RequestId, changes: &domain::sync::Changes, urls: &Urls) -> String {
    write(&ServerFrame::Synced { id, changes: Changes::of(changes, urls) })
}

/// A request was not carried out.
pub fn error(id: Option<&RequestId>, error: &Error) -> String {
    let errors = match error {
        Error::Invalid(errors) => Some(errors.by_field()),
        _ => None,
    };
    let detail = match error {
        Error::Invalid(_) => Cow::Borrowed("Invalid input."),
        other => Cow::Owned(other.to_string()),
    };
    write(&ServerFrame::Error { id, code: Code::from(error), detail, errors })
}

/// A change in a chat.
pub fn chat_event(event: &ChatEvent, urls: &Urls) -> String {
    let (chat, version) = (event.chat, event.version);
    write(&match &event.change {
        Change::MessageCreated(message) => {
            ServerFrame::MessageCreated { chat, version, message: Message::of(message, urls) }
        }
        Change::MessageUpdated(message) => {
            ServerFrame::MessageUpdated { chat, version, message: Message::of(message, urls) }
        }
        Change::MessageDeleted(message) => {
            ServerFrame::MessageDeleted { chat, version, message: Message::of(message, urls) }
        }
        Change::ChatUpdated(new) => ServerFrame::ChatUpdated {
            chat,
            version,
            name: &new.name,
            description: &new.description,
            avatar: avatar(new.avatar.as_deref(), urls),
        },
        Change::MemberJoined(member) => {
            ServerFrame::MemberJoined { chat, version, member: Member::of(member, urls) }
        }
        Change::MemberUpdated(member) => {
            ServerFrame::MemberUpdated { chat, version, member: Member::of(member, urls) }
        }
        Change::MemberLeft(member) => {
            ServerFrame::MemberLeft { chat, version, member: Member::of(member, urls) }
        }
    })
}

/// A chat that the recipient is in from now on, as the recipient sees it.
pub fn chat_created(view: &ChatView, urls: &Urls) -> String {
    write(&ServerFrame::ChatCreated { chat: Chat::of(view, urls) })
}

/// A chat that the recipient is not in any more, or that is no more.
pub fn chat_deleted(chat: ChatId) -> String {
    write(&ServerFrame::ChatDeleted { chat })
}

/// Somebody's marks moved.
pub fn receipt(chat: ChatId, user: UserId, marks: Marks) -> String {
    let Marks { delivered_seq, read_seq } = marks;
    write(&ServerFrame::Receipt {
        chat,
        user,
        last_delivered_seq: delivered_seq,
        last_read_seq: read_seq,
    })
}

/// Somebody writes, or has stopped.
pub fn typing(chat: ChatId, user: UserId, active: bool) -> String {
    write(&ServerFrame::Typing { chat, user, active })
}

/// Somebody is seen otherwise.
pub fn status(profile: &Profile) -> String {
    write(&ServerFrame::Status(StatusOf::of(profile)))
}

/// Somebody's names or picture changed.
pub fn user_updated(user: &domain::user::UserRef, urls: &Urls) -> String {
    write(&ServerFrame::UserUpdated { user: UserRef::of(user, urls) })
}

/// Events were dropped: of these chats, or of any where none are named.
pub fn resync(chats: Option<&[ChatId]>) -> String {
    write(&ServerFrame::Resync { chats })
}

fn write(frame: &ServerFrame<'_>) -> String {
    // Serialising fails only on maps with keys that are no text and on numbers that are no JSON;
    // neither is among the types above.
    serde_json::to_string(frame).unwrap_or_else(|_| {
        r#"{"type":"error","code":"server_error","detail":"A server error occurred."}"#.to_owned()
    })
}
