//! How people are seen: what the connections here say is written down now and then for the other
//! nodes, in batches, and whoever watches is told. Best effort: a status that was lost on its way is
//! told again within moments.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use crate::app::App;
use crate::domain::error::{Error, Result};
use crate::domain::event::Event;
use crate::domain::ids::UserId;
use crate::domain::time::Timestamp;
use crate::domain::user::{Activity, Availability, Profile, User, UserChange};
use crate::hub::news::Seen;
use crate::hub::presence::{Changed, GRACE};
use crate::shares::Holder;
use crate::store::presence::Place;
use crate::store::{members, presence, users};

use super::accounts;
use super::clocks;
use super::sockets::Live;
use super::unit::Unit;

/// How often changes are written and told, marks that moved and typing that ended among them: it
/// bounds how often any of them is.
pub const FLUSH: Duration = Duration::from_millis(100);
/// How often a node says that it is alive.
pub const BEAT: Duration = Duration::from_secs(10);
/// A node that has not said so for this long is dead, and its users gone.
const DEAD: Duration = Duration::from_secs(30);
/// What was last seen of somebody is stored no more often.
const SEEN_HOLDS: Duration = Duration::from_secs(60);
/// Users looked at in one query.
const CHUNK: usize = 1_000;
/// Users written in one transaction: on SQLite every send waits for it meanwhile.
const WRITTEN: usize = 500;

/// Users with the status that others see, in the same order: what is connected here counts at once,
/// what is connected elsewhere as far as the others have told.
pub async fn profiles(app: &App, users: Vec<User>) -> Result<Vec<Profile>> {
    let mut devices: HashMap<UserId, Activity> = HashMap::new();
    let mut note = |user, activity| {
        let known = devices.entry(user).or_insert(activity);
        if activity == Activity::Active {
            *known = activity;
        }
    };
    let here = users.iter().filter_map(|user| Some((user.id, app.hub.presence.of(user.id)?)));
    here.for_each(|(user, activity)| note(user, activity));
    let ids = users.iter().map(|user| user.id.0).collect();
    for place in elsewhere(app, ids).await? {
        note(place.user, place.activity);
    }
    let profile = |user: User| {
        let status = user.status(devices.get(&user.id).copied());
        Profile { user, status }
    };
    Ok(users.into_iter().map(profile).collect())
}

/// One user.
pub async fn profile(app: &App, user: User) -> Result<Profile> {
    let mut profiles = profiles(app, vec![user]).await?;
    profiles.pop().ok_or_else(|| Error::internal("a profile for each user"))
}

/// How many connections a user has on other nodes.
pub async fn connections_elsewhere(app: &App, user: UserId) -> Result<usize> {
    let places = elsewhere(app, vec![user.0]).await?;
    let connections: i64 = places.iter().map(|place| place.connections).sum();
    Ok(usize::try_from(connections).unwrap_or_default())
}

async fn elsewhere(app: &App, users: Vec<i64>) -> Result<Vec<Place>> {
    if users.is_empty() || !app.has_company() {
        return Ok(Vec::new());
    }
    let (earliest, _) = alive(app);
    Ok(presence::elsewhere(&app.db, &app.node, earliest, users).await?)
}

/// Between which moments the last heartbeat of a node is dated that is alive. Where the time has just jumped,
/// those of the others may be of before: they have until they are due again.
fn alive(app: &App) -> (Timestamp, Timestamp) {
    if app.clock.jumped_within(DEAD) {
        return (Timestamp::MIN, Timestamp::MAX);
    }
    let now = app.clock.now();
    (now.minus(DEAD), now.plus(DEAD))
}

/// A device says how its user wants to be seen: `online` and `away` are of the device; `busy` and
/// `invisible` are the user's own, as by a change of the account, and `online` ends either.
pub async fn set(
    app: &Arc<App>,
    live: &Live,
    status: Availability,
    text: Option<String>,
) -> Result<()> {
    let me = live.user();
    let idle = status == Availability::Away;
    if matches!(status, Availability::Online | Availability::Away) {
        let activity = if idle { Activity::Idle } else { Activity::Active };
        app.hub.presence.set(me, live.number(), activity);
    }
    let chosen = (!idle).then_some(status);
    let change = UserChange { availability: chosen, status_text: text, ..UserChange::default() };
    accounts::set_status(app, me, live.number(), change).await
}

/// Watches those of the users with whom one shares a chat; them, as they are seen.
pub async fn watch(app: &Arc<App>, live: &Live, users: Vec<UserId>) -> Result<Vec<Profile>> {
    let _turn = app.heavy_requests.acquire(Holder::User(live.user())).await?;
    let ids = users.iter().map(|user| user.0).collect();
    let known = members::acquainted(&app.db, live.user(), ids).await?;
    live.watch(&known.iter().map(|user| UserId(*user)).collect::<Vec<_>>());
    let mut watched = profiles(app, users::by_ids(&app.db, known).await?).await?;
    for one in &mut watched {
        // A change that was told while the database was asked is newer than its answer.
        let told = app.hub.note(one.user.id, Seen::of(one));
        (one.status, one.user.status_text) = (told.status, told.text);
    }
    Ok(watched)
}

/// Notes how those are seen whom somebody has just begun to watch.
pub(super) async fn note(app: &App, watched: &[UserId]) -> Result<()> {
    for chunk in watched.chunks(CHUNK) {
        let users = users::by_ids(&app.db, chunk.iter().map(|user| user.0).collect()).await?;
        let seen = profiles(app, users).await?;
        seen.iter().for_each(|one| drop(app.hub.note(one.user.id, Seen::of(one))));
    }
    Ok(())
}

