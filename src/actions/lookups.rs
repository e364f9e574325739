//! What many requests and sockets look up at the same time. On PostgreSQL they share a query, which begins
//! after all of them have asked; on SQLite there is no round trip to share. It decides nothing.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;

use crate::app::{App, Question, Questions, answer, living_heartbeats};
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
pub(super) async fn session(app: &Arc<App>, id: SessionId) -> Result<Option<Live>> {
    match shares(app) {
        true => app.lookups.sessions.find(id).await,
        false => Ok(sessions::live(&app.db, id, app.clock.now()).await?),
    }
}

/// What a user's new connection has to know first. [`Error::TokenNotValid`] if there is no such user.
pub(super) async fn entry(app: &Arc<App>, user: UserId) -> Result<Entry> {
    let found = match shares(app) {
        true => app.lookups.entries.find(user).await?,
        false => entries(Arc::clone(app), vec![user]).await?.remove(&user),
    };
    found.ok_or(Error::TokenNotValid)
}

/// What a user's new connection has to know last. [`Error::TokenNotValid`] if there is no such user.
pub(super) async fn standing(app: &Arc<App>, user: UserId) -> Result<Standing> {
    let found = match shares(app) {
        true => app.lookups.standings.find(user).await?,
        false => standings(Arc::clone(app), vec![user]).await?.remove(&user),
    };
    found.ok_or(Error::TokenNotValid)
}

/// The existing users of these ids, in no particular order.
pub(super) async fn some_users(app: &Arc<App>, ids: &[UserId]) -> Result<Vec<User>> {
    if !shares(app) || ids.len() > FEW {
        return Ok(users::by_ids(&app.db, ids).await?);
    }
    Ok(app.lookups.users.find_all(ids).await?.into_iter().flatten().collect())
}

/// The connections of users to other nodes.
pub(super) async fn elsewhere(app: &App, ids: &[UserId]) -> Result<Vec<NodePresence>> {
    if !shares(app) || ids.len() > FEW {
        return read_elsewhere(app, ids).await;
    }
    let found = app.lookups.elsewhere.find_all(ids).await?;
    Ok(found.into_iter().flatten().flatten().collect())
}

fn shares(app: &App) -> bool {
    !app.db.is_sqlite() && app.lookups.are_answered()
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
    questions: mpsc::Receiver<Question<K, V>>,
    find: fn(Arc<App>, Vec<K>) -> F,
) where
    K: Copy + Eq + Hash + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
    F: Future<Output = Result<HashMap<K, V>>> + Send + 'static,
{
    let node = Arc::clone(app);
    app.background(name, answer(questions, move |keys| find(Arc::clone(&node), keys)));
}

async fn live_sessions(app: Arc<App>, ids: Vec<SessionId>) -> Result<HashMap<SessionId, Live>> {
    Ok(sessions::all_live(&app.db, &ids, app.clock.now()).await?)
}

async fn entries(app: Arc<App>, ids: Vec<UserId>) -> Result<HashMap<UserId, Entry>> {
    Ok(connecting::entries(&app.db, &ids).await?)
}

async fn standings(app: Arc<App>, ids: Vec<UserId>) -> Result<HashMap<UserId, Standing>> {
    let since = app.clock.now().minus(DEPARTURES_READ);
    Ok(connecting::standings(&app.db, &ids, since).await?)
}

async fn users_by_id(app: Arc<App>, ids: Vec<UserId>) -> Result<HashMap<UserId, User>> {
    let found = users::by_ids(&app.db, &ids).await?;
    Ok(found.into_iter().map(|user| (user.id, user)).collect())
}

async fn elsewhere_by_user(
    app: Arc<App>,
    ids: Vec<UserId>,
) -> Result<HashMap<UserId, Vec<NodePresence>>> {
    let mut found: HashMap<_, Vec<_>> = HashMap::new();
    for one in read_elsewhere(&app, &ids).await? {
        found.entry(one.user).or_default().push(one);
    }
    Ok(found)
}

async fn read_elsewhere(app: &App, ids: &[UserId]) -> Result<Vec<NodePresence>> {
    let (earliest, _) = living_heartbeats(&app.clock);
    Ok(presence::elsewhere(&app.db, &app.nodes.name, earliest, ids).await?)
}
