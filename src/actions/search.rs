//! Searching people by name: walks the index tier by tier, best first, and reads about as many rows
//! as the page has. What matches, `domain::search` decides.
//!
//! A position in the results depends only on the user's own names, so a cursor stays valid while
//! other accounts are made. Each user has one position, at the first of their rows that the query
//! looks up; the others are skipped.

use std::collections::{BTreeSet, HashMap};

use tokio::task::spawn_blocking;

use crate::app::App;
use crate::domain::error::{Error, Result};
use crate::domain::ids::UserId;
use crate::domain::page::{Page, PageRequest, SIZES};
use crate::domain::search::{Effort, Match, Query, Tier};
use crate::domain::session::Caller;
use crate::domain::user::Profile;
use crate::store::search::{self, Among, IndexRow, Start};
use crate::store::users;

use super::hiding::profiles_for;

/// Most rows of the index that a tier reads for a page: more than twice the largest page. Somebody is
/// missed only behind so many rows of people who are on the page already, or lack one of the words.
const ROWS_MAX: i64 = 250;
const _: () = assert!(ROWS_MAX > 2 * (*SIZES.end() + 1), "a limit would be negative");
/// Most rows that are compared for typos, shared by the pieces that are looked up.
const TYPO_ROWS: i64 = 256;
/// How far the rows of each word are counted, to look up the rarest word.
const COUNTED_MAX: i64 = 128;
/// From this size on, in bytes, names are compared off the runtime. Smaller ones take about 0.1 ms.
const LONG: usize = 16_384;

/// A position in the results: by match, then by id.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// How the user's names match.
    pub found: Match,
    /// Whose names they are.
    pub user: UserId,
}

/// Active users whose names match a query, best first.
pub async fn people(
    app: &App,
    caller: &Caller,
    query: &Query,
    request: PageRequest<Position>,
    size: i64,
) -> Result<Page<Profile, Position>> {
    let count = usize::try_from(size + 1).map_err(Error::internal)?;
    let positions = positions(app, Among::Active, query, &request, count).await?;
    let page = Page::of(&request, positions, size, Position::clone);
    let ids: Vec<_> = page.rows.iter().map(|position| position.user).collect();
    let mut users: HashMap<_, _> =
        users::by_ids(&app.db, &ids).await?.into_iter().map(|user| (user.id, user)).collect();
    let users = page.rows.iter().filter_map(|position| users.remove(&position.user));
    let rows = profiles_for(app, &caller.user, users.collect()).await?;
    Ok(Page { rows, previous: page.previous, next: page.next })
}

/// The next positions of users whose names match, nearest first: at most `count`, which is no more than for
/// the largest page.
pub(super) async fn positions(
    app: &App,
    among: Among,
    query: &Query,
    request: &PageRequest<Position>,
    count: usize,
) -> Result<Vec<Position>> {
    Search::new(app, among, query, request, count).await?.run().await
}

/// A search for one page.
struct Search<'a> {
    app: &'a App,
    among: Among,
    query: &'a Query,
    request: &'a PageRequest<Position>,
    /// How many positions are wanted.
    count: usize,
    /// Who has exactly this username: first in the results, and nowhere else.
    named: Option<Position>,
}

/// The query's word by which a tier is looked up: one that few people have.
struct Drivers {
    /// `None` where nobody has one of the words.
    words: Option<usize>,
    typos: usize,
    /// Whether another word than the one for [`Tier::Typos`] may have the typo. Not looked for if
    /// that one is common: of its rows only a few could be read.
    others: bool,
}

impl<'a> Search<'a> {
    async fn new(
        app: &'a App,
        among: Among,
        query: &'a Query,
        request: &'a PageRequest<Position>,
        count: usize,
    ) -> Result<Self> {
        let named = search::by_username(&app.db, among, query.username()).await?;
        let named = named.map(|(user, key)| {
            let found = Match { tier: Tier::Username, typos: 0, key };
            Position { found, user }
        });
        Ok(Self { app, among, query, request, count, named })
    }

    /// From the turn's position outwards, nearest first.
    async fn run(&self) -> Result<Vec<Position>> {
        let mut tiers = [Tier::Username, Tier::Name, Tier::Words, Tier::Typos];
        if matches!(self.request, PageRequest::Before(_)) {
            tiers.reverse();
        }
        let mut positions = Vec::new();
        let mut drivers = None;
        for tier in tiers.into_iter().filter(|tier| self.is_ahead(*tier)) {
            if tier >= Tier::Words && drivers.is_none() {
                drivers = Some(self.drivers().await?);
            }
            let wanted = self.count - positions.len();
            positions.extend(match (tier, &drivers) {
                (Tier::Name, _) => self.walk(tier, 0, wanted).await?,
                (Tier::Words, Some(Drivers { words: Some(word), .. })) => {
                    self.walk(tier, *word, wanted).await?
                }
                (Tier::Typos, Some(drivers)) => self.typos(drivers, wanted).await?,
                (Tier::Username, _) => self.in_order(self.named.iter().cloned(), wanted),
                _ => Vec::new(),
            });
            if positions.len() == self.count {
                break;
            }
        }
        Ok(positions)
    }

    fn is_ahead(&self, tier: Tier) -> bool {
        match self.request {
            PageRequest::First => true,
            PageRequest::After(at) => tier >= at.found.tier,
            PageRequest::Before(at) => tier <= at.found.tier,
        }
    }

