//! Chats: what they are, what their names may be, and how a member sees one.

use serde::Serialize;

use super::avatar::NewAvatar;
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
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ChatType {
    /// Two people, once a pair, for ever.
    Private,
    /// An owner and those whom they let in.
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
    /// Trims and checks; the error is DRF's text.
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
    /// Trims and checks; the error is DRF's text.
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

/// A chat to be made.
#[derive(Clone, Debug)]
pub enum NewChat {
    /// With exactly one other.
    Private {
        /// The other one.
        peer: UserId,
    },
    /// With the maker as owner.
    Group {
        /// Its name.
        name: ChatName,
        /// Its description.
        description: Description,
        /// Those who are in from the start, beside the maker.
        members: Vec<UserId>,
    },
}

/// What is to change about a group; what is `None` stays.
#[derive(Clone, Debug, Default)]
pub struct ChatChange {
    /// Its new name.
    pub name: Option<ChatName>,
    /// Its new description.
    pub description: Option<Description>,
    /// Its picture.
    pub avatar: Option<NewAvatar>,
    /// All who are to be in it, beside the one who changes it.
    pub members: Option<Vec<UserId>>,
}

/// Who is to come into a group.
#[derive(Clone, Debug)]
pub struct NewMembers {
    /// In the order in which they were named, each once.
    pub users: Vec<UserId>,
    /// The field that named them.
    pub field: &'static str,
    /// As what.
    pub role: Role,
}

/// What is said of a group that would become too large.
pub fn too_many_members(max: usize) -> String {
    format!("A group has at most {max} members.")
}

/// Which of one's chats to list; what is `None` filters nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChatFilter {
    /// Of one type.
    pub kind: Option<ChatType>,
    /// With anything unread, or with nothing.
    pub unread: Option<bool>,
    /// Whose name, or whose other one's names, contain this `search::key`.
    pub search: Option<String>,
}

/// What is the same for every member of a chat.
#[derive(Clone, Debug)]
pub struct Chat {
    /// Its id.
    pub id: ChatId,
    /// Private or group.
    pub kind: ChatType,
    /// Empty for a private chat, whose name depends on who looks.
    pub name: String,
    /// May be empty.
    pub description: String,
    /// Path of the picture below the media root.
    pub avatar: Option<String>,
    /// When it was made.
    pub created_at: Timestamp,
    /// Who made it.
    pub created_by: Option<UserRef>,
    /// How many members it has now.
    pub members_count: i64,
    /// The place of its newest message; 0 where there is none.
    pub last_seq: Seq,
    /// The number of its newest change.
    pub version: Version,
}

/// A chat as one of its members sees it.
#[derive(Clone, Debug)]
pub struct ChatView {
    /// What all see alike.
    pub chat: Chat,
    /// The other one, in a private chat.
    pub peer: Option<Profile>,
    /// The viewer's role.
    pub my_role: Role,
    /// The newest message, a tombstone included.
    pub last_message: Option<Message>,
    /// Messages by others, not deleted, after the viewer's read mark.
    pub unread_count: i64,
    /// The viewer's read mark.
    pub last_read_seq: Seq,
    /// The first [`MEMBERS_SHOWN`], owner and admins first; only where one chat is asked for.
    pub members: Option<Vec<Member>>,
}

impl ChatView {
    /// A private chat's name is the other one's.
    pub fn name(&self) -> String {
        match &self.peer {
            Some(peer) => peer.user.display_name(),
            None => self.chat.name.clone(),
        }
    }
}

/// A person in a chat.
#[derive(Clone, Debug)]
pub struct Member {
    /// Who.
    pub user: UserRef,
    /// As what.
    pub role: Role,
    /// Since when.
    pub joined_at: Timestamp,
    /// Everything up to here has reached one of the member's devices.
    pub last_delivered_seq: Seq,
    /// Everything up to here has been read.
    pub last_read_seq: Seq,
}
