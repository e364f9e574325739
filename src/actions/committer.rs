//! Group commit of messages: many sends, one transaction. Sends wait in a bounded queue; a committer takes
//! all that are there, does each step for all of them with one statement, commits, publishes, and answers.
//!
//! Order: all sends of a chat go to one committer, in the order in which they were queued. It locks the
//! chat's row before it reads its numbers and until it has committed, so versions are without gaps and in
//! commit order over all nodes.
//!
//! Sending is idempotent: a `client_id` that is repeated gets the message that the first send created.

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use tokio::sync::mpsc;

use crate::app::{App, PendingSend, Sent};
use crate::domain::error::{Cause, Error, Result};
use crate::domain::event::{Change, ChatEvent, Event};
use crate::domain::ids::{ChatId, MessageId, UserId};
use crate::domain::message::{ClientId, LastChange, Message, NewMessage};
use crate::domain::numbering::{Seq, Version};
use crate::domain::receipt::MessageStatus;
use crate::domain::text;
use crate::domain::time::Timestamp;
use crate::store::error::is_conflict;
use crate::store::least::least_markers;
use crate::store::sends::{self, Added, Numbered, Resolved};
use crate::store::{Tx, messages};

use super::epoch;
use super::messages::LEFT_ALONE;

/// Most sends in one transaction: enough to spread the cost of a commit, few enough that the first of them
/// does not wait long for the last.
const BATCH: usize = 256;

/// How often a batch is tried that deadlocks.
const TRIES: usize = 3;

/// See [`not_before`].
const DAY: Duration = Duration::from_secs(86_400);

/// The answer to a `client_id` that is reused with other content.
const CLASH: &str = "A message with this client_id and other content exists.";

/// A committer. It is cancelled when no request is in flight any more.
pub async fn run(app: Arc<App>, mut queue: mpsc::Receiver<PendingSend>) {
    let mut batch = Vec::with_capacity(BATCH);
    while queue.recv_many(&mut batch, BATCH).await > 0 {
        let done = AssertUnwindSafe(send_all(&app, std::mem::take(&mut batch))).catch_unwind();
        if done.await.is_err() {
            // The senders were answered when their channels were dropped.
            tracing::error!("committer panicked; a batch of messages was dropped");
        }
    }
}

/// Sends a batch. If it fails as a whole although the database is available, one of its sends must be the
/// cause: they are tried one by one, so that only that one fails.
async fn send_all(app: &App, batch: Vec<PendingSend>) {
    let batch = refuse_late(app, batch);
    match attempt_again(app, &batch).await {
        Ok(outcomes) => finish(app, batch, outcomes),
        Err(Failure::Before(Error::Internal(cause))) if batch.len() > 1 => {
            tracing::warn!(
                cause,
                size = batch.len(),
                "batch of messages failed; retrying one by one"
            );
            for pending in batch {
                let one = std::slice::from_ref(&pending);
                match attempt_again(app, one).await {
                    Ok(outcomes) => finish(app, vec![pending], outcomes),
                    Err(failure) => refuse(vec![pending], failure),
                }
            }
        }
        Err(failure) => refuse(batch, failure),
    }
}

/// Refuses sends whose timeout is over: their senders were answered that the outcome is unknown, and may be
/// retrying already.
fn refuse_late(app: &App, batch: Vec<PendingSend>) -> Vec<PendingSend> {
    let timeout = app.worker_timeout();
    let (late, batch): (Vec<_>, _) =
        batch.into_iter().partition(|pending| pending.since.elapsed() >= timeout);
    refuse(late, Failure::Before(Error::Unavailable("the send waited for too long".into())));
    batch
}

/// One transaction, retried where a deadlock ended it.
async fn attempt_again(app: &App, batch: &[PendingSend]) -> Result<Vec<Result<Sent>>, Failure> {
    let messages: Vec<_> = batch.iter().map(|pending| &pending.message).collect();
    for _ in 1..TRIES {
        match attempt(app, &messages).await {
            Err(Failure::Before(Error::Unavailable(cause))) if is_conflict(&cause) => {}
            outcome => return outcome,
        }
    }
    attempt(app, &messages).await
}

/// Publishes, then answers: a sender who has the answer can rely on the event being on its way. Senders who
/// have hung up need no answer.
fn finish(app: &App, batch: Vec<PendingSend>, outcomes: Vec<Result<Sent>>) {
    // In the order of the batch, which is the order of each chat's versions.
    for outcome in &outcomes {
        if let Ok(Sent { message, created: true }) = outcome {
            let (chat, version) = (message.chat, message.version);
            let change = Change::MessageCreated(Arc::clone(message));
            app.publish(&[Event::Chat(ChatEvent { chat, version, change })]);
        }
    }
    epoch::keep_seen(app);
    for (pending, outcome) in batch.into_iter().zip(outcomes) {
        drop(pending.answer.send(outcome));
    }
}

