//! The socket's frames: reading the client's, writing the server's. An event is written once and
//! its bytes are shared by all who get it.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use crate::domain;
use crate::domain::chat::ChatView;
use crate::domain::error::{Error, Result};
use crate::domain::event::{Change, ChatEvent};
use crate::domain::ids::{ChatId, MAX_ID, MessageId, SessionId, UserId};
use crate::domain::message::{Content, Draft, Unfit};
use crate::domain::receipt::Marks;
use crate::domain::sync::Known;
use crate::domain::time::Timestamp;
use crate::domain::urls::Urls;
use crate::domain::user::{Availability, Profile, Status};

use super::answers::Changes;
use super::errors::Code;
use super::fields::Fields;
use super::objects::{Chat, Member, Message, OwnUser, UserRef, avatar};
use super::requests::{EditMessage, SendMessage, Sync, status_text};

/// Most people whom a connection may watch besides its private chats' peers.
pub const WATCH_MAX: usize = 1_000;

/// Seconds of silence after which a peer is pinged.
pub const HEARTBEAT: u64 = 30;

/// What names a request: repeated in its `ack` or `error`.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(transparent)]
pub struct RequestId(Value);

/// A frame from the client.
#[derive(Debug)]
pub struct Incoming {
    /// Where it asks for an answer under a name.
    pub id: Option<RequestId>,
    /// What it asks for; an error where it makes no sense.
    pub request: Result<Request>,
}

/// What a client asks for. What is well-formed enough to say whom it concerns carries the rest as
/// a result: whether the caller may is answered before what is wrong with it.
#[derive(Debug)]
pub enum Request {
    /// Authenticates the connection.
    Auth {
        /// An access token.
        token: Result<String>,
    },
    /// Asks for a `pong`.
    Ping,
    /// Sends a message.
    Send {
        /// Where to.
        chat: ChatId,
        /// What.
        draft: Result<Draft, Unfit>,
    },
    /// Edits a message.
    Edit {
        /// Which.
        message: MessageId,
        /// To what.
        content: Result<Content>,
    },
    /// Deletes a message.
    Delete {
        /// Which.
        message: MessageId,
    },
    /// Moves one's marks in a chat.
    Mark {
        /// Where.
        chat: ChatId,
        /// Everything up to here, if that can be.
        seq: Result<i64>,
        /// Whether it was read, and not just delivered.
        read: bool,
    },
    /// Says whether one writes.
    Typing {
        /// Where.
        chat: ChatId,
        /// Whether one does.
        active: Result<bool>,
    },
    /// Says how one wants to be seen.
    Status {
        /// As what. `Away` is of this device.
        status: Availability,
        /// One's own line, where it is to change.
        text: Option<String>,
    },
    /// Asks to be told how others are seen.
    Watch {
        /// Whom.
        users: Vec<UserId>,
    },
    /// Asks what changed.
    Sync(Known),
}

impl Incoming {
    /// Reads a frame; `message_max` is the longest content, in characters.
    pub fn parse(text: &str, message_max: usize) -> Self {
        let mut fields = match Fields::parse(text.as_bytes()) {
            Ok(fields) => fields,
            Err(error) => {
                return Self { id: None, request: Err(error) };
            }
        };
        let id = match fields.take("id") {
            None | Some(Value::Null) => None,
            Some(id @ (Value::String(_) | Value::Number(_))) => Some(RequestId(id)),
            Some(_) => {
                let error = Error::field("id", "Not a valid string or number.");
                return Self { id: None, request: Err(error) };
            }
        };
        Self { id, request: Request::parse(fields, message_max) }
    }
}

