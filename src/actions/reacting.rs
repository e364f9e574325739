//! Group commit of reactions: when everybody reacts to a message, the worker takes all changes that wait, applies them
//! in memory in their order, and writes what is left of them in one transaction. Each change takes a version of its
//! chat and is an event with the message as it was then; what changes nothing takes none.

use std::collections::{BTreeMap, HashMap};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::FutureExt;
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::app::{App, PendingReaction};
use crate::domain::emoji::Emoji;
use crate::domain::error::{Error, Result};
use crate::domain::event::{ChatEvent, Event};
use crate::domain::ids::{ChatId, MessageId, UserId};
use crate::domain::message::{LastChange, Message};
use crate::domain::numbering::Version;
use crate::domain::reactions::{ReactionChange, USERS_SHOWN};
use crate::domain::time::Timestamp;
use crate::store::least::least_markers;
use crate::store::{Tx, messages, reactions};

use super::{batch, epoch};

/// Most changes in one transaction.
const BATCH: usize = 256;

/// The answer to a reaction to a deleted message.
pub(super) const TOMBSTONE: &str = "A deleted message has no reactions.";
/// The answer to one emoji too many.
const TOO_MANY: &str = "A message has at most 20 different emoji.";

/// The outcome of a change: the message, and whether it is a new version.
type Outcome = Result<(Arc<Message>, bool)>;

/// The worker. It is cancelled when no request is in flight any more.
pub(super) async fn run(app: Arc<App>, mut queue: mpsc::Receiver<PendingReaction>) {
    let mut batch = Vec::with_capacity(BATCH);
    while queue.recv_many(&mut batch, BATCH).await > 0 {
        let done = AssertUnwindSafe(react_all(&app, std::mem::take(&mut batch))).catch_unwind();
        if done.await.is_err() {
            tracing::error!("reaction worker panicked; a batch was dropped");
        }
    }
}

/// Commits, publishes, then answers: a caller who has the answer can rely on the event being on its way.
async fn react_all(app: &App, pending: Vec<PendingReaction>) {
    let timeout = app.worker_timeout();
    // If one has waited for too long, its caller was answered that the outcome is unknown, and may be retrying.
    let (changes, answers): (Vec<_>, Vec<_>) = pending
        .into_iter()
        .filter(|pending| pending.since.elapsed() < timeout)
        .map(|pending| (pending.change, pending.answer))
        .unzip();
    let outcomes: Vec<Outcome> = batch::commit(changes, |changes| attempt(app, changes)).await;
    for (message, _) in outcomes.iter().flatten().filter(|(_, is_new)| *is_new) {
        app.publish(&[Event::Chat(ChatEvent::of_last_change(message.as_ref().clone()))]);
    }
    epoch::keep_seen(app);
    for (answer, outcome) in answers.into_iter().zip(outcomes) {
        // A caller who has hung up needs no answer.
        drop(answer.send(outcome.map(|(message, _)| message)));
    }
}

/// One transaction.
async fn attempt(app: &App, changes: Arc<[ReactionChange]>) -> Result<Vec<Outcome>> {
    let started = Instant::now();
    let mut tx = app.db.begin().await?;
    let mut work = Work::read(app, &mut tx, &changes).await?;
    let outcomes = changes.iter().enumerate().map(|(n, change)| work.apply(n, change)).collect();
    work.write(&mut tx, app.clock.now()).await?;
    tx.commit().await?;
    app.metrics.sends.reactions.count(changes.len(), started.elapsed());
    Ok(outcomes)
}

/// A user's reaction with an emoji.
type Key = (MessageId, UserId, Emoji);

/// What has become of a reaction.
struct Row {
    /// The row that was there at the beginning.
    stored: Option<i64>,
    /// Whether that row has to go.
    is_removed: bool,
    /// Whether one blocks the other in this private chat.
    is_blocked: bool,
    /// When it was added, among the changes of the batch, if it is to be a new row.
    added: Option<usize>,
}

impl Row {
    fn is_there(&self) -> bool {
        self.added.is_some() || self.stored.is_some_and(|_| !self.is_removed)
    }
}

/// A batch: what it depends on, locked, and what has changed.
struct Work {
    /// The chats' versions.
    versions: HashMap<ChatId, Version>,
    /// The messages, with their statuses.
    messages: HashMap<MessageId, Message>,
    /// The reactions that the changes name; those of strangers are missing.
    rows: HashMap<Key, Row>,
    /// The messages that have a new version.
    changed: BTreeMap<MessageId, ChatId>,
}

