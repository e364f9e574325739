//! The account's version: it numbers the durable changes of what only the user sees (the own profile and
//! availability, the own read markers, the settings of chats, blocks), so that a device learns after any absence what it missed.

use serde::Deserialize;

use std::hash::{DefaultHasher, Hash, Hasher};

use super::blocks::BlockState;
use super::chat_settings::ChatSettings;
use super::ids::ChatId;
use super::numbering::{AccountVersion, Seq};
use super::user::{Profile, User};

/// Most chats in one answer. A batch of read markers, whose chats share one version, is smaller, so that every
/// answer gets its client on.
pub const CHATS_MAX: usize = 1_000;

/// What a client learns about its account from a sync.
#[derive(Clone, Debug)]
pub struct AccountDelta {
    /// How far the answer reaches.
    pub version: AccountVersion,
    /// What changed since the version that the client named; `None` if it named none that counts.
    pub changes: Option<AccountChanges>,
}

/// The latest state of what changed in an account.
#[derive(Clone, Debug, Default)]
pub struct AccountChanges {
    /// The user, if the profile or the availability changed.
    pub user: Option<Profile>,
    /// The chats whose read marker the user moved, or whose settings, at most [`CHATS_MAX`].
    pub chats: Vec<ChatState>,
    /// The users that the user blocked or unblocked, at most [`CHATS_MAX`].
    pub blocks: Vec<BlockState>,
    /// There are more: ask again with the version that was reached.
    pub more: bool,
}

/// What only the user sees of a chat.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub struct ChatState {
    /// The chat.
    #[serde(rename = "chat_id")]
    pub chat: ChatId,
    /// The account version of the first of the changes below that the client lacks: the answer is cut by it.
    pub changed: AccountVersion,
    /// The account version that the last move of the read marker made.
    pub account_version: AccountVersion,
    /// The one that the last change of the settings made.
    pub settings_version: AccountVersion,
    /// The delivery marker.
    pub last_delivered_seq: Seq,
    /// The read marker.
    pub last_read_seq: Seq,
    /// Messages by others, not deleted, after it.
    pub unread_count: i64,
    /// Those of them that mention the user, or everybody.
    pub unread_mentions: i64,
    /// The settings.
    pub settings: ChatSettings,
}

/// The profile that a device was sent, as two hashes: they show which frames a change needs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fingerprint {
    /// Of what a `status` frame is sent for.
    pub status: u64,
    /// Of the rest.
    pub rest: u64,
}

impl Fingerprint {
    /// The fingerprint of a user.
    pub fn of(user: &User) -> Self {
        let rest = (user.reference(), &user.email, user.is_staff, user.is_superuser);
        Self { status: hash(&(user.availability, &user.status_text)), rest: hash(&rest) }
    }
}

fn hash(value: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}
