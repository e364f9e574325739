//! Reactions as the API shows them, and the frame that makes them.

use serde::Serialize;
use utoipa::ToSchema;

use crate::domain;
use crate::domain::emoji::Emoji;
use crate::domain::ids::UserId;
use crate::domain::reactions::EmojiUsers;
use crate::domain::time::Timestamp;
use crate::domain::urls::Urls;

use super::kinds::{Text, text};
use super::pages::PageJson;
use super::users::UserRefJson;

/// Who reacts to a message with an emoji.
#[derive(Serialize, ToSchema)]
#[schema(as = ReactionSummary)]
pub struct ReactionSummaryJson<'a> {
    /// In its fully qualified form.
    #[schema(example = "👍")]
    emoji: &'a str,
    /// How many users.
    #[schema(minimum = 1)]
    count: usize,
    /// The ids of the first 100 of them, oldest reaction first.
    #[schema(value_type = Vec<i64>, min_items = 1, max_items = 100)]
    users: &'a [UserId],
}

impl<'a> ReactionSummaryJson<'a> {
    /// As everybody sees it.
    pub fn of(one: &'a EmojiUsers) -> Self {
        Self { emoji: one.emoji.as_str(), count: one.count, users: &one.users }
    }
}

/// A user's reaction to a message.
#[derive(Serialize, ToSchema)]
#[schema(as = Reaction)]
pub struct ReactionJson<'a> {
    /// In its fully qualified form.
    #[schema(example = "👍")]
    emoji: &'a str,
    user: UserRefJson<'a>,
    /// When the user reacted.
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
}

/// A page of reactions.
pub type ReactionPage<'a> = PageJson<ReactionJson<'a>>;

impl<'a> ReactionJson<'a> {
    /// As every member sees it.
    pub fn of(reaction: &'a domain::reactions::UserReaction, urls: &Urls) -> Self {
        Self {
            emoji: reaction.emoji.as_str(),
            user: UserRefJson::of(&reaction.user, urls),
            created_at: reaction.created_at,
        }
    }
}

/// An emoji in a body.
pub(super) fn emoji() -> Text<impl FnOnce(String) -> Result<Emoji, String>> {
    text(|text| Emoji::parse(&text)).min(1).example("👍")
}
