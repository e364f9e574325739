//! Users for staff: lists of them, and what staff do to them. Each act is recorded in the same transaction.

use std::collections::HashMap;
use std::sync::Arc;

use crate::app::App;
use crate::domain::audit::{AuditAction, AuditChanges};
use crate::domain::error::{Error, Result};
use crate::domain::event::Event;
use crate::domain::ids::{SessionId, UserId};
use crate::domain::page::{Page, PageRequest};
use crate::domain::search::{Match, Query, Tier};
use crate::domain::session::SessionInfo;
use crate::domain::staff_users::{UserListing, UserOrder, UserPlace};
use crate::domain::text;
use crate::domain::time::Timestamp;
use crate::domain::user::User;
use crate::store::search::Among;
use crate::store::staff_users::{self as store, UserSpan};
use crate::store::{sessions as session_rows, users};

use super::search::{self, Position};
use super::staff::{self, NotBeneath};
use super::unit::Unit;
use super::{accounts, resets, sessions};

/// The most staff and superusers that are listed.
const PRIVILEGED_MAX: i64 = 1_000;
/// How many users a search compares with the filters at a time, and how often for a page.
const CHUNK: usize = 100;
const ROUNDS: usize = 10;
/// The most users of one act.
pub const BULK_MAX: usize = 100;

/// What became of an act on users: all of it, or nothing.
#[derive(Debug)]
pub enum Acted {
    /// On so many, whose state it changed.
    Done(usize),
    /// These users, with the reasons.
    Refused(Vec<(User, NotBeneath)>),
}

/// A page of users. A page may be short although there is a next one: of a search with filters.
pub async fn list(
    app: &App,
    actor: &User,
    listing: &UserListing,
    request: PageRequest<UserPlace>,
    size: i64,
) -> Result<Page<User, UserPlace>> {
    staff::for_staff(actor)?;
    if let Some(text) = &listing.search {
        return found(app, listing, text, request, size).await;
    }
    let order = listing.effective_order();
    let (backwards, place) = match &request {
        PageRequest::First => (false, None),
        PageRequest::After(place) => (false, Some(place)),
        PageRequest::Before(place) => (true, Some(place)),
    };
    let upwards = order.ascends() != backwards;
    let mut rows = if listing.staff == Some(true) || listing.superuser == Some(true) {
        let mut rows = store::privileged(&app.db, PRIVILEGED_MAX).await?;
        rows.retain(|user| {
            let at = order.place(user);
            let is_beyond =
                place.is_none_or(|place| if upwards { at > *place } else { at < *place });
            listing.fits(user) && is_beyond
        });
        rows
    } else {
        walk(app, listing, (upwards, place), size + 1).await?
    };
    rows.sort_by_cached_key(|user| order.place(user));
    if !upwards {
        rows.reverse();
    }
    rows.truncate(usize::try_from(size + 1).map_err(Error::internal)?);
    Ok(Page::of(&request, rows, size, |user| order.place(user)))
}

/// The nearest users of each state, which has a part of the index for itself.
async fn walk(
    app: &App,
    listing: &UserListing,
    (upwards, place): (bool, Option<&UserPlace>),
    limit: i64,
) -> Result<Vec<User>> {
    let mut rows = Vec::new();
    for active in [true, false] {
        if listing.active.is_some_and(|wanted| wanted != active) {
            continue;
        }
        let UserListing { staff, superuser, .. } = *listing;
        let span = UserSpan { active, staff, superuser, upwards, limit };
        let time = match (place, upwards) {
            (Some(UserPlace::Time(time, id)), _) => (*time, *id),
            (_, true) => (Timestamp::MIN, UserId(0)),
            (_, false) => (Timestamp::MAX, UserId(i64::MAX)),
        };
        rows.extend(match listing.effective_order() {
            UserOrder::Joined => {
                let from = listing.joined_from.unwrap_or(Timestamp::MIN);
                let until = listing.joined_until.unwrap_or(Timestamp::MAX);
                store::by_joined(&app.db, &span, time, (from, until)).await?
            }
            UserOrder::Seen => store::by_seen(&app.db, &span, time).await?,
            UserOrder::Username => {
                let last = char::MAX.to_string();
                let beyond = match (place, upwards) {
                    (Some(UserPlace::Name(name)), _) => name,
                    (_, true) => "",
                    (_, false) => &last,
                };
                store::by_name(&app.db, &span, beyond).await?
            }
        });
    }
    Ok(rows)
}

