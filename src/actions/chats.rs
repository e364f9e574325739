//! Chats: listing, creating, updating and deleting them.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use crate::app::App;
use crate::domain::chat::{
    Chat, ChatChange, ChatFilter, ChatName, ChatRequest, ChatType, ChatView, Description,
    MEMBERS_SHOWN, NewChat,
};
use crate::domain::error::{Error, Result};
use crate::domain::event::{Event, Newcomer};
use crate::domain::ids::{ChatId, UserId};
use crate::domain::input::Input;
use crate::domain::numbering::{Seq, Version};
use crate::domain::page::{Page, PageRequest};
use crate::domain::receipt::LeastMarkers;
use crate::domain::role::Role;
use crate::domain::session::Caller;
use crate::domain::text::no_such;
use crate::domain::time::Timestamp;
use crate::store::least::least_markers;
use crate::store::member_chats::ChatOfMember;
use crate::store::{blocks as store_blocks, chat_lists, chats, members, users};

use super::grouping::{self, Grouping};
use super::profiles::{profile, profiles};
use super::unit::Unit;
use super::{access, attempts, avatars, members as members_action, staff, staff_chats};

pub use crate::store::member_chats::ChatCursor;

/// The user's chats that match a filter, newest activity first.
pub async fn list(
    app: &App,
    caller: &Caller,
    filter: &ChatFilter,
    request: PageRequest<ChatCursor>,
    size: i64,
) -> Result<Page<ChatView, ChatCursor>> {
    let (me, filter) = (caller.user.id, (filter, app.clock.now()));
    let rows = match &request {
        PageRequest::First => chat_lists::after(&app.db, me, None, filter, size + 1).await?,
        PageRequest::After(cursor) => {
            chat_lists::after(&app.db, me, Some(*cursor), filter, size + 1).await?
        }
        PageRequest::Before(cursor) => {
            let mut rows = chat_lists::before(&app.db, me, *cursor, filter, size + 1).await?;
            rows.reverse();
            rows
        }
    };
    let page = Page::of(&request, rows, size, |row| row.cursor);
    Ok(Page { rows: views(app, page.rows).await?, previous: page.previous, next: page.next })
}

/// What the user has not read, over all chats that are neither muted nor archived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unread {
    /// The sum of the chats' unread counts.
    pub messages: i64,
    /// Chats with unread messages.
    pub chats: i64,
    /// Unread messages that mention the user.
    pub mentions: i64,
}

/// Counts what the user has not read.
pub async fn unread(app: &App, caller: &Caller) -> Result<Unread> {
    let (messages, chats, mentions) =
        chat_lists::unread(&app.db, caller.user.id, app.clock.now()).await?;
    Ok(Unread { messages, chats, mentions })
}

/// One chat, with its first members.
pub async fn one(app: &App, caller: &Caller, id: ChatId) -> Result<ChatView> {
    let row = access::chat(&app.db, id, caller.user.id).await?;
    let mut view = views(app, vec![row]).await?.pop().ok_or(Error::NotFound)?;
    view.members =
        Some(members::after(&app.db, id, members::MemberCursor::START, MEMBERS_SHOWN).await?);
    Ok(view)
}

/// Creates a chat; false if the two users already have a private one. The `named` users are looked up
/// even if something else is invalid, so that all validation errors are reported at once.
pub async fn create(
    app: &Arc<App>,
    caller: &Caller,
    new: Input<ChatRequest>,
) -> Result<(ChatView, bool)> {
    let Input { value: ChatRequest { members: named, chat }, mut errors } = new;
    if !errors.is_empty() && !errors.contains("members") {
        let found = users::by_ids(&app.db, &named).await?;
        let active = members_action::addable(&app.db, caller, found).await?;
        errors.extend(members_action::known(&active, &named, "members").1);
    }
    errors.into_result()?;
    let chat = chat.ok_or_else(|| Error::internal("a chat was refused without an error"))?;
    let (id, created) = match chat {
        NewChat::Private { peer } => create_private(app, caller, peer).await?,
        NewChat::Group { name, description, members } => {
            (create_group(app, caller, &name, &description, members).await?, true)
        }
    };
    Ok((one(app, caller, id).await?, created))
}

