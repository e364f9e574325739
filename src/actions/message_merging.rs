//! Merges segments of the index for searching messages, so that a search reads few of them. Messages that were
//! deleted leave the index when their segment is merged, or after a day.
//!
//! Only the node that writes the index does it. The pages of a new segment are written in steps, and count from
//! the moment when the old ones are retired.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep};

use crate::app::App;
use crate::domain::error::{Error, Result};
use crate::domain::fulltext::{
    Allowed, IndexPage, TermLookup, Zones, find, merge as merged, to_merge,
};
use crate::domain::ids::MessageId;
use crate::store::fulltext::segments::{self, IndexSegment};
use crate::store::fulltext::{feed, state};

use super::message_index::{IndexHold, LEASE, new_segment};
use super::unit::Unit;

/// How often it is checked whether there is something to merge.
pub const INTERVAL: Duration = Duration::from_secs(1);
/// When a segment is written again, to leave out what was deleted.
const RENEWED_AFTER: Duration = Duration::from_secs(86_400);
/// For how long a search that began before may read a retired segment: longer than any request lasts.
const READ_FOR: Duration = Duration::from_secs(120);

/// Up to this size, in bytes, a segment is merged without looking for messages that were deleted.
const UNCHECKED: i64 = 2 << 20;

/// Pages written, or deleted, in one transaction.
const STEP: usize = 128;
/// Messages that are looked up together.
const LOOKED_UP: usize = 2_000;

/// Which generation of the index had its unfinished segments removed.
pub type Tidied = std::sync::atomic::AtomicI64;

/// Merges what should be merged.
pub async fn merge(app: Arc<App>, held: Arc<IndexHold>, tidied: Arc<Tidied>) -> Result<()> {
    let Some(generation) = held.generation() else { return Ok(()) };
    let writer = Writer { app, generation };
    if tidied.swap(generation, std::sync::atomic::Ordering::Relaxed) != generation {
        let unfinished = segments::unfinished(&writer.app.db).await?;
        writer.delete(unfinished).await?;
    }
    while writer.merge_next().await? {}
    let before = writer.app.clock.now().minus(READ_FOR);
    let retired = segments::retired(&writer.app.db, before).await?;
    writer.delete(retired).await
}

/// Writes as long as no other node has taken over.
struct Writer {
    app: Arc<App>,
    generation: i64,
}

impl Writer {
    /// A transaction; `None` if another node has taken over.
    async fn begin(&self) -> Result<Option<Unit>> {
        let mut unit = Unit::begin(&self.app).await?;
        let until = unit.now().plus(LEASE);
        let is_ours = state::renew(&mut unit.tx, self.generation, until).await?;
        Ok(is_ours.then_some(unit))
    }

    /// False if there is nothing to merge, or another node has taken over.
    async fn merge_next(&self) -> Result<bool> {
        let mut all = segments::current(&self.app.db).await?;
        all.sort_by_key(|segment| segment.age);
        let sizes: Vec<_> = all.iter().map(|segment| segment.bytes).collect();
        let due = self.app.clock.now().minus(RENEWED_AFTER);
        let old = || all.iter().position(|segment| segment.made_at < due).map(|at| at..at + 1);
        match to_merge(&sizes).or_else(old) {
            Some(range) => self.merge_these(&all[range]).await,
            None => Ok(false),
        }
    }

    async fn merge_these(&self, sources: &[IndexSegment]) -> Result<bool> {
        let mut pages = Vec::with_capacity(sources.len());
        for source in sources {
            pages.push(segments::pages(&self.app.db, source.id).await?);
        }
        let places = self.places(sources, &pages).await?;
        let pages = spawn_blocking(move || {
            merged(&pages, |source, posting| {
                let places = places.as_ref();
                places.is_none_or(|places| places.get(&posting.message) == Some(&source))
            })
        });
        let pages = pages.await.map_err(Error::internal)?;
        let Some(mut unit) = self.begin().await? else { return Ok(false) };
        let id = state::next_segment(&mut unit.tx).await?;
        unit.commit().await?;
        for step in pages.chunks(STEP) {
            let started = Instant::now();
            let Some(mut unit) = self.begin().await? else { return Ok(false) };
            segments::write(&mut unit.tx, id, step).await?;
            unit.commit().await?;
            sleep(started.elapsed()).await;
        }
        self.replace(sources, id, &pages).await
    }

