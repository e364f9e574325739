//! Users, as others see them: the list, one of them, and finding them by their names.

use std::collections::{BTreeSet, HashMap};

use tokio::task::spawn_blocking;

use crate::app::App;
use crate::domain::error::{Error, Result};
use crate::domain::ids::UserId;
use crate::domain::page::{Page, Turn};
use crate::domain::search::{Effort, Query, Rank};
use crate::domain::session::Caller;
use crate::domain::text;
use crate::domain::user::Profile;
use crate::store::search::Candidate;
use crate::store::{search, users};

use super::profiles::{profile, profiles};

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

/// Most pieces of each kind that are looked at: bounds the work where half of all names begin alike.
/// Whole names are looked up by themselves, so the best are always among them.
const CANDIDATES: i64 = 1_000;
/// The classes of [`Rank`] that are complete after each step of a search: whole names, then
/// beginnings of words, then typos. The later ones are looked up only where they can be on the page.
const STEPS: [u8; 3] = [3, 4, 5];

/// Active users whose names answer a question, best first.
pub async fn search(
    app: &App,
    query: &Query,
    turn: Turn<Place>,
    size: i64,
) -> Result<Page<Profile, Place>> {
    let count = usize::try_from(size + 1).map_err(Error::internal)?;
    let [whole, word] = query.beginnings();
    let mut candidates = Vec::new();
    let mut nearest = Vec::new();
    for class in STEPS {
        candidates.extend(match class {
            3 => search::beginning(&app.db, &whole, CANDIDATES).await?,
            4 => search::beginning(&app.db, &word, CANDIDATES).await?,
            _ => search::having(&app.db, query.lacking(), CANDIDATES).await?,
        });
        // Off the runtime: names may be made to be slow to compare.
        let (query, turn_of) = (query.clone(), turn.clone());
        let ranked = move || {
            let nearest = rank(&query, &candidates, &turn_of, class, count);
            (candidates, nearest)
        };
        (candidates, nearest) = spawn_blocking(ranked).await.map_err(Error::internal)?;
        let is_before = matches!(&turn, Turn::Before(place) if place.rank.class <= class);
        if is_before || nearest.len() == count {
            break;
        }
    }
    let page = Page::of(&turn, nearest, size, Place::clone);
    let users = users::by_ids(&app.db, page.rows.iter().map(|place| place.id.0).collect()).await?;
    let mut users: HashMap<_, _> = users.into_iter().map(|user| (user.id, user)).collect();
    let users = page.rows.iter().filter_map(|place| users.remove(&place.id));
    let rows = profiles(app, users.collect()).await?;
    Ok(Page { rows, previous: page.previous, next: page.next })
}

/// The first `count` from the turn's place outwards among those who answer in a class up to `class`.
fn rank(
    query: &Query,
    candidates: &[Candidate],
    turn: &Turn<Place>,
    class: u8,
    count: usize,
) -> Vec<Place> {
    let mut effort = Effort::default();
    let mut place = |(id, names): &Candidate| {
        let rank = match class {
            5 => query.rank(names, &mut effort),
            _ => query.rank_plain(names),
        };
        let rank = rank.filter(|rank| rank.class <= class)?;
        Some(Place { rank, names: names.clone(), id: *id })
    };
    let found: BTreeSet<_> = candidates.iter().filter_map(&mut place).collect();
    match turn {
        Turn::First => found.into_iter().take(count).collect(),
        Turn::After(at) => found.into_iter().filter(|place| place > at).take(count).collect(),
        Turn::Before(at) => {
            found.into_iter().rev().filter(|place| place < at).take(count).collect()
        }
    }
}

/// One user. [`Error::NotFound`] where there is none whom the caller may know of.
pub async fn one(app: &App, caller: &Caller, id: UserId) -> Result<Profile> {
    let user = users::by_id(&app.db, id).await?.filter(|user| user.is_there_for(&caller.user));
    profile(app, user.ok_or(Error::NotFound)?).await
}
