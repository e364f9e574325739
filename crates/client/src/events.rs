//! What a program is told, in order.

use std::time::Duration;

use crate::errors::Error;
use crate::frames::{Change, Ready, Signal};
use crate::types::{Chat, Message};

/// Something happened. A chat's changes come in the order of their versions, each once; where the
/// connection missed some, [`Event::Resynced`] stands for them, in their place.
#[derive(Clone, Debug)]
pub enum Event {
    /// Connected, the first time or again.
    Ready(Ready),
    /// A chat's next change.
    Change(Change),
    /// One is in a new chat.
    ChatCreated(Chat),
    /// One is in a chat no more, or it is no more. What was known of it is forgotten.
    ChatDeleted(i64),
    /// A chat moved on by more than one change.
    Resynced(Resynced),
    /// The past of the server's data changed (a restore): everything that was known is forgotten,
    /// and comes anew.
    Forgotten,
    /// See [`Signal`].
    Signal(Signal),
    /// The connection is gone; it will be tried again.
    Disconnected {
        /// What happened.
        why: String,
        /// When.
        retry_in: Duration,
    },
    /// The connection is gone for good. It is the last event.
    Ended(Error),
}

/// A chat at a later version than it was known at.
#[derive(Clone, Debug, PartialEq)]
pub struct Resynced {
    /// The version that it was known at; 0 where it was not known.
    pub from: i64,
    /// The version that it is known at now. The chat's own is later where there is more to come.
    pub upto: i64,
    /// As it is, with what only changes of members and names told meanwhile.
    pub chat: Chat,
    /// The messages that were made or changed in between, as they are now, in version order. Only
    /// the newest where the chat was not known; see [`Client::messages`](crate::Client::messages).
    pub messages: Vec<Message>,
}