/// Who has exactly this id, username or address first, then those whose names match, best first.
async fn found(
    app: &App,
    listing: &UserListing,
    text: &str,
    request: PageRequest<UserPlace>,
    size: i64,
) -> Result<Page<User, UserPlace>> {
    let count = usize::try_from(size + 1).map_err(Error::internal)?;
    let top =
        UserPlace::Found(Match { tier: Tier::Username, typos: 0, key: String::new() }, UserId(0));
    let mut exact = exactly(app, text).await?;
    exact.retain(|user| listing.fits(user));
    let backwards = matches!(request, PageRequest::Before(_));
    let mut rows = Vec::new();
    if request == PageRequest::First {
        rows.extend(exact.iter().cloned().map(|user| (top.clone(), user)));
    }
    let query = Query::parse(text);
    let position = |place: &UserPlace| match place {
        UserPlace::Found(found, user) => Ok(Position { found: found.clone(), user: *user }),
        _ => Err(Error::InvalidCursor),
    };
    let mut from = match &request {
        PageRequest::First => PageRequest::First,
        PageRequest::After(place) => PageRequest::After(position(place)?),
        PageRequest::Before(place) => PageRequest::Before(position(place)?),
    };
    let mut left = None;
    for _ in 0..ROUNDS {
        if query.key().is_empty() {
            break;
        }
        let mut positions =
            search::positions(app, Among::Existing, &query, &from, CHUNK + 1).await?;
        let more = positions.len() > CHUNK;
        positions.truncate(CHUNK);
        let ids: Vec<_> = positions.iter().map(|position| position.user).collect();
        let found = users::by_ids(&app.db, &ids).await?;
        let mut found: HashMap<_, _> = found.into_iter().map(|user| (user.id, user)).collect();
        for Position { found: matched, user } in &positions {
            let user = found.remove(user).filter(|user| listing.fits(user));
            let user = user.filter(|user| exact.iter().all(|exact| exact.id != user.id));
            let place = |user: &User| UserPlace::Found(matched.clone(), user.id);
            rows.extend(user.map(|user| (place(&user), user)));
        }
        let last = positions.pop();
        left = last.clone().filter(|_| more).map(|at| UserPlace::Found(at.found, at.user));
        let Some(last) = last.filter(|_| more && rows.len() < count) else { break };
        from = if backwards { PageRequest::Before(last) } else { PageRequest::After(last) };
    }
    if backwards && left.is_none() {
        rows.extend(exact.into_iter().map(|user| (top.clone(), user)));
    }
    let full = rows.len() >= count;
    rows.truncate(count);
    let page = Page::of(&request, rows, size, |(place, _)| place.clone());
    let mut page = Page {
        rows: page.rows.into_iter().map(|(_, user)| user).collect(),
        previous: page.previous,
        next: page.next,
    };
    if let Some(left) = left.filter(|_| !full) {
        if backwards {
            page.previous = Some(left);
        } else {
            page.next = Some(left);
        }
    }
    Ok(page)
}

/// The users with this id, username or address: at most two.
async fn exactly(app: &App, text: &str) -> Result<Vec<User>> {
    let key = text::fold(text.replace(char::is_control, " ").trim());
    let mut ids: Vec<_> = key.parse().map(UserId).into_iter().collect();
    ids.extend(users::by_login(&app.db, &key).await?.map(|(id, _)| id));
    ids.dedup();
    Ok(users::by_ids(&app.db, &ids).await?)
}

/// One user, active or not. [`Error::NotFound`] also if the account was deleted.
pub async fn one(app: &App, actor: &User, id: UserId) -> Result<User> {
    staff::for_staff(actor)?;
    let user = users::by_id(&app.db, id).await?;
    user.filter(|user| user.deleted_at.is_none()).ok_or(Error::NotFound)
}

/// These users, by username. [`Error::NotFound`] if one is gone.
pub async fn named(app: &App, actor: &User, ids: &[UserId]) -> Result<Vec<User>> {
    staff::for_staff(actor)?;
    let mut users = users::by_ids(&app.db, ids).await?;
    users.retain(|user| user.deleted_at.is_none());
    users.sort_by_cached_key(|user| text::fold(&user.username));
    if ids.iter().any(|id| users.iter().all(|user| user.id != *id)) {
        return Err(Error::NotFound);
    }
    Ok(users)
}

