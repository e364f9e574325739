//! Blocking users: listing, making and ending blocks. What a block forbids is decided where it is done; the presence
//! that it hides is in `hiding`.

use std::sync::Arc;

use crate::app::App;
use crate::domain::blocks::{BLOCKED_MAX, BlockState, Blocked};
use crate::domain::error::{Error, Result};
use crate::domain::event::{AccountChange, AccountEvent, Event};
use crate::domain::ids::UserId;
use crate::domain::numbering::AccountVersion;
use crate::domain::page::{Page, PageRequest};
use crate::domain::session::Caller;
use crate::store::{Target, account_version, blocks, users};

use super::unit::Unit;

/// A page of the users that the caller blocks, the latest block first.
pub async fn list(
    app: &App,
    caller: &Caller,
    request: PageRequest<AccountVersion>,
    size: i64,
) -> Result<Page<Blocked, AccountVersion>> {
    let rows = blocks::page(&app.db, caller.user.id, &request, size + 1).await?;
    Ok(Page::of(&request, rows, size, |blocked: &Blocked| blocked.place))
}

/// Blocks a user, or ends that. What is so already takes no version. [`Error::NotFound`] for a user that the
/// caller may not know of, unless there was a block to end.
pub async fn set(app: &Arc<App>, caller: &Caller, target: UserId, active: bool) -> Result<()> {
    let me = caller.user.id;
    if target == me {
        return Err(Error::field("user_id", "You cannot block yourself."));
    }
    let mut unit = Unit::begin(app).await?;
    // In the order of the ids, as all who lock several users.
    for user in [me.min(target), me.max(target)] {
        users::lock(&mut unit.tx, user).await?;
    }
    let before = blocks::state(&mut unit.tx, me, target).await?;
    if active || before.is_none() {
        let found = users::by_id(&mut unit.tx, target).await?;
        found.filter(|user| user.is_there_for(&caller.user)).ok_or(Error::NotFound)?;
    }
    if before.unwrap_or(false) == active {
        return Ok(());
    }
    if before.is_none() && blocks::count(&mut unit.tx, me, BLOCKED_MAX).await? >= BLOCKED_MAX {
        return Err(Error::Conflict("You have blocked too many users."));
    }
    let version = account_version::next(&mut unit.tx, me).await?;
    let now = unit.now();
    blocks::set(&mut unit.tx, me, BlockState { target, active, account_version: version }, now)
        .await?;
    unit.emit(Event::Account(AccountEvent::of(me, version, AccountChange::Block(target, active))));
    for user in [target, me] {
        unit.emit(Event::BlocksChanged(user));
    }
    unit.commit().await
}

/// Those of the users who block the caller, or are blocked by the caller. Nothing is asked for a caller who has nothing to do
/// with blocks.
pub(super) async fn between(
    at: impl Into<Target<'_>>,
    caller: &Caller,
    users: &[UserId],
) -> Result<Vec<UserId>> {
    if !caller.user.in_blocks || users.is_empty() {
        return Ok(Vec::new());
    }
    Ok(blocks::between(at, caller.user.id, users).await?)
}
