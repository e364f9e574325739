//! Catching up after any absence: one indexed question a chat, however long ago it was.

use std::collections::{HashMap, HashSet};

use crate::app::App;
use crate::domain::error::Result;
use crate::domain::ids::{ChatId, UserId};
use crate::domain::message::Message;
use crate::domain::sync::{Change, Changes, Known};
use crate::store::least::least_marks;
use crate::store::{chats, messages, site};

use super::chats::views;

/// Most text in an answer, in bytes: with more, its messages are cut off as by `limit`.
const BYTES: usize = 1024 * 1024;

/// What is new to a client. A chat that it does not name, or names with a version that is still to
/// come, is told of by its newest message alone. `known` reads what it has.
pub async fn changes(
    app: &App,
    me: UserId,
    known: impl FnOnce() -> Result<Known>,
) -> Result<Changes> {
    let epoch = site::epoch(&app.db).await?;
    // What the client says is read while the database is asked.
    let (mine, known) = tokio::join!(chats::versions_of(&app.db, me), async { known() });
    let (mine, known) = (mine?, known?);
    let same_past = known.epoch.as_ref().is_none_or(|named| *named == epoch);
    let mut named = known.versions.into_iter().peekable();
    let mut gone = Vec::new();
    // Each that is newer, with the version that the client has, if it counts.
    let mut newer: HashMap<ChatId, Option<i64>> = HashMap::new();
    for (chat, now) in mine {
        gone.extend(std::iter::from_fn(|| named.next_if(|(named, _)| *named < chat)));
        let version = named.next_if(|(named, _)| *named == chat).map(|(_, version)| version);
        let version = version.filter(|version| same_past && *version <= now);
        if version != Some(now) {
            newer.insert(chat, version);
        }
    }
    let gone = gone.into_iter().chain(named).map(|(chat, _)| chat).collect();
    let known_version = |chat: &ChatId| newer.get(chat).copied().flatten();
    if newer.is_empty() {
        // What most who ask are told: nothing else is read.
        return Ok(Changes { epoch, changes: Vec::new(), gone });
    }
    let ids = newer.keys().map(|chat| chat.0).collect();
    // Busiest first, so that what a person looks at is there first.
    let rows = chats::of_member(&app.db, me, ids).await?;
    let behind: Vec<_> =
        rows.iter().filter_map(|row| Some((row.chat.id, known_version(&row.chat.id)?))).collect();
    let (mut found, unfinished) = changed(app, &behind, known.limit).await?;

    let views = views(app, rows).await?;
    let changes = views.into_iter().map(|chat| {
        let id = chat.chat.id;
        if known_version(&id).is_none() {
            let messages = chat.last_message.clone().into_iter().collect();
            return Change { chat, messages, more: false };
        }
        let messages = found.remove(&id).unwrap_or_default();
        Change { chat, messages, more: unfinished.contains(&id) }
    });
    Ok(Changes { epoch, changes: changes.collect(), gone })
}

/// The messages that changed, by chat, and the chats of which some did not fit.
async fn changed(
    app: &App,
    behind: &[(ChatId, i64)],
    limit: i64,
) -> Result<(HashMap<ChatId, Vec<Message>>, HashSet<ChatId>)> {
    let mut rows = messages::changed_since(&app.db, behind, limit + 1).await?;
    let mut bytes = 0;
    let by_size = rows.iter().position(|message| {
        bytes += message.content.len();
        bytes > BYTES
    });
    // The first always fits, so that every answer gets its client on.
    let fits = usize::try_from(limit).unwrap_or_default().min(by_size.unwrap_or(rows.len()).max(1));
    let cut = rows.get(fits).map(|message| message.chat);
    let unfinished = match behind.iter().position(|(chat, _)| Some(*chat) == cut) {
        // Chat follows upon chat: of that one and those after it, the rest was not read.
        Some(at) => messages::any_since(&app.db, &behind[at..]).await?,
        None => Vec::new(),
    };
    rows.truncate(fits);
    let chats = behind.iter().map(|(chat, _)| chat.0).collect();
    let least = least_marks(&app.db, &app.laggards, chats).await?;
    let mut found: HashMap<ChatId, Vec<Message>> = HashMap::new();
    for message in rows {
        let least = least.get(&message.chat);
        found.entry(message.chat).or_default().push(message.with_status(least));
    }
    Ok((found, unfinished.into_iter().collect()))
}
