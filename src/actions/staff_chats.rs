//! Chats for staff: facts and members, never contents, and their deletion.

use std::sync::Arc;

use crate::app::App;
use crate::domain::audit::{AuditAction, AuditChanges};
use crate::domain::chat::{ChatType, Member};
use crate::domain::error::{Error, Result};
use crate::domain::ids::{ChatId, MessageId, UserId};
use crate::domain::page::{Page, PageRequest};
use crate::domain::search;
use crate::domain::staff_chats::{ChatFacts, ChatListing, ChatOrder, ChatPlace};
use crate::domain::user::User;
use crate::store::staff_chats::{self as store, NAME_INDEXED};

use super::members::{self, MemberCursor};
use super::unit::Unit;
use super::{grouping, staff};

/// How many messages a page by activity looks through at a time, and how often.
const WALK: i64 = 5_000;
const WALKS: usize = 4;

/// Which way a page is read: nearest first, from a place on.
struct Way {
    upwards: bool,
    place: Option<ChatPlace>,
    limit: i64,
}

/// A page of chats.
pub async fn list(
    app: &App,
    actor: &User,
    listing: &ChatListing,
    request: PageRequest<ChatPlace>,
    size: i64,
) -> Result<Page<ChatFacts, ChatPlace>> {
    staff::for_staff(actor)?;
    let (backwards, place) = match &request {
        PageRequest::First => (false, None),
        PageRequest::After(place) => (false, Some(place.clone())),
        PageRequest::Before(place) => (true, Some(place.clone())),
    };
    // Names ascend, everything else descends.
    let upwards = listing.search.is_some() != backwards;
    let way = Way { upwards, place, limit: size + 1 };
    if let Some(search) = &listing.search {
        let rows = named(app, listing, search, way).await?;
        let page =
            Page::of(&request, rows, size, |(place, _): &(ChatPlace, ChatFacts)| place.clone());
        let rows = page.rows.into_iter().map(|(_, chat)| chat).collect();
        return Ok(Page { rows, previous: page.previous, next: page.next });
    }
    match listing.order {
        ChatOrder::Activity => active(app, listing.kind, way, request, size).await,
        ChatOrder::Newest => {
            let beyond = match way.place {
                Some(ChatPlace::Id(id)) => id,
                _ => ChatId(i64::MAX),
            };
            let mut rows = Vec::new();
            for kind in types(listing.kind) {
                rows.extend(store::by_age(&app.db, kind, way.upwards, beyond, way.limit).await?);
            }
            let rows = merged(rows, &way, |chat| (0, chat.id));
            Ok(Page::of(&request, rows, size, |chat: &ChatFacts| ChatPlace::Id(chat.id)))
        }
        ChatOrder::Members => {
            let beyond = match way.place {
                Some(ChatPlace::Count(count, id)) => (count, id),
                _ => (i64::MAX, ChatId(i64::MAX)),
            };
            let mut rows = Vec::new();
            for kind in types(listing.kind) {
                rows.extend(store::by_size(&app.db, kind, way.upwards, beyond, way.limit).await?);
            }
            let rows = merged(rows, &way, |chat| (chat.members_count, chat.id));
            let place = |chat: &ChatFacts| ChatPlace::Count(chat.members_count, chat.id);
            Ok(Page::of(&request, rows, size, place))
        }
    }
}

/// A type, or each of them: every one has a part of the index for itself.
fn types(kind: Option<ChatType>) -> impl Iterator<Item = ChatType> {
    let all = [ChatType::Private, ChatType::Group].into_iter();
    all.filter(move |each| kind.is_none_or(|kind| kind == *each))
}

/// The nearest rows of all types.
fn merged(
    mut rows: Vec<ChatFacts>,
    way: &Way,
    key: impl Fn(&ChatFacts) -> (i64, ChatId),
) -> Vec<ChatFacts> {
    rows.sort_by_key(key);
    if !way.upwards {
        rows.reverse();
    }
    rows.truncate(usize::try_from(way.limit).unwrap_or(usize::MAX));
    rows
}

