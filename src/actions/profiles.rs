//! Users with the status that others see, for everything that shows users. Reads presence; changes nothing.

use std::collections::HashMap;

use crate::app::App;
use crate::domain::error::{Error, Result};
use crate::domain::ids::UserId;
use crate::domain::presence::Activity;
use crate::domain::user::{Profile, User};
use crate::store::presence::NodePresence;

use super::lookups;

/// Users with their status, in the same order. Connections to this node count at once, those to other
/// nodes as soon as these have written them to the database.
pub async fn profiles(app: &App, users: Vec<User>) -> Result<Vec<Profile>> {
    let mut devices: HashMap<UserId, Activity> = HashMap::new();
    let mut note = |user, activity| {
        let known = devices.entry(user).or_insert(activity);
        if activity == Activity::Active {
            *known = activity;
        }
    };
    let local = &app.hub.presence.local;
    let here = users.iter().filter_map(|user| Some((user.id, local.activity(user.id)?)));
    here.for_each(|(user, activity)| note(user, activity));
    let ids: Vec<_> = users.iter().map(|user| user.id).collect();
    for node in elsewhere(app, &ids).await? {
        note(node.user, node.activity);
    }
    let profile = |user: User| {
        let status = user.status(devices.get(&user.id).copied());
        Profile { user, status }
    };
    Ok(users.into_iter().map(profile).collect())
}

/// A user with their status.
pub async fn profile(app: &App, user: User) -> Result<Profile> {
    let mut profiles = profiles(app, vec![user]).await?;
    profiles.pop().ok_or_else(|| Error::internal("a profile for each user"))
}

/// How many connections a user has on other nodes.
pub(super) async fn connections_elsewhere(app: &App, user: UserId) -> Result<usize> {
    let nodes = elsewhere(app, &[user]).await?;
    let connections: i64 = nodes.iter().map(|node| node.connections).sum();
    Ok(usize::try_from(connections).unwrap_or_default())
}

async fn elsewhere(app: &App, users: &[UserId]) -> Result<Vec<NodePresence>> {
    if users.is_empty() || !app.nodes.has_peers() {
        return Ok(Vec::new());
    }
    lookups::elsewhere(app, users).await
}
