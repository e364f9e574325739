//! Presence: a user's devices set it, other users subscribe to it. Changes on this node are written for
//! the other nodes and published in batches. Best effort: a status that was lost on its way is sent again
//! within seconds.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use crate::app::App;
use crate::domain::error::{Error, Result};
use crate::domain::event::{AccountEvent, Event};
use crate::domain::ids::UserId;
use crate::domain::presence::{Activity, Availability};
use crate::domain::time::Timestamp;
use crate::domain::user::{Profile, UserChange};
use crate::hub::presence::local::{GRACE, LAST_SEEN_INTERVAL, PresenceChange};
use crate::hub::presence::recheck::Recheck;
use crate::hub::presence::status::ShownStatus;
use crate::shares::Holder;
use crate::store::presence::NodePresence;
use crate::store::{members, presence, users};

use super::live::LiveSocket;
use super::lookups;
use super::profiles::profiles;
use super::unit::Unit;

/// How often changes are written and published, and subscriptions checked again.
pub const FLUSH_INTERVAL: Duration = Duration::from_millis(100);
/// Users read in one query.
const CHUNK: usize = 1_000;
/// Users written in one transaction: on SQLite every send waits for it meanwhile.
const WRITTEN: usize = 500;

/// Sets a user's status as one of their devices asks. `online` and `away` apply to the device; `busy` and
/// `invisible` to the user, as if the account were changed, and `online` ends either.
pub async fn set(
    app: &Arc<App>,
    socket: &LiveSocket,
    status: Availability,
    text: Option<String>,
) -> Result<()> {
    let (user, device) = (socket.user(), socket.number());
    let activity = match status {
        Availability::Online => Some(Activity::Active),
        Availability::Away => Some(Activity::Idle),
        Availability::Busy | Availability::Invisible => None,
    };
    if let Some(activity) = activity {
        app.hub.presence.local.set_activity(user, device, activity);
    }
    let chosen = (status != Availability::Away).then_some(status);
    let change = UserChange { availability: chosen, status_text: text, ..UserChange::default() };
    set_status(app, user, device, change).await
}

/// Stores a device's choice. `online` ends `busy` and `invisible`, and changes no other choice.
async fn set_status(app: &Arc<App>, id: UserId, device: u64, change: UserChange) -> Result<()> {
    use Availability::{Busy, Invisible, Online};
    let mut unit = Unit::begin(app).await?;
    users::lock(&mut unit.tx, id).await?;
    let before = users::by_id(&mut unit.tx, id).await?.ok_or(Error::NotFound)?;
    let mut after = before.clone();
    if let Some(chosen) = change.availability
        && (chosen != Online || matches!(before.availability, Busy | Invisible))
    {
        after.availability = chosen;
    }
    after.status_text = change.status_text.unwrap_or(after.status_text);
    if (after.availability, &after.status_text) != (before.availability, &before.status_text) {
        let version = users::update(&mut unit.tx, &after).await?;
        unit.emit(Event::Account(AccountEvent::reached(id, version, Some(device))));
        unit.commit().await?;
        app.hub.presence.local.mark_changed(id, Some(device));
    }
    Ok(())
}

/// Subscribes a socket to the presence of those of the users who share a chat with its user, instead of
/// those it subscribed to before. Returns their profiles.
pub async fn subscribe(
    app: &Arc<App>,
    socket: &LiveSocket,
    users: Vec<UserId>,
) -> Result<Vec<Profile>> {
    let _permit = app.heavy_requests.acquire(Holder::User(socket.user())).await?;
    let known = members::acquainted(&app.db, socket.user(), &users).await?;
    socket.subscribe_to(&known);
    let mut profiles = profiles(app, users::by_ids(&app.db, &known).await?).await?;
    for profile in &mut profiles {
        // A change that was published while the database was asked is newer than its answer.
        let status = ShownStatus::of(profile);
        let published = app.hub.presence.subscriptions.record(profile.user.id, status);
        (profile.status, profile.user.status_text) = (published.status, published.text);
        if app.hub.presence.hidden.hides(profile.user.id, socket.user()) {
            profile.hide();
        }
    }
    Ok(profiles)
}

/// Records the status of users who have just got a subscriber, so that only changes are sent.
pub(super) async fn record(app: &Arc<App>, users: &[UserId]) -> Result<()> {
    for chunk in users.chunks(CHUNK) {
        let users = lookups::some_users(app, chunk).await?;
        for profile in profiles(app, users).await? {
            let status = ShownStatus::of(&profile);
            app.hub.presence.subscriptions.record(profile.user.id, status);
        }
    }
    Ok(())
}

