//! Group commit of messages: many sends, one transaction. Sends wait in a bounded queue; a committer takes
//! all that are there, has them written and committed together (`store::post`), publishes, and answers.
//!
//! Order: all sends of a chat go to one committer, in the order in which they were queued. The chat's row is
//! locked before its numbers are read and until the commit, so versions are without gaps and in commit order
//! over all nodes.
//!
//! Sending is idempotent: a `client_id` that is repeated gets the message that the first send created.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::join;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;
use tracing::{Instrument, Span};

use crate::app::{App, PendingSend, Sent};
use crate::domain::error::{Error, Result};
use crate::domain::event::{Change, ChatEvent, Event};
use crate::domain::extras::Extras;
use crate::domain::ids::{ChatId, MessageId, UserId};
use crate::domain::message::{ClientId, LastChange, Message, NewMessage};
use crate::domain::numbering::{Seq, Version};
use crate::domain::receipt::MessageStatus;
use crate::domain::text;
use crate::store::least::least_markers;
use crate::store::messages;
use crate::store::post::{Numbering, Posted, post};
use crate::store::sends::Resolved;
use crate::traces;

use super::messages::LEFT_ALONE;
use super::{attaching, batch, epoch, mentions};

/// Most sends in one transaction: enough to spread the cost of a commit, few enough that the first of them
/// does not wait long for the last.
const BATCH: usize = 256;

/// The answer to a `client_id` that is reused with other content.
pub(super) const CLASH: &str = "A message with this client_id and other content exists.";

type Answer = oneshot::Sender<Result<Sent>>;

/// The outcomes of a batch, in its order.
type Outcomes = Vec<(Answer, Result<Sent>)>;

/// A batch that was committed, and is still to be published and answered.
struct Done {
    outcomes: Outcomes,
    /// The batch, in traces.
    span: Span,
}

/// A committer. It is cancelled when no request is in flight any more. While a batch is being committed, it
/// publishes and answers the one before.
pub async fn run(app: Arc<App>, mut queue: mpsc::Receiver<PendingSend>) {
    let mut done: Option<Done> = None;
    loop {
        let mut batch = Vec::with_capacity(BATCH);
        let taken = queue.recv_many(&mut batch, BATCH);
        let count =
            if done.is_none() { taken.await } else { taken.now_or_never().unwrap_or_default() };
        if count == 0 {
            let Some(done) = done.take() else { return };
            finish(&app, done);
            continue;
        }
        let span = traces::batch(count, batch.iter().map(|pending| &pending.origin));
        // In this order: the batch is on its way to the database when the one before is published.
        let finished = async { done.take().into_iter().for_each(|done| finish(&app, done)) };
        let sent = AssertUnwindSafe(send_all(&app, batch).instrument(span.clone())).catch_unwind();
        let (sent, ()) = join(sent, finished).await;
        done = match sent {
            Ok(outcomes) => Some(Done { outcomes, span }),
            Err(_) => {
                // The senders were answered when their channels were dropped.
                tracing::error!("committer panicked; a batch of messages was dropped");
                None
            }
        };
    }
}

/// Sends a batch.
async fn send_all(app: &App, batch: Vec<PendingSend>) -> Outcomes {
    let timeout = app.worker_timeout();
    let (late, batch): (Vec<_>, Vec<_>) =
        batch.into_iter().partition(|pending| pending.since.elapsed() >= timeout);
    // Their senders were answered that the outcome is unknown, and may be retrying already.
    let refused = || Error::Unavailable("the send waited for too long".into());
    let mut done: Outcomes =
        late.into_iter().map(|pending| (pending.answer, Err(refused()))).collect();
    let (messages, answers): (Vec<_>, Vec<_>) =
        batch.into_iter().map(|pending| (pending.message, pending.answer)).unzip();
    let outcomes = batch::commit(messages, |messages| attempt(app, messages)).await;
    done.extend(answers.into_iter().zip(outcomes));
    done
}

/// Publishes, then answers: a sender who has the answer can rely on the event being on its way. Senders who
/// have hung up need no answer.
fn finish(app: &App, Done { outcomes: batch, span }: Done) {
    let sent = batch.iter().filter_map(|(_, outcome)| outcome.as_ref().ok());
    let created = sent.filter(|sent| sent.created).map(|sent| &sent.message);
    let publish = AssertUnwindSafe(|| span.in_scope(|| publish(app, created)));
    if catch_unwind(publish).is_err() {
        tracing::error!("committer panicked while it published a batch of messages");
    }
    epoch::keep_seen(app);
    for (answer, outcome) in batch {
        drop(answer.send(outcome));
    }
}

/// Publishes new messages, in the order of each chat's versions.
pub(super) fn publish<'a>(app: &App, created: impl Iterator<Item = &'a Arc<Message>>) {
    for message in created {
        let (chat, version) = (message.chat, message.version);
        let change = Change::MessageCreated(Arc::clone(message));
        app.publish(&[Event::Chat(ChatEvent { chat, version, change })]);
    }
}

