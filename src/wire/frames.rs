//! The server's frames, as the AsyncAPI document describes them and as they are sent. An event is
//! encoded once, and its bytes are shared by all connections that receive it.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use crate::domain;
use crate::domain::chat::ChatView;
use crate::domain::chat_settings::ChatSettings;
use crate::domain::error::Error;
use crate::domain::event::{Change, ChatEvent};
use crate::domain::ids::{ChatId, SessionId, UserId};
use crate::domain::numbering::{AccountVersion, Seq, Version};
use crate::domain::receipt::Markers;
use crate::domain::time::Timestamp;
use crate::domain::urls::Urls;
use crate::domain::user::Profile;

use super::chat_settings::ChatSettingsJson;
use super::chats::ChatJson;
use super::errors::{Code, FieldTexts};
use super::kinds::VersionsByChat;
use super::members::MemberJson;
use super::messages::MessageJson;
use super::presence::StatusOf;
use super::request_id::RequestId;
use super::sync::ChangesJson;
use super::users::{UserJson, UserRefJson, avatar};

/// Seconds of silence after which the server sends a ping.
pub const HEARTBEAT: u64 = 30;

/// A frame from the server.
#[derive(Serialize, ToSchema)]
#[serde(tag = "type")]
#[expect(clippy::large_enum_variant, reason = "each lives on the stack while it is written")]
enum ServerFrame<'a> {
    /// The first frame after authentication. Changes after the versions named here follow as events.
    #[serde(rename = "ready")]
    Ready {
        /// Your account.
        user: UserJson<'a>,
        /// The session's id: the `sid` of its tokens.
        #[schema(value_type = i64, minimum = 1)]
        session: SessionId,
        /// The server's clock, when it sent this.
        #[schema(value_type = String, format = DateTime)]
        server_time: Timestamp,
        /// Changes when the database was restored to an earlier state: discard all versions then.
        epoch: &'a str,
        /// Seconds of silence after which the server sends a ping.
        #[schema(example = 30)]
        heartbeat: u64,
        /// The version of each of your chats, by the chat's id.
        #[schema(value_type = VersionsByChat)]
        versions: &'a BTreeMap<ChatId, Version>,
        /// The account's version: later changes of what only you see come with a greater `account`.
        #[schema(value_type = i64, minimum = 0, example = 12)]
        account: AccountVersion,
    },
    /// The answer to `ping`.
    #[serde(rename = "pong")]
    Pong {
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schema(nullable = false)]
        id: Option<&'a RequestId>,
    },
    /// A request about a message succeeded and is committed.
    #[serde(rename = "ack")]
    #[schema(title = "ack.message")]
    Ack { id: &'a RequestId, message: MessageJson<'a> },
    /// A request succeeded.
    #[serde(rename = "ack")]
    Done { id: &'a RequestId },
    /// The answer to `status.watch`: the presence of the users subscribed to.
    #[serde(rename = "ack")]
    #[schema(title = "ack.users")]
    Watching {
        id: &'a RequestId,
        /// The users that you share a chat with.
        users: Vec<StatusOf<'a>>,
    },
    /// The answer to `sync`, as that of `POST /api/sync/`.
    #[serde(rename = "ack")]
    #[schema(title = "ack.changes")]
    Synced {
        id: &'a RequestId,
        #[serde(flatten)]
        #[schema(inline)]
        changes: ChangesJson<'a>,
    },
    /// A request failed; nothing has changed. The socket stays open.
    #[serde(rename = "error")]
    Error {
        /// The `id` of the request, if it could be read.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schema(nullable = false)]
        id: Option<&'a RequestId>,
        code: Code,
        /// What is wrong, in English.
        detail: Cow<'a, str>,
        /// With `invalid`: the texts of all wrong fields.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schema(nullable = false, value_type = Option<FieldTexts>)]
        errors: Option<&'a BTreeMap<String, Vec<String>>>,
    },
    /// A message was sent. Every connection of every member receives it.
    #[serde(rename = "message.created")]
    MessageCreated {
        /// The chat's id.
        #[schema(value_type = i64, minimum = 1, example = 3)]
        chat: ChatId,
        /// The chat's version of this change.
        #[schema(value_type = i64, minimum = 2, example = 6)]
        version: Version,
        message: MessageJson<'a>,
    },
    /// A message was edited, pinned or unpinned, or its reactions changed.
    #[serde(rename = "message.updated")]
    MessageUpdated {
        /// The chat's id.
        #[schema(value_type = i64, minimum = 1, example = 3)]
        chat: ChatId,
        /// The chat's version of this change.
        #[schema(value_type = i64, minimum = 2, example = 6)]
        version: Version,
        message: MessageJson<'a>,
    },
    /// A message was deleted. `message` is its tombstone.
    #[serde(rename = "message.deleted")]
    MessageDeleted {
        /// The chat's id.
        #[schema(value_type = i64, minimum = 1, example = 3)]
        chat: ChatId,
        /// The chat's version of this change.
        #[schema(value_type = i64, minimum = 2, example = 6)]
        version: Version,
        message: MessageJson<'a>,
    },
    /// The site's retention removed all messages before `first_seq`.
    #[serde(rename = "messages.removed")]
    MessagesRemoved {
        /// The chat's id.
        #[schema(value_type = i64, minimum = 1, example = 3)]
        chat: ChatId,
        /// The chat's version of this change.
        #[schema(value_type = i64, minimum = 2, example = 6)]
        version: Version,
        /// The first message that may still be there.
        #[schema(value_type = i64, minimum = 2, example = 501)]
        first_seq: Seq,
    },
    /// You are now a member of a chat: it was created with you, or you were added.
    #[serde(rename = "chat.created")]
    ChatCreated { chat: ChatJson<'a> },
    /// The name, description or avatar of a group changed.
    #[serde(rename = "chat.updated")]
    ChatUpdated {
        /// The chat's id.
        #[schema(value_type = i64, minimum = 1, example = 3)]
        chat: ChatId,
        /// The chat's version of this change.
        #[schema(value_type = i64, minimum = 2, example = 6)]
        version: Version,
        /// The group's name.
        #[schema(min_length = 1, max_length = 100)]
        name: &'a str,
        /// May be empty.
        #[schema(max_length = 1000)]
        description: &'a str,
        /// The avatar's absolute URL.
        #[schema(required)]
        avatar: Option<String>,
    },
    /// You are no longer a member of a chat, or it was deleted.
    #[serde(rename = "chat.deleted")]
    ChatDeleted {
        /// The chat's id.
        #[schema(value_type = i64, minimum = 1, example = 3)]
        chat: ChatId,
    },
    /// A user joined the group. That user receives `chat.created` instead.
    #[serde(rename = "member.joined")]
    MemberJoined {
        /// The chat's id.
        #[schema(value_type = i64, minimum = 1, example = 3)]
        chat: ChatId,
        /// The chat's version of this change.
        #[schema(value_type = i64, minimum = 2, example = 6)]
        version: Version,
        member: MemberJson<'a>,
    },
    /// A member's role changed.
    #[serde(rename = "member.updated")]
    MemberUpdated {
        /// The chat's id.
        #[schema(value_type = i64, minimum = 1, example = 3)]
        chat: ChatId,
        /// The chat's version of this change.
        #[schema(value_type = i64, minimum = 2, example = 6)]
        version: Version,
        member: MemberJson<'a>,
    },
    /// A user left the group, or was removed. That user receives `chat.deleted` instead.
    #[serde(rename = "member.left")]
    MemberLeft {
        /// The chat's id.
        #[schema(value_type = i64, minimum = 1, example = 3)]
        chat: ChatId,
        /// The chat's version of this change.
        #[schema(value_type = i64, minimum = 2, example = 6)]
        version: Version,
        member: MemberJson<'a>,
    },
    /// A member's delivery or read marker moved. Receipts are coalesced to one per user and chat in
    /// 100 ms; the latest state is always sent. Sending a message moves the sender's markers without a
    /// receipt.
    #[serde(rename = "receipt")]
    Receipt {
        /// The chat's id.
        #[schema(value_type = i64, minimum = 1, example = 3)]
        chat: ChatId,
        /// The user's id.
        #[schema(value_type = i64, minimum = 1, example = 7)]
        user: UserId,
        /// The delivery marker: everything up to here has reached one of the user's devices.
        #[schema(value_type = i64, minimum = 0)]
        last_delivered_seq: Seq,
        /// The read marker: the user has read everything up to here.
        #[schema(value_type = i64, minimum = 0)]
        last_read_seq: Seq,
        /// Only if it is your own read marker that moved, on any device: the account's version.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schema(nullable = false, value_type = Option<i64>, minimum = 1)]
        account: Option<AccountVersion>,
    },
    /// You muted, pinned or archived a chat, or ended that, on any device.
    #[serde(rename = "chat.settings")]
    ChatSettings {
        /// The chat's id.
        #[schema(value_type = i64, minimum = 1, example = 3)]
        chat: ChatId,
        /// The account's version.
        #[schema(value_type = i64, minimum = 1)]
        account: AccountVersion,
        #[serde(flatten)]
        #[schema(inline)]
        settings: ChatSettingsJson,
    },
    /// You blocked or unblocked a user, on any device.
    #[serde(rename = "block.updated")]
    BlockUpdated {
        /// The user's id.
        #[schema(value_type = i64, minimum = 1, example = 8)]
        user: UserId,
        /// Whether you block them now.
        blocked: bool,
        /// The account's version.
        #[schema(value_type = i64, minimum = 1)]
        account: AccountVersion,
    },
    /// A member started or stopped typing.
    #[serde(rename = "typing")]
    Typing {
        /// The chat's id.
        #[schema(value_type = i64, minimum = 1, example = 3)]
        chat: ChatId,
        /// The user's id.
        #[schema(value_type = i64, minimum = 1, example = 7)]
        user: UserId,
        /// Whether the member is typing.
        active: bool,
    },
    /// The presence of a user you are subscribed to changed, or your own, by another device.
    #[serde(rename = "status")]
    Status {
        #[serde(flatten)]
        #[schema(inline)]
        status: StatusOf<'a>,
        /// Only if it is your own availability or status text that changed, by another device: the account's version.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schema(nullable = false, value_type = Option<i64>, minimum = 1)]
        account: Option<AccountVersion>,
    },
    /// The names or the avatar of a user you are subscribed to changed, or your own.
    #[serde(rename = "user.updated")]
    UserUpdated {
        user: UserRefJson<'a>,
        /// Only if it is your own profile that changed, possibly in what only you see: the account's version. `sync`
        /// has the rest of the profile.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schema(nullable = false, value_type = Option<i64>, minimum = 1)]
        account: Option<AccountVersion>,
    },
    /// Events for this connection were dropped: `sync` to catch up.
    #[serde(rename = "resync")]
    Resync {
        /// The chats concerned; all of them if it is missing.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schema(nullable = false, value_type = Option<Vec<i64>>)]
        chats: Option<&'a [ChatId]>,
    },
}

/// The server's frames, and the schemas that they name.
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
        user: UserJson::own(me, urls),
        session,
        server_time,
        epoch,
        heartbeat: HEARTBEAT,
        versions,
        account: me.user.account_version,
    })
}