    /// Which source each message's postings are taken from; `None` if all stay. Only for a large segment, or one
    /// that is written again, is it worth looking for messages that were deleted: the others are merged again soon.
    async fn places(
        &self,
        sources: &[IndexSegment],
        pages: &[Vec<IndexPage>],
    ) -> Result<Option<HashMap<MessageId, usize>>> {
        let (newest, is_repeated) = newest_sources(pages);
        match is_checked(sources) {
            true => self.living(newest).await.map(Some),
            false => Ok(is_repeated.then_some(newest)),
        }
    }

    /// Where the newest content of each message is, without messages that were deleted.
    async fn living(
        &self,
        mut places: HashMap<MessageId, usize>,
    ) -> Result<HashMap<MessageId, usize>> {
        let ids: Vec<_> = places.keys().copied().collect();
        let mut living = HashMap::with_capacity(ids.len());
        for ids in ids.chunks(LOOKED_UP) {
            for id in feed::living(&self.app.db, ids).await? {
                living.extend(places.remove_entry(&id));
            }
        }
        Ok(living)
    }

    async fn replace(
        &self,
        sources: &[IndexSegment],
        id: i64,
        pages: &[IndexPage],
    ) -> Result<bool> {
        let ids: Vec<_> = sources.iter().map(|source| source.id).collect();
        let Some(mut unit) = self.begin().await? else { return Ok(false) };
        let now = unit.now();
        let zones = segments::zones(&mut unit.tx, &ids).await?;
        let zones = Zones::merged(zones.into_iter().map(|(_, zones)| zones));
        if segments::retire(&mut unit.tx, Some(&ids), now).await? != ids.len() as u64 {
            // The index was restarted meanwhile.
            return Ok(false);
        }
        let age = sources.iter().map(|source| source.age).max();
        let newest_id = sources.iter().map(|source| source.newest_id).max();
        if let (Some(age), Some(newest_id), false) = (age, newest_id, pages.is_empty()) {
            let mut segment = new_segment(id, age, newest_id, pages, &unit);
            if !is_checked(sources) {
                let oldest = sources.iter().map(|source| source.made_at).min();
                segment.made_at = oldest.unwrap_or(segment.made_at);
            }
            segments::insert(&mut unit.tx, &segment, &zones).await?;
        }
        unit.commit().await?;
        Ok(true)
    }

    async fn delete(&self, ids: Vec<i64>) -> Result<()> {
        for id in ids {
            loop {
                let started = Instant::now();
                let Some(mut unit) = self.begin().await? else { return Ok(()) };
                let deleted = segments::delete(&mut unit.tx, id, STEP as i64).await?;
                unit.commit().await?;
                if deleted < STEP as u64 {
                    break;
                }
                sleep(started.elapsed()).await;
            }
        }
        Ok(())
    }
}

/// Whether messages that were deleted are left out.
fn is_checked(sources: &[IndexSegment]) -> bool {
    sources.len() == 1 || sources.iter().map(|source| source.bytes).sum::<i64>() > UNCHECKED
}

/// The last of the segments that has each message, and whether several have the same one.
fn newest_sources(segments: &[Vec<IndexPage>]) -> (HashMap<MessageId, usize>, bool) {
    let (mut newest, mut is_repeated) = (HashMap::new(), false);
    for (source, pages) in segments.iter().enumerate() {
        let mut postings = Vec::new();
        for page in pages {
            find(&page.data, &TermLookup::all_senders(), Allowed::All, &mut postings);
        }
        for posting in postings {
            is_repeated |= newest.insert(posting.message, source).is_some();
        }
    }
    (newest, is_repeated)
}
