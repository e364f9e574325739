//! Invites: links by which users join a group by themselves. An invite stays valid when its creator loses the right to
//! create some, or leaves: the owner and the admins revoke it.

use std::sync::Arc;

use crate::app::{AGREEMENT, App};
use crate::auth::secrets::random_hex;
use crate::domain::chat::{ChatType, ChatView};
use crate::domain::error::{Error, Result};
use crate::domain::ids::{ChatId, UserId};
use crate::domain::invites::{INVITES_MAX, Invite, InvitePreview, NewInvite};
use crate::domain::page::{Page, PageRequest};
use crate::domain::role::Role;
use crate::domain::session::Caller;
use crate::domain::user::User;
use crate::store::invites::InviteRow;
use crate::store::member_chats::ChatOfMember;
use crate::store::members::MemberCursor;
use crate::store::{Target, chats, invites, members, users};

use super::grouping::Grouping;
use super::unit::Unit;
use super::{access, chats as chats_action};

/// A page of a group's invites that have not expired, the latest first.
pub async fn list(
    app: &App,
    caller: &Caller,
    chat: ChatId,
    request: impl FnOnce() -> Result<PageRequest<i64>>,
    size: i64,
) -> Result<Page<Invite, i64>> {
    may_invite(&access::chat(&app.db, chat, caller.user.id).await?)?;
    let request = request()?;
    let rows = invites::page(&app.db, chat, &request, size + 1, app.clock.now()).await?;
    Ok(Page::of(&request, rows, size, |invite: &Invite| invite.id))
}

/// Creates an invite.
pub async fn create(
    app: &Arc<App>,
    caller: &Caller,
    chat: ChatId,
    new: Result<NewInvite>,
) -> Result<Invite> {
    let mut unit = Unit::begin(app).await?;
    may_invite(&access::chat_to_change(&mut unit.tx, chat, caller.user.id).await?)?;
    let now = unit.now();
    if invites::count(&mut unit.tx, chat, now).await? >= INVITES_MAX {
        return Err(Error::Conflict("The group has too many invites."));
    }
    let NewInvite { lifetime, max_uses } = new?;
    let code = random_hex::<16>().map_err(|_| Error::internal("no random numbers"))?;
    let (created_by, expires_at) = (caller.user.id, now.plus(lifetime));
    let row = InviteRow { code: &code, chat, created_by, expires_at, max_uses };
    invites::insert(&mut unit.tx, &row, now).await?;
    let invite = invites::by_code(&mut unit.tx, &code).await?;
    unit.commit().await?;
    invite.ok_or_else(|| Error::internal("an invite that was stored is missing"))
}

/// Revokes an invite.
pub async fn revoke(app: &Arc<App>, caller: &Caller, chat: ChatId, code: &str) -> Result<()> {
    let mut unit = Unit::begin(app).await?;
    may_invite(&access::chat_to_change(&mut unit.tx, chat, caller.user.id).await?)?;
    if !invites::remove(&mut unit.tx, chat, known_form(code)?).await? {
        return Err(Error::NotFound);
    }
    unit.commit().await
}

/// What an invite leads to. [`Error::NotFound`] if it is expired, used up, revoked or unknown: which, is not revealed.
pub async fn preview(app: &App, caller: &Caller, code: &str) -> Result<InvitePreview> {
    let invite = invites::by_code(&app.db, known_form(code)?).await?;
    let invite = invite.filter(|one| is_valid(app, one) && !one.is_used_up());
    let Some(invite) = invite else { return Err(guessed(app, caller.user.id)) };
    let group = group(&app.db, invite.chat).await?;
    Ok(InvitePreview { chat: group.chat, invite })
}

/// Joins a group by an invite. A member already changes nothing, also where the invite is used up by now: the answer to
/// the join may have been lost. [`Error::NotFound`] as for [`preview`], [`Error::Conflict`] for a full group.
pub async fn accept(app: &Arc<App>, caller: &Caller, code: &str) -> Result<ChatView> {
    let (me, code) = (caller.user.id, known_form(code)?);
    let mut unit = Unit::begin(app).await?;
    // Before the chat, as for all who are added: the deletion of the account waits.
    let myself = users::hold_active(&mut unit.tx, &[me]).await?;
    let Some(found) = invites::by_code(&mut unit.tx, code).await? else {
        return Err(guessed(app, me));
    };
    chats::lock(&mut unit.tx, found.chat).await?;
    // Read again under the lock: it may have been used, or revoked.
    let invite = invites::by_code(&mut unit.tx, code).await?;
    let invite = invite.filter(|one| is_valid(app, one)).ok_or(Error::NotFound)?;
    if members::membership(&mut unit.tx, invite.chat, me).await?.is_none() {
        join(app, &mut unit, &invite, myself).await?;
        unit.commit().await?;
    } else {
        // Who waits for another connection must hold none.
        drop(unit);
    }
    chats_action::one(app, caller, invite.chat).await
}

async fn join(app: &App, unit: &mut Unit, invite: &Invite, myself: Vec<User>) -> Result<()> {
    if invite.is_used_up() {
        return Err(Error::NotFound);
    }
    let group = group(&mut unit.tx, invite.chat).await?;
    if usize::try_from(group.chat.members_count).unwrap_or_default() >= app.limits.group_members {
        return Err(Error::Conflict("The group is full."));
    }
    invites::count_use(&mut unit.tx, &invite.code).await?;
    let mut grouping = Grouping::of(group, unit.now());
    grouping.join(&mut unit.tx, myself, Role::Member).await?;
    grouping.finish(unit).await
}

/// A group as its owner sees it: a user who joins is no member yet.
async fn group(at: impl Into<Target<'_>>, id: ChatId) -> Result<ChatOfMember> {
    let mut at = at.into();
    let owner = members::after(at.reborrow(), id, MemberCursor::START, 1).await?.pop();
    access::chat(at, id, owner.ok_or(Error::NotFound)?.user.id).await
}

fn is_valid(app: &App, invite: &Invite) -> bool {
    invite.is_valid(app.clock.now(), AGREEMENT)
}

/// [`Error::PermissionDenied`] for plain members, and in private chats, whose members never change.
fn may_invite(chat: &ChatOfMember) -> Result<()> {
    let may = chat.chat.kind == ChatType::Group && chat.my_role.may_manage();
    if may { Ok(()) } else { Err(Error::PermissionDenied) }
}

/// The code, if it looks like one. No database has to compare any other text.
fn known_form(code: &str) -> Result<&str> {
    let is_one = code.len() <= 64 && code.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if is_one { Ok(code) } else { Err(Error::NotFound) }
}

/// The answer to a code that is unknown, which counts as a guess.
fn guessed(app: &App, user: UserId) -> Error {
    app.rate_limits.guess(user, app.clock.now()).err().unwrap_or(Error::NotFound)
}