/// Writes what changed here, and publishes it. When thousands connect or leave at once, this takes many
/// short transactions instead of a long one, so that sends get in between. Changes that cannot be written
/// or published are put back for the next tick.
pub async fn flush(app: Arc<App>) -> Result<()> {
    let changes = app.hub.presence.local.take_changes(app.clock.uptime());
    for (done, chunk) in changes.chunks(WRITTEN).enumerate() {
        if let Err(error) = flush_chunk(&app, chunk).await {
            app.hub.presence.local.put_back(&changes[done * WRITTEN..]);
            return Err(error);
        }
    }
    Ok(())
}

async fn flush_chunk(app: &Arc<App>, changes: &[PresenceChange]) -> Result<()> {
    write(app, changes, app.clock.now()).await?;
    let by: HashMap<_, _> = changes.iter().map(|change| (change.user, change.by())).collect();
    let users: Vec<_> = by.keys().copied().collect();
    publish(app, &users, |user| by.get(&user).copied().flatten()).await
}

async fn write(app: &Arc<App>, changes: &[PresenceChange], now: Timestamp) -> Result<()> {
    let mut unit = Unit::begin(app).await?;
    let row = |change: &PresenceChange| {
        let (connections, activity) = change.here?;
        Some(NodePresence {
            user: change.user,
            connections: i64::try_from(connections).ok()?,
            activity,
        })
    };
    let rows: Vec<_> = changes.iter().filter_map(row).collect();
    let gone = changes.iter().filter(|change| change.is_gone && change.here.is_none());
    let gone: Vec<_> = gone.map(|change| change.user).collect();
    if !rows.is_empty() {
        // The rows need the node's own, which is gone if the others thought this node dead.
        presence::heartbeat(&mut unit.tx, &app.nodes.name, now).await?;
        presence::write(&mut unit.tx, &app.nodes.name, &rows).await?;
    }
    if !gone.is_empty() {
        presence::remove(&mut unit.tx, &app.nodes.name, &gone).await?;
        // They were last seen when the grace period began.
        presence::seen(&mut unit.tx, &gone, now.minus(GRACE), LAST_SEEN_INTERVAL).await?;
    }
    unit.commit().await
}

/// Checks presence subscriptions to and from users who have left a chat, and ends them where no chat is
/// shared any more. Those that could not be checked are checked by the next tick.
pub async fn recheck(app: Arc<App>) -> Result<()> {
    let presence = &app.hub.presence;
    // Nothing is published to subscribers who may be strangers.
    let _publishing = presence.publishing.lock().await;
    let rechecks = presence.recheck.take(&app.hub.people, &presence.subscriptions);
    for (done, one) in rechecks.iter().enumerate() {
        if let Err(error) = recheck_user(&app, one).await {
            presence.recheck.add(rechecks[done..].iter().map(|one| one.user));
            return Err(error);
        }
    }
    Ok(())
}

async fn recheck_user(app: &App, recheck: &Recheck) -> Result<()> {
    let others = recheck.others();
    let known = members::acquainted(&app.db, recheck.user, &others).await?;
    let known: HashSet<_> = known.into_iter().collect();
    let strangers = others.into_iter().filter(|one| !known.contains(one)).collect();
    recheck.end(&app.hub.presence.subscriptions, &strangers);
    Ok(())
}

/// Publishes the current status of users, on all nodes. The connection that `by` names for a user is not
/// sent it.
async fn publish(app: &App, users: &[UserId], by: impl Fn(UserId) -> Option<u64>) -> Result<()> {
    for chunk in users.chunks(CHUNK) {
        let _publishing = app.hub.presence.publishing.lock().await;
        let users = users::by_ids(&app.db, chunk).await?;
        for profile in profiles(app, users).await? {
            let by = by(profile.user.id);
            app.publish(&[Event::StatusChanged(profile, by)]);
        }
    }
    Ok(())
}

/// Sends subscribers on this node each status that they were not sent, because it was lost on its way.
pub(super) async fn refresh(app: &App) -> Result<()> {
    for chunk in app.hub.presence.subscriptions.users().chunks(CHUNK) {
        let _publishing = app.hub.presence.publishing.lock().await;
        let users = users::by_ids(&app.db, chunk).await?;
        for profile in profiles(app, users).await? {
            app.republish(&[Event::StatusChanged(profile, None)]);
        }
    }
    Ok(())
}