/// Updates a group, by its owner or an admin: name, description, avatar and members. The validation
/// errors so far come with the change. What stays the same takes no version.
pub async fn update(
    app: &Arc<App>,
    caller: &Caller,
    id: ChatId,
    change: Result<Input<ChatChange>>,
) -> Result<ChatView> {
    let me = caller.user.id;
    manageable(access::chat(&app.db, id, me).await?)?;
    let Input { value: change, mut errors } = change?;
    // Before the transaction, for which others wait.
    let avatar = avatars::store(app, me, change.avatar, &mut errors).await?;
    let mut unit = Unit::begin(app).await?;
    let wanted = change.members;
    let active =
        members_action::hold(&mut unit.tx, caller, wanted.as_deref().unwrap_or_default()).await?;
    let group = manageable(access::chat_to_change(&mut unit.tx, id, me).await?)?;
    let my_role = group.my_role;
    let (mut gone, mut newcomers) = (Vec::new(), Vec::new());
    if let Some(wanted) = &wanted {
        let present = members::roles(&mut unit.tx, id).await?;
        let wanted_set: HashSet<_> = wanted.iter().collect();
        let out = present.iter().filter(|(user, _)| *user != me && !wanted_set.contains(user));
        let out: Vec<_> = out.collect();
        if !out.iter().all(|(_, role)| my_role.may_remove(*role)) {
            return Err(Error::PermissionDenied);
        }
        gone = out.into_iter().map(|(user, _)| *user).collect();
        let inside: HashSet<_> = present.iter().map(|(user, _)| user).collect();
        let new: Vec<_> = wanted.iter().filter(|user| !inside.contains(user)).copied().collect();
        let (known, unknown) = members_action::known(&active, &new, "members");
        newcomers = known;
        errors.extend(unknown);
    }
    errors.into_result()?;
    attempts::members(app, &mut unit, me, newcomers.len()).await?;

    let mut described = group.chat.clone();
    if let Some(name) = change.name {
        described.name = name.as_str().to_owned();
    }
    if let Some(description) = change.description {
        described.description = description.as_str().to_owned();
    }
    described.avatar = avatar.apply(described.avatar);
    if described.avatar != group.chat.avatar {
        unit.discard(group.chat.avatar.clone());
    }
    let mut grouping = Grouping::of(group, app.clock.now());
    let gone = members::among(&mut unit.tx, id, &gone).await?;
    grouping.leave(&mut unit.tx, gone).await?;
    grouping.join(&mut unit.tx, newcomers, Role::Member).await?;
    grouping.describe(&mut unit.tx, described).await?;
    grouping.finish(&mut unit).await?;
    unit.commit().await?;
    one(app, caller, id).await
}

/// Deletes a chat for all members: a private chat by either user, a group by its owner, any chat by
/// staff, which the audit table records.
pub async fn delete(app: &Arc<App>, caller: &Caller, id: ChatId) -> Result<()> {
    let (me, moderates) = (caller.user.id, staff::moderates(&caller.user));
    let now = app.clock.now();
    let mut unit = Unit::begin(app).await?;
    let own_right = match access::chat_to_change(&mut unit.tx, id, me).await {
        Err(Error::NotFound) if moderates && chats::is_there(&mut unit.tx, id).await? => false,
        found => {
            let found = found?;
            found.chat.kind == ChatType::Private || found.my_role.may_rule()
        }
    };
    if !own_right {
        if !moderates {
            return Err(Error::PermissionDenied);
        }
        staff_chats::record_deletion(&mut unit, me, id).await?;
    }
    grouping::end(&mut unit, id, now).await?;
    unit.commit().await
}

/// A group that the caller may update. [`Error::PermissionDenied`] for any other chat.
fn manageable(chat: ChatOfMember) -> Result<ChatOfMember> {
    let may = chat.chat.kind == ChatType::Group && chat.my_role.may_manage();
    if may { Ok(chat) } else { Err(Error::PermissionDenied) }
}

async fn create_private(app: &Arc<App>, caller: &Caller, peer: UserId) -> Result<(ChatId, bool)> {
    let me = &caller.user;
    if let Some(id) = chats::private_of(&app.db, me.id, peer).await? {
        return Ok((id, false));
    }
    let other = users::by_id(&app.db, peer).await?.filter(|user| user.is_active);
    let other = other.ok_or_else(|| Error::field("members", no_such(peer)))?;

    let now = app.clock.now();
    let mut unit = Unit::begin(app).await?;
    // A block locks both as well, so it finds this chat, or is found.
    users::hold_active(&mut unit.tx, &[me.id, peer]).await?;
    if !store_blocks::between(&mut unit.tx, me.id, &[peer]).await?.is_empty() {
        return Err(Error::Blocked);
    }
    let Some(id) = chats::insert_private(&mut unit.tx, me.id, peer, now).await? else {
        let existing = chats::private_of(&mut unit.tx, me.id, peer).await?;
        let id = existing.ok_or_else(|| Error::internal("a private chat is there and is not"))?;
        return Ok((id, false));
    };
    members::insert(&mut unit.tx, id, &[me.id, peer], Role::Member, Seq::ZERO, now).await?;
    let newcomer = |user, peer| Newcomer { user, role: Role::Member, peer: Some(peer) };
    let (mine, theirs) = (profile(app, me.clone()).await?, profile(app, other).await?);
    unit.emit(Event::ChatCreated {
        last_message: None,
        newcomers: vec![newcomer(me.id, theirs), newcomer(peer, mine)],
        chat: fresh(caller, id, ChatType::Private, None, 2, now),
    });
    unit.commit().await?;
    Ok((id, true))
}