/// A page of a user's live sessions, newest first.
pub async fn sessions(
    app: &App,
    actor: &User,
    id: UserId,
    request: PageRequest<SessionId>,
    size: i64,
) -> Result<Page<SessionInfo, SessionId>> {
    one(app, actor, id).await?;
    sessions::of(app, id, request, size).await
}

/// Activates users or deactivates them, which ends their sessions: all of them, or none.
/// [`Error::NotFound`] if one is gone.
pub async fn set_active(
    app: &Arc<App>,
    actor: &User,
    ids: &[UserId],
    active: bool,
) -> Result<Acted> {
    change(app, actor, ids, |user| user.is_active = active).await
}

/// Makes a user staff, or ends that. For superusers.
pub async fn set_staff(app: &Arc<App>, actor: &User, id: UserId, is_staff: bool) -> Result<Acted> {
    if !staff::may_set_staff(actor) {
        return Err(Error::PermissionDenied);
    }
    change(app, actor, &[id], |user| user.is_staff = is_staff).await
}

async fn change(
    app: &Arc<App>,
    actor: &User,
    ids: &[UserId],
    change: impl Fn(&mut User),
) -> Result<Acted> {
    staff::for_staff(actor)?;
    let mut ids = ids.to_vec();
    ids.sort_unstable();
    ids.dedup();
    if ids.len() > BULK_MAX {
        return Err(Error::Conflict("Too many users are selected: at most 100 at a time."));
    }
    let mut unit = Unit::begin(app).await?;
    let found = store::lock(&mut unit.tx, &ids).await?;
    if found.len() < ids.len() || found.iter().any(|user| user.deleted_at.is_some()) {
        return Err(Error::NotFound);
    }
    let mut refused = Vec::new();
    for user in &found {
        let reason = staff::may_act_on(actor, user).err();
        refused.extend(reason.map(|reason| (user.clone(), reason)));
    }
    if !refused.is_empty() {
        return Ok(Acted::Refused(refused));
    }
    let mut changed = Vec::new();
    for before in &found {
        let mut after = before.clone();
        change(&mut after);
        if after != *before {
            accounts::write(&mut unit, actor.id, before, &mut after).await?;
            changed.push(before.id);
        }
    }
    unit.commit().await?;
    for id in &changed {
        app.hub.presence.local.mark_changed(*id, None);
    }
    Ok(Acted::Done(changed.len()))
}

/// Ends one session of a user, or all of them. [`Error::NotFound`] if there is no such session.
pub async fn end_sessions(
    app: &Arc<App>,
    actor: &User,
    id: UserId,
    only: Option<SessionId>,
) -> Result<Acted> {
    let user = one(app, actor, id).await?;
    if let Err(reason) = staff::may_act_on(actor, &user) {
        return Ok(Acted::Refused(vec![(user, reason)]));
    }
    let mut unit = Unit::begin_vital(app).await?;
    let now = unit.now();
    let ended = match only {
        None => session_rows::end_all(&mut unit.tx, id, now).await?,
        Some(session) if session_rows::is_of(&mut unit.tx, session, id, now).await? => {
            session_rows::end(&mut unit.tx, session, now).await?;
            vec![session]
        }
        Some(_) => return Err(Error::NotFound),
    };
    let count = ended.len();
    if count > 0 {
        let ids: Vec<_> = ended.iter().map(|session| session.0).collect();
        let changes = AuditChanges::default().with("sessions", ids, ());
        staff::record(&mut unit, actor.id, AuditAction::UserSessionsEnd, id.0, changes).await?;
        unit.emit(Event::SessionsEnded(id, ended));
    }
    unit.commit().await?;
    Ok(Acted::Done(count))
}

/// Mails a user the link that resets the password. [`Error::Conflict`] if that is not possible,
/// [`Error::Throttled`] if the address has got too many mails.
pub async fn send_reset(app: &Arc<App>, actor: &User, id: UserId, origin: &str) -> Result<Acted> {
    let user = one(app, actor, id).await?;
    if let Err(reason) = staff::may_act_on(actor, &user) {
        return Ok(Acted::Refused(vec![(user, reason)]));
    }
    resets::mail_for_staff(app, actor.id, id, origin).await?;
    Ok(Acted::Done(1))
}
