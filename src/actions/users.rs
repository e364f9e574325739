//! Users, as others see them.

use crate::app::App;
use crate::domain::error::{Error, Result};
use crate::domain::ids::UserId;
use crate::domain::page::{Page, PageRequest};
use crate::domain::session::Caller;
use crate::domain::text;
use crate::domain::user::Profile;
use crate::store::users;

use super::hiding::profiles_for;

/// Active users by username. A position is the folded username.
pub async fn list(
    app: &App,
    caller: &Caller,
    request: PageRequest<String>,
    size: i64,
) -> Result<Page<Profile, String>> {
    let rows = match &request {
        PageRequest::First => users::after(&app.db, "", size + 1).await?,
        PageRequest::After(key) => users::after(&app.db, key, size + 1).await?,
        PageRequest::Before(key) => users::before(&app.db, key, size + 1).await?,
    };
    let profiles = profiles_for(app, &caller.user, rows).await?;
    Ok(Page::of(&request, profiles, size, |profile: &Profile| text::fold(&profile.user.username)))
}

/// The active users among these, by username.
pub async fn named(app: &App, caller: &Caller, ids: &[UserId]) -> Result<Vec<Profile>> {
    let mut found = users::by_ids(&app.db, ids).await?;
    found.retain(|user| user.is_active);
    found.sort_by_cached_key(|user| text::fold(&user.username));
    profiles_for(app, &caller.user, found).await
}

/// One user. [`Error::NotFound`] if the caller may not know of them.
pub async fn one(app: &App, caller: &Caller, id: UserId) -> Result<Profile> {
    let user = users::by_id(&app.db, id).await?.filter(|user| user.is_there_for(&caller.user));
    let user = user.ok_or(Error::NotFound)?;
    profiles_for(app, &caller.user, vec![user]).await?.pop().ok_or(Error::NotFound)
}
