//! Hides the presence of users from those that they block: reads who blocks the users who are connected here when that
//! changes, and sends them the status that they see from then on.

use std::sync::Arc;
use std::time::Duration;

use crate::app::App;
use crate::domain::error::Result;
use crate::domain::ids::UserId;
use crate::domain::presence::Status;
use crate::domain::user::{Profile, User};
use crate::hub::presence::hidden::Relations;
use crate::store::{blocks, users};

use super::look_back::LookBack;
use super::profiles::profiles;

/// How often changed blocks are read: a block hides presence this much later at most.
pub const INTERVAL: Duration = Duration::from_millis(100);
/// How often the database is asked for changed blocks, whose events may be lost.
pub const COMPARE_INTERVAL: Duration = Duration::from_secs(5);

/// Reads the blocks that have changed. Those that could not be read are read by the next tick.
pub async fn follow(app: Arc<App>) -> Result<()> {
    let hidden = &app.hub.presence.hidden;
    let changed = hidden.take_changed();
    for (done, user) in changed.iter().enumerate() {
        if let Err(error) = refresh(&app, *user).await {
            changed[done..].iter().for_each(|user| hidden.note_changed(*user));
            return Err(error);
        }
    }
    Ok(())
}

/// Looks for blocks that were made or ended since the last success, `seen`.
pub async fn compare(app: Arc<App>, seen: Arc<LookBack>) -> Result<()> {
    let now = app.clock.now();
    for (user, target) in blocks::changed_since(&app.db, seen.since(now)).await? {
        app.hub.blocks_changed(user);
        app.hub.blocks_changed(target);
    }
    seen.succeeded(now);
    Ok(())
}

/// Reads the blocks by and of a user who is connected here, and sends the user's connections the statuses that this
/// hides or shows. One that looks as before is not sent: that would reveal the block.
pub(super) async fn refresh(app: &App, user: UserId) -> Result<()> {
    // A status must not be followed by an older one.
    let _publishing = app.hub.presence.publishing.lock().await;
    let blockers = blocks::blockers(&app.db, user).await?.into_iter().collect();
    let blocks_any = blocks::any_by(&app.db, user).await?;
    let changed = app.hub.set_relations(user, Some(Relations { blockers, blocks_any }));
    for mut profile in profiles(app, users::by_ids(&app.db, &changed).await?).await? {
        if profile.status != Status::Offline {
            if app.hub.presence.hidden.hides(profile.user.id, user) {
                profile.hide();
            }
            app.hub.show_status(user, &profile);
        }
    }
    Ok(())
}

/// Users with their status as a viewer sees them, in the same order.
pub async fn profiles_for(app: &App, viewer: &User, users: Vec<User>) -> Result<Vec<Profile>> {
    let mut found = profiles(app, users).await?;
    if viewer.in_blocks && !found.is_empty() {
        let ids: Vec<_> = found.iter().map(|profile| profile.user.id).collect();
        let blockers = blocks::blockers_among(&app.db, viewer.id, &ids).await?;
        let hides = |profile: &&mut Profile| blockers.contains(&profile.user.id);
        found.iter_mut().filter(hides).for_each(Profile::hide);
    }
    Ok(found)
}
