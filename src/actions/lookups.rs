//! What many requests and sockets look up at the same time. On PostgreSQL they share a query, which begins
//! after all of them have asked; on SQLite there is no round trip to share. It decides nothing.

use std::collections::HashMap;
use std::hash::Hash;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use crate::app::{App, Lookup, Questions, Waiting, answer, living_heartbeats};
use crate::domain::error::{Error, Result};
use crate::domain::ids::{SessionId, UserId};
use crate::domain::user::User;
use crate::store::connecting::{self, Entry, Standing};
use crate::store::presence::{self, NodePresence};
use crate::store::sessions::{self, Live};
use crate::store::users;

/// Earlier departures are not read: no event takes that long, and no node looks back that far for departures while
/// the database is available.
const DEPARTURES_READ: Duration = Duration::from_secs(120);
/// Who asks for more users at once reads them alone.
const FEW: usize = 32;

/// A session that has not ended, with its active user.
pub(super) async fn session(app: &App, id: SessionId) -> Result<Option<Live>> {
    if app.db.is_sqlite() {
        return Ok(sessions::live(&app.db, id, app.clock.now()).await?);
    }
    let read = |ids| live_sessions(app, ids);
    Ok(find(app, &app.lookups.sessions, vec![id], read).await?.remove(&id))
}

/// What a user's new connection has to know first. [`Error::TokenNotValid`] if there is no such user.
pub(super) async fn entry(app: &App, user: UserId) -> Result<Entry> {
    let read = |ids| entries(app, ids);
    let found = find(app, &app.lookups.entries, vec![user], read).await?.remove(&user);
    found.ok_or(Error::TokenNotValid)
}

/// What a user's new connection has to know last. [`Error::TokenNotValid`] if there is no such user.
pub(super) async fn standing(app: &App, user: UserId) -> Result<Standing> {
    let read = |ids| standings(app, ids);
    let found = find(app, &app.lookups.standings, vec![user], read).await?.remove(&user);
    found.ok_or(Error::TokenNotValid)
}

/// The existing users of these ids, in no particular order.
pub(super) async fn some_users(app: &App, ids: &[UserId]) -> Result<Vec<User>> {
    let read = |ids| users_by_id(app, ids);
    Ok(find(app, &app.lookups.users, ids.to_vec(), read).await?.into_values().collect())
}

/// The connections of users to other nodes.
pub(super) async fn elsewhere(app: &App, ids: &[UserId]) -> Result<Vec<NodePresence>> {
    let read = |ids| elsewhere_by_user(app, ids);
    let found = find(app, &app.lookups.elsewhere, ids.to_vec(), read).await?;
    Ok(found.into_values().flatten().collect())
}

/// Shares a query with those who ask at the same time, if there is a round trip to share and somebody who
/// answers.
async fn find<K, V, F>(
    app: &App,
    lookup: &Lookup<K, V>,
    keys: Vec<K>,
    read: impl FnOnce(Vec<K>) -> F,
) -> Result<HashMap<K, V>>
where
    K: Copy + Eq + Hash,
    F: Future<Output = Result<HashMap<K, V>>>,
{
    let shares = !app.db.is_sqlite() && app.lookups.are_answered() && keys.len() <= FEW;
    match shares {
        true => lookup.find(keys, read).await,
        false => read(keys).await,
    }
}

/// Starts to answer.
pub(super) fn start(app: &Arc<App>, questions: Questions) {
    run(app, "look up sessions", questions.sessions, live_sessions);
    run(app, "look up entries", questions.entries, entries);
    run(app, "look up standings", questions.standings, standings);
    run(app, "look up users", questions.users, users_by_id);
    run(app, "look up presence", questions.elsewhere, elsewhere_by_user);
}

fn run<K, V, F>(
    app: &Arc<App>,
    name: &'static str,
    waiting: Waiting<K, V>,
    read: impl Fn(Arc<App>, Vec<K>) -> F + Send + Sync + 'static,
) where
    K: Copy + Eq + Hash + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
    F: Future<Output = Result<HashMap<K, V>>> + Send + 'static,
{
    let node = Arc::clone(app);
    app.background(name, answer(waiting, move |keys| read(Arc::clone(&node), keys)));
}

async fn live_sessions(
    app: impl Deref<Target = App>,
    ids: Vec<SessionId>,
) -> Result<HashMap<SessionId, Live>> {
    Ok(sessions::all_live(&app.db, &ids, app.clock.now()).await?)
}

async fn entries(
    app: impl Deref<Target = App>,
    ids: Vec<UserId>,
) -> Result<HashMap<UserId, Entry>> {
    Ok(connecting::entries(&app.db, &ids).await?)
}

async fn standings(
    app: impl Deref<Target = App>,
    ids: Vec<UserId>,
) -> Result<HashMap<UserId, Standing>> {
    let since = app.clock.now().minus(DEPARTURES_READ);
    Ok(connecting::standings(&app.db, &ids, since).await?)
}

async fn users_by_id(
    app: impl Deref<Target = App>,
    ids: Vec<UserId>,
) -> Result<HashMap<UserId, User>> {
    let found = users::by_ids(&app.db, &ids).await?;
    Ok(found.into_iter().map(|user| (user.id, user)).collect())
}

async fn elsewhere_by_user(
    app: impl Deref<Target = App>,
    ids: Vec<UserId>,
) -> Result<HashMap<UserId, Vec<NodePresence>>> {
    let (earliest, _) = living_heartbeats(&app.clock);
    let mut found: HashMap<_, Vec<_>> = HashMap::new();
    for one in presence::elsewhere(&app.db, &app.nodes.name, earliest, &ids).await? {
        found.entry(one.user).or_default().push(one);
    }
    Ok(found)
}