/// Writes what changed here, and publishes it. When thousands connect or leave at once, this takes
/// many short transactions instead of a long one, so that sends get in between.
pub async fn flush(app: Arc<App>) -> Result<()> {
    let (now, uptime) = (app.clock.now(), app.clock.uptime());
    app.hub.flush(uptime);
    let changed = app.hub.presence.take(uptime);
    for (done, chunk) in changed.chunks(WRITTEN).enumerate() {
        let written = write(&app, chunk, now).await;
        if written.is_err() {
            app.hub.presence.put_back(&changed[done * WRITTEN..]);
        }
        written?;
        let by: HashMap<_, _> = chunk.iter().map(|one| (one.user, one.by)).collect();
        let users = by.keys().map(|user| user.0).collect();
        tell(&app, users, |user| by.get(&user).copied().flatten()).await?;
    }
    Ok(())
}

/// Ends the watching of those with whom one shares no chat any more.
pub async fn forget(app: Arc<App>) -> Result<()> {
    // Nothing is told while it is in doubt who watches.
    let _seeing = app.seeing.lock().await;
    for doubt in app.hub.doubtful() {
        let others = doubt.others();
        let ids = others.iter().map(|user| user.0).collect();
        let known = members::acquainted(&app.db, doubt.user, ids).await?;
        let known: HashSet<_> = known.into_iter().map(UserId).collect();
        app.hub.part(&doubt, &others.into_iter().filter(|one| !known.contains(one)).collect());
    }
    Ok(())
}

async fn write(app: &Arc<App>, changed: &[Changed], now: Timestamp) -> Result<()> {
    let mut unit = Unit::begin(app).await?;
    let place = |one: &Changed| {
        let (connections, activity) = one.here?;
        Some(Place { user: one.user, connections: i64::try_from(connections).ok()?, activity })
    };
    let places: Vec<_> = changed.iter().filter_map(place).collect();
    let gone = changed.iter().filter(|one| one.gone && one.here.is_none());
    let gone: Vec<_> = gone.map(|one| one.user.0).collect();
    if !places.is_empty() {
        // Without it the node's rows would hang in the air, had it been given up meanwhile.
        presence::beat(&mut unit.tx, &app.node, now).await?;
        presence::write(&mut unit.tx, &app.node, &places).await?;
    }
    if !gone.is_empty() {
        presence::remove(&mut unit.tx, &app.node, gone.clone()).await?;
        // They were here until the time of grace began.
        let last = now.minus(GRACE);
        presence::seen(&mut unit.tx, gone, last, SEEN_HOLDS).await?;
    }
    unit.commit().await
}

/// Says that the node is alive, gives up those that are not, and notes who was seen.
pub async fn beat(app: Arc<App>) -> Result<()> {
    // The others judge this heartbeat, and this node theirs.
    clocks::catch_up(&app).await?;
    let (now, (earliest, latest)) = (app.clock.now(), alive(&app));
    let mut unit = Unit::begin(&app).await?;
    let known = presence::beat(&mut unit.tx, &app.node, now).await?;
    let gone = presence::bury(&mut unit.tx, earliest, latest).await?;
    unit.commit().await?;
    seen(&app, app.hub.presence.seen(app.clock.uptime()), now).await?;
    if !known {
        app.hub.presence.touch_all();
    }
    app.set_company(presence::has_company(&app.db, &app.node, earliest).await?);
    for chunk in gone.chunks(CHUNK) {
        tell(&app, chunk.iter().map(|user| user.0).collect(), |_| None).await?;
    }
    if app.has_company() {
        refresh(&app).await?;
    }
    Ok(())
}

/// Tells who watches here of what they were not told, or told wrongly: the news of it were lost.
async fn refresh(app: &App) -> Result<()> {
    for chunk in app.hub.watched().chunks(CHUNK) {
        let _seeing = app.seeing.lock().await;
        let users = users::by_ids(&app.db, chunk.iter().map(|user| user.0).collect()).await?;
        for profile in profiles(app, users).await? {
            app.hub.publish_here(&Event::StatusChanged(profile, None));
        }
    }
    Ok(())
}

/// Says goodbye, at the node's end. Its users have the time of grace to come back elsewhere; then
/// whoever finds the node gone tells of those who did not.
pub async fn leave(app: &Arc<App>) -> Result<()> {
    let now = app.clock.now();
    let mut unit = Unit::begin(app).await?;
    let gone = presence::leave(&mut unit.tx, &app.node, now.minus(DEAD).plus(GRACE)).await?;
    unit.commit().await?;
    seen(app, gone, now).await
}

/// Stores that users were seen, in short transactions.
async fn seen(app: &Arc<App>, users: Vec<UserId>, now: Timestamp) -> Result<()> {
    for chunk in users.chunks(WRITTEN) {
        let mut unit = Unit::begin(app).await?;
        let ids = chunk.iter().map(|user| user.0).collect();
        presence::seen(&mut unit.tx, ids, now, SEEN_HOLDS).await?;
        unit.commit().await?;
    }
    Ok(())
}

/// Tells everywhere how users are seen now.
async fn tell(app: &App, users: Vec<i64>, by: impl Fn(UserId) -> Option<u64>) -> Result<()> {
    let _seeing = app.seeing.lock().await;
    let users = users::by_ids(&app.db, users).await?;
    for profile in profiles(app, users).await? {
        let by = by(profile.user.id);
        app.hub.publish(&Event::StatusChanged(profile, by));
    }
    Ok(())
}
