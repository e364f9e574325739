//! Users, as others see them: the list, one of them, and finding them by their names.

use std::collections::{BTreeSet, HashMap};

use crate::app::App;
use crate::domain::error::{Error, Result};
use crate::domain::ids::UserId;
use crate::domain::page::{Page, Turn};
use crate::domain::search::{Query, Rank};
use crate::domain::session::Caller;
use crate::domain::text;
use crate::domain::user::Profile;
use crate::store::{search, users};

use super::presence::{profile, profiles};

/// Active users by username. A place is the folded username.
pub async fn list(app: &App, turn: Turn<String>, size: i64) -> Result<Page<Profile, String>> {
    let rows = match &turn {
        Turn::First => users::after(&app.db, "", size + 1).await?,
        Turn::After(key) => users::after(&app.db, key, size + 1).await?,
        Turn::Before(key) => users::before(&app.db, key, size + 1).await?,
    };
    let profiles = profiles(app, rows).await?;
    Ok(Page::of(&turn, profiles, size, |profile: &Profile| text::fold(&profile.user.username)))
}

/// Where somebody stands among those who answer a question: by rank, then by name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// How well they answer it.
    pub rank: Rank,
    /// The names by which they do.
    pub names: String,
    /// Who.
    pub id: UserId,
}

/// Most candidates of each kind that are looked at: bounds the work where half of all names begin
/// alike. Whole names are looked up by themselves, so the best are always among them.
const CANDIDATES: i64 = 2_000;

/// Active users whose names answer a question, best first.
pub async fn search(
    app: &App,
    query: &Query,
    turn: Turn<Place>,
    size: i64,
) -> Result<Page<Profile, Place>> {
    let mut candidates = Vec::new();
    for beginning in query.beginnings() {
        candidates.extend(search::beginning(&app.db, &beginning, CANDIDATES).await?);
    }
    candidates.extend(search::having(&app.db, query.lacking(), CANDIDATES).await?);
    let place = |(id, names): (UserId, Option<String>)| {
        let names = names?;
        Some(Place { rank: query.rank(&names)?, names, id })
    };
    let found: BTreeSet<_> = candidates.into_iter().filter_map(place).collect();
    let count = usize::try_from(size + 1).map_err(Error::internal)?;
    let nearest: Vec<_> = match &turn {
        Turn::First => found.into_iter().take(count).collect(),
        Turn::After(at) => found.into_iter().filter(|place| place > at).take(count).collect(),
        Turn::Before(at) => {
            found.into_iter().rev().filter(|place| place < at).take(count).collect()
        }
    };
    let page = Page::of(&turn, nearest, size, Place::clone);
    let users = users::by_ids(&app.db, page.rows.iter().map(|place| place.id.0).collect()).await?;
    let mut users: HashMap<_, _> = users.into_iter().map(|user| (user.id, user)).collect();
    let users = page.rows.iter().filter_map(|place| users.remove(&place.id));
    let rows = profiles(app, users.collect()).await?;
    Ok(Page { rows, previous: page.previous, next: page.next })
}

/// One user. [`Error::NotFound`] where there is none whom the caller may know of.
pub async fn one(app: &App, caller: &Caller, id: UserId) -> Result<Profile> {
    let user = users::by_id(&app.db, id).await?.filter(|user| user.is_there_for(&caller.user));
    profile(app, user.ok_or(Error::NotFound)?).await
}
