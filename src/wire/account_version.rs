//! The account's part of a sync: what changed of what only the user sees.

use serde::Serialize;
use utoipa::ToSchema;

use crate::domain::account_version;
use crate::domain::blocks::BlockState;
use crate::domain::ids::{ChatId, UserId};
use crate::domain::numbering::{AccountVersion, Seq};
use crate::domain::time::Timestamp;
use crate::domain::urls::Urls;

use super::users::UserJson;

/// What changed in your account since the version that you named. The version alone if you named none, one of
/// another epoch, or one that your account has not reached.
#[derive(Serialize, ToSchema)]
pub struct AccountSync<'a> {
    /// How far this answer reaches: name it next time.
    #[schema(value_type = i64, minimum = 0, example = 14)]
    version: AccountVersion,
    /// You, if your profile or availability changed, else null.
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<Option<UserJson<'a>>>,
    /// The chats whose read marker you moved or whose settings you changed, at most 1,000.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, max_items = 1000)]
    chats: Option<Vec<AccountChat>>,
    /// The users that you blocked or unblocked, at most 1,000.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, max_items = 1000)]
    blocks: Option<Vec<AccountBlock>>,
    /// Whether there are more: ask again with this `version`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    more: Option<bool>,
}

/// What only you see of a chat.
#[derive(Serialize, ToSchema)]
pub struct AccountChat {
    /// The chat's id.
    #[schema(value_type = i64, minimum = 1, example = 3)]
    chat: ChatId,
    /// Your read marker.
    #[schema(value_type = i64, minimum = 0)]
    last_read_seq: Seq,
    /// Messages by others after your read marker, without deleted ones.
    #[schema(minimum = 0)]
    unread_count: i64,
    /// Those of them that mention you, or everybody.
    #[schema(minimum = 0)]
    unread_mentions: i64,
    /// Until when you have muted it: it is muted while this is in the future.
    #[schema(required, value_type = Option<String>, format = DateTime)]
    muted_until: Option<Timestamp>,
    /// Whether you have pinned it.
    pinned: bool,
    /// Whether you have archived it.
    archived: bool,
}

/// Whether you block a user.
#[derive(Serialize, ToSchema)]
pub struct AccountBlock {
    /// The user's id.
    #[schema(value_type = i64, minimum = 1, example = 8)]
    user: UserId,
    /// Whether you block them now.
    blocked: bool,
}

impl AccountBlock {
    fn of(state: &BlockState) -> Self {
        Self { user: state.target, blocked: state.active }
    }
}

impl<'a> AccountSync<'a> {
    /// As the owner of the account sees it.
    pub(super) fn of(found: &'a account_version::AccountDelta, urls: &Urls) -> Self {
        let changes = found.changes.as_ref();
        Self {
            version: found.version,
            user: changes.map(|all| all.user.as_ref().map(|user| UserJson::own(user, urls))),
            chats: changes.map(|all| all.chats.iter().map(AccountChat::of).collect()),
            blocks: changes.map(|all| all.blocks.iter().map(AccountBlock::of).collect()),
            more: changes.map(|all| all.more),
        }
    }
}

impl AccountChat {
    fn of(state: &account_version::ChatState) -> Self {
        Self {
            chat: state.chat,
            last_read_seq: state.last_read_seq,
            unread_count: state.unread_count,
            unread_mentions: state.unread_mentions,
            muted_until: state.settings.muted_until,
            pinned: state.settings.pinned,
            archived: state.settings.archived,
        }
    }
}