    /// Those of the positions that are ahead, in order.
    fn in_order(&self, all: impl IntoIterator<Item = Position>, wanted: usize) -> Vec<Position> {
        let all: BTreeSet<_> = all.into_iter().collect();
        match self.request {
            PageRequest::First => all.into_iter().take(wanted).collect(),
            PageRequest::After(at) => all.into_iter().filter(|one| one > at).take(wanted).collect(),
            PageRequest::Before(at) => {
                all.into_iter().rev().filter(|one| one < at).take(wanted).collect()
            }
        }
    }

    /// The next positions of a tier that is in the order of the index.
    async fn walk(&self, tier: Tier, word: usize, wanted: usize) -> Result<Vec<Position>> {
        let range = match tier {
            Tier::Name => self.query.names_range(),
            _ => self.query.word_range(word),
        };
        let mut start = match self.request {
            PageRequest::After(at) if at.found.tier == tier => {
                Start::After(at.found.key.clone(), at.user)
            }
            PageRequest::Before(at) if at.found.tier == tier => {
                Start::Before(at.found.key.clone(), at.user)
            }
            PageRequest::Before(_) => Start::Before(range.end.clone(), UserId(0)),
            _ => Start::After(range.start.clone(), UserId(0)),
        };
        // So many may be of users who are on the page already. More are read only if others are met
        // again, or lack a word.
        let first = i64::try_from(self.count + wanted).map_err(Error::internal)?;
        let mut positions = Vec::new();
        for limit in [first, ROWS_MAX - first] {
            let rows = search::walk(&self.app.db, self.among, &range, &start, limit).await?;
            let is_end = i64::try_from(rows.len()).is_ok_and(|read| read < limit);
            let Some(last) = rows.last() else { break };
            start = match start {
                Start::After(..) => Start::After(last.piece.clone(), last.user),
                Start::Before(..) => Start::Before(last.piece.clone(), last.user),
            };
            let query = self.query.clone();
            positions.extend(
                self.compare(rows, move |row| {
                    query
                        .plain(&row.names, word)
                        .filter(|it| it.tier == tier && it.key == row.piece)
                })
                .await?,
            );
            if is_end || positions.len() >= wanted {
                break;
            }
        }
        positions.truncate(wanted);
        Ok(positions)
    }

    /// The next positions of the tier whose order is not the index's: all that are found, compared.
    async fn typos(&self, drivers: &Drivers, wanted: usize) -> Result<Vec<Position>> {
        let (query, word) = (self.query, drivers.typos);
        if !query.may_have_typos() {
            return Ok(Vec::new());
        }
        let pieces = query.lacking(word);
        let share = TYPO_ROWS / i64::try_from(pieces.len().max(1)).map_err(Error::internal)?;
        let mut rows = search::having(&self.app.db, self.among, pieces, share).await?;
        if drivers.others {
            let range = query.word_range(word);
            let start = Start::After(range.start.clone(), UserId(0));
            rows.extend(search::walk(&self.app.db, self.among, &range, &start, COUNTED_MAX).await?);
        }
        rows.sort_unstable_by_key(|row| row.user);
        rows.dedup_by_key(|row| row.user);
        let (query, mut effort) = (query.clone(), Effort::default());
        let compare = move |row: &IndexRow| query.with_typos(&row.names, &mut effort);
        Ok(self.in_order(self.compare(rows, compare).await?, wanted))
    }

    /// The positions of the rows that match, in the rows' order.
    async fn compare(
        &self,
        rows: Vec<IndexRow>,
        mut found: impl FnMut(&IndexRow) -> Option<Match> + Send + 'static,
    ) -> Result<Vec<Position>> {
        let named = self.named.as_ref().map(|position| position.user);
        let size: usize = rows.iter().map(|row| row.names.len()).sum();
        let mut compare = move || {
            let rows = rows.iter().filter(|row| !row.names.is_empty() && Some(row.user) != named);
            rows.filter_map(|row| Some(Position { found: found(row)?, user: row.user })).collect()
        };
        if size < LONG {
            return Ok(compare());
        }
        spawn_blocking(compare).await.map_err(Error::internal)
    }

    async fn drivers(&self) -> Result<Drivers> {
        let query = self.query;
        if query.words() < 2 {
            return Ok(Drivers { words: Some(0), typos: 0, others: false });
        }
        let sets: Vec<_> =
            (0..query.words()).map(|word| (query.word_range(word), query.lacking(word))).collect();
        let counts = search::counts(&self.app.db, &sets, COUNTED_MAX).await?;
        let rarest = |count: fn(&(i64, i64)) -> i64| query.rarest(counts.iter().map(count));
        let words = match self.request {
            PageRequest::After(at) | PageRequest::Before(at) if at.found.tier == Tier::Words => {
                query.word_of(&at.found.key)
            }
            _ if counts.iter().any(|(plain, _)| *plain == 0) => None,
            _ => Some(rarest(|(plain, _)| *plain)),
        };
        let typos = rarest(|(plain, lacking)| plain + lacking);
        let others = counts.get(typos).is_some_and(|(plain, _)| *plain < COUNTED_MAX);
        Ok(Drivers { words, typos, others })
    }
}