impl Request {
    fn parse(mut fields: Fields, message_max: usize) -> Result<Self> {
        let Some(kind) = fields.required("type", Ok) else {
            return fields.finish(None);
        };
        match kind.as_str() {
            "auth" => {
                let token = fields.required("token", Ok);
                Ok(Self::Auth { token: fields.finish(token) })
            }
            "ping" => Ok(Self::Ping),
            "message.send" => match fields.required_id("chat") {
                Some(chat) => Ok(Self::Send {
                    chat: ChatId(chat),
                    draft: SendMessage::parse(fields, message_max),
                }),
                None => SendMessage::parse(fields, message_max)
                    .map_err(|unfit| unfit.error)
                    .and_then(|_| unreadable()),
            },
            "message.edit" => match fields.required_id("message") {
                Some(message) => Ok(Self::Edit {
                    message: MessageId(message),
                    content: EditMessage::parse(fields, message_max),
                }),
                None => EditMessage::parse(fields, message_max).and_then(|_| unreadable()),
            },
            "message.delete" => {
                let message = fields.required_id("message");
                fields.finish(message.map(|id| Self::Delete { message: MessageId(id) }))
            }
            "message.delivered" | "message.read" => {
                let chat = fields.required_id("chat").map(ChatId);
                let seq = fields.required_integer("seq", 0, MAX_ID);
                let (seq, read) = (fields.finish(seq), kind == "message.read");
                match chat {
                    Some(chat) => Ok(Self::Mark { chat, seq, read }),
                    None => seq.and_then(|_| unreadable()),
                }
            }
            "typing" => {
                let chat = fields.required_id("chat").map(ChatId);
                if !fields.has("active") {
                    fields.require("active");
                }
                let active = fields.boolean("active");
                let active = fields.finish(active);
                match chat {
                    Some(chat) => Ok(Self::Typing { chat, active }),
                    None => active.and_then(|_| unreadable()),
                }
            }
            "status" => {
                let status = fields.required("status", |name| {
                    Availability::try_from(name.clone())
                        .map_err(|_| format!("\"{name}\" is not a valid choice."))
                });
                let text = fields.optional("text", status_text);
                fields.finish(status.map(|status| Self::Status { status, text }))
            }
            "status.watch" => {
                if !fields.has("users") {
                    fields.require("users");
                }
                let users = fields.ids("users");
                if users.as_ref().is_some_and(|users| users.len() > WATCH_MAX) {
                    let text = format!("Ensure this field has no more than {WATCH_MAX} elements.");
                    fields.fault("users", text);
                }
                let users = users.map(|ids| ids.into_iter().map(UserId).collect());
                fields.finish(users.map(|users| Self::Watch { users }))
            }
            "sync" => Sync::parse(fields).map(Self::Sync),
            other => {
                fields.fault("type", format!("\"{other}\" is not a valid choice."));
                fields.finish(None)
            }
        }
    }
}

/// A fault stands in the fields already, so reading the rest of them cannot succeed.
fn unreadable<T>() -> Result<T> {
    Err(Error::internal("a frame without its object was read"))
}

/// How somebody is seen.
#[derive(Serialize)]
struct StatusOf<'a> {
    user: UserId,
    status: Status,
    status_text: &'a str,
    last_seen: Option<Timestamp>,
}

impl<'a> StatusOf<'a> {
    fn of(profile: &'a Profile) -> Self {
        let user = &profile.user;
        Self {
            user: user.id,
            status: profile.status,
            status_text: &user.status_text,
            last_seen: user.last_seen,
        }
    }
}

