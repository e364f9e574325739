//! Users, as others see them.

use crate::app::App;
use crate::domain::error::{Error, Result};
use crate::domain::ids::UserId;
use crate::domain::page::{Page, Turn};
use crate::domain::text;
use crate::domain::user::{Profile, User};
use crate::store::users;

/// Active users by username. A place is the folded username.
pub async fn list(app: &App, turn: Turn<String>, size: i64) -> Result<Page<Profile, String>> {
    let rows = match &turn {
        Turn::First => users::after(&app.db, "", size + 1).await?,
        Turn::After(key) => users::after(&app.db, key, size + 1).await?,
        Turn::Before(key) => users::before(&app.db, key, size + 1).await?,
    };
    let profiles = rows.into_iter().map(|user| profile(app, user)).collect();
    Ok(Page::of(&turn, profiles, size, |profile: &Profile| text::fold(&profile.user.username)))
}

/// One active user. [`Error::NotFound`] where there is none.
pub async fn one(app: &App, id: UserId) -> Result<Profile> {
    let user = users::by_id(&app.db, id).await?.filter(|user| user.is_active);
    user.map(|user| profile(app, user)).ok_or(Error::NotFound)
}

/// A user with the presence that others see.
pub fn profile(app: &App, user: User) -> Profile {
    let status = user.status(app.hub.is_connected(user.id));
    Profile { user, status }
}