async fn create_group(
    app: &Arc<App>,
    caller: &Caller,
    name: &ChatName,
    description: &Description,
    others: Vec<UserId>,
) -> Result<ChatId> {
    let me = caller.user.id;
    let now = app.clock.now();
    let count = i64::try_from(others.len() + 1).map_err(Error::internal)?;
    let mut unit = Unit::begin(app).await?;
    grouping::admit_one_more(app, &mut unit.tx, me).await?;
    let active = members_action::hold(&mut unit.tx, caller, &others).await?;
    members_action::known(&active, &others, "members").1.into_result()?;
    attempts::members(app, &mut unit, me, others.len()).await?;
    let id = chats::insert_group(&mut unit.tx, me, name.as_str(), description.as_str(), count, now)
        .await?;
    members::insert(&mut unit.tx, id, &[me], Role::Owner, Seq::ZERO, now).await?;
    members::insert(&mut unit.tx, id, &others, Role::Member, Seq::ZERO, now).await?;
    let newcomer = |user, role| Newcomer { user, role, peer: None };
    let mut newcomers = vec![newcomer(me, Role::Owner)];
    newcomers.extend(others.into_iter().map(|user| newcomer(user, Role::Member)));
    let chat = fresh(caller, id, ChatType::Group, Some((name, description)), count, now);
    unit.emit(Event::ChatCreated { chat, last_message: None, newcomers });
    unit.commit().await?;
    Ok(id)
}

/// A chat that was just created.
fn fresh(
    caller: &Caller,
    id: ChatId,
    kind: ChatType,
    named: Option<(&ChatName, &Description)>,
    members_count: i64,
    now: Timestamp,
) -> Arc<Chat> {
    let (name, description) = named.map_or(("", ""), |(n, d)| (n.as_str(), d.as_str()));
    Arc::new(Chat {
        id,
        kind,
        name: name.to_owned(),
        description: description.to_owned(),
        avatar: None,
        created_at: now,
        created_by: Some(caller.user.reference()),
        members_count,
        last_seq: Seq::ZERO,
        first_seq: Seq::FIRST,
        version: Version::FIRST,
    })
}

/// Views of chats, in the same order. What the rows do not contain is read for all of them at once.
pub(super) async fn views(app: &App, rows: Vec<ChatOfMember>) -> Result<Vec<ChatView>> {
    let chat_ids: Vec<_> = rows.iter().map(|row| row.chat.id).collect();
    let least = least_markers(&app.db, &app.laggards, &chat_ids).await?;
    views_with(app, rows, &least).await
}

/// Views of chats whose least markers were read.
pub(super) async fn views_with(
    app: &App,
    rows: Vec<ChatOfMember>,
    least: &HashMap<ChatId, LeastMarkers>,
) -> Result<Vec<ChatView>> {
    let peer_ids: Vec<_> = rows.iter().filter_map(|row| row.peer).collect();
    let peers = users::by_ids(&app.db, &peer_ids).await?;
    let peers = profiles(app, peers).await?.into_iter();
    let peers: HashMap<_, _> = peers.map(|peer| (peer.user.id, peer)).collect();
    let view = |row: ChatOfMember| ChatView {
        peer: row.peer.and_then(|id| peers.get(&id).cloned()),
        my_role: row.my_role,
        last_message: row.last_message.map(|message| message.with_status(least.get(&row.chat.id))),
        unread_count: row.unread_count,
        unread_mentions: row.unread_mentions,
        last_read_seq: row.last_read_seq,
        settings: row.settings,
        blocked: row.blocked,
        is_hidden: row.is_hidden,
        members: None,
        chat: row.chat,
    };
    Ok(rows.into_iter().map(view).collect())
}
