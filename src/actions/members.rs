//! Members of a chat: listing, adding, their roles, removing and leaving.

use std::collections::HashMap;
use std::sync::Arc;

use crate::app::App;
use crate::domain::chat::{ChatType, Member, NewMembers, too_many_members};
use crate::domain::error::{Error, FieldErrors, Result};
use crate::domain::ids::{ChatId, UserId};
use crate::domain::input::Input;
use crate::domain::page::{Page, PageRequest};
use crate::domain::role::Role;
use crate::domain::session::Caller;
use crate::domain::text::no_such;
use crate::domain::user::User;
use crate::store::member_chats::ChatOfMember;
use crate::store::{Target, Tx, members, users};

use super::access;
use super::attempts;
use super::blocks;
use super::grouping::{self, Grouping};
use super::unit::Unit;

pub use crate::store::members::MemberCursor;

/// A page of a chat's members: owner, admins, then the others in the order in which they joined.
pub async fn list(
    app: &App,
    caller: &Caller,
    chat: ChatId,
    request: impl FnOnce() -> Result<PageRequest<MemberCursor>>,
    size: i64,
) -> Result<Page<Member, MemberCursor>> {
    access::membership(&app.db, chat, caller.user.id).await?;
    page(app, chat, request()?, size).await
}

/// A page of any chat's members: the caller's right to it is checked already.
pub(super) async fn page(
    app: &App,
    chat: ChatId,
    request: PageRequest<MemberCursor>,
    size: i64,
) -> Result<Page<Member, MemberCursor>> {
    let rows = match &request {
        PageRequest::First => members::after(&app.db, chat, MemberCursor::START, size + 1).await?,
        PageRequest::After(cursor) => members::after(&app.db, chat, *cursor, size + 1).await?,
        PageRequest::Before(cursor) => members::before(&app.db, chat, *cursor, size + 1).await?,
    };
    Ok(Page::of(&request, rows, size, MemberCursor::of))
}

/// One member.
pub async fn one(app: &App, caller: &Caller, chat: ChatId, user: UserId) -> Result<Member> {
    access::membership(&app.db, chat, caller.user.id).await?;
    members::one(&app.db, chat, user).await?.ok_or(Error::NotFound)
}

/// Adds users to a group; existing members stay unchanged. Returns all named users as members. The
/// validation errors so far come with the names.
pub async fn add(
    app: &Arc<App>,
    caller: &Caller,
    id: ChatId,
    new: Result<Input<NewMembers>>,
) -> Result<Vec<Member>> {
    let mut unit = Unit::begin(app).await?;
    let named = new.as_ref().map(|new| new.value.users.clone()).unwrap_or_default();
    let active = hold(&mut unit.tx, caller, &named).await?;
    let chat = group_to_change(&mut unit.tx, id, caller.user.id).await?;
    if !chat.my_role.may_manage() {
        return Err(Error::PermissionDenied);
    }
    let Input { value: NewMembers { users, field, role }, mut errors } = new?;
    if !chat.my_role.may_add_as(role) {
        return Err(Error::PermissionDenied);
    }
    let inside = members::among(&mut unit.tx, id, &users).await?;
    let is_in = |user: &UserId| inside.iter().any(|member| member.user.id == *user);
    let outside: Vec<_> = users.iter().filter(|user| !is_in(user)).copied().collect();
    let (newcomers, unknown) = known(&active, &outside, field);
    errors.extend(unknown);
    errors.into_result()?;
    let size = usize::try_from(chat.chat.members_count).unwrap_or_default() + newcomers.len();
    if size > app.limits.group_members {
        return Err(Error::field("members", too_many_members(app.limits.group_members)));
    }
    attempts::members(app, &mut unit, caller.user.id, newcomers.len()).await?;
    let mut grouping = Grouping::of(chat, app.clock.now());
    grouping.join(&mut unit.tx, newcomers, role).await?;
    grouping.finish(&mut unit).await?;
    let found = members::among(&mut unit.tx, id, &users).await?;
    unit.commit().await?;
    let mut found: HashMap<_, _> = found.into_iter().map(|one| (one.user.id, one)).collect();
    Ok(users.iter().filter_map(|user| found.remove(user)).collect())
}

