//! Forwarding: a request to forward a message, and what is forwarded.

use super::ids::{ChatId, MessageId};
use super::message::ClientId;
use super::time::Timestamp;

/// Most chats to which a message is forwarded at once.
pub const CHATS_MAX: usize = 20;

/// A message that is forwarded, as it was read.
#[derive(Clone, Copy, Debug)]
pub struct Source {
    /// Its chat.
    pub chat: ChatId,
    /// Its id.
    pub message: MessageId,
    /// When its content last changed.
    pub edited_at: Option<Timestamp>,
}

/// A request to forward a message; fields that could not be parsed are missing.
#[derive(Clone, Debug)]
pub struct Forward {
    /// To these chats, each once.
    pub chats: Vec<ChatId>,
    /// The idempotency key in each of the chats.
    pub client_id: Option<ClientId>,
}
