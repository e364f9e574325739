//! Reactions: adding, removing and listing them. The worker in `reacting` writes them.

use std::sync::Arc;

use crate::app::{App, answered};
use crate::domain::emoji::Emoji;
use crate::domain::error::{Error, Result};
use crate::domain::ids::{MessageId, UserId};
use crate::domain::message::Message;
use crate::domain::page::{Page, PageRequest};
use crate::domain::reactions::{ReactionChange, UserReaction};
use crate::domain::session::Caller;
use crate::store::reactions;

use super::access;
use super::reacting::TOMBSTONE;

/// Adds the user's reaction with an emoji, or removes it (`false`). What is so already changes nothing. It is queued at once,
/// before the future is first polled: calls that are made in order are committed in order. Returns after the commit.
/// [`Error::Throttled`] over the rate limit of messages.
pub fn react(
    app: &Arc<App>,
    user: UserId,
    message: MessageId,
    reaction: Result<(Emoji, bool)>,
) -> impl Future<Output = Result<Arc<Message>>> + Send + 'static {
    let app = Arc::clone(app);
    let allowed = app.rate_limits.message(user, app.clock.now());
    let queued = allowed.and(reaction).and_then(|(emoji, active)| {
        app.reactions.push(ReactionChange { message, user, emoji, active })
    });
    async move {
        match queued {
            Ok(answer) => answered(app.worker_timeout(), answer).await,
            // Whether the caller may know of the message is checked before the input.
            Err(error) if error.is_of_the_body() => {
                let message = access::message(&app.db, message, user).await?;
                access::not_blocked(&access::membership(&app.db, message.chat, user).await?)?;
                let is_there = message.deleted_at.is_none();
                Err(if is_there { error } else { Error::Conflict(TOMBSTONE) })
            }
            Err(error) => Err(error),
        }
    }
}

/// A page of a message's reactions, oldest first; only those with an emoji, if one is given.
pub async fn list(
    app: &App,
    caller: &Caller,
    message: MessageId,
    emoji: Result<Option<Emoji>>,
    request: impl FnOnce() -> Result<PageRequest<i64>>,
    size: i64,
) -> Result<Page<UserReaction, i64>> {
    let is_deleted = access::message(&app.db, message, caller.user.id).await?.deleted_at.is_some();
    let (emoji, request) = (emoji?, request()?);
    let rows = match is_deleted {
        // An older program that runs beside this one leaves the rows when it deletes a message.
        true => Vec::new(),
        false => reactions::page(&app.db, message, emoji.as_ref(), &request, size + 1).await?,
    };
    Ok(Page::of(&request, rows, size, |reaction| reaction.id))
}