/// Changes a member's role, by the owner. Giving somebody the role `owner` transfers the group, and the
/// former owner becomes an admin.
pub async fn set_role(
    app: &Arc<App>,
    caller: &Caller,
    id: ChatId,
    user: UserId,
    role: Result<Option<Role>>,
) -> Result<Member> {
    let me = caller.user.id;
    let mut unit = Unit::begin(app).await?;
    let chat = access::chat_to_change(&mut unit.tx, id, me).await?;
    let member = members::one(&mut unit.tx, id, user).await?.ok_or(Error::NotFound)?;
    if chat.chat.kind != ChatType::Group || !chat.my_role.may_rule() {
        return Err(Error::PermissionDenied);
    }
    let role = role?.unwrap_or(member.role);
    if user == me && role != Role::Owner {
        return Err(Error::field("role", "Make somebody else the owner first."));
    }
    let mut grouping = Grouping::of(chat, app.clock.now());
    grouping.set_role(&mut unit.tx, member.clone(), role).await?;
    if role == Role::Owner && user != me {
        let giver = members::one(&mut unit.tx, id, me).await?.ok_or(Error::NotFound)?;
        grouping.set_role(&mut unit.tx, giver, Role::Admin).await?;
    }
    grouping.finish(&mut unit).await?;
    unit.commit().await?;
    Ok(Member { role, ..member })
}

/// Removes a member, or leaves. An owner who leaves transfers the group; the last member deletes it.
pub async fn remove(app: &Arc<App>, caller: &Caller, id: ChatId, user: UserId) -> Result<()> {
    let me = caller.user.id;
    let mut unit = Unit::begin(app).await?;
    let chat = access::chat_to_change(&mut unit.tx, id, me).await?;
    let member = members::one(&mut unit.tx, id, user).await?.ok_or(Error::NotFound)?;
    let may = user == me || chat.my_role.may_remove(member.role);
    if chat.chat.kind != ChatType::Group || !may {
        return Err(Error::PermissionDenied);
    }
    grouping::depart(&mut unit, chat, member, app.clock.now()).await?;
    unit.commit().await
}

/// A group for updating, locked until the transaction ends. The members of a private chat never
/// change: [`Error::PermissionDenied`].
pub(super) async fn group_to_change(tx: &mut Tx, id: ChatId, me: UserId) -> Result<ChatOfMember> {
    let chat = access::chat_to_change(tx, id, me).await?;
    match chat.chat.kind {
        ChatType::Group => Ok(chat),
        ChatType::Private => Err(Error::PermissionDenied),
    }
}

/// The active ones among users. They stay active until the transaction ends: the deletion of an account
/// waits meanwhile, and then leaves this chat as well. Lock them before the chat, since deleting an
/// account locks in that order. A user is missing, as if there were none, if the caller blocks them or is blocked.
pub(super) async fn hold(
    tx: &mut Tx,
    caller: &Caller,
    users: &[UserId],
) -> Result<HashMap<UserId, User>> {
    let held = users::hold_active(tx, users).await?;
    addable(tx, caller, held).await
}

/// Those of the users that the caller may add to a group.
pub(super) async fn addable(
    at: impl Into<Target<'_>>,
    caller: &Caller,
    users: Vec<User>,
) -> Result<HashMap<UserId, User>> {
    let ids: Vec<_> = users.iter().map(|user| user.id).collect();
    let refused = blocks::between(at, caller, &ids).await?;
    let active = users.into_iter().filter(|user| user.is_active && !refused.contains(&user.id));
    Ok(active.map(|user| (user.id, user)).collect())
}

/// The users with these ids, in their order, and the validation errors for ids that do not exist.
pub(super) fn known(
    active: &HashMap<UserId, User>,
    ids: &[UserId],
    field: &str,
) -> (Vec<User>, FieldErrors) {
    let mut errors = FieldErrors::default();
    for missing in ids.iter().filter(|id| !active.contains_key(id)) {
        errors.add(field, no_such(missing));
    }
    (ids.iter().filter_map(|id| active.get(id).cloned()).collect(), errors)
}
