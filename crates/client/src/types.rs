//! The objects of the API as a client reads them. Fields that are not known are ignored, and so are
//! values of enumerations that came later; nothing here is sent back.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use time::serde::rfc3339;

/// A person, as others see them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct User {
    /// Who.
    pub id: i64,
    /// Unique without regard to case.
    pub username: String,
    /// May be empty.
    pub first_name: String,
    /// May be empty.
    pub last_name: String,
    /// The picture's URL.
    pub avatar: Option<String>,
    /// How they are seen.
    pub status: Status,
    /// A line of their own.
    pub status_text: String,
    /// When they were connected last.
    #[serde(with = "rfc3339::option")]
    pub last_seen: Option<OffsetDateTime>,
    /// When the account was made.
    #[serde(with = "rfc3339")]
    pub date_joined: OffsetDateTime,
    /// One's own address; none of others'.
    #[serde(default)]
    pub email: Option<String>,
    /// What one chose to be seen as; none of others'.
    #[serde(default)]
    pub availability: Option<Availability>,
}

/// A person inside of another object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserRef {
    /// Who.
    pub id: i64,
    /// Empty names are those of accounts that ended.
    pub username: String,
    /// May be empty.
    pub first_name: String,
    /// May be empty.
    pub last_name: String,
    /// The picture's URL.
    pub avatar: Option<String>,
}

/// A person in a chat.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// Who.
    pub user: UserRef,
    /// What they may do.
    pub role: Role,
    /// Since when.
    #[serde(with = "rfc3339")]
    pub joined_at: OffsetDateTime,
    /// How far they are.
    #[serde(flatten)]
    pub marks: Marks,
}

/// How far a member is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Marks {
    /// Everything up to this `seq` has reached one of their devices.
    pub last_delivered_seq: i64,
    /// Everything up to this `seq` was read.
    pub last_read_seq: i64,
}

/// A chat, as the one who asks sees it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Chat {
    /// Which.
    pub id: i64,
    /// Of which kind.
    #[serde(rename = "type")]
    pub kind: ChatType,
    /// A private chat's is the other one's.
    pub name: String,
    /// May be empty.
    pub description: String,
    /// The picture's URL.
    pub avatar: Option<String>,
    /// Since when.
    #[serde(with = "rfc3339")]
    pub created_at: OffsetDateTime,
    /// By whom.
    pub created_by: Option<UserRef>,
    /// How many are in it.
    pub members_count: i64,
    /// The other one, in a private chat.
    pub peer: Option<User>,
    /// What one may do oneself.
    pub my_role: Role,
    /// The newest message, a tombstone included.
    pub last_message: Option<Message>,
    /// Messages by others, not deleted, after one's own read mark.
    pub unread_count: i64,
    /// The newest message's `seq`; 0 where there is none.
    pub last_seq: i64,
    /// One's own read mark.
    pub last_read_seq: i64,
    /// The chat's newest change.
    pub version: i64,
    /// The first 100; only where one chat was asked for.
    #[serde(default)]
    pub members: Option<Vec<Member>>,
}

/// A message, or the tombstone of one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Message {
    /// Which.
    pub id: i64,
    /// In which chat.
    pub chat: i64,
    /// Its place: a chat's messages are 1, 2, 3, …
    pub seq: i64,
    /// The chat's version that its last change made.
    pub version: i64,
    /// By whom.
    pub sender: UserRef,
    /// Exactly as it was sent; empty of a tombstone.
    pub content: String,
    /// Since when.
    #[serde(with = "rfc3339")]
    pub timestamp: OffsetDateTime,
    /// When it was changed last.
    #[serde(with = "rfc3339::option")]
    pub edited_at: Option<OffsetDateTime>,
    /// When it was deleted.
    #[serde(with = "rfc3339::option")]
    pub deleted_at: Option<OffsetDateTime>,
    /// The message that it answers.
    pub reply_to: Option<i64>,
    /// The sender's own name for it.
    pub client_id: Option<String>,
    /// How far it came, at the moment when it was told: it moves without a version.
    pub status: MessageStatus,
}

/// How somebody is seen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StatusOf {
    /// Who.
    pub user: i64,
    /// As what.
    pub status: Status,
    /// Their own line.
    pub status_text: String,
    /// When they were connected last.
    #[serde(with = "rfc3339::option")]
    pub last_seen: Option<OffsetDateTime>,
}

/// Who has a message. Its sender is not counted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipts {
    /// Who has read it: at most 1,000, by username.
    pub read: Vec<UserRef>,
    /// Who has received it, but not read it: at most 1,000, by username.
    pub delivered: Vec<UserRef>,
    /// How many have read it.
    pub read_count: i64,
    /// How many have received it, but not read it.
    pub delivered_count: i64,
}

/// One's mark in a chat, and what is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unread {
    /// One's read mark.
    pub last_read_seq: i64,
    /// Messages by others, not deleted, after that.
    pub unread_count: i64,
}

/// Opens one socket, once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ticket {
    /// For `/ws/?ticket=…`.
    pub ticket: String,
    /// Seconds.
    pub expires_in: u64,
}

/// A page of a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Page<T> {
    /// For [`Client::follow`](crate::Client::follow); none at the end.
    pub next: Option<String>,
    /// The other way.
    pub previous: Option<String>,
    /// The rows.
    pub results: Vec<T>,
}

/// What a message to be sent says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Draft {
    /// At most 10,000 characters, not blank.
    pub content: String,
    /// The message that it answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reply_to: Option<i64>,
    /// 1–64 characters; made up where there is none, so that it can be sent again safely.
    pub client_id: Option<String>,
}

impl Draft {
    /// A plain message.
    pub fn new(content: impl Into<String>) -> Self {
        Self { content: content.into(), ..Self::default() }
    }

    /// Under a name, so that every repetition is known as the same message.
    pub(crate) fn named(mut self) -> Self {
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

/// What others see of a person's presence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Connected.
    Online,
    /// Connected, not at the keyboard.
    Away,
    /// Connected, not to be disturbed.
    Busy,
    /// Not connected, or invisible.
    Offline,
    /// What this client does not know yet.
    #[serde(other)]
    Other,
}

/// What a person chose to be seen as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Availability {
    /// As connected, while connected.
    Online,
    /// As away, while connected.
    Away,
    /// As busy, while connected.
    Busy,
    /// Never as connected.
    Invisible,
    /// What this client does not know yet.
    #[serde(other)]
    Other,
}

/// What a member may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Everything.
    Owner,
    /// Everything but roles and the group's end.
    Admin,
    /// Read and write.
    Member,
    /// What this client does not know yet.
    #[serde(other)]
    Other,
}

/// What kind of chat it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ChatType {
    /// Two people.
    Private,
    /// Any number.
    Group,
    /// What this client does not know yet.
    #[serde(other)]
    Other,
}

/// How far a message came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MessageStatus {
    /// Committed.
    Sent,
    /// Every other member's device has it.
    Delivered,
    /// Every other member has read it.
    Read,
    /// What this client does not know yet.
    #[serde(other)]
    Other,
}
