//! What happened, as those who are connected hear of it. An event is made by an action, and
//! published by `actions::unit` or `actions::committer` once its transaction is committed, or by
//! `actions::catchup` when that did not happen.

use std::sync::Arc;

use super::chat::{Chat, ChatView};
use super::ids::{ChatId, SessionId, UserId};
use super::message::Message;
use super::role::Role;
use super::user::Profile;

/// A durable change of a chat that is already there, for every connection of every member. Each
/// version of a chat is exactly one of these, save version 1, which is [`Event::ChatCreated`].
#[derive(Clone, Debug)]
pub struct ChatEvent {
    /// Which chat.
    pub chat: ChatId,
    /// The chat's version that this change made.
    pub version: i64,
    /// What changed.
    pub change: Change,
}

/// What changed in a chat.
#[derive(Clone, Debug)]
pub enum Change {
    /// A message was sent.
    MessageCreated(Arc<Message>),
    /// Its content changed.
    MessageUpdated(Arc<Message>),
    /// It became a tombstone.
    MessageDeleted(Arc<Message>),
}

impl ChatEvent {
    /// The change that a message's row tells of: its last one.
    pub fn of_last_change(message: Message) -> Self {
        let (chat, version) = (message.chat, message.version);
        let message = Arc::new(message);
        let change = if message.deleted_at.is_some() {
            Change::MessageDeleted(message)
        } else if message.edited_at.is_some() {
            Change::MessageUpdated(message)
        } else {
            Change::MessageCreated(message)
        };
        Self { chat, version, change }
    }
}

/// Anything that a transaction makes known when it is committed.
#[derive(Clone, Debug)]
pub enum Event {
    /// A change in a chat.
    Chat(ChatEvent),
    /// A chat came to be: each of its members gets it as they see it, and its later events.
    ChatCreated {
        /// What all see alike.
        chat: Arc<Chat>,
        /// Those who are in it.
        newcomers: Vec<Newcomer>,
    },
    /// A user is in a chat, which their connections may not know of: as [`Event::ChatCreated`], when
    /// that was lost.
    ChatFound(UserId, Box<ChatView>),
    /// Sessions ended: their sockets are closed.
    SessionsEnded(Vec<SessionId>),
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
    /// The chat as the newcomer sees it: with nothing in it to read yet.
    pub fn view(&self, chat: &Chat) -> ChatView {
        ChatView {
            chat: chat.clone(),
            peer: self.peer.clone(),
            my_role: self.role,
            last_message: None,
            unread_count: 0,
            last_read_seq: chat.last_seq,
            members: None,
        }
    }
}
