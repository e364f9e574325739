//! What single calls answer, made of the objects. Pages only describe: `http::pagination` makes the
//! envelope.

use serde::Serialize;
use utoipa::ToSchema;

use crate::domain;
use crate::domain::ids::{ChatId, SessionId};
use crate::domain::numbering::Seq;
use crate::domain::session::SessionInfo;
use crate::domain::time::Timestamp;
use crate::domain::urls::Urls;

use super::objects::{Chat, Member, Message, OwnUser, User, UserRef};

/// A device that is logged in.
#[derive(Serialize, ToSchema)]
pub struct Session<'a> {
    /// The `sid` of its tokens.
    #[schema(value_type = i64, minimum = 1)]
    id: SessionId,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// Give or take a minute.
    #[schema(value_type = String, format = DateTime)]
    last_used_at: Timestamp,
    /// Where the login came from.
    ip: &'a str,
    /// With what.
    user_agent: &'a str,
    /// Whether it is the one that asks.
    current: bool,
}

impl<'a> Session<'a> {
    /// As its owner sees it from the session `current`.
    pub fn of(session: &'a SessionInfo, current: SessionId) -> Self {
        Self {
            id: session.id,
            created_at: session.created_at,
            last_used_at: session.last_used_at,
            ip: &session.ip,
            user_agent: &session.user_agent,
            current: session.id == current,
        }
    }
}

/// One's marks in a chat.
#[derive(Serialize, ToSchema)]
pub struct Marks {
    /// One's read mark.
    #[schema(value_type = i64, minimum = 0)]
    pub last_read_seq: Seq,
    /// Messages by others, not deleted, after that.
    #[schema(minimum = 0)]
    pub unread_count: i64,
}

/// Who has a message. Its sender is not counted.
#[derive(Serialize, ToSchema)]
pub struct Receipts<'a> {
    /// Who has read it: at most 1,000, by username.
    #[schema(max_items = 1000)]
    pub read: Vec<UserRef<'a>>,
    /// Who has received it on a device, but not read it: at most 1,000, by username.
    #[schema(max_items = 1000)]
    pub delivered: Vec<UserRef<'a>>,
    /// How many have read it.
    #[schema(minimum = 0)]
    pub read_count: i64,
    /// How many have received it, but not read it.
    #[schema(minimum = 0)]
    pub delivered_count: i64,
}

/// What is new to a client.
#[derive(Serialize, ToSchema)]
pub struct Changes<'a> {
    /// The present epoch.
    epoch: &'a str,
    changes: Vec<Change<'a>>,
    /// The chats that were named and are not one's own.
    #[schema(value_type = Vec<i64>)]
    gone: &'a [ChatId],
    /// Whether anything is missing, be it chats that are left out or messages of one that is here: ask
    /// again with the versions that one has now.
    more: bool,
}

/// A chat that is newer than what the client has.
#[derive(Serialize, ToSchema)]
pub struct Change<'a> {
    chat: Chat<'a>,
    /// Those of a later version, in version order.
    messages: Vec<Message<'a>>,
    /// Whether there are more than fitted: ask again with the version of the last one that came.
    more: bool,
}

impl<'a> Changes<'a> {
    /// As the one who asked sees them.
    pub fn of(found: &'a domain::sync::Changes, urls: &Urls) -> Self {
        let change = |change: &'a domain::sync::Change| Change {
            chat: Chat::of(&change.chat, urls),
            messages: change.messages.iter().map(|message| Message::of(message, urls)).collect(),
            more: change.more,
        };
        Self {
            epoch: &found.epoch,
            changes: found.changes.iter().map(change).collect(),
            gone: &found.gone,
            more: found.more,
        }
    }
}

/// A page of sessions.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only described")]
pub struct SessionPage<'a> {
    /// The next page's URL.
    #[schema(required)]
    next: Option<String>,
    /// The previous page's URL.
    #[schema(required)]
    previous: Option<String>,
    results: Vec<Session<'a>>,
}

/// A page of users.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only described")]
pub struct UserPage<'a> {
    /// The next page's URL.
    #[schema(required)]
    next: Option<String>,
    /// The previous page's URL.
    #[schema(required)]
    previous: Option<String>,
    results: Vec<User<'a>>,
}

/// A page of chats.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only described")]
pub struct ChatPage<'a> {
    /// The next page's URL.
    #[schema(required)]
    next: Option<String>,
    /// The previous page's URL.
    #[schema(required)]
    previous: Option<String>,
    results: Vec<Chat<'a>>,
}

/// A page of members.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only described")]
pub struct MemberPage<'a> {
    /// The next page's URL.
    #[schema(required)]
    next: Option<String>,
    /// The previous page's URL.
    #[schema(required)]
    previous: Option<String>,
    results: Vec<Member<'a>>,
}

/// Those who were named to be added.
#[derive(Serialize, ToSchema)]
pub struct Added<'a> {
    /// In the order in which they were named.
    pub results: Vec<Member<'a>>,
}

/// A page of messages.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only described")]
pub struct MessagePage<'a> {
    /// The next page's URL.
    #[schema(required)]
    next: Option<String>,
    /// The previous page's URL.
    #[schema(required)]
    previous: Option<String>,
    results: Vec<Message<'a>>,
}

/// A new session: whose it is, and its tokens.
#[derive(Serialize, ToSchema)]
pub struct Opened<'a> {
    /// Oneself.
    pub user: OwnUser<'a>,
    /// Goes with every request, as `Authorization: Bearer …`.
    pub access: &'a str,
    /// Buys the next pair, once.
    pub refresh: &'a str,
}

/// A session's next tokens.
#[derive(Serialize, ToSchema)]
pub struct TokenPair<'a> {
    /// Goes with every request, as `Authorization: Bearer …`.
    pub access: &'a str,
    /// Buys the next pair, once.
    pub refresh: &'a str,
}

/// Opens one WebSocket, once.
#[derive(Serialize, ToSchema)]
pub struct Ticket<'a> {
    /// For `/ws/?ticket=…`.
    pub ticket: &'a str,
    /// Seconds.
    pub expires_in: u64,
}
