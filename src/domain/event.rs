//! Events: what happened, as subscribers receive it. An action creates an event; `actions::unit` or
//! `actions::committer` publish it after the commit, or `actions::catchup` if it was lost.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::chat::{Chat, ChatView, Member};
use super::chat_settings::ChatSettings;
use super::ids::{ChatId, SessionId, UserId};
use super::message::{LastChange, Message};
use super::numbering::{AccountVersion, Seq, Version};
use super::receipt::Markers;
use super::role::Role;
use super::user::{Profile, UserRef};

/// A durable change of an existing chat, for every connection of every member. Each version of a chat is
/// exactly one of these, except version 1, which is [`Event::ChatCreated`].
#[derive(Clone, Debug)]
pub struct ChatEvent {
    /// The chat.
    pub chat: ChatId,
    /// The chat's version that this change took.
    pub version: Version,
    /// The change.
    pub change: Change,
}

/// The kinds of changes of a chat.
#[derive(Clone, Debug)]
pub enum Change {
    /// A message was sent.
    MessageCreated(Arc<Message>),
    /// A message changed, other than by becoming a tombstone: its content, mentions, reactions or pin.
    MessageUpdated(Arc<Message>),
    /// A message became a tombstone.
    MessageDeleted(Arc<Message>),
    /// All messages before this one were removed.
    MessagesRemoved(Seq),
    /// Name, description or avatar changed; the chat as it is now.
    ChatUpdated(Arc<Chat>),
    /// A member joined.
    MemberJoined(Arc<Member>),
    /// A member's role changed.
    MemberUpdated(Arc<Member>),
    /// A member left or was removed; as they were before.
    MemberLeft(Arc<Member>),
}

impl ChatEvent {
    /// The event of a message's last change, made from its row.
    pub fn of_last_change(message: Message) -> Self {
        let (chat, version) = (message.chat, message.version);
        let change: fn(Arc<Message>) -> Change = match message.last_change {
            LastChange::Created => Change::MessageCreated,
            LastChange::Edited | LastChange::Other => Change::MessageUpdated,
            LastChange::Deleted => Change::MessageDeleted,
        };
        let change = change(Arc::new(message));
        Self { chat, version, change }
    }
}

/// What changed in an account, for the user's own connections.
#[derive(Clone, Debug)]
pub struct AccountEvent {
    /// The user.
    pub user: UserId,
    /// The account's version before the first of these changes.
    pub after: AccountVersion,
    /// The version that they lead to. Where it equals `after`, the event only says that the account has reached it,
    /// and nodes read the changes.
    pub upto: AccountVersion,
    /// The latest state of what changed, each with the version of its last change, in their order.
    pub changes: Vec<(AccountVersion, AccountChange)>,
    /// The connection that made the change and is not sent it. Its number means nothing on other nodes.
    pub except: Option<u64>,
}

impl AccountEvent {
    /// A change that took a version of its own.
    pub fn of(user: UserId, version: AccountVersion, change: AccountChange) -> Self {
        let (after, changes) = (AccountVersion(version.0 - 1), vec![(version, change)]);
        Self { user, after, upto: version, changes, except: None }
    }

    /// Says that an account has reached a version, by the doing of the connection `except` if it was one.
    pub fn reached(user: UserId, upto: AccountVersion, except: Option<u64>) -> Self {
        Self { user, after: upto, upto, changes: Vec::new(), except }
    }
}

/// The latest state of something that only the user sees.
#[derive(Clone, Debug)]
pub enum AccountChange {
    /// The markers of a chat whose read marker the user moved.
    Markers(ChatId, Markers),
    /// The settings of a chat.
    Settings(ChatId, ChatSettings),
    /// Whether the user blocks another one.
    Block(UserId, bool),
    /// The names, the avatar, or what only the user sees of the account.
    Profile(UserRef),
    /// Availability or status text.
    Status(Profile),
}

/// Everything that is published after a commit.
#[derive(Clone, Debug)]
pub enum Event {
    /// A change in a chat.
    Chat(ChatEvent),
    /// Users joined a chat: each gets it as they see it, and its later events.
    ChatCreated {
        /// What all see alike.
        chat: Arc<Chat>,
        /// Its newest message.
        last_message: Option<Arc<Message>>,
        /// The new members.
        newcomers: Vec<Newcomer>,
    },
    /// Users left a chat, or it was deleted: they get `chat.deleted`, and none of its later events.
    ChatDeleted {
        /// Which chat.
        chat: ChatId,
        /// The former members.
        departed: Vec<Departed>,
    },
    /// A user is a member of a chat, which their connections may not know: replaces a lost
    /// [`Event::ChatCreated`].
    ChatFound(UserId, Box<ChatView>),
    /// A user's presence changed, and the connection that changed it, if it was one.
    StatusChanged(Profile, Option<u64>),
    /// A user's names or avatar changed.
    UserUpdated(UserRef),
    /// Something changed that only the user sees.
    Account(AccountEvent),
    /// A block by or of a user was made or ended: nodes with connections of the user read it.
    BlocksChanged(UserId),
    /// Sessions of a user ended: their sockets are closed.
    SessionsEnded(UserId, Vec<SessionId>),
}

impl Event {
    /// Its name: that of the frame that it becomes, if it becomes one.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Chat(event) => match event.change {
                Change::MessageCreated(_) => "message.created",
                Change::MessageUpdated(_) => "message.updated",
                Change::MessageDeleted(_) => "message.deleted",
                Change::MessagesRemoved(_) => "messages.removed",
                Change::ChatUpdated(_) => "chat.updated",
                Change::MemberJoined(_) => "member.joined",
                Change::MemberUpdated(_) => "member.updated",
                Change::MemberLeft(_) => "member.left",
            },
            Self::ChatCreated { .. } | Self::ChatFound(..) => "chat.created",
            Self::ChatDeleted { .. } => "chat.deleted",
            Self::StatusChanged(..) => "status",
            Self::UserUpdated(_) => "user.updated",
            Self::Account(_) => "account",
            Self::BlocksChanged(_) => "blocks",
            Self::SessionsEnded(..) => "sessions.ended",
        }
    }
}

/// A former member of a chat.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Departed {
    /// Who.
    pub user: UserId,
    /// The chat's version that this took; [`Departed::ENDED`] if the chat was deleted.
    pub version: Version,
}

impl Departed {
    /// Later than every version that the chat had.
    pub const ENDED: Version = Version::MAX;
}

/// A new member of a chat.
#[derive(Clone, Debug)]
pub struct Newcomer {
    /// Who.
    pub user: UserId,
    /// As what.
    pub role: Role,
    /// The other user of a private chat.
    pub peer: Option<Profile>,
}

impl Newcomer {
    /// The chat as the new member sees it: with everything read.
    pub fn view(&self, chat: &Chat, last_message: Option<&Message>) -> ChatView {
        ChatView {
            chat: chat.clone(),
            peer: self.peer.clone(),
            my_role: self.role,
            last_message: last_message.cloned(),
            unread_count: 0,
            unread_mentions: 0,
            last_read_seq: chat.last_seq,
            settings: ChatSettings::default(),
            blocked: false,
            is_hidden: false,
            members: None,
        }
    }
}