/// The decision about one send.
pub(super) enum Verdict {
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
async fn attempt(app: &App, batch: Arc<[NewMessage]>) -> Result<Vec<Result<Sent>>> {
    let (now, started) = (app.clock.now(), Instant::now());
    let batch = attaching::of_batch(app, mentions::of_batch(app, batch).await?).await?;
    let posted = post(&app.db, &batch, now, judge).await?;
    app.metrics.sends.messages.count(batch.len(), started.elapsed());
    app.metrics.sends.created(posted.created.len());
    let existing = existing(app, &posted.verdicts).await;
    let created: Vec<_> = created(&batch, &posted).collect();
    Ok(outcomes(&batch, posted.verdicts, &created, &existing))
}

/// Decides about each send, and numbers the new messages.
pub(super) fn judge(
    batch: &[NewMessage],
    resolved: &[Option<Resolved>],
) -> (Vec<Verdict>, Vec<Numbering>) {
    let mut numbers: HashMap<ChatId, (Seq, Version)> = HashMap::new();
    let mut numbered: Vec<Numbering> = Vec::with_capacity(batch.len());
    let mut named: HashMap<(ChatId, UserId, &ClientId), usize> = HashMap::new();
    let mut verdicts = Vec::with_capacity(batch.len());
    for (index, message) in batch.iter().enumerate() {
        let name = message.client_id.as_ref().map(|id| (message.chat, message.sender, id));
        let verdict = match &resolved[index] {
            None => Verdict::Refused(Error::NotFound),
            Some(Resolved { existing: Some(id), .. }) => Verdict::Existing(*id),
            Some(found) => {
                if let Some(first) = name.and_then(|name| named.get(&name)) {
                    Verdict::Repeat(*first)
                } else if found.blocked {
                    Verdict::Refused(Error::Blocked)
                } else if found.left_alone {
                    Verdict::Refused(Error::Conflict(LEFT_ALONE))
                } else if message.attachments.missing().next().is_some() {
                    Verdict::Refused(Error::Invalid(attaching::errors(&message.attachments)))
                } else if let (false, Some(id)) = (found.reply_ok, message.reply_to) {
                    Verdict::Refused(Error::field("reply_to", text::no_such(id)))
                } else {
                    let before = (found.last_seq, found.version);
                    let (seq, version) = numbers.entry(message.chat).or_insert(before);
                    (*seq, *version) = (seq.next(), version.next());
                    numbered.push((index, *seq, *version));
                    named.extend(name.map(|name| (name, numbered.len() - 1)));
                    Verdict::New(numbered.len() - 1)
                }
            }
        };
        verdicts.push(verdict);
    }
    (verdicts, numbered)
}

/// The messages that existed already, with their statuses.
pub(super) async fn existing(
    app: &App,
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
    let found = messages::by_ids(&app.db, &ids).await?;
    let chats: Vec<_> = found.iter().map(|message| message.chat).collect();
    let least = least_markers(&app.db, &app.laggards, &chats).await?;
    Ok(found
        .into_iter()
        .map(|message| {
            let least = least.get(&message.chat);
            (message.id, Arc::new(message.with_status(least)))
        })
        .collect())
}

/// The new messages.
pub(super) fn created<T>(
    batch: &[NewMessage],
    posted: &Posted<T>,
) -> impl Iterator<Item = Arc<Message>> {
    posted.created.iter().filter_map(|&((index, seq, version), id)| {
        let NewMessage {
            chat, content, reply_to, client_id, mentions, origin, attachments, ..
        } = &batch[index];
        let resolved = posted.resolved[index].as_ref()?;
        Some(Arc::new(Message {
            id,
            chat: *chat,
            seq,
            version,
            sender: resolved.sender.clone(),
            content: content.clone(),
            timestamp: resolved.timestamp,
            edited_at: None,
            deleted_at: None,
            last_change: LastChange::Created,
            reply_to: *reply_to,
            client_id: client_id.as_ref().map(|id| id.as_str().to_owned()),
            // No marker is beyond the message that was the newest until now.
            status: MessageStatus::Sent,
            pinned_at: None,
            extras: Extras::of_new(mentions, origin.as_deref(), &attachments.found),
        }))
    })
}

fn outcomes(
    batch: &[NewMessage],
    verdicts: Vec<Verdict>,
    created: &[Arc<Message>],
    existing: &Result<HashMap<MessageId, Arc<Message>>>,
) -> Vec<Result<Sent>> {
    let again = |asked: &NewMessage, message: &Arc<Message>| {
        let untouched = message.edited_at.is_none() && message.deleted_at.is_none();
        if untouched && message.content != asked.content {
            return Err(Error::Conflict(CLASH));
        }
        Ok(Sent { message: Arc::clone(message), created: false })
    };
    let outcome = |(asked, verdict): (&NewMessage, Verdict)| match verdict {
        Verdict::New(index) => Ok(Sent { message: Arc::clone(&created[index]), created: true }),
        Verdict::Repeat(index) => again(asked, &created[index]),
        // The others are committed, even if these cannot be read.
        Verdict::Existing(id) => {
            let found = existing.as_ref().map_err(Error::again)?;
            again(asked, found.get(&id).ok_or(Error::NotFound)?)
        }
        Verdict::Refused(error) => Err(error),
    };
    batch.iter().zip(verdicts).map(outcome).collect()
}
