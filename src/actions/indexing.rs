//! The search index of users' and groups' names: entries for accounts that are created or renamed, and a
//! background task for what an earlier version indexed differently, or not at all.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::spawn_blocking;

use crate::app::App;
use crate::domain::error::{Error, Result};
use crate::domain::search::IndexEntry;
use crate::domain::user::User;
use crate::store::search;

use super::unit::Unit;

/// How often the task runs. Its first run, at the start, finds everything, unless another node is
/// doing it.
pub const INTERVAL: Duration = Duration::from_secs(600);
/// Users in each transaction. SQLite has no other writer meanwhile, and a user may have hundreds of
/// pieces.
const BATCH: i64 = 8;
/// From this size on, in bytes, names are cut into pieces off the runtime. Shorter ones take some
/// microseconds.
const LONG: usize = 128;

/// The entry of a user with a username, first and last name. Made before the transaction that
/// writes it, because names can be chosen to be slow.
pub async fn entry(names: [&str; 3]) -> Result<IndexEntry> {
    if names.iter().map(|name| name.len()).sum::<usize>() < LONG {
        let [username, first, last] = names;
        return Ok(IndexEntry::of(username, first, last));
    }
    let [username, first, last] = names.map(str::to_owned);
    spawn_blocking(move || IndexEntry::of(&username, &first, &last)).await.map_err(Error::internal)
}

/// The entry that a change of a user needs; `None` if the names stay.
pub async fn changed(before: &User, after: &User) -> Result<Option<IndexEntry>> {
    match before.names() == after.names() {
        true => Ok(None),
        false => entry(after.names()).await.map(Some),
    }
}

/// Indexes everything that is not indexed, or by earlier rules.
pub async fn index(app: Arc<App>) -> Result<()> {
    while index_users(&app).await? {}
    while index_groups(&app).await? {}
    Ok(())
}

/// Returns false if there was nothing to do, or another node is doing it.
async fn index_users(app: &Arc<App>) -> Result<bool> {
    let mut entries = Vec::new();
    for user in search::outdated_users(&app.db, BATCH).await? {
        let entry = entry([&user.username, &user.first_name, &user.last_name]).await?;
        entries.push((user, entry));
    }
    let mut unit = Unit::begin(app).await?;
    let outdated = search::outdated_users(&mut unit.tx, BATCH).await?;
    // Those who were renamed meanwhile are indexed already.
    entries.retain(|(user, _)| outdated.contains(user));
    for (user, entry) in &entries {
        search::index(&mut unit.tx, user.id, entry).await?;
    }
    unit.commit().await?;
    Ok(!entries.is_empty())
}

/// Returns false if there was nothing to do.
async fn index_groups(app: &Arc<App>) -> Result<bool> {
    let mut unit = Unit::begin(app).await?;
    let groups = search::outdated_groups(&mut unit.tx, BATCH).await?;
    for (id, name) in &groups {
        search::index_group(&mut unit.tx, *id, name).await?;
    }
    unit.commit().await?;
    Ok(!groups.is_empty())
}