fn refuse(batch: Vec<PendingSend>, failure: Failure) {
    let (Failure::Before(error) | Failure::Commit(error)) = failure;
    // Not its debug form, which may hold what was to be written.
    let (kind, text): (fn(Cause) -> Error, _) = match error {
        Error::Unavailable(cause) => (Error::Unavailable, cause.to_string()),
        Error::OutcomeUnknown(cause) => (Error::OutcomeUnknown, cause.to_string()),
        Error::Internal(cause) => (Error::Internal, cause.to_string()),
        other => (Error::Internal, other.to_string()),
    };
    for pending in batch {
        drop(pending.answer.send(Err(kind(text.clone().into()))));
    }
}

/// Why a whole batch failed.
enum Failure {
    /// Nothing was committed.
    Before(Error),
    /// The commit failed. Where its outcome is unknown ([`Error::OutcomeUnknown`]) it is not retried here;
    /// the senders may retry with the same `client_id`.
    Commit(Error),
}

impl<E: Into<Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::Before(error.into())
    }
}

/// The decision about one send.
enum Verdict {
    /// The message with this index among the new ones.
    New(usize),
    /// A repeat, in the same batch, of this one.
    Repeat(usize),
    /// An earlier transaction created it.
    Existing(MessageId),
    /// It is refused.
    Refused(Error),
}

/// One transaction. The outcomes are in the order of the sends.
async fn attempt(app: &App, batch: &[&NewMessage]) -> Result<Vec<Result<Sent>>, Failure> {
    let now = app.clock.now();
    let mut tx = app.db.begin().await?;

    let chats: Vec<_> = batch.iter().map(|message| message.chat).collect();
    let locked = sends::lock_chats(&mut tx, &chats).await?;
    let numbers = locked.iter().map(|chat| (chat.id, (chat.last_seq, chat.version)));
    let mut resolved: Vec<Option<Resolved>> = batch.iter().map(|_| None).collect();
    for found in sends::resolve(&mut tx, batch).await? {
        let index = found.index;
        resolved[index] = Some(found);
    }
    let (verdicts, numbered) = judge(batch, &resolved, numbers.collect());
    let times = locked.iter().map(|chat| (chat.id, not_before(chat.active_at, now))).collect();
    let existing = existing(app, &mut tx, &verdicts).await?;
    if numbered.is_empty() {
        return Ok(outcomes(batch, verdicts, &[], &existing));
    }

    let created = insert(&mut tx, batch, &resolved, &numbered, &times).await?;
    tx.commit().await.map_err(|error| Failure::Commit(error.into()))?;
    Ok(outcomes(batch, verdicts, &created, &existing))
}

/// The timestamp of a message that follows one of `newest`: within a chat, times do not go back when a
/// clock does. A timestamp that is more than a day ahead was a mistake, and is ignored.
fn not_before(newest: Timestamp, now: Timestamp) -> Timestamp {
    if newest <= now.plus(DAY) { newest.max(now) } else { now }
}

/// A new message: the index of its send, its seq and its version.
type Numbering = (usize, Seq, Version);

/// Decides about each send, and numbers the new messages.
fn judge(
    batch: &[&NewMessage],
    resolved: &[Option<Resolved>],
    mut numbers: HashMap<ChatId, (Seq, Version)>,
) -> (Vec<Verdict>, Vec<Numbering>) {
    let mut numbered: Vec<Numbering> = Vec::with_capacity(batch.len());
    let mut named: HashMap<(ChatId, UserId, &ClientId), usize> = HashMap::new();
    let mut verdicts = Vec::with_capacity(batch.len());
    for (index, message) in batch.iter().enumerate() {
        let name = message.client_id.as_ref().map(|id| (message.chat, message.sender, id));
        let verdict = match (&resolved[index], numbers.get_mut(&message.chat)) {
            (Some(Resolved { existing: Some(id), .. }), _) => Verdict::Existing(*id),
            (Some(found), Some((seq, version))) => {
                if let Some(first) = name.and_then(|name| named.get(&name)) {
                    Verdict::Repeat(*first)
                } else if found.left_alone {
                    Verdict::Refused(Error::Conflict(LEFT_ALONE))
                } else if let (false, Some(id)) = (found.reply_ok, message.reply_to) {
                    Verdict::Refused(Error::field("reply_to", text::no_such(id)))
                } else {
                    (*seq, *version) = (seq.next(), version.next());
                    numbered.push((index, *seq, *version));
                    named.extend(name.map(|name| (name, numbered.len() - 1)));
                    Verdict::New(numbered.len() - 1)
                }
            }
            _ => Verdict::Refused(Error::NotFound),
        };
        verdicts.push(verdict);
    }
    (verdicts, numbered)
}