impl Work {
    /// Locks the chats first: what is read after that stays so until the commit.
    async fn read(app: &App, tx: &mut Tx, changes: &[ReactionChange]) -> Result<Self> {
        let mut ids: Vec<_> = changes.iter().map(|change| change.message).collect();
        ids.sort_unstable();
        ids.dedup();
        let versions: HashMap<_, _> = reactions::lock_chats(tx, &ids).await?.into_iter().collect();
        let mut rows = HashMap::new();
        for present in reactions::present(&mut *tx, changes).await? {
            let row = Row {
                stored: present.reaction,
                is_removed: false,
                is_blocked: present.blocked,
                added: None,
            };
            rows.entry(key(&changes[present.n])).or_insert(row);
        }
        let chats: Vec<_> = versions.keys().copied().collect();
        let least = least_markers(&mut *tx, &app.laggards, &chats).await?;
        let mut messages = HashMap::new();
        for message in messages::by_ids(&mut *tx, &ids).await? {
            let least = least.get(&message.chat);
            messages.insert(message.id, message.with_status(least));
        }
        let mut work = Self { versions, messages, rows, changed: BTreeMap::new() };
        work.read_users(tx, changes).await?;
        Ok(work)
    }

    /// Reads who follows the users that a message names, where some of these may be removed.
    async fn read_users(&mut self, tx: &mut Tx, changes: &[ReactionChange]) -> Result<()> {
        let mut removals: BTreeMap<(MessageId, &Emoji), usize> = BTreeMap::new();
        for change in changes.iter().filter(|change| !change.active) {
            *removals.entry((change.message, &change.emoji)).or_default() += 1;
        }
        for ((id, emoji), count) in removals {
            let Some(extras) = self.messages.get_mut(&id).and_then(|one| one.extras.as_mut())
            else {
                continue;
            };
            if extras.reactions.users(emoji).is_some_and(|one| one.count > USERS_SHOWN) {
                let limit = i64::try_from(USERS_SHOWN + count).map_err(Error::internal)?;
                let users = reactions::first_users(&mut *tx, id, emoji, limit).await?;
                extras.reactions.name_users(emoji, users);
            }
        }
        Ok(())
    }

    /// Makes a change. It takes the chat's next version if it changes anything.
    fn apply(&mut self, n: usize, change: &ReactionChange) -> Outcome {
        let row = self.rows.get_mut(&key(change));
        let message = self.messages.get_mut(&change.message);
        let version = message.as_ref().and_then(|one| self.versions.get_mut(&one.chat));
        let (Some(row), Some(message), Some(version)) = (row, message, version) else {
            return Err(Error::NotFound);
        };
        // Users may take back their own reactions, as they may delete their own messages.
        if row.is_blocked && change.active {
            return Err(Error::Blocked);
        }
        if message.deleted_at.is_some() {
            return Err(Error::Conflict(TOMBSTONE));
        }
        if row.is_there() == change.active {
            return Ok((Arc::new(shown(message)), false));
        }
        let reactions = &mut message.extras.get_or_insert_default().reactions;
        if !change.active {
            reactions.remove(&change.emoji, change.user);
            (row.is_removed, row.added) = (row.stored.is_some(), None);
        } else if reactions.add(&change.emoji, change.user) {
            row.added = Some(n);
        } else {
            return Err(Error::Conflict(TOO_MANY));
        }
        *version = version.next();
        (message.version, message.last_change) = (*version, LastChange::Other);
        self.changed.insert(message.id, message.chat);
        Ok((Arc::new(shown(message)), true))
    }

    async fn write(&self, tx: &mut Tx, now: Timestamp) -> Result<()> {
        if self.changed.is_empty() {
            return Ok(());
        }
        let removed: Vec<_> =
            self.rows.values().filter(|row| row.is_removed).filter_map(|row| row.stored).collect();
        if !removed.is_empty() {
            reactions::remove(tx, &removed).await?;
        }
        let mut added: Vec<_> =
            self.rows.iter().filter_map(|(key, row)| Some((row.added?, key))).collect();
        added.sort_unstable();
        let added: Vec<_> =
            added.iter().map(|(_, (id, user, emoji))| (*id, *user, emoji.as_str())).collect();
        if !added.is_empty() {
            reactions::insert(tx, &added, now).await?;
        }
        let changed = self.changed.keys().filter_map(|id| self.messages.get(id));
        let changed = changed.map(|message| Ok((message.id, message.version, stored(message)?)));
        reactions::update_messages(tx, &changed.collect::<Result<Vec<_>>>()?).await?;
        let mut chats: Vec<_> = self.changed.values().copied().collect();
        chats.sort_unstable();
        chats.dedup();
        let versions: Vec<_> = chats.into_iter().map(|chat| (chat, self.versions[&chat])).collect();
        reactions::update_chats(tx, &versions).await.map_err(Into::into)
    }
}

fn key(change: &ReactionChange) -> Key {
    (change.message, change.user, change.emoji.clone())
}

/// The message with the users that are shown.
fn shown(message: &Message) -> Message {
    let mut shown = message.clone();
    if let Some(extras) = &mut shown.extras {
        extras.reactions = extras.reactions.shown();
    }
    shown
}

fn stored(message: &Message) -> Result<Option<String>> {
    let shown = shown(message);
    let stored = shown.extras.map(|extras| extras.stored()).transpose();
    stored.map(Option::flatten).map_err(Error::internal)
}
