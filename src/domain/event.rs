//! What happened, as those who are connected hear of it. An event is made by an action, and
//! published by `actions::unit` or `actions::committer` once its transaction is committed, or by
//! `actions::catchup` when that did not happen.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::chat::{Chat, ChatView, Member};
use super::ids::{ChatId, SessionId, UserId};
use super::message::{LastChange, Message};
use super::numbering::Version;
use super::role::Role;
use super::user::{Profile, UserRef};

/// A durable change of a chat that is already there, for every connection of every member. Each
/// version of a chat is exactly one of these, save version 1, which is [`Event::ChatCreated`].
#[derive(Clone, Debug)]
pub struct ChatEvent {
    /// Which chat.
    pub chat: ChatId,
    /// The chat's version that this change made.
    pub version: Version,
    /// What changed.
    pub change: Change,
}

/// What changed in a chat.
#[derive(Clone, Debug)]
pub enum Change {
    /// A message was sent.
    MessageCreated(Arc<Message>),
    /// It changed otherwise than by becoming a tombstone; today its content.
    MessageUpdated(Arc<Message>),
    /// It became a tombstone.
    MessageDeleted(Arc<Message>),
    /// Name, description or picture changed; as the chat is now.
    ChatUpdated(Arc<Chat>),
    /// Somebody came in.
    MemberJoined(Arc<Member>),
    /// Somebody's role changed.
    MemberUpdated(Arc<Member>),
    /// Somebody left or was removed, as they were before.
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

/// Anything that a transaction makes known when it is committed.
#[derive(Clone, Debug)]
pub enum Event {
    /// A change in a chat.
    Chat(ChatEvent),
    /// Somebody is in a chat from now on: each gets it as they see it, and its later events.
    ChatCreated {
        /// What all see alike.
        chat: Arc<Chat>,
        /// Its newest message.
        last_message: Option<Arc<Message>>,
        /// Those who came in.
        newcomers: Vec<Newcomer>,
    },
    /// Somebody is out of a chat, or the chat is no more: they hear so, and nothing of it again.
    ChatDeleted {
        /// Which chat.
        chat: ChatId,
        /// Those who are out.
        departed: Vec<Departed>,
    },
    /// A user is in a chat, which their connections may not know of: as [`Event::ChatCreated`], when
    /// that was lost.
    ChatFound(UserId, Box<ChatView>),
    /// Somebody is seen otherwise; by which connection, where it was one.
    StatusChanged(Profile, Option<u64>),
    /// Somebody's names or picture changed.
    UserUpdated(UserRef),
    /// Sessions of a user ended: their sockets are closed.
    SessionsEnded(UserId, Vec<SessionId>),
}

/// One who is out of a chat.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Departed {
    /// Who.
    pub user: UserId,
    /// The chat's version that it made; [`Departed::ENDED`] where there is no chat any more.
    pub version: Version,
}

impl Departed {
    /// After every version that a chat ever had.
    pub const ENDED: Version = Version::MAX;
}

/// One who is in a chat from now on.
#[derive(Clone, Debug)]
pub struct Newcomer {
    /// Who.
    pub user: UserId,
    /// As what.
    pub role: Role,
    /// The other one, in a private chat.
    pub peer: Option<Profile>,
}

impl Newcomer {
    /// The chat as the newcomer sees it: with nothing in it left to read.
    pub fn view(&self, chat: &Chat, last_message: Option<&Message>) -> ChatView {
        ChatView {
            chat: chat.clone(),
            peer: self.peer.clone(),
            my_role: self.role,
            last_message: last_message.cloned(),
            unread_count: 0,
            last_read_seq: chat.last_seq,
            members: None,
        }
    }
}
