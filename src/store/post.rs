//! How a batch of sends becomes a transaction, which the caller judges.
//!
//! On PostgreSQL it is one statement, committed by itself: one round trip. If a chat was changed while the
//! statement waited for the chat's row, nothing was written; then it runs again, in a transaction that locks
//! the rows first. On SQLite it is a few statements, and the caller judges before anything is written.

use std::collections::HashMap;

use crate::domain::ids::{ChatId, MessageId, UserId};
use crate::domain::message::NewMessage;
use crate::domain::numbering::{Seq, Version};
use crate::domain::time::Timestamp;

use super::db::Db;
use super::error::{Result, StoreError};
use super::sends::{self, Added, Inserted, Numbered, Resolved};

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

/// Writes the new messages of a batch, the chats' numbers and the senders' markers, and commits.
/// [`StoreError::Unknown`]: it may have been committed or not. Any other error: nothing was committed.
///
/// `judge` decides about each send, and numbers the new messages.
pub async fn post<T>(
    db: &Db,
    batch: &[NewMessage],
    now: Timestamp,
    judge: impl Fn(&[Option<Resolved>]) -> (T, Vec<Numbering>),
) -> Result<Posted<T>> {
    if db.is_sqlite() {
        return in_steps(db, batch, now, judge).await;
    }
    let (facts, inserted) = at_once(db, batch, now).await?;
    let resolved = in_order(batch, facts);
    let (verdicts, numbered) = judge(&resolved);
    let created = with_ids(batch, &numbered, inserted)?;
    Ok(Posted { resolved, verdicts, created })
}

/// On PostgreSQL, where the statement accepts by the same rules as `judge`.
async fn at_once(
    db: &Db,
    batch: &[NewMessage],
    now: Timestamp,
) -> Result<(Vec<Resolved>, Vec<Inserted>)> {
    let mut alone = db.autocommit().await?;
    let written = sends::write(&mut alone, batch, now).await.map_err(StoreError::at_commit)?;
    if !written.0.is_empty() {
        return Ok(written);
    }
    drop(alone);
    let mut tx = db.begin().await?;
    let chats: Vec<_> = batch.iter().map(|send| send.chat).collect();
    sends::lock_chats(&mut tx, &chats).await?;
    let written = sends::write(&mut tx, batch, now).await?;
    tx.commit().await?;
    Ok(written)
}

/// On SQLite, whose one writer sees no other's changes in between.
async fn in_steps<T>(
    db: &Db,
    batch: &[NewMessage],
    now: Timestamp,
    judge: impl Fn(&[Option<Resolved>]) -> (T, Vec<Numbering>),
) -> Result<Posted<T>> {
    let mut tx = db.begin().await?;
    let resolved = in_order(batch, sends::resolve(&mut tx, batch, now).await?);
    let (verdicts, numbered) = judge(&resolved);
    let row = |&(index, seq, version): &Numbering| {
        let timestamp = resolved[index].as_ref()?.timestamp;
        Some(Numbered { message: &batch[index], seq, version, timestamp })
    };
    let rows: Vec<_> = numbered.iter().filter_map(row).collect();
    if rows.is_empty() {
        return Ok(Posted { resolved, verdicts, created: Vec::new() });
    }
    let created = with_ids(batch, &numbered, sends::insert(&mut tx, &rows).await?)?;
    let mut added: HashMap<ChatId, Added> = HashMap::new();
    let mut markers: HashMap<(ChatId, UserId), Seq> = HashMap::new();
    for (row, (_, id)) in rows.iter().zip(&created) {
        let NewMessage { chat, sender, .. } = *row.message;
        let none = Added { chat, count: 0, last: *id, active_at: row.timestamp };
        let entry = added.entry(chat).or_insert(none);
        (entry.count, entry.last) = (entry.count + 1, *id);
        markers.insert((chat, sender), row.seq);
    }
    sends::advance_chats(&mut tx, &added.into_values().collect::<Vec<_>>()).await?;
    let markers: Vec<_> =
        markers.into_iter().map(|((chat, user), seq)| (chat, user, seq)).collect();
    sends::advance_senders(&mut tx, &markers).await?;
    tx.commit().await?;
    Ok(Posted { resolved, verdicts, created })
}

fn in_order(batch: &[NewMessage], found: Vec<Resolved>) -> Vec<Option<Resolved>> {
    let mut resolved: Vec<_> = batch.iter().map(|_| None).collect();
    for send in found {
        let index = send.index;
        resolved[index] = Some(send);
    }
    resolved
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