/// A frame from the server.
#[derive(Serialize)]
#[serde(tag = "type")]
#[expect(clippy::large_enum_variant, reason = "each lives on the stack while it is written")]
enum Outgoing<'a> {
    #[serde(rename = "ready")]
    Ready {
        user: OwnUser<'a>,
        session: SessionId,
        server_time: Timestamp,
        epoch: &'a str,
        heartbeat: u64,
        versions: &'a BTreeMap<ChatId, i64>,
    },
    #[serde(rename = "pong")]
    Pong {
        #[serde(skip_serializing_if = "Option::is_none")]
        id: Option<&'a RequestId>,
    },
    #[serde(rename = "ack")]
    Ack { id: &'a RequestId, message: Message<'a> },
    #[serde(rename = "ack")]
    Done { id: &'a RequestId },
    #[serde(rename = "ack")]
    Watching { id: &'a RequestId, users: Vec<StatusOf<'a>> },
    #[serde(rename = "ack")]
    Synced {
        id: &'a RequestId,
        #[serde(flatten)]
        changes: Changes<'a>,
    },
    #[serde(rename = "error")]
    Error {
        #[serde(skip_serializing_if = "Option::is_none")]
        id: Option<&'a RequestId>,
        code: Code,
        detail: Cow<'a, str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        errors: Option<&'a BTreeMap<String, Vec<String>>>,
    },
    #[serde(rename = "message.created")]
    MessageCreated { chat: ChatId, version: i64, message: Message<'a> },
    #[serde(rename = "message.updated")]
    MessageUpdated { chat: ChatId, version: i64, message: Message<'a> },
    #[serde(rename = "message.deleted")]
    MessageDeleted { chat: ChatId, version: i64, message: Message<'a> },
    #[serde(rename = "chat.created")]
    ChatCreated { chat: Chat<'a> },
    #[serde(rename = "chat.updated")]
    ChatUpdated {
        chat: ChatId,
        version: i64,
        name: &'a str,
        description: &'a str,
        avatar: Option<String>,
    },
    #[serde(rename = "chat.deleted")]
    ChatDeleted { chat: ChatId },
    #[serde(rename = "member.joined")]
    MemberJoined { chat: ChatId, version: i64, member: Member<'a> },
    #[serde(rename = "member.updated")]
    MemberUpdated { chat: ChatId, version: i64, member: Member<'a> },
    #[serde(rename = "member.left")]
    MemberLeft { chat: ChatId, version: i64, member: Member<'a> },
    #[serde(rename = "receipt")]
    Receipt { chat: ChatId, user: UserId, last_delivered_seq: i64, last_read_seq: i64 },
    #[serde(rename = "typing")]
    Typing { chat: ChatId, user: UserId, active: bool },
    #[serde(rename = "status")]
    Status(StatusOf<'a>),
    #[serde(rename = "user.updated")]
    UserUpdated { user: UserRef<'a> },
    #[serde(rename = "resync")]
    Resync {
        #[serde(skip_serializing_if = "Option::is_none")]
        chats: Option<&'a [ChatId]>,
    },
}

/// The first frame after authentication.
pub fn ready(
    me: &Profile,
    session: SessionId,
    server_time: Timestamp,
    epoch: &str,
    versions: &BTreeMap<ChatId, i64>,
    urls: &Urls,
) -> String {
    write(&Outgoing::Ready {
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
    write(&Outgoing::Pong { id })
}

/// A request about a message was carried out.
pub fn ack(id: &RequestId, message: &domain::message::Message, urls: &Urls) -> String {
    write(&Outgoing::Ack { id, message: Message::of(message, urls) })
}

/// A request was carried out, and there is nothing to say of it.
pub fn done(id: &RequestId) -> String {
    write(&Outgoing::Done { id })
}

/// The answer to `status.watch`: how those who are watched are seen.
pub fn watching(id: &RequestId, users: &[Profile]) -> String {
    write(&Outgoing::Watching { id, users: users.iter().map(StatusOf::of).collect() })
}

/// The answer to `sync`: the body of `POST /api/sync/`.
pub fn synced(id: &RequestId, changes: &domain::sync::Changes, urls: &Urls) -> String {
    write(&Outgoing::Synced { id, changes: Changes::of(changes, urls) })
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
    write(&Outgoing::Error { id, code: Code::from(error), detail, errors })
}

/// A change in a chat.
pub fn chat_event(event: &ChatEvent, urls: &Urls) -> String {
    let (chat, version) = (event.chat, event.version);
    write(&match &event.change {
        Change::MessageCreated(message) => {
            Outgoing::MessageCreated { chat, version, message: Message::of(message, urls) }
        }
        Change::MessageUpdated(message) => {
            Outgoing::MessageUpdated { chat, version, message: Message::of(message, urls) }
        }
        Change::MessageDeleted(message) => {
            Outgoing::MessageDeleted { chat, version, message: Message::of(message, urls) }
        }
        Change::ChatUpdated(new) => Outgoing::ChatUpdated {
            chat,
            version,
            name: &new.name,
            description: &new.description,
            avatar: avatar(new.avatar.as_deref(), urls),
        },
        Change::MemberJoined(member) => {
            Outgoing::MemberJoined { chat, version, member: Member::of(member, urls) }
        }
        Change::MemberUpdated(member) => {
            Outgoing::MemberUpdated { chat, version, member: Member::of(member, urls) }
        }
        Change::MemberLeft(member) => {
            Outgoing::MemberLeft { chat, version, member: Member::of(member, urls) }
        }
    })
}

/// A chat that the recipient is in from now on, as the recipient sees it.
pub fn chat_created(view: &ChatView, urls: &Urls) -> String {
    write(&Outgoing::ChatCreated { chat: Chat::of(view, urls) })
}

/// A chat that the recipient is not in any more, or that is no more.
pub fn chat_deleted(chat: ChatId) -> String {
    write(&Outgoing::ChatDeleted { chat })
}

/// Somebody's marks moved.
pub fn receipt(chat: ChatId, user: UserId, marks: Marks) -> String {
    let Marks { delivered_seq, read_seq } = marks;
    write(&Outgoing::Receipt {
        chat,
        user,
        last_delivered_seq: delivered_seq,
        last_read_seq: read_seq,
    })
}

/// Somebody writes, or has stopped.
pub fn typing(chat: ChatId, user: UserId, active: bool) -> String {
    write(&Outgoing::Typing { chat, user, active })
}

/// Somebody is seen otherwise.
pub fn status(profile: &Profile) -> String {
    write(&Outgoing::Status(StatusOf::of(profile)))
}

/// Somebody's names or picture changed.
pub fn user_updated(user: &domain::user::UserRef, urls: &Urls) -> String {
    write(&Outgoing::UserUpdated { user: UserRef::of(user, urls) })
}

/// Events were dropped: of these chats, or of any where none are named.
pub fn resync(chats: Option<&[ChatId]>) -> String {
    write(&Outgoing::Resync { chats })
}

fn write(frame: &Outgoing<'_>) -> String {
    // Serialising fails only on maps with keys that are no text and on numbers that are no JSON;
    // neither is among the types above.
    serde_json::to_string(frame).unwrap_or_else(|_| {
        r#"{"type":"error","code":"server_error","detail":"A server error occurred."}"#.to_owned()
    })
}
