//! Makes good what was committed but not heard of: a feed's gap is filled from the database, and
//! every feed's version is compared with the database's now and then. So an event that was lost on
//! its way (its node died after the commit, the bus dropped it) is late, not missing.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use crate::app::App;
use crate::domain::error::{Error, Result};
use crate::domain::event::{ChatEvent, Departed, Event};
use crate::domain::ids::ChatId;
use crate::domain::time::Timestamp;
use crate::hub::feed::Gap;
use crate::store::least::least_marks;
use crate::store::{chats, departures, members, messages};

use super::chats::views;
use super::epoch;

/// How long a gap may stand open: what races with its own publication closes much sooner.
const PATIENCE: Duration = Duration::from_millis(200);
/// How often gaps are looked for.
pub const LOOK: Duration = Duration::from_millis(100);
/// How often every feed is compared: a lost event without a follower is late by this at most.
pub const COMPARE: Duration = Duration::from_secs(5);
/// How often those who are out of a chat are looked for: they hear of it no longer than this.
pub const DEPART: Duration = Duration::from_millis(500);
/// A wider gap, in versions, is the clients' to sync.
const WIDEST: i64 = 1_000;
/// How far back newcomers and departures are looked for: rows are dated before their transaction
/// commits, and that may take as long as the database lets it.
const RECENT: Duration = Duration::from_secs(60);
/// How long nothing is caught up with after it was at once.
const PAUSE: Duration = Duration::from_secs(1);
/// Chats compared in one query.
const CHUNK: usize = 1_000;

/// Fills the gaps that have stood open for too long, or skips them. Users who left the
/// chat in a gap are told first, since later events are not theirs. They are found by version, not by
/// time: a departure takes a version like any other change.
pub async fn fill_gaps(app: Arc<App>) -> Result<()> {
    for gap in app.hub.feeds.gaps(PATIENCE) {
        // One that cannot be filled does not hold up the others.
        match fill(&app, &gap).await {
            Ok(true) => continue,
            Ok(false) => {}
            Err(Error::Internal(cause)) => {
                tracing::error!(%cause, ?gap, "a gap cannot be filled");
            }
            Err(error) => return Err(error),
        }
        let departed = departures::between(&app.db, gap.chat, gap.after, gap.upto).await?;
        if !departed.is_empty() {
            app.republish(&[Event::ChatDeleted { chat: gap.chat, departed }]);
        }
        app.hub.feeds.skip(&gap);
    }
    Ok(())
}

/// Fills a gap from the messages' rows, each of which tells its last change. Where every missing version is
/// one of these, they are the events. Where not (a message changed twice, a change that is no message's),
/// the listeners have to sync: false.
async fn fill(app: &App, gap: &Gap) -> Result<bool> {
    if gap.upto.since(gap.after) > WIDEST {
        return Ok(false);
    }
    let found = messages::changed(&app.db, gap.chat, gap.after, gap.upto).await?;
    if i64::try_from(found.len()) != Ok(gap.upto.since(gap.after)) {
        return Ok(false);
    }
    let least = least_marks(&app.db, &app.laggards, &[gap.chat]).await?;
    for message in found {
        let message = message.with_status(least.get(&gap.chat));
        app.republish(&[Event::Chat(ChatEvent::of_last_change(message))]);
    }
    Ok(true)
}

/// Tells those who came into a chat a moment ago and have not heard of it: it was made on another
/// node, or its node died before it could tell.
/// Looks back to the last turn that succeeded (`seen`, in microseconds).
pub async fn find_chats(app: Arc<App>, seen: Arc<AtomicI64>) -> Result<()> {
    let now = app.clock.now();
    let joined = members::joined_since(&app.db, since(&seen, now)).await?;
    for (user, chat) in
        joined.into_iter().filter(|(user, chat)| app.hub.people.any_lacks(*user, *chat))
    {
        let rows = chats::of_member(&app.db, user, &[chat]).await?;
        for view in views(&app, rows).await? {
            app.republish(&[Event::ChatFound(user, Box::new(view))]);
        }
    }
    seen.store(now.micros(), Ordering::Relaxed);
    Ok(())
}

/// Tells those who went out of a chat, or whose chat was ended, where that was done elsewhere. Looks
/// back to the last turn that succeeded (`seen`, in microseconds).
pub async fn tell_departed(app: Arc<App>, seen: Arc<AtomicI64>) -> Result<()> {
    let now = app.clock.now();
    // One event per chat: a group that ends has ten thousand departures, and its frame is the same
    // for all of them.
    let mut by_chat: HashMap<ChatId, Vec<Departed>> = HashMap::new();
    for (chat, user, version) in departures::since(&app.db, since(&seen, now)).await? {
        by_chat.entry(chat).or_default().push(Departed { user, version });
    }
    for (chat, departed) in by_chat {
        app.republish(&[Event::ChatDeleted { chat, departed }]);
    }
    seen.store(now.micros(), Ordering::Relaxed);
    Ok(())
}

/// From when on to look, after a last turn that succeeded.
fn since(seen: &AtomicI64, now: Timestamp) -> Timestamp {
    Timestamp::from_micros(seen.load(Ordering::Relaxed)).min(now).minus(RECENT)
}

/// Does the next turn of all this at once whenever the bus was away, or lost something.
pub async fn after_outages(app: Arc<App>, seen: Arc<AtomicI64>) {
    loop {
        app.hub.bus.may_have_lost().await;
        let caught_up = async {
            compare_versions(Arc::clone(&app)).await?;
            find_chats(Arc::clone(&app), Arc::clone(&seen)).await
        };
        if let Err(error) = caught_up.await {
            tracing::warn!(%error, "catching up has to wait for its turn");
        }
        // Where more comes than can be heard, this must not be all that is done.
        tokio::time::sleep(PAUSE).await;
    }
}

/// Compares every feed with the database, which has to have at least what was passed on before it
/// was asked.
pub async fn compare_versions(app: Arc<App>) -> Result<()> {
    let mut positions = app.hub.feeds.positions();
    positions.sort_unstable();
    for chunk in positions.chunks(CHUNK) {
        let ids: Vec<_> = chunk.iter().map(|(chat, _)| *chat).collect();
        for (chat, version) in chats::versions(&app.db, &ids).await? {
            let passed = chunk.binary_search_by_key(&chat, |(chat, _)| *chat).map(|at| chunk[at].1);
            if passed.is_ok_and(|passed| version < passed) {
                return epoch::renew_lost(&app, chunk.to_vec()).await;
            }
            app.hub.feeds.is_in_database(chat, version);
        }
    }
    Ok(())
}
