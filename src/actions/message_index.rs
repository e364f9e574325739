//! Indexes messages for searching, soon after they are committed: sends do nothing for it and wait for nothing.
//!
//! One node does it for all, as long as it has something to do. Another one takes over when it has done nothing
//! for some seconds. What is indexed twice does no harm.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep};

use crate::app::App;
use crate::domain::error::{Error, Result};
use crate::domain::fulltext::{Gaps, INDEX_RULES, IndexBatch, IndexPage, IndexedMessage, Zones};
use crate::domain::ids::MessageId;
use crate::store::fulltext::feed;
use crate::store::fulltext::segments::{self, IndexSegment};
use crate::store::fulltext::state::{self, IndexState};

use super::unit::Unit;

/// How often it is checked whether there is something to index.
pub const INTERVAL: Duration = Duration::from_millis(200);
/// For how long no other node may take over after this one has written. If one does too early, the first node's
/// transaction fails, and nothing is lost.
pub(super) const LEASE: Duration = Duration::from_secs(1);

/// Messages in a batch, and bytes of their contents: SQLite has no other writer while their pages are written.
const BATCH: i64 = 2_000;
const BATCH_BYTES: i64 = 256 * 1_024;
/// Edited messages in a batch.
const CHANGES: i64 = 100;

/// What this node knows as the one that writes the index.
#[derive(Clone, Debug)]
struct Hold {
    generation: i64,
    gaps: Gaps,
}

/// Whether this node writes the index.
#[derive(Debug, Default)]
pub struct IndexHold(Mutex<Option<Hold>>);

impl IndexHold {
    /// The generation, while this node writes.
    pub(super) fn generation(&self) -> Option<i64> {
        self.get().map(|hold| hold.generation)
    }

    fn get(&self) -> Option<Hold> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, hold: Option<Hold>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = hold;
    }
}

/// Indexes what is not indexed.
pub async fn index(app: Arc<App>, held: Arc<IndexHold>) -> Result<()> {
    while step(&app, &held).await? {}
    Ok(())
}

/// Indexes a batch. False if that was all, or another node does it.
async fn step(app: &Arc<App>, held: &IndexHold) -> Result<bool> {
    let started = Instant::now();
    let state = state::state(&app.db).await?;
    let own = held.get().filter(|hold| hold.generation == state.generation);
    let reached = own.as_ref().map_or(state.indexed_upto, |hold| hold.gaps.reached());
    app.metrics.search.waiting.set((state.newest.0 - reached.0).max(0));
    if !has_work(&state, own.as_ref()) {
        return Ok(false);
    }
    let Some(hold) = (match own {
        Some(hold) => Some(hold),
        None => take_over(app, &state).await?,
    }) else {
        held.set(None);
        return Ok(false);
    };
    let (hold, more) = write_batch(app, &state, hold).await?;
    let more = more && hold.is_some();
    held.set(hold);
    if more {
        // Others have the database for as long as this took.
        sleep(started.elapsed()).await;
    }
    Ok(more)
}

fn has_work(state: &IndexState, own: Option<&Hold>) -> bool {
    let (reached, cursor) = match own {
        Some(Hold { gaps, .. }) => (gaps.reached(), gaps.cursor()),
        None => (state.indexed_upto, state.indexed_upto),
    };
    state.newest > reached
        || reached > cursor
        || cursor > state.indexed_upto
        || state.has_changes
        || state.rules != INDEX_RULES
}

/// `None` if another node writes the index.
async fn take_over(app: &Arc<App>, state: &IndexState) -> Result<Option<Hold>> {
    let now = app.clock.now();
    // A time further ahead is a clock's error.
    if state.held_until > now && state.held_until <= now.plus(LEASE) {
        return Ok(None);
    }
    let mut unit = Unit::begin(app).await?;
    let name = &app.nodes.name;
    if !state::take(&mut unit.tx, state.generation, name, now.plus(LEASE)).await? {
        return Ok(None);
    }
    let is_outdated = state.rules != INDEX_RULES;
    if is_outdated {
        segments::retire(&mut unit.tx, None, now).await?;
        state::restart(&mut unit.tx, INDEX_RULES).await?;
    }
    unit.commit().await?;
    let cursor = if is_outdated { MessageId(0) } else { state.indexed_upto };
    Ok(Some(Hold { generation: state.generation + 1, gaps: Gaps::after(cursor) }))
}

/// Returns whether there is more. Without a hold, another node has taken over.
async fn write_batch(
    app: &Arc<App>,
    state: &IndexState,
    mut hold: Hold,
) -> Result<(Option<Hold>, bool)> {
    let (mut messages, horizon) = feed::next(&app.db, &hold.gaps, BATCH, BATCH_BYTES).await?;
    let ids: Vec<_> = messages.iter().map(|message| message.id).collect();
    let (changes, edited) = match state.has_changes {
        true => feed::changed(&app.db, CHANGES).await?,
        false => (Vec::new(), Vec::new()),
    };
    messages.extend(edited);
    hold.gaps.found(&ids, horizon);
    let upto = hold.gaps.cursor();
    let is_all =
        hold.gaps.reached() >= state.newest && changes.len() < CHANGES.unsigned_abs() as usize;
    if messages.is_empty() && changes.is_empty() && upto == state.indexed_upto {
        return Ok((Some(hold), false));
    }
    let count = messages.len() as u64;
    let newest_id = messages.iter().map(|message| message.id).max();
    let (pages, zones) =
        spawn_blocking(move || prepare(&messages)).await.map_err(Error::internal)?;
    let mut unit = Unit::begin(app).await?;
    let until = unit.now().plus(LEASE);
    if !state::renew(&mut unit.tx, hold.generation, until).await? {
        return Ok((None, false));
    }
    if let Some(newest_id) = newest_id {
        let id = state::next_segment(&mut unit.tx).await?;
        let segment = new_segment(id, id, newest_id, &pages, &unit);
        segments::write(&mut unit.tx, id, &pages).await?;
        segments::insert(&mut unit.tx, &segment, &zones).await?;
    }
    feed::forget(&mut unit.tx, &changes).await?;
    state::set_indexed(&mut unit.tx, upto).await?;
    unit.commit().await?;
    app.metrics.search.indexed.inc_by(count);
    Ok((Some(hold), !is_all))
}

/// The pages of messages, and when these were sent. Takes some microseconds for each.
fn prepare(messages: &[IndexedMessage]) -> (Vec<IndexPage>, Zones) {
    let mut batch = IndexBatch::default();
    messages.iter().for_each(|message| batch.add(message));
    batch.finish()
}

pub(super) fn new_segment(
    id: i64,
    age: i64,
    newest_id: MessageId,
    pages: &[IndexPage],
    unit: &Unit,
) -> IndexSegment {
    let bytes = pages.iter().map(|page| page.data.len()).sum::<usize>();
    let bytes = i64::try_from(bytes).unwrap_or(i64::MAX);
    IndexSegment { id, age, newest_id, bytes, made_at: unit.now() }
}