/// The messages that existed already, with their statuses.
async fn existing(
    app: &App,
    tx: &mut Tx,
    verdicts: &[Verdict],
) -> Result<HashMap<MessageId, Arc<Message>>> {
    let ids: Vec<_> = verdicts
        .iter()
        .filter_map(|verdict| match verdict {
            Verdict::Existing(id) => Some(*id),
            _ => None,
        })
        .collect();
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let found = messages::by_ids(&mut *tx, &ids).await?;
    let chats: Vec<_> = found.iter().map(|message| message.chat).collect();
    let least = least_markers(tx, &app.laggards, &chats).await?;
    Ok(found
        .into_iter()
        .map(|message| {
            let least = least.get(&message.chat);
            (message.id, Arc::new(message.with_status(least)))
        })
        .collect())
}

/// Writes the new messages, the chats' numbers and the senders' markers.
async fn insert(
    tx: &mut Tx,
    batch: &[&NewMessage],
    resolved: &[Option<Resolved>],
    numbered: &[Numbering],
    times: &HashMap<ChatId, Timestamp>,
) -> Result<Vec<Arc<Message>>> {
    let row = |&(index, seq, version): &Numbering| {
        let message: &NewMessage = batch[index];
        Some(Numbered { message, seq, version, timestamp: *times.get(&message.chat)? })
    };
    let rows: Vec<_> = numbered.iter().filter_map(row).collect();
    let ids: HashMap<_, _> = sends::insert(tx, &rows)
        .await?
        .into_iter()
        .map(|(chat, seq, id)| ((chat, seq), id))
        .collect();

    let mut created = Vec::with_capacity(numbered.len());
    let mut added: HashMap<ChatId, Added> = HashMap::new();
    let mut markers: HashMap<(ChatId, UserId), Seq> = HashMap::new();
    for &(index, seq, version) in numbered {
        let NewMessage { chat, sender, content, reply_to, client_id } = batch[index];
        let (Some(id), Some(found), Some(&timestamp)) =
            (ids.get(&(*chat, seq)), &resolved[index], times.get(chat))
        else {
            return Err(Error::internal("a message was inserted without an id"));
        };
        let entry = added.entry(*chat).or_insert(Added {
            chat: *chat,
            count: 0,
            last: *id,
            active_at: timestamp,
        });
        (entry.count, entry.last) = (entry.count + 1, *id);
        markers.insert((*chat, *sender), seq);
        created.push(Arc::new(Message {
            id: *id,
            chat: *chat,
            seq,
            version,
            sender: found.sender.clone(),
            content: content.clone(),
            timestamp,
            edited_at: None,
            deleted_at: None,
            last_change: LastChange::Created,
            reply_to: *reply_to,
            client_id: client_id.as_ref().map(|id| id.as_str().to_owned()),
            // No marker is beyond the message that was the newest until now.
            status: MessageStatus::Sent,
        }));
    }
    sends::advance_chats(tx, &added.into_values().collect::<Vec<_>>()).await?;
    let markers: Vec<_> =
        markers.into_iter().map(|((chat, user), seq)| (chat, user, seq)).collect();
    sends::advance_senders(tx, &markers).await?;
    Ok(created)
}

fn outcomes(
    batch: &[&NewMessage],
    verdicts: Vec<Verdict>,
    created: &[Arc<Message>],
    existing: &HashMap<MessageId, Arc<Message>>,
) -> Vec<Result<Sent>> {
    let again = |asked: &NewMessage, message: &Arc<Message>| {
        let untouched = message.edited_at.is_none() && message.deleted_at.is_none();
        if untouched && message.content != asked.content {
            return Err(Error::Conflict(CLASH));
        }
        Ok(Sent { message: Arc::clone(message), created: false })
    };
    let outcome = |(asked, verdict): (&&NewMessage, Verdict)| match verdict {
        Verdict::New(index) => Ok(Sent { message: Arc::clone(&created[index]), created: true }),
        Verdict::Repeat(index) => again(asked, &created[index]),
        Verdict::Existing(id) => again(asked, existing.get(&id).ok_or(Error::NotFound)?),
        Verdict::Refused(error) => Err(error),
    };
    batch.iter().zip(verdicts).map(outcome).collect()
}
