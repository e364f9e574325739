//! Removes messages, audit rows and handled reports that are older than the site keeps them.
//!
//! In each chat the oldest messages go, so that the rest has no gap. First, in one transaction, the chat's
//! `first_seq` moves: a durable change with a version and an event, after which no answer has the messages.
//! Then their rows are deleted in small steps, with pauses as long as the steps, so that nobody waits.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::{Instant, sleep};

use crate::app::App;
use crate::domain::error::Result;
use crate::domain::event::{Change, ChatEvent, Event};
use crate::domain::ids::ChatId;
use crate::domain::numbering::Seq;
use crate::domain::time::Timestamp;
use crate::store::retention::{self, OldestMessage};
use crate::store::{attachments, chats, reports, site};

use super::housekeeping::STRIDE;
use super::unit::Unit;

/// How often it is checked whether a sweep is due.
pub const INTERVAL: Duration = Duration::from_secs(5);
/// A sweep is due after this part of the time for which messages are kept, but within an hour.
const SWEEPS: u32 = 500;
const SWEEP_AT_MOST: Duration = Duration::from_secs(3_600);
/// Messages may be kept longer by this part of the time, so that a busy chat has an event for many of them.
const LATE: u32 = 50;

/// Chats that are looked at together.
const CHATS: i64 = 500;
/// Messages that one change removes at most: finding the first one that stays reads all of them.
const WINDOW: i64 = 20_000;
/// Rows that are deleted in one transaction.
const STEP: i64 = 100;

/// When the last sweep began, in uptime. Held during a sweep.
pub type LastSweep = Mutex<Option<Duration>>;

/// Sweeps all chats, if that is due. Several nodes may do so at once.
pub async fn sweep(app: Arc<App>, last: Arc<LastSweep>) -> Result<()> {
    let mut last = last.lock().await;
    let keep = app.retention;
    let shortest = keep.messages.into_iter().chain(keep.audit).min();
    let Some(shortest) = shortest else { return Ok(()) };
    let (pause, now) = ((shortest / SWEEPS).min(SWEEP_AT_MOST), app.clock.uptime());
    if last.is_some_and(|last| last + pause > now) {
        return Ok(());
    }
    *last = Some(now);
    let now = trusted_now(&app).await?;
    if let Some(keep) = keep.messages {
        sweep_messages(&app, now, keep).await?;
    }
    if let Some(keep) = keep.audit {
        while purge(&app, async |unit: &mut Unit| {
            Ok(retention::purge_audit(&mut unit.tx, now.minus(keep), STEP).await?)
        })
        .await?
        {}
        while purge(&app, async |unit: &mut Unit| {
            Ok(reports::purge(&mut unit.tx, now.minus(keep), STEP).await?)
        })
        .await?
        {}
    }
    Ok(())
}

/// The time, but not far after the moment up to which rows were removed before: what is deleted does not come
/// back when a clock is set right.
async fn trusted_now(app: &App) -> Result<Timestamp> {
    let aged = site::aged_until(&app.db).await?;
    Ok(app.clock.now().min(aged.plus(STRIDE)))
}

async fn sweep_messages(app: &Arc<App>, now: Timestamp, keep: Duration) -> Result<()> {
    let (since, due) = (now.minus(keep), now.minus(keep + keep / LATE));
    let mut after = ChatId(0);
    loop {
        let found = retention::oldest(&app.db, after, CHATS).await?;
        let Some(last) = found.last() else { return Ok(()) };
        after = last.chat_id;
        for chat in found {
            if chat.oldest_at < due {
                advance(app, &chat, since).await?;
            } else if chat.oldest_seq < chat.first_seq {
                // A sweep was interrupted.
                delete_rows(app, chat.chat_id, chat.first_seq).await?;
            }
        }
    }
}

/// Removes the messages of a chat that were sent before `since`, up to the first one that was not. A message
/// that a wrong clock has dated later keeps those after it for as long.
async fn advance(app: &Arc<App>, chat: &OldestMessage, since: Timestamp) -> Result<()> {
    let mut first = chat.oldest_seq;
    loop {
        let upto = Seq((first.0 + WINDOW).min(chat.last_seq.0 + 1));
        let stays = retention::first_since(&app.db, chat.chat_id, (first, upto), since).await?;
        first = stays.unwrap_or(upto);
        set_first(app, chat.chat_id, first).await?;
        delete_rows(app, chat.chat_id, first).await?;
        if stays.is_some() || first > chat.last_seq {
            return Ok(());
        }
    }
}

async fn set_first(app: &Arc<App>, chat: ChatId, first: Seq) -> Result<()> {
    let mut unit = Unit::begin(app).await?;
    chats::lock(&mut unit.tx, chat).await?;
    if !chats::is_there(&mut unit.tx, chat).await?
        || !retention::set_first(&mut unit.tx, chat, first).await?
    {
        return Ok(());
    }
    let version = chats::next_version(&mut unit.tx, chat).await?;
    let change = Change::MessagesRemoved(first);
    unit.emit(Event::Chat(ChatEvent { chat, version, change }));
    unit.commit().await
}

async fn delete_rows(app: &Arc<App>, chat: ChatId, first: Seq) -> Result<()> {
    while purge(app, async |unit: &mut Unit| {
        let keys = attachments::delete_of_oldest(&mut unit.tx, chat, first, STEP).await?;
        unit.discard_files(keys);
        Ok(retention::purge(&mut unit.tx, chat, first, STEP).await?)
    })
    .await?
    {}
    Ok(())
}

/// A step. Afterwards, others have the database for as long as the step took. False after the last one.
async fn purge(app: &Arc<App>, step: impl AsyncFnOnce(&mut Unit) -> Result<u64>) -> Result<bool> {
    let started = Instant::now();
    let mut unit = Unit::begin(app).await?;
    let deleted = step(&mut unit).await?;
    unit.commit().await?;
    sleep(started.elapsed()).await;
    Ok(deleted == STEP.unsigned_abs())
}
