//! Read and delivery markers. Many users move theirs at the same time, so the moves wait in a bounded
//! queue, and a worker writes all that are there in one transaction. Callers are answered after the commit;
//! the receipts for others are coalesced and sent a little later (`signals`).

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::app::{App, PendingMarkers, answered};
use crate::domain::account_version::CHATS_MAX;
use crate::domain::error::{Error, Result};
use crate::domain::ids::{ChatId, UserId};
use crate::domain::receipt::Markers;
use crate::store::markers::{self, MemberMarkers};

/// Most moves in one transaction. A user's read markers among them share one account version, and a sync
/// answers with whole versions.
const BATCH: usize = 512;
const _: () = assert!(BATCH < CHATS_MAX);
/// Retries of rows that other transactions have locked: the pause between two, and their number.
const RETRY_AFTER: Duration = Duration::from_millis(5);
const TRIES: usize = 200;

type MemberKey = (ChatId, UserId);

/// Moves a member's markers forward, up to the newest message at most, and returns them as they are then.
/// [`Error::NotFound`] where the user is no member.
pub async fn advance(
    app: &App,
    chat: ChatId,
    user: UserId,
    markers: Markers,
) -> Result<MemberMarkers> {
    let answer = app.markers.push(chat, user, markers)?;
    answered(app.worker_timeout(), answer).await
}

/// The worker. It is cancelled when no request is in flight any more.
pub async fn run(app: Arc<App>, mut queue: mpsc::Receiver<PendingMarkers>) {
    let mut batch = Vec::with_capacity(BATCH);
    while queue.recv_many(&mut batch, BATCH).await > 0 {
        let done = AssertUnwindSafe(move_all(&app, std::mem::take(&mut batch))).catch_unwind();
        if done.await.is_err() {
            tracing::error!("marker worker panicked; a batch was dropped");
        }
    }
}

/// Moves what can be moved, and answers every caller.
async fn move_all(app: &App, batch: Vec<PendingMarkers>) {
    let mut found = HashMap::new();
    let mut wanted: HashMap<MemberKey, Markers> = HashMap::new();
    for pending in &batch {
        let markers = wanted.entry(pending.member()).or_insert(pending.markers);
        markers.delivered_seq = markers.delivered_seq.max(pending.markers.delivered_seq);
        markers.read_seq = markers.read_seq.max(pending.markers.read_seq);
    }
    let outcome = write(app, &mut wanted, &mut found).await;
    if let Err(error) = &outcome {
        tracing::warn!(error = %error.cause(), left = wanted.len(), "cannot write markers");
    }
    for pending in batch {
        let who = pending.member();
        let answer = match found.get(&who) {
            Some(one) if !wanted.contains_key(&who) => Ok(*one),
            None if outcome.is_ok() => Err(Error::NotFound),
            _ => Err(Error::Unavailable("cannot write markers".into())),
        };
        // A caller who has hung up needs no answer.
        drop(pending.answer.send(answer));
    }
}

/// Removes from `wanted` the moves that were made, even where the rest fails: a row that stays locked
/// delays nobody else's answer.
async fn write(
    app: &App,
    wanted: &mut HashMap<MemberKey, Markers>,
    found: &mut HashMap<MemberKey, MemberMarkers>,
) -> Result<()> {
    for _ in 0..TRIES {
        let rows: Vec<_> =
            wanted.iter().map(|((chat, user), markers)| (*chat, *user, *markers)).collect();
        let started = Instant::now();
        let mut tx = app.db.begin().await?;
        let moved = markers::advance(&mut tx, &rows).await?;
        let who: Vec<_> = wanted.keys().copied().collect();
        let present = markers::read(&mut tx, &who).await?;
        tx.commit().await?;
        app.metrics.sends.markers.count(rows.len(), started.elapsed());
        for one in moved {
            app.hub.signals.marker_moved(one.to.chat, one.to.user, one.to.markers, one.account);
        }
        found.extend(present.into_iter().map(|one| ((one.chat, one.user), one)));
        // Rows that other transactions had locked have not moved yet.
        wanted.retain(|who, markers| found.get(who).is_some_and(|one| is_behind(one, *markers)));
        if wanted.is_empty() {
            return Ok(());
        }
        tokio::time::sleep(RETRY_AFTER).await;
    }
    Err(Error::Unavailable("members' rows are locked".into()))
}

fn is_behind(one: &MemberMarkers, wanted: Markers) -> bool {
    one.markers.delivered_seq < wanted.delivered_seq.min(one.last_seq)
        || one.markers.read_seq < wanted.read_seq.min(one.last_seq)
}
