//! Makes users and groups findable that are not, or by earlier rules: they were there before the
//! program that is running. Whoever is made or renamed is indexed with that.

use std::sync::Arc;
use std::time::Duration;

use crate::app::App;
use crate::domain::error::Result;
use crate::store::search;

use super::unit::Unit;

/// How often. The first turn, at the start, finds all there is, unless another node is at it.
pub const INTERVAL: Duration = Duration::from_secs(600);
/// Rows a transaction: on SQLite nobody else writes meanwhile, and a user may have hundreds of pieces.
const BATCH: i64 = 8;

/// One turn.
pub async fn index(app: Arc<App>) -> Result<()> {
    while index_some(&app).await? {}
    Ok(())
}

/// False where there was nothing to do.
async fn index_some(app: &Arc<App>) -> Result<bool> {
    let mut unit = Unit::begin(app).await?;
    let users = search::outdated_users(&mut unit.tx, BATCH).await?;
    for user in &users {
        let (first, last) = (&user.first_name, &user.last_name);
        search::index(&mut unit.tx, user.id, &user.username, first, last).await?;
    }
    let groups = search::outdated_groups(&mut unit.tx, BATCH).await?;
    for (id, name) in &groups {
        search::index_group(&mut unit.tx, *id, name).await?;
    }
    unit.commit().await?;
    Ok(!users.is_empty() || !groups.is_empty())
}
