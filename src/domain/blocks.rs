//! Blocks: users who want to hear nothing of each other.

use serde::Deserialize;

use super::ids::UserId;
use super::numbering::AccountVersion;
use super::user::UserRef;

/// Most users that one account may have blocked, counting those that it blocks no more: a sync may have to name them
/// all.
pub const BLOCKED_MAX: i64 = 10_000;

/// Whether a user blocks another one, as it is now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub struct BlockState {
    /// The other one.
    #[serde(rename = "target_id")]
    pub target: UserId,
    /// Whether the user blocks them.
    pub active: bool,
    /// The account version that the last change made.
    pub account_version: AccountVersion,
}

/// A user in the list of those that somebody blocks.
#[derive(Clone, Debug)]
pub struct Blocked {
    /// Who is blocked.
    pub user: UserRef,
    /// Its place in the list: the account version that the block made.
    pub place: AccountVersion,
}
