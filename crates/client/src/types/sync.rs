//! Sync: what a client knows, and what is new to it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Chat, ChatSettings, Message, User};
use crate::ids::{ChatId, Seq, UserId, Version};

/// Asks for everything newer than what a client knows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct SyncRequest {
    /// The known chats and their known versions.
    pub versions: BTreeMap<ChatId, Version>,
    /// The epoch that the versions belong to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub epoch: Option<String>,
    /// The most messages in the answer, 1–1000. The default is 500.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
    /// The known version of the account.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account: Option<Version>,
}

impl SyncRequest {
    /// Names the known chats and their known versions.
    pub fn new(versions: BTreeMap<ChatId, Version>) -> Self {
        Self { versions, ..Self::default() }
    }
}

/// The answer to a [`SyncRequest`].
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[non_exhaustive]
pub struct SyncResponse {
    /// The current epoch.
    pub epoch: String,
    /// Chats that are newer than the version asked for, or were not named.
    pub changes: Vec<ChatDelta>,
    /// Chats that were named and that you are not a member of.
    pub gone: Vec<ChatId>,
    /// The answer is incomplete: it lacks chats, or messages of a chat. Ask again.
    #[serde(default)]
    pub more: bool,
    /// What is new in your account.
    #[serde(default)]
    pub account: Option<AccountDelta>,
}

/// What is new in your account. Only its version, if none was named that counts.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[non_exhaustive]
pub struct AccountDelta {
    /// How far the answer reaches.
    pub version: Version,
    /// Your account, if it changed.
    #[serde(default)]
    pub user: Option<User>,
    /// Chats whose read marker you moved, or whose settings you changed.
    #[serde(default)]
    pub chats: Vec<ChatState>,
    /// Users that you blocked or unblocked.
    #[serde(default)]
    pub blocks: Vec<BlockState>,
    /// More follow: ask again.
    #[serde(default)]
    pub more: Option<bool>,
}

/// Whether you block a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct BlockState {
    /// The user.
    pub user: UserId,
    /// Whether you block them.
    pub blocked: bool,
}

/// What only you see of a chat.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct ChatState {
    /// The chat.
    pub chat: ChatId,
    /// The read marker.
    pub last_read_seq: Seq,
    /// Messages by others after it, without tombstones.
    pub unread_count: i64,
    /// Those of them that mention you, or everybody.
    #[serde(default)]
    pub unread_mentions: i64,
    /// What you have set for yourself.
    #[serde(flatten)]
    pub settings: ChatSettings,
}

/// What is new in one chat.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[non_exhaustive]
pub struct ChatDelta {
    /// The current chat.
    pub chat: Chat,
    /// Its messages with a later version, in version order. Only the newest one for a chat that was
    /// not named.
    pub messages: Vec<Message>,
    /// More messages follow: ask again.
    pub more: bool,
}
