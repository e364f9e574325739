//! How a batch of sends becomes a transaction, which the caller judges.
//!
//! On PostgreSQL it is one statement, committed by itself: one round trip. If a chat was changed while the
//! statement waited for the chat's row, nothing was written; then it runs again, in a transaction that locks
//! the rows first; so it does at once if the batch mentions somebody or has attachments. On SQLite it is one visit to the writer's
//! thread, and the caller judges before anything is written.

use std::collections::HashMap;
use std::sync::Arc;

use crate::domain::forwards::Source;
use crate::domain::ids::MessageId;
use crate::domain::message::NewMessage;
use crate::domain::numbering::{Seq, Version};
use crate::domain::time::Timestamp;

use super::attachments::{self, Attached};
use super::db::{Db, Tx};
use super::error::{Failure, Result, StoreError};
use super::mentions::{self, Mentioning};
use super::sends::{self, Inserted, Numbered, Resolved};
use super::sqlite::Sqlite;

/// A new message: the index of its send, its seq and its version.
pub type Numbering = (usize, Seq, Version);

/// A batch that was committed.
#[derive(Debug)]
pub struct Posted<T> {
    /// What the sends depended on, in their order; `None` where the sender is not a member.
    pub resolved: Vec<Option<Resolved>>,
    /// What the caller decided about each.
    pub verdicts: T,
    /// The new messages.
    pub created: Vec<(Numbering, MessageId)>,
}

/// Decides about each send of a batch, by what they depend on, and numbers the new messages.
pub type Judge<T> = fn(&[NewMessage], &[Option<Resolved>]) -> (T, Vec<Numbering>);

/// Writes the new messages of a batch, the chats' numbers and the senders' markers, and commits.
/// [`StoreError::Unknown`]: it may have been committed or not. Any other error: nothing was committed.
pub async fn post<T: Send + 'static>(
    db: &Db,
    batch: &Arc<[NewMessage]>,
    now: Timestamp,
    judge: Judge<T>,
) -> Result<Posted<T>> {
    if db.is_sqlite() {
        let batch = Arc::clone(batch);
        return db.visit(move |db| in_steps(db, &batch, now, judge)).await;
    }
    if batch.iter().all(|send| send.mentions.is_empty() && send.attachments.is_empty())
        && let Some((resolved, inserted)) = at_once(db, batch, now).await?
    {
        let (verdicts, numbered) = judge(batch, &resolved);
        let created = with_ids(batch, &numbered, inserted)?;
        return Ok(Posted { resolved, verdicts, created });
    }
    let mut tx = db.begin().await?;
    let chats: Vec<_> = batch.iter().map(|send| send.chat).collect();
    sends::lock_chats(&mut tx, &chats).await?;
    under_locks(tx, batch, now, judge).await
}

/// Like [`post`], if the message that is forwarded is still as it was read; `None` if it is not. A caller that numbers none of the batch
/// refuses all of it.
pub async fn post_forward<T: Send + 'static>(
    db: &Db,
    batch: &Arc<[NewMessage]>,
    source: Option<Source>,
    now: Timestamp,
    judge: Judge<T>,
) -> Result<Option<Posted<T>>> {
    if db.is_sqlite() {
        let batch = Arc::clone(batch);
        let work = move |db: &mut Sqlite| {
            if let Some(source) = source
                && !sends::is_unchanged(db, &source)?
            {
                return Ok(None);
            }
            in_steps(db, &batch, now, judge).map(Some)
        };
        return db.visit(work).await;
    }
    let mut tx = db.begin().await?;
    let chats = batch.iter().map(|send| send.chat).chain(source.map(|source| source.chat));
    sends::lock_chats(&mut tx, &chats.collect::<Vec<_>>()).await?;
    if let Some(source) = source
        && !sends::is_still_unchanged(&mut tx, &source).await?
    {
        return Ok(None);
    }
    under_locks(tx, batch, now, judge).await.map(Some)
}

