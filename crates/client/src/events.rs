//! The events that a program reads from a connection. Data only.

use std::time::Duration;

use crate::errors::Error;
use crate::frames::{Change, Ready, Signal};
use crate::ids::{ChatId, Version};
use crate::types::{Chat, Message};

/// An event. A chat's changes arrive in version order, each exactly once. If the connection missed
/// some, [`Event::Resynced`] takes their place.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Event {
    /// Connected: the first time, or after a reconnection.
    Ready(Ready),
    /// A chat's next change.
    Change(Change),
    /// You are a member of a new chat.
    ChatCreated(Chat),
    /// You are no longer a member of a chat, or it was deleted. The replica has dropped it.
    ChatDeleted(ChatId),
    /// A chat moved forward by more than one change.
    Resynced(Resynced),
    /// The server's data has a different history, as after a restore from a backup. The replica is
    /// empty, and all chats follow anew.
    EpochChanged,
    /// An ephemeral signal.
    Signal(Signal),
    /// The connection is lost, or an attempt to connect failed.
    #[non_exhaustive]
    Disconnected {
        /// Why, for people.
        reason: String,
        /// The delay before the next attempt.
        retry_in: Duration,
    },
    /// The connection has ended for good. This is the last event.
    Ended(Error),
}

/// A chat's step from one version to a later one.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Resynced {
    /// The version that was known before; 0 for a chat that was not known.
    pub from: Version,
    /// The version that is known now. The chat's own version is later if more is to follow.
    pub to: Version,
    /// The current chat, including changes of its name, picture and members in between.
    pub chat: Chat,
    /// The messages that were created or changed in between, in their current state and in version
    /// order. Only the newest one for a chat that was not known; read older ones with
    /// [`Client::messages`](crate::Client::messages).
    pub messages: Vec<Message>,
}
