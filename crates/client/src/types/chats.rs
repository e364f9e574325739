//! Chats, their members, and changes of a group.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use time::serde::rfc3339;

use super::{Message, User, UserRef};
use crate::ids::{ChatId, Seq, UserId, Version};

/// A chat, from the view of the requesting user.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Chat {
    /// The chat id.
    pub id: ChatId,
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
    /// The number of those that mention you, or everybody.
    #[serde(default)]
    pub unread_mentions: i64,
    /// The newest message's `seq`; 0 if there is none.
    pub last_seq: Seq,
    /// Messages before this one were removed by the site's retention. `None`: none were.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_seq: Option<Seq>,
    /// Your read marker.
    pub last_read_seq: Seq,
    /// What you have set for yourself.
    #[serde(flatten)]
    pub settings: ChatSettings,
    /// In a private chat: whether you block the other user.
    #[serde(default)]
    pub blocked: bool,
    /// The version of the chat's latest durable change.
    pub version: Version,
    /// The first 100 members. Only in answers with a single chat.
    #[serde(default)]
    pub members: Option<Vec<Member>>,
}

/// What you have set for yourself in a chat. No other member sees it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ChatSettings {
    /// Until when you have muted the chat: it is muted while this is in the future.
    #[serde(default, with = "rfc3339::option")]
    pub muted_until: Option<OffsetDateTime>,
    /// Whether you have pinned it.
    #[serde(default)]
    pub pinned: bool,
    /// Whether you have archived it.
    #[serde(default)]
    pub archived: bool,
}

/// A member of a chat.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
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
#[non_exhaustive]
pub struct Markers {
    /// The delivery marker: one of the member's devices has received everything up to this `seq`.
    pub last_delivered_seq: Seq,
    /// The read marker: the member has read everything up to this `seq`.
    pub last_read_seq: Seq,
}

/// Your read marker in a chat, and the unread count after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct UnreadCount {
    /// Your read marker.
    pub last_read_seq: Seq,
    /// The number of messages by others after your read marker, without tombstones.
    pub unread_count: i64,
}

/// What is unread in all your chats, for a badge.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct UnreadSums {
    /// The number of unread messages.
    pub messages: i64,
    /// The number of chats that have unread messages.
    pub chats: i64,
    /// The number of unread messages that mention you.
    pub mentions: i64,
}

/// A member's role in a chat.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
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
#[non_exhaustive]
pub enum ChatType {
    /// Two users.
    Private,
    /// Any number of users.
    Group,
    /// A value that this client does not know.
    #[serde(other)]
    Other,
}

/// A group to be created.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct NewGroup {
    name: String,
    description: String,
    members: Vec<UserId>,
}

impl NewGroup {
    /// A group with you as its owner and only member. The name has 1–100 characters.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), ..Self::default() }
    }

    /// The description, up to 1,000 characters.
    pub fn description(self, description: impl Into<String>) -> Self {
        Self { description: description.into(), ..self }
    }

    /// The other members.
    pub fn members(self, members: impl Into<Vec<UserId>>) -> Self {
        Self { members: members.into(), ..self }
    }
}

/// Changes of a group. What is not set stays as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct GroupUpdate {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    members: Option<Vec<UserId>>,
}

impl GroupUpdate {
    /// Changes nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Another name, 1–100 characters.
    pub fn name(self, name: impl Into<String>) -> Self {
        Self { name: Some(name.into()), ..self }
    }

    /// Another description, up to 1,000 characters.
    pub fn description(self, description: impl Into<String>) -> Self {
        Self { description: Some(description.into()), ..self }
    }

    /// All other members that the group shall have. Missing ones are removed, new ones are added, and
    /// the rest keep their roles.
    pub fn members(self, members: impl Into<Vec<UserId>>) -> Self {
        Self { members: Some(members.into()), ..self }
    }
}

/// Changes of your settings of a chat. What is not set stays as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct SettingsUpdate {
    #[serde(skip_serializing_if = "Option::is_none")]
    muted_until: Option<Option<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pinned: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    archived: Option<bool>,
}

impl SettingsUpdate {
    /// Changes nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Mutes the chat until a time. A time in the past unmutes it, and so does one that RFC 3339 cannot write.
    pub fn mute_until(self, time: OffsetDateTime) -> Self {
        Self { muted_until: Some(time.format(&Rfc3339).ok()), ..self }
    }

    /// Mutes the chat until you unmute it.
    pub fn mute(self) -> Self {
        Self { muted_until: Some(Some("forever".to_owned())), ..self }
    }

    /// Unmutes the chat.
    pub fn unmute(self) -> Self {
        Self { muted_until: Some(None), ..self }
    }

    /// Pins the chat, or unpins it.
    pub fn pinned(self, pinned: bool) -> Self {
        Self { pinned: Some(pinned), ..self }
    }

    /// Archives the chat, or takes it back.
    pub fn archived(self, archived: bool) -> Self {
        Self { archived: Some(archived), ..self }
    }
}
