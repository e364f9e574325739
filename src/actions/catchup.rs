//! Catches up with events that were committed and not delivered: gaps in feeds are filled from the
//! database, and every feed's version is compared with the database's at an interval. So an event that was
//! lost (its node died after the commit, or the bus dropped it) is late, not missing.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use crate::app::App;
use crate::domain::error::{Error, Result};
use crate::domain::event::{ChatEvent, Departed, Event};
use crate::domain::ids::{ChatId, UserId};
use crate::hub::feed::Gap;
use crate::store::least::least_markers;
use crate::store::{chats, departures, member_chats, members, messages};

use super::chats::views;
use super::epoch;
use super::look_back::LookBack;

/// A gap is filled when it has been open for this long. Events that only overtook each other close it
/// much sooner.
const GAP_TIMEOUT: Duration = Duration::from_millis(200);
/// How often gaps are looked for, and chats compared that users have just entered.
pub const GAP_INTERVAL: Duration = Duration::from_millis(100);
/// How often every feed is compared. A lost event that no other follows is late by this at most.
pub const COMPARE_INTERVAL: Duration = Duration::from_secs(5);
/// How often departures are looked for: the longest that a former member may still receive a chat's events.
pub const DEPARTURE_INTERVAL: Duration = Duration::from_millis(500);
/// A wider gap, in versions, is not filled; the clients sync instead.
const FILL_MAX: i64 = 1_000;
/// Pause after catching up with an outage, so that a bus that drops messages all the time does not cause
/// one sweep after the other.
const PAUSE: Duration = Duration::from_secs(1);
/// Chats compared in one query.
const CHUNK: usize = 1_000;

/// Fills the gaps that have stood open for too long, or skips them. Users who left the
/// chat in a gap get `chat.deleted` first, since later events are not theirs. They are found by version, not by
/// time: a departure takes a version like any other change.
pub async fn fill_gaps(app: Arc<App>) -> Result<()> {
    for gap in app.hub.feeds.gaps(GAP_TIMEOUT) {
        // A gap that cannot be filled does not delay the others.
        match fill(&app, &gap).await {
            Ok(true) => {
                app.metrics.realtime.gap("filled");
                continue;
            }
            Ok(false) => {}
            Err(Error::Internal(cause)) => {
                tracing::error!(%cause, ?gap, "cannot fill a gap; subscribers resync");
            }
            Err(error) => return Err(error),
        }
        let departed = departures::between(&app.db, gap.chat, gap.after, gap.upto).await?;
        if !departed.is_empty() {
            app.republish(&[Event::ChatDeleted { chat: gap.chat, departed }]);
        }
        app.hub.feeds.skip(&gap);
        app.metrics.realtime.gap("skipped");
    }
    Ok(())
}

/// Fills a gap from the messages' rows, each of which has its last change. Where every missing version is
/// one of these, they are the events. Where not (a message changed twice, a change that is no message's),
/// the listeners have to sync: false.
async fn fill(app: &App, gap: &Gap) -> Result<bool> {
    if gap.upto.since(gap.after) > FILL_MAX {
        return Ok(false);
    }
    let found = messages::changed(&app.db, gap.chat, gap.after, gap.upto).await?;
    if i64::try_from(found.len()) != Ok(gap.upto.since(gap.after)) {
        return Ok(false);
    }
    let least = least_markers(&app.db, &app.laggards, &[gap.chat]).await?;
    for message in found {
        let message = message.with_status(least.get(&gap.chat));
        app.republish(&[Event::Chat(ChatEvent::of_last_change(message))]);
    }
    Ok(true)
}

/// Sends users the chats that they may have entered, if they are members: see
/// [`crate::hub::feeds::Feeds::take_unconfirmed`].
pub async fn confirm_entered(app: Arc<App>) -> Result<()> {
    let mut unconfirmed = app.hub.feeds.take_unconfirmed();
    unconfirmed.sort_unstable();
    unconfirmed.dedup();
    for of_user in unconfirmed.chunk_by(|one, other| one.0 == other.0) {
        let chats: Vec<_> = of_user.iter().map(|(_, chat)| *chat).collect();
        send_found(&app, of_user[0].0, &chats).await?;
    }
    Ok(())
}