/// The answer to a ping.
pub fn pong(id: Option<&RequestId>) -> String {
    write(&ServerFrame::Pong { id })
}

/// A request about a message succeeded.
pub fn ack(id: &RequestId, message: &domain::message::Message, urls: &Urls) -> String {
    write(&ServerFrame::Ack { id, message: MessageJson::of(message, urls) })
}

/// A request succeeded.
pub fn done(id: &RequestId) -> String {
    write(&ServerFrame::Done { id })
}

/// The answer to `status.watch`: the presence of these users.
pub fn watching(id: &RequestId, users: &[Profile]) -> String {
    write(&ServerFrame::Watching { id, users: users.iter().map(StatusOf::of).collect() })
}

/// The answer to `sync`, as that of `POST /api/sync/`.
pub fn synced(id: &RequestId, changes: &domain::sync::Changes, urls: &Urls) -> String {
    write(&ServerFrame::Synced { id, changes: ChangesJson::of(changes, urls) })
}

/// A request failed.
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
            ServerFrame::MessageCreated { chat, version, message: MessageJson::of(message, urls) }
        }
        Change::MessageUpdated(message) => {
            ServerFrame::MessageUpdated { chat, version, message: MessageJson::of(message, urls) }
        }
        Change::MessageDeleted(message) => {
            ServerFrame::MessageDeleted { chat, version, message: MessageJson::of(message, urls) }
        }
        Change::MessagesRemoved(first_seq) => {
            ServerFrame::MessagesRemoved { chat, version, first_seq: *first_seq }
        }
        Change::ChatUpdated(new) => ServerFrame::ChatUpdated {
            chat,
            version,
            name: &new.name,
            description: &new.description,
            avatar: avatar(new.avatar.as_deref(), urls),
        },
        Change::MemberJoined(member) => {
            ServerFrame::MemberJoined { chat, version, member: MemberJson::of(member, urls) }
        }
        Change::MemberUpdated(member) => {
            ServerFrame::MemberUpdated { chat, version, member: MemberJson::of(member, urls) }
        }
        Change::MemberLeft(member) => {
            ServerFrame::MemberLeft { chat, version, member: MemberJson::of(member, urls) }
        }
    })
}