/// The chat with this id first, then the groups whose names begin so.
async fn named(
    app: &App,
    listing: &ChatListing,
    search: &str,
    way: Way,
) -> Result<Vec<(ChatPlace, ChatFacts)>> {
    let fits = |chat: &ChatFacts| listing.kind.is_none_or(|kind| kind == chat.kind);
    let exact = match search.trim().parse() {
        Ok(id) => store::one(&app.db, ChatId(id)).await?.filter(fits),
        Err(_) => None,
    };
    let exact_id = exact.as_ref().map(|chat| chat.id);
    let mut rows = Vec::new();
    let first = || ChatPlace::Name(String::new(), ChatId(0));
    if way.place.is_none() {
        rows.extend(exact.clone().map(|chat| (first(), chat)));
    }
    let prefix: String = search::key(search).chars().take(NAME_INDEXED).collect();
    if !prefix.is_empty() && listing.kind != Some(ChatType::Private) {
        let end = format!("{prefix}{}", char::MAX);
        let (name, id) = match &way.place {
            Some(ChatPlace::Name(name, id)) => (name.as_str(), *id),
            _ => ("", ChatId(0)),
        };
        // One more, in place of the one that is first.
        let found =
            store::by_name(&app.db, (&prefix, &end), way.upwards, (name, id), way.limit + 1)
                .await?;
        let place = |(name, chat): (String, ChatFacts)| (ChatPlace::Name(name, chat.id), chat);
        rows.extend(found.into_iter().filter(|(_, chat)| Some(chat.id) != exact_id).map(place));
    }
    if !way.upwards {
        rows.extend(exact.map(|chat| (first(), chat)));
    }
    rows.truncate(usize::try_from(way.limit).unwrap_or(usize::MAX));
    Ok(rows)
}

/// By their newest messages: looks through the messages of the site, a bounded number a page. So a page
/// may be short although there is a next one.
async fn active(
    app: &App,
    kind: Option<ChatType>,
    way: Way,
    request: PageRequest<ChatPlace>,
    size: i64,
) -> Result<Page<ChatFacts, ChatPlace>> {
    let mut at = match way.place {
        Some(ChatPlace::Message(id)) => id,
        _ => MessageId(i64::MAX),
    };
    let (mut rows, mut left) = (Vec::new(), None);
    for _ in 0..WALKS {
        let (until, walked) = store::messages_beyond(&app.db, way.upwards, at, WALK).await?;
        let Some(until) = until else { break };
        let limit = way.limit - i64::try_from(rows.len()).map_err(Error::internal)?;
        let span = (at, until);
        rows.extend(store::by_activity(&app.db, kind, way.upwards, span, limit).await?);
        left = Some(until).filter(|_| walked == WALK);
        if i64::try_from(rows.len()).is_ok_and(|found| found == way.limit) || left.is_none() {
            break;
        }
        at = until;
    }
    let full = i64::try_from(rows.len()).is_ok_and(|found| found == way.limit);
    let place = |chat: &ChatFacts| ChatPlace::Message(chat.last_message.unwrap_or(MessageId(0)));
    let mut page = Page::of(&request, rows, size, place);
    if let Some(left) = left.filter(|_| !full) {
        match request {
            PageRequest::Before(_) => page.previous = Some(ChatPlace::Message(left)),
            _ => page.next = Some(ChatPlace::Message(left)),
        }
    }
    Ok(page)
}

/// A chat's facts. [`Error::NotFound`] if there is none, or it was deleted.
pub async fn one(app: &App, actor: &User, id: ChatId) -> Result<ChatFacts> {
    staff::for_staff(actor)?;
    store::one(&app.db, id).await?.ok_or(Error::NotFound)
}

/// A page of a chat's members.
pub async fn members(
    app: &App,
    actor: &User,
    id: ChatId,
    request: PageRequest<MemberCursor>,
    size: i64,
) -> Result<Page<Member, MemberCursor>> {
    one(app, actor, id).await?;
    members::page(app, id, request, size).await
}

/// Deletes any chat for all of its members, and records it.
pub async fn delete(app: &Arc<App>, actor: &User, id: ChatId) -> Result<()> {
    staff::for_staff(actor)?;
    let mut unit = Unit::begin(app).await?;
    crate::store::chats::lock(&mut unit.tx, id).await?;
    record_deletion(&mut unit, actor.id, id).await?;
    let now = unit.now();
    grouping::end(&mut unit, id, now).await?;
    unit.commit().await
}

/// Records that staff delete a chat, with what it was. [`Error::NotFound`] if it is gone.
pub(super) async fn record_deletion(unit: &mut Unit, actor: UserId, id: ChatId) -> Result<()> {
    let chat = store::one(&mut unit.tx, id).await?.ok_or(Error::NotFound)?;
    let changes = AuditChanges::default()
        .with("type", chat.kind.as_str(), ())
        .with("name", chat.title(), ())
        .with("members", chat.members_count, ());
    staff::record(unit, actor, AuditAction::ChatDelete, id.0, changes).await
}