/// On PostgreSQL, with the chats locked.
async fn under_locks<T>(
    mut tx: Tx,
    batch: &[NewMessage],
    now: Timestamp,
    judge: Judge<T>,
) -> Result<Posted<T>> {
    let (resolved, inserted) = sends::write(&mut tx, batch, now).await?;
    let (verdicts, numbered) = judge(batch, &resolved);
    if numbered.is_empty() {
        // What was written nevertheless is rolled back.
        return Ok(Posted { resolved, verdicts, created: Vec::new() });
    }
    let created = with_ids(batch, &numbered, inserted)?;
    let mentioning: Vec<_> = created.iter().map(|one| mentioning(batch, one)).collect();
    if mentioning.iter().any(|(.., mentions)| !mentions.is_empty()) {
        mentions::insert(&mut tx, &mentioning).await?;
    }
    let attached: Vec<_> = created.iter().flat_map(|one| attached(batch, one)).collect();
    if !attached.is_empty() {
        attachments::send(&mut tx, &attached).await?;
    }
    tx.commit().await?;
    Ok(Posted { resolved, verdicts, created })
}

/// What a statement returned that writes a batch.
type Written = (Vec<Option<Resolved>>, Vec<Inserted>);

/// On PostgreSQL, where the statement accepts by the same rules as `judge`. `None` if nothing was written, perhaps
/// because a chat has changed meanwhile.
async fn at_once(db: &Db, batch: &[NewMessage], now: Timestamp) -> Result<Option<Written>> {
    let mut alone = db.autocommit().await?;
    let written = sends::write(&mut alone, batch, now).await.map_err(StoreError::at_commit);
    alone.committed_itself(written.as_ref().map(drop));
    let written = written?;
    Ok(Some(written).filter(|(resolved, _)| resolved.iter().any(Option::is_some)))
}

fn mentioning<'a>(
    batch: &'a [NewMessage],
    ((index, seq, _), id): &(Numbering, MessageId),
) -> Mentioning<'a> {
    let send = &batch[*index];
    (send.chat, *seq, *id, &send.mentions)
}

/// The attachments of a new message: the attachment, its owner, the message and the position in it.
fn attached<'a>(
    batch: &'a [NewMessage],
    &((index, ..), id): &(Numbering, MessageId),
) -> impl Iterator<Item = Attached> + use<'a> {
    let send = &batch[index];
    (0..).zip(&send.attachments.ids).map(move |(position, one)| (*one, send.sender, id, position))
}

/// On SQLite, whose one writer sees no other's changes in between.
fn in_steps<T>(
    db: &mut Sqlite,
    batch: &[NewMessage],
    now: Timestamp,
    judge: Judge<T>,
) -> Result<Posted<T>> {
    let resolved: Vec<_> =
        batch.iter().map(|send| sends::resolve(db, send, now)).collect::<Result<_>>()?;
    let (verdicts, numbered) = judge(batch, &resolved);
    let mut created = Vec::with_capacity(numbered.len());
    let mut chats = HashMap::new();
    let mut senders = HashMap::new();
    for numbering in numbered {
        let (index, seq, version) = numbering;
        let message = &batch[index];
        let found = resolved[index].as_ref();
        let found = found.ok_or_else(|| Failure::wrong("a stranger's message was accepted"))?;
        let new = Numbered { message, seq, version, timestamp: found.timestamp };
        let id = sends::insert(db, &new)?;
        chats.insert(message.chat, (new, id));
        senders.insert((message.chat, message.sender), seq);
        created.push((numbering, id));
        mentions::insert_one(db, mentioning(batch, &(numbering, id)))?;
        for one in attached(batch, &(numbering, id)) {
            attachments::send_one(db, one)?;
        }
    }
    for (newest, id) in chats.values() {
        sends::advance_chat(db, newest, *id)?;
    }
    for ((chat, sender), newest) in senders {
        sends::advance_sender(db, chat, sender, newest)?;
    }
    Ok(Posted { resolved, verdicts, created })
}

/// Pairs the new messages with their ids. Fails if others were inserted than were accepted.
fn with_ids(
    batch: &[NewMessage],
    numbered: &[Numbering],
    inserted: Vec<Inserted>,
) -> Result<Vec<(Numbering, MessageId)>> {
    let count = inserted.len();
    let ids: HashMap<_, _> =
        inserted.into_iter().map(|(chat, seq, id)| ((chat, seq), id)).collect();
    let with_id = |new: &Numbering| Some((*new, *ids.get(&(batch[new.0].chat, new.1))?));
    let created: Vec<_> = numbered.iter().filter_map(with_id).collect();
    if created.len() == numbered.len() && created.len() == count {
        return Ok(created);
    }
    Err(StoreError::unknown("other messages were inserted than were accepted"))
}
