//! Sync: what has changed since the versions that a client knows. One indexed query per chat, however old
//! the versions are, and answers bounded in bytes.

use std::collections::{HashMap, HashSet};

use crate::app::App;
use crate::domain::chat::ChatView;
use crate::domain::error::Result;
use crate::domain::ids::{ChatId, UserId};
use crate::domain::message::Message;
use crate::domain::numbering::Version;
use crate::domain::sync::{BYTES, CHAT, Changes, ChatDelta, Known, Room};
use crate::shares::Holder;
use crate::store::least::least_markers;
use crate::store::{self, chats, member_chats, messages};

use super::account_version;
use super::chats::views_with;

/// The chats that have changed, with the version that the client knows, if that is usable.
type Newer = HashMap<ChatId, Option<Version>>;

/// What has changed for a client. A chat that it does not name, or names with a version that does not exist
/// yet, comes with its newest message only. Chats for which there is no room are left out; then
/// [`Changes::more`] is true. `known` parses what the client sent.
pub async fn changes(
    app: &App,
    me: UserId,
    known: impl FnOnce() -> Result<Known>,
) -> Result<Changes> {
    let _permit = app.heavy_requests.acquire(Holder::User(me)).await?;
    // The client's body is parsed while the database is asked.
    let (position, known) =
        tokio::join!(store::account_version::with_versions(&app.db, me), async { known() });
    let ((position, versions), known) = (position?, known?);
    let same_epoch = known.epoch.as_ref().is_none_or(|named| *named == position.epoch);
    let account =
        account_version::changes(app, me, &position, known.account.filter(|_| same_epoch)).await?;
    // An unread count must include no message that the client does not know, or learns of by this answer. So
    // the versions are read again after unread counts.
    let mine = if account.changes.as_ref().is_some_and(|account| !account.chats.is_empty()) {
        chats::versions_of(&app.db, me).await?
    } else {
        versions
    };
    let epoch = position.epoch;
    let mut named = known.versions.into_iter().peekable();
    let mut gone = Vec::new();
    let mut newer = Newer::new();
    for (chat, now) in mine {
        gone.extend(std::iter::from_fn(|| named.next_if(|(named, _)| *named < chat)));
        let version = named.next_if(|(named, _)| *named == chat).map(|(_, version)| version);
        let version = version.filter(|version| same_epoch && *version <= now);
        if version != Some(now) {
            newer.insert(chat, version);
        }
    }
    let gone = gone.into_iter().chain(named).map(|(chat, _)| chat).collect();
    if newer.is_empty() {
        // The usual answer: nothing else is read.
        return Ok(Changes { epoch, changes: Vec::new(), gone, more: false, account });
    }
    // The busiest first, since people look at them first.
    let ids: Vec<_> = newer.keys().copied().collect();
    let rows = member_chats::fitting(&app.db, me, &ids, BYTES, CHAT).await?;
    let all_read = rows.len() == newer.len();
    // The chats' versions are read before their messages: a message that is changed in between has a later
    // version, and arrives as an event or with the next answer.
    let behind: Vec<_> = rows
        .iter()
        .filter_map(|row| Some((row.chat.id, newer.get(&row.chat.id).copied().flatten()?)))
        .collect();
    let (messages, unfinished) = changed(app, &behind, known.limit).await?;
    let ids: Vec<_> = rows.iter().map(|row| row.chat.id).collect();
    let least = least_markers(&app.db, &app.laggards, &ids).await?;
    let mut found = Found { by_chat: HashMap::new(), unfinished };
    for message in messages {
        let chat = message.chat;
        let message = message.with_status(least.get(&chat));
        found.by_chat.entry(chat).or_default().push(message);
    }
    let (changes, all_fit) = fill(views_with(app, rows, &least).await?, &newer, found);
    let more = !all_read || !all_fit || changes.iter().any(|change| change.more);
    Ok(Changes { epoch, changes, gone, more, account })
}

/// Changed messages, as many as may fit.
struct Found {
    by_chat: HashMap<ChatId, Vec<Message>>,
    /// The chats that have more of them.
    unfinished: HashSet<ChatId>,
}

/// The changed messages, and the chats that have more of them.
async fn changed(
    app: &App,
    behind: &[(ChatId, Version)],
    limit: i64,
) -> Result<(Vec<Message>, HashSet<ChatId>)> {
    if behind.is_empty() {
        return Ok((Vec::new(), HashSet::new()));
    }
    let rows = messages::changed_since(&app.db, behind, limit, BYTES).await?;
    let bytes: usize = rows.iter().map(|message| message.content.as_str().len()).sum();
    let is_cut = i64::try_from(rows.len()).unwrap_or(i64::MAX) >= limit || bytes >= BYTES;
    let Some(last) = rows.last().filter(|_| is_cut) else { return Ok((rows, HashSet::new())) };
    // The messages are ordered by chat: the rest of this chat and all later ones were not read.
    let after = behind.iter().skip_while(|(chat, _)| *chat != last.chat).skip(1);
    let rest: Vec<_> = [(last.chat, last.version)].into_iter().chain(after.copied()).collect();
    let unfinished = messages::any_since(&app.db, &rest).await?;
    Ok((rows, unfinished.into_iter().collect()))
}

/// Puts chats with their messages into an answer while there is room, and returns whether all chats fit.
/// The first one always does, with its first message, so that every answer makes progress.
fn fill(views: Vec<ChatView>, newer: &Newer, mut found: Found) -> (Vec<ChatDelta>, bool) {
    let count = views.len();
    let (mut room, mut changes) = (Room::default(), Vec::new());
    for chat in views {
        let id = chat.chat.id;
        let candidates = match newer.get(&id).copied().flatten() {
            None => chat.last_message.clone().into_iter().collect(),
            Some(_) => found.by_chat.remove(&id).unwrap_or_default(),
        };
        if !room.take_view(&chat, candidates.first()) {
            break;
        }
        let candidate_count = candidates.len();
        let mut candidates = candidates.into_iter();
        // There is room for the first one already.
        let mut messages: Vec<_> = candidates.next().into_iter().collect();
        messages.extend(candidates.take_while(|message| room.take_message(message)));
        let is_cut = messages.len() < candidate_count;
        changes.push(ChatDelta { chat, messages, more: is_cut || found.unfinished.contains(&id) });
        if is_cut {
            break;
        }
    }
    let all_fit = changes.len() == count;
    (changes, all_fit)
}
