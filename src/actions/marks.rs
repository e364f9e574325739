//! Marks on their way to the database: many people read at the same time, so what they say waits in
//! a bounded queue, and a worker writes what is there in one transaction. Who asked is answered
//! after the commit; the others are told by the hub, a little later and merged.

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use tokio::sync::mpsc;

use crate::app::{App, PendingMark, answered};
use crate::domain::error::{Error, Result};
use crate::domain::ids::{ChatId, UserId};
use crate::domain::receipt::Marks;
use crate::store::marks::{self, MemberMarks};

/// Most marks in one transaction.
const BATCH: usize = 512;
/// How long a row may be held by others before it is tried again, and how often.
const AGAIN: Duration = Duration::from_millis(5);
const TRIES: usize = 200;

type Who = (ChatId, UserId);

/// Moves a member's marks forward, as far as there are messages; where they are then.
/// [`Error::NotFound`] where the user is no member.
pub async fn advance(app: &App, chat: ChatId, user: UserId, marks: Marks) -> Result<MemberMarks> {
    let answer = app.marks.push(chat, user, marks)?;
    answered(app.patience(), answer).await
}

/// The worker. Runs until it is cut off, which happens when nothing is in flight.
pub async fn run(app: Arc<App>, mut queue: mpsc::Receiver<PendingMark>) {
    let mut batch = Vec::with_capacity(BATCH);
    while queue.recv_many(&mut batch, BATCH).await > 0 {
        let done = AssertUnwindSafe(move_all(&app, std::mem::take(&mut batch))).catch_unwind();
        if done.await.is_err() {
            tracing::error!("a batch of marks was dropped by a panic");
        }
    }
}

/// Moves what can be moved, and answers each.
async fn move_all(app: &App, batch: Vec<PendingMark>) {
    let mut found = HashMap::new();
    let mut wanted: HashMap<Who, Marks> = HashMap::new();
    for pending in &batch {
        let marks = wanted.entry(pending.who()).or_insert(pending.marks);
        marks.delivered_seq = marks.delivered_seq.max(pending.marks.delivered_seq);
        marks.read_seq = marks.read_seq.max(pending.marks.read_seq);
    }
    let outcome = write(app, &mut wanted, &mut found).await;
    if let Err(error) = &outcome {
        tracing::warn!(?error, left = wanted.len(), "marks could not be written");
    }
    for pending in batch {
        let who = pending.who();
        let answer = match found.get(&who) {
            Some(one) if !wanted.contains_key(&who) => Ok(*one),
            None if outcome.is_ok() => Err(Error::NotFound),
            _ => Err(Error::Unavailable("marks could not be written".into())),
        };
        // A caller that has gone away needs no answer.
        drop(pending.answer.send(answer));
    }
}

/// Takes out of `wanted` what was done, also where the rest fails: a row that somebody holds for
/// long costs nobody else the answer.
async fn write(
    app: &App,
    wanted: &mut HashMap<Who, Marks>,
    found: &mut HashMap<Who, MemberMarks>,
) -> Result<()> {
    for _ in 0..TRIES {
        let rows: Vec<_> =
            wanted.iter().map(|((chat, user), marks)| (*chat, *user, *marks)).collect();
        let mut tx = app.db.begin().await?;
        let moved = marks::advance(&mut tx, &rows).await?;
        let who: Vec<_> = wanted.keys().copied().collect();
        let present = marks::read(&mut tx, &who).await?;
        tx.commit().await?;
        for one in moved {
            app.hub.marker_moved(one.chat, one.user, one.marks);
        }
        found.extend(present.into_iter().map(|one| ((one.chat, one.user), one)));
        // Those whose rows somebody else held are behind what was asked for.
        wanted.retain(|who, marks| found.get(who).is_some_and(|one| is_behind(one, *marks)));
        if wanted.is_empty() {
            return Ok(());
        }
        tokio::time::sleep(AGAIN).await;
    }
    Err(Error::Unavailable("members' rows are held by others".into()))
}

fn is_behind(one: &MemberMarks, wanted: Marks) -> bool {
    one.marks.delivered_seq < wanted.delivered_seq.min(one.last_seq)
        || one.marks.read_seq < wanted.read_seq.min(one.last_seq)
}