/// The recipient is now a member of a chat, shown as the recipient sees it.
pub fn chat_created(view: &ChatView, urls: &Urls) -> String {
    write(&ServerFrame::ChatCreated { chat: ChatJson::of(view, urls) })
}

/// The recipient is no longer a member of a chat, or it was deleted.
pub fn chat_deleted(chat: ChatId) -> String {
    write(&ServerFrame::ChatDeleted { chat })
}

/// A member's delivery or read marker moved. `account` is given to the member's own connections.
pub fn receipt(
    chat: ChatId,
    user: UserId,
    markers: Markers,
    account: Option<AccountVersion>,
) -> String {
    let Markers { delivered_seq, read_seq } = markers;
    write(&ServerFrame::Receipt {
        chat,
        user,
        last_delivered_seq: delivered_seq,
        last_read_seq: read_seq,
        account,
    })
}

/// The recipient's settings of a chat changed.
pub fn chat_settings(chat: ChatId, settings: ChatSettings, account: AccountVersion) -> String {
    let settings = ChatSettingsJson::of(settings);
    write(&ServerFrame::ChatSettings { chat, account, settings })
}

/// The recipient blocked or unblocked a user.
pub fn block_updated(user: UserId, blocked: bool, account: AccountVersion) -> String {
    write(&ServerFrame::BlockUpdated { user, blocked, account })
}

/// A member started or stopped typing.
pub fn typing(chat: ChatId, user: UserId, active: bool) -> String {
    write(&ServerFrame::Typing { chat, user, active })
}

/// A user's presence changed.
pub fn status(profile: &Profile, account: Option<AccountVersion>) -> String {
    write(&ServerFrame::Status { status: StatusOf::of(profile), account })
}

/// A user's names or avatar changed.
pub fn user_updated(
    user: &domain::user::UserRef,
    account: Option<AccountVersion>,
    urls: &Urls,
) -> String {
    write(&ServerFrame::UserUpdated { user: UserRefJson::of(user, urls), account })
}

/// Events were dropped: of these chats, or of any chat.
pub fn resync(chats: Option<&[ChatId]>) -> String {
    write(&ServerFrame::Resync { chats })
}

fn write(frame: &ServerFrame<'_>) -> String {
    // Serialising fails only for maps whose keys are not texts, and for numbers that JSON lacks. The
    // types above have neither.
    serde_json::to_string(frame).unwrap_or_else(|_| {
        r#"{"type":"error","code":"server_error","detail":"A server error occurred."}"#.to_owned()
    })
}
