//! The attachments of messages that are being sent: looked up before the transaction, which fails if one of them was sent
//! or deleted meanwhile. A message without attachments costs nothing.

use std::collections::HashMap;
use std::sync::Arc;

use crate::app::App;
use crate::domain::attachment::{Attachment, NewAttachments};
use crate::domain::error::{Error, FieldErrors, Result};
use crate::domain::ids::{AttachmentId, MessageId, UserId};
use crate::domain::message::NewMessage;
use crate::domain::text::no_such;
use crate::store::attachments;

use super::unit::Unit;

/// Looks up the attachments of a batch: one statement for all of them. Fails if two messages name the same one, since
/// which of them may have it depends on whether the other is sent.
pub(super) async fn of_batch(app: &App, batch: Arc<[NewMessage]>) -> Result<Arc<[NewMessage]>> {
    if batch.iter().all(|send| send.attachments.ids.len() == send.attachments.found.len()) {
        return Ok(batch);
    }
    let mut claims = HashMap::new();
    for (index, send) in batch.iter().enumerate() {
        for id in &send.attachments.ids {
            let first = *claims.entry(*id).or_insert(index);
            if first != index && !is_repeat(send, &batch[first]) {
                return Err(Error::internal("two messages of a batch name one attachment"));
            }
        }
    }
    let ids: Vec<_> = claims.keys().copied().collect();
    let found = attachments::unsent(&app.db, &ids).await?;
    let with = |send: &NewMessage| {
        let of_sender = |id: &AttachmentId| {
            let mut own = found.iter().filter(|row| row.owner == send.sender);
            own.find(|row| row.attachment.id == *id).map(|row| row.attachment.clone())
        };
        let ids = send.attachments.ids.clone();
        let found = ids.iter().filter_map(of_sender).collect();
        NewMessage { attachments: NewAttachments { ids, found }, ..send.clone() }
    };
    Ok(batch.iter().map(with).collect())
}

/// Whether a send repeats another one.
fn is_repeat(send: &NewMessage, first: &NewMessage) -> bool {
    let name = |send: &NewMessage| (send.chat, send.sender, send.client_id.clone());
    send.client_id.is_some() && name(send) == name(first)
}

/// What is wrong with the attachments of a message.
pub(super) fn errors(attachments: &NewAttachments) -> FieldErrors {
    let mut errors = FieldErrors::default();
    for id in attachments.missing() {
        errors.add("attachments", no_such(id));
    }
    errors
}

/// What is wrong with attachments that a user wants to send.
pub(super) async fn check(
    app: &App,
    user: UserId,
    ids: Vec<AttachmentId>,
    errors: &mut FieldErrors,
) -> Result<()> {
    if ids.is_empty() {
        return Ok(());
    }
    let found = attachments::unsent(&app.db, &ids).await?.into_iter();
    let found = found.filter(|row| row.owner == user).map(|row| row.attachment).collect();
    for id in (NewAttachments { ids, found }).missing() {
        errors.add("attachments", no_such(id));
    }
    Ok(())
}

/// Copies the attachments of a message so many times, as uploads of a user who forwards it.
pub(super) async fn copies(
    app: &Arc<App>,
    user: UserId,
    message: MessageId,
    count: usize,
) -> Result<Vec<NewAttachments>> {
    let mut unit = Unit::begin(app).await?;
    let (now, mut copies) = (unit.now(), Vec::with_capacity(count));
    for _ in 0..count {
        let found: Vec<Attachment> = attachments::copy(&mut unit.tx, message, user, now).await?;
        copies.push(NewAttachments { ids: found.iter().map(|one| one.id).collect(), found });
    }
    unit.commit().await?;
    Ok(copies)
}

/// Deletes the copies that were not sent.
pub(super) async fn remove_unsent(app: &Arc<App>, copies: &[AttachmentId]) -> Result<()> {
    let mut unit = Unit::begin(app).await?;
    let keys = attachments::delete_unsent_among(&mut unit.tx, copies).await?;
    unit.discard_files(keys);
    unit.commit().await
}
