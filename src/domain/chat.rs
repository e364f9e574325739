//! Chats: their types, the rules for names, and a chat as a member sees it.

use serde::{Deserialize, Serialize};

use super::avatar::NewAvatar;
use super::chat_settings::ChatSettings;
use super::ids::{ChatId, UserId};
use super::message::Message;
use super::numbering::{Seq, Version};
use super::role::Role;
use super::text;
use super::time::Timestamp;
use super::user::{Profile, UserRef};

/// Longest chat name, in characters.
pub const NAME_MAX: usize = 100;
/// Longest description, in characters.
pub const DESCRIPTION_MAX: usize = 1_000;
/// How many members an answer about one chat lists.
pub const MEMBERS_SHOWN: i64 = 100;

/// What kind of chat it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", try_from = "String")]
pub enum ChatType {
    /// Two users; at most one chat for each pair.
    Private,
    /// An owner and members.
    Group,
}

impl ChatType {
    /// The name in JSON and in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Private => "private",
            Self::Group => "group",
        }
    }
}

impl TryFrom<String> for ChatType {
    type Error = String;

    fn try_from(name: String) -> Result<Self, Self::Error> {
        [Self::Private, Self::Group]
            .into_iter()
            .find(|kind| kind.as_str() == name)
            .ok_or_else(|| format!("no type of chat is called {name:?}"))
    }
}

/// A group's name: 1–100 characters, trimmed, not blank.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChatName(String);

impl ChatName {
    /// Trims and validates; the error is DRF's text.
    pub fn parse(value: &str) -> Result<Self, String> {
        let value = value.trim();
        text::check_present(value, NAME_MAX)?;
        Ok(Self(value.to_owned()))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A group's description: at most 1,000 characters, trimmed, may be empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Description(String);

impl Description {
    /// Trims and validates; the error is DRF's text.
    pub fn parse(value: &str) -> Result<Self, String> {
        let value = value.trim();
        text::check(value, DESCRIPTION_MAX)?;
        Ok(Self(value.to_owned()))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A chat to create.
#[derive(Clone, Debug)]
pub enum NewChat {
    /// With exactly one other user.
    Private {
        /// The other user.
        peer: UserId,
    },
    /// With the creator as owner.
    Group {
        /// Its name.
        name: ChatName,
        /// Its description.
        description: Description,
        /// The first members, in addition to the creator.
        members: Vec<UserId>,
    },
}

/// A chat to be created, as far as it could be parsed.
#[derive(Clone, Debug)]
pub struct ChatRequest {
    /// The users named as members, without its creator.
    pub members: Vec<UserId>,
    /// The chat; `None` if anything is wrong.
    pub chat: Option<NewChat>,
}

/// A change of a group; `None` leaves a field unchanged.
#[derive(Clone, Debug, Default)]
pub struct ChatChange {
    /// Its new name.
    pub name: Option<ChatName>,
    /// Its new description.
    pub description: Option<Description>,
    /// Its avatar.
    pub avatar: Option<NewAvatar>,
    /// All members that it shall have, in addition to the caller.
    pub members: Option<Vec<UserId>>,
}

/// Users to add to a group.
#[derive(Clone, Debug)]
pub struct NewMembers {
    /// In the order of the request, each once.
    pub users: Vec<UserId>,
    /// The field that named them.
    pub field: &'static str,
    /// Their role.
    pub role: Role,
}

/// The error for a group that would become too large.
pub fn too_many_members(max: usize) -> String {
    format!("A group has at most {max} members.")
}

/// A filter of a user's chats; `None` has no effect.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChatFilter {
    /// The type.
    pub kind: Option<ChatType>,
    /// With unread messages, or without.
    pub unread: Option<bool>,
    /// Archived, or not.
    pub archived: Option<bool>,
    /// Pinned, or not.
    pub pinned: Option<bool>,
    /// Muted now, or not.
    pub muted: Option<bool>,
    /// The group's name, or the other user's names, contain this `search::key`.
    pub search: Option<String>,
}

/// The part of a chat that is the same for every member.
#[derive(Clone, Debug)]
pub struct Chat {
    /// Its id.
    pub id: ChatId,
    /// Private or group.
    pub kind: ChatType,
    /// Empty for a private chat, whose name depends on the viewer.
    pub name: String,
    /// May be empty.
    pub description: String,
    /// Path of the avatar below the media root.
    pub avatar: Option<String>,
    /// When it was created.
    pub created_at: Timestamp,
    /// Who created it.
    pub created_by: Option<UserRef>,
    /// The number of its members.
    pub members_count: i64,
    /// The `seq` of its newest message; 0 if there is none.
    pub last_seq: Seq,
    /// Messages before this one were removed (`actions::retention`).
    pub first_seq: Seq,
    /// The number of its latest change.
    pub version: Version,
}

/// A chat as one of its members sees it.
#[derive(Clone, Debug)]
pub struct ChatView {
    /// What all members see alike.
    pub chat: Chat,
    /// The other user of a private chat.
    pub peer: Option<Profile>,
    /// The viewer's role.
    pub my_role: Role,
    /// The newest message, a tombstone included.
    pub last_message: Option<Message>,
    /// Messages by others, not deleted, after the viewer's read marker.
    pub unread_count: i64,
    /// Those of them that mention the viewer, or everybody.
    pub unread_mentions: i64,
    /// The viewer's read marker.
    pub last_read_seq: Seq,
    /// The viewer's settings.
    pub settings: ChatSettings,
    /// Whether the viewer blocks the peer.
    pub blocked: bool,
    /// Whether the peer blocks the viewer, who is not shown the peer's presence.
    pub is_hidden: bool,
    /// The first [`MEMBERS_SHOWN`], owner and admins first; only for a request of a single chat.
    pub members: Option<Vec<Member>>,
}

impl ChatView {
    /// A private chat's name is that of the other user.
    pub fn name(&self) -> String {
        match &self.peer {
            Some(peer) => peer.user.display_name(),
            None => self.chat.name.clone(),
        }
    }
}

/// A member of a chat.
#[derive(Clone, Debug)]
pub struct Member {
    /// The user.
    pub user: UserRef,
    /// Their role.
    pub role: Role,
    /// When the user joined.
    pub joined_at: Timestamp,
    /// The delivery marker: everything up to it has reached one of the member's devices.
    pub last_delivered_seq: Seq,
    /// The read marker.
    pub last_read_seq: Seq,
}
