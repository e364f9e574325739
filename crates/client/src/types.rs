//! The objects of the API as a client reads them, and the draft that it sends. Unknown fields are
//! ignored and unknown enum values become `Other`, so that a newer server may add both.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use time::serde::rfc3339;

/// A user, as others see them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct User {
    /// The user id.
    pub id: i64,
    /// Unique, ignoring case.
    pub username: String,
    /// May be empty.
    pub first_name: String,
    /// May be empty.
    pub last_name: String,
    /// The avatar's URL.
    pub avatar: Option<String>,
    /// The presence that others see.
    pub status: Status,
    /// The user's own status text; may be empty.
    pub status_text: String,
    /// When the user was last connected, if others may see it.
    #[serde(with = "rfc3339::option")]
    pub last_seen: Option<OffsetDateTime>,
    /// When the account was created.
    #[serde(with = "rfc3339")]
    pub date_joined: OffsetDateTime,
    /// The email address. Only in your own account.
    #[serde(default)]
    pub email: Option<String>,
    /// The chosen availability. Only in your own account.
    #[serde(default)]
    pub availability: Option<Availability>,
}

/// A user inside another object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserRef {
    /// The user id.
    pub id: i64,
    /// Empty for an anonymised account.
    pub username: String,
    /// May be empty.
    pub first_name: String,
    /// May be empty.
    pub last_name: String,
    /// The avatar's URL.
    pub avatar: Option<String>,
}

/// A member of a chat.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// The user.
    pub user: UserRef,
    /// What the member may do in the chat.
    pub role: Role,
    /// When the user became a member.
    #[serde(with = "rfc3339")]
    pub joined_at: OffsetDateTime,
    /// How far the member has received and read the chat.
    #[serde(flatten)]
    pub markers: Markers,
}

/// How far a member has received and read a chat.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Markers {
    /// The delivery marker: one of the member's devices has received everything up to this `seq`.
    pub last_delivered_seq: i64,
    /// The read marker: the member has read everything up to this `seq`.
    pub last_read_seq: i64,
}

/// A chat, from the view of the requesting user.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Chat {
    /// The chat id.
    pub id: i64,
    /// Private chat or group.
    #[serde(rename = "type")]
    pub kind: ChatType,
    /// The group's name. For a private chat, the name of the other user.
    pub name: String,
    /// May be empty.
    pub description: String,
    /// The avatar's URL.
    pub avatar: Option<String>,
    /// When the chat was created.
    #[serde(with = "rfc3339")]
    pub created_at: OffsetDateTime,
    /// The user who created the chat.
    pub created_by: Option<UserRef>,
    /// The number of members.
    pub members_count: i64,
    /// The other user of a private chat.
    pub peer: Option<User>,
    /// Your role.
    pub my_role: Role,
    /// The newest message, which may be a tombstone.
    pub last_message: Option<Message>,
    /// The number of messages by others after your read marker, without tombstones.
    pub unread_count: i64,
    /// The newest message's `seq`; 0 if there is none.
    pub last_seq: i64,
    /// Your read marker.
    pub last_read_seq: i64,
    /// The version of the chat's latest durable change.
    pub version: i64,
    /// The first 100 members. Only in the answer to [`Client::chat`](crate::Client::chat).
    #[serde(default)]
    pub members: Option<Vec<Member>>,
}

/// A message, or the tombstone of a deleted one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Message {
    /// The message id.
    pub id: i64,
    /// The id of its chat.
    pub chat: i64,
    /// Its position in the chat: 1, 2, 3, …
    pub seq: i64,
    /// The chat version of its latest change.
    pub version: i64,
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
    pub reply_to: Option<i64>,
    /// The idempotency key that its sender chose, if any.
    pub client_id: Option<String>,
    /// Whether it was delivered and read, at the time of this answer or event. Receipts change it
    /// without a new version.
    pub status: MessageStatus,
}

/// A user's presence, as others see it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Presence {
    /// The user id.
    pub user: i64,
    /// The status that others see.
    pub status: Status,
    /// The user's own status text; may be empty.
    pub status_text: String,
    /// When the user was last connected, if others may see it.
    #[serde(with = "rfc3339::option")]
    pub last_seen: Option<OffsetDateTime>,
    /// The account's version, if you changed your own status on another device.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<i64>,
}

/// Who has received and read a message, apart from its sender.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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

/// Your read marker in a chat, and the unread count after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnreadCount {
    /// Your read marker.
    pub last_read_seq: i64,
    /// The number of messages by others after your read marker, without tombstones.
    pub unread_count: i64,
}

/// A single-use credential that opens one WebSocket.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ticket {
    /// The value for `/ws/?ticket=…`.
    pub ticket: String,
    /// Its lifetime in seconds.
    pub expires_in: u64,
}

/// A page of a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Page<T> {
    /// The link to the next page, for [`Client::follow`](crate::Client::follow).
    pub next: Option<String>,
    /// The link to the previous page.
    pub previous: Option<String>,
    /// The items of this page.
    pub results: Vec<T>,
}

/// A message to be sent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Draft {
    /// The text: at most 10,000 characters, not blank.
    pub content: String,
    /// The id of the message to reply to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reply_to: Option<i64>,
    /// The idempotency key, 1–64 characters. Chosen at random if there is none, so that retries are
    /// safe.
    pub client_id: Option<String>,
}

impl Draft {
    /// A message with a text only.
    pub fn new(content: impl Into<String>) -> Self {
        Self { content: content.into(), ..Self::default() }
    }

    /// Chooses an idempotency key unless there is one, so that every retry is the same message.
    pub(crate) fn with_client_id(mut self) -> Self {
        self.client_id.get_or_insert_with(|| format!("{:032x}", fastrand::u128(..)));
        self
    }
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

/// The presence of a user, as others see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Connected.
    Online,
    /// Connected but inactive.
    Away,
    /// Connected; does not want to be disturbed.
    Busy,
    /// Not connected, or invisible.
    Offline,
    /// A value that this client does not know.
    #[serde(other)]
    Other,
}

/// The availability that a user has chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Availability {
    /// Shown as online while connected.
    Online,
    /// Shown as away while connected.
    Away,
    /// Shown as busy while connected.
    Busy,
    /// Always shown as offline.
    Invisible,
    /// A value that this client does not know.
    #[serde(other)]
    Other,
}

/// A member's role in a chat.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// May do everything.
    Owner,
    /// May do everything except change roles and delete the group.
    Admin,
    /// May read and send.
    Member,
    /// A value that this client does not know.
    #[serde(other)]
    Other,
}

/// The kind of a chat.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ChatType {
    /// Two users.
    Private,
    /// Any number of users.
    Group,
    /// A value that this client does not know.
    #[serde(other)]
    Other,
}

/// Whether a message was delivered and read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
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