/// Sends recent members the chats that their connections do not have: a chat was created on another node,
/// or its node died before publishing it. Looks back to its last success, `seen`.
pub async fn find_chats(app: Arc<App>, seen: Arc<LookBack>) -> Result<()> {
    let now = app.clock.now();
    let joined = members::joined_since(&app.db, seen.since(now)).await?;
    for (user, chat) in
        joined.into_iter().filter(|(user, chat)| app.hub.people.any_lacks(*user, *chat))
    {
        send_found(&app, user, &[chat]).await?;
    }
    seen.succeeded(now);
    Ok(())
}

/// Sends a user those of the chats that they are in.
async fn send_found(app: &App, user: UserId, chats: &[ChatId]) -> Result<()> {
    let rows = member_chats::of_member(&app.db, user, chats).await?;
    for view in views(app, rows).await? {
        app.republish(&[Event::ChatFound(user, Box::new(view))]);
    }
    Ok(())
}

/// Publishes here that users have left chats, or that chats were deleted, on other nodes. Looks back to its
/// last success, `seen`.
pub async fn publish_departures(app: Arc<App>, seen: Arc<LookBack>) -> Result<()> {
    let now = app.clock.now();
    // One event per chat: a group that ends has ten thousand departures, and its frame is the same
    // for all of them.
    let mut by_chat: HashMap<ChatId, Vec<Departed>> = HashMap::new();
    for (chat, user, version) in departures::since(&app.db, seen.since(now)).await? {
        by_chat.entry(chat).or_default().push(Departed { user, version });
    }
    for (chat, departed) in by_chat {
        app.republish(&[Event::ChatDeleted { chat, departed }]);
    }
    seen.succeeded(now);
    Ok(())
}

/// Catches up at once whenever the bus was disconnected or dropped messages.
pub async fn after_outages(app: Arc<App>, seen: Arc<LookBack>) {
    loop {
        app.hub.bus.may_have_lost().await;
        let caught_up = async {
            compare_versions(Arc::clone(&app)).await?;
            find_chats(Arc::clone(&app), Arc::clone(&seen)).await
        };
        if let Err(error) = caught_up.await {
            tracing::warn!(error = %error.cause(), "catching up after a bus outage failed; the next sweep tries again");
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Compares the chats that users here have just entered with the database, once the bus has the node's
/// subscriptions. Events published on other nodes in between do not arrive.
pub async fn compare_entered(app: Arc<App>) -> Result<()> {
    let entered = app.hub.feeds.take_entered();
    if entered.is_empty() {
        return Ok(());
    }
    app.hub.bus.subscribed().await;
    for chunk in entered.chunks(CHUNK) {
        for (chat, version) in chats::versions(&app.db, chunk).await? {
            app.hub.feeds.is_in_database(chat, version);
        }
    }
    Ok(())
}

/// Compares every feed with the database. A version that was delivered must be in the database, unless
/// that was restored from a backup; a later version there is a gap.
pub async fn compare_versions(app: Arc<App>) -> Result<()> {
    let mut positions = app.hub.feeds.positions();
    positions.sort_unstable();
    for chunk in positions.chunks(CHUNK) {
        let ids: Vec<_> = chunk.iter().map(|(chat, _)| *chat).collect();
        for (chat, version) in chats::versions(&app.db, &ids).await? {
            let delivered =
                chunk.binary_search_by_key(&chat, |(chat, _)| *chat).map(|at| chunk[at].1);
            if delivered.is_ok_and(|delivered| version < delivered) {
                return epoch::renew_lost(&app, chunk.to_vec()).await;
            }
            app.hub.feeds.is_in_database(chat, version);
        }
    }
    Ok(())
}
