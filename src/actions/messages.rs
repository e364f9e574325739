//! Messages: sending, listing, editing and deleting them.

use std::sync::Arc;

use crate::app::{App, Sent, answered};
use crate::domain::attachment::NewAttachments;
use crate::domain::audit::{AuditAction, AuditChanges};
use crate::domain::error::{Error, Result};
use crate::domain::event::{ChatEvent, Event};
use crate::domain::ids::{ChatId, MessageId, UserId};
use crate::domain::input::Input;
use crate::domain::mentions::{Candidates, Mentions};
use crate::domain::message::{Content, Draft, LastChange, Message, NewMessage};
use crate::domain::numbering::Seq;
use crate::domain::page::{Page, PageRequest};
use crate::domain::receipt::Markers;
use crate::domain::session::Caller;
use crate::domain::text::no_such;
use crate::domain::user::User;
use crate::store::least::least_markers;
use crate::store::mentions::remove as remove_mentions;
use crate::store::messages::Span;
use crate::store::{attachments, chats, messages, reactions};

use super::unit::Unit;
use super::{access, attaching, markers, mentions, staff};

/// The answer to a message for a deleted account.
pub(super) const LEFT_ALONE: &str = "The other account was deleted.";

/// A place in a chat's messages, and the way in which its list runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MessageCursor {
    /// Whether the list begins with the newest.
    pub newest_first: bool,
    /// The message's number.
    pub seq: Seq,
}

/// Which messages to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MessagesRequest {
    /// A page of a list that is being walked; [`PageRequest::First`] is the newest, newest first.
    Page(PageRequest<MessageCursor>),
    /// The messages around one, oldest first.
    Around(Seq),
}

/// Sends a message. It is queued at once, before the future is first polled: calls that are made in
/// order are committed in order. Returns after the commit. [`Error::Throttled`] over the rate limit.
pub fn send(
    app: &Arc<App>,
    user: UserId,
    chat: ChatId,
    draft: Result<Input<Draft>>,
) -> impl Future<Output = Result<Sent>> + Send + 'static {
    let app = Arc::clone(app);
    let allowed = app.rate_limits.message(user, app.clock.now());
    let queued = match allowed.and(draft) {
        Ok(Input {
            value: Draft { content: Some(content), reply_to, client_id, attachments: ids },
            errors,
        }) if errors.is_empty() => {
            let candidates = Candidates::of(content.as_str());
            let mentions = Mentions::default();
            let sender = user;
            Ok(app.sends.push(NewMessage {
                chat,
                sender,
                content,
                reply_to,
                client_id,
                candidates,
                mentions,
                origin: None,
                attachments: NewAttachments { ids, found: Vec::new() },
            }))
        }
        refused => Err(refused),
    };
    async move {
        match queued {
            Ok(answer) => answered(app.worker_timeout(), answer?).await,
            Err(Err(error)) if !error.is_of_the_body() => Err(error),
            // Whether the caller may know of the chat is checked before the validation errors.
            Err(refused) => {
                access::not_blocked(&access::membership(&app.db, chat, user).await?)?;
                if chats::is_left_alone(&app.db, chat).await? {
                    return Err(Error::Conflict(LEFT_ALONE));
                }
                Err(with_references(&app, user, chat, refused?).await?)
            }
        }
    }
}

/// The validation errors of a draft, of its attachments, and of the message that it replies to.
async fn with_references(
    app: &App,
    user: UserId,
    chat: ChatId,
    draft: Input<Draft>,
) -> Result<Error> {
    let Input { value, mut errors } = draft;
    attaching::check(app, user, value.attachments, &mut errors).await?;
    if let Some(id) = value.reply_to {
        let found = messages::by_ids(&app.db, &[id]).await?.pop();
        if !found.is_some_and(|message| message.chat == chat && message.deleted_at.is_none()) {
            errors.add("reply_to", no_such(id));
        }
    }
    Ok(Error::Invalid(errors))
}

/// A page of a chat's messages, which counts as delivered to the caller if it `delivers`.
pub async fn list(
    app: &Arc<App>,
    caller: &Caller,
    chat: ChatId,
    span: Result<MessagesRequest>,
    size: i64,
    delivers: bool,
) -> Result<Page<Message, MessageCursor>> {
    let me = caller.user.id;
    let span = match span {
        Ok(span) => span,
        Err(error) => {
            access::membership(&app.db, chat, me).await?;
            return Err(error);
        }
    };
    let page = access::page(&app.db, chat, me, range(&span, size)).await?;
    let newest_first = match span {
        MessagesRequest::Page(PageRequest::First) => true,
        MessagesRequest::Page(PageRequest::After(cursor) | PageRequest::Before(cursor)) => {
            cursor.newest_first
        }
        MessagesRequest::Around(_) => false,
    };
    let mut rows = page.messages;
    if newest_first {
        rows.reverse();
    }
    let newest = rows.iter().map(|message| message.seq).max().unwrap_or_default();
    if delivers && newest > page.last_delivered_seq {
        let delivered = Markers { delivered_seq: newest, read_seq: Seq::ZERO };
        // If the database accepts no writes, reading still works; a later page moves the marker.
        match markers::advance(app, chat, me, delivered).await {
            Err(Error::Unavailable(_) | Error::OutcomeUnknown(_)) | Ok(_) => {}
            Err(error) => return Err(error),
        }
    }
    let rows = with_statuses(app, chat, rows).await?;

    // Numbers are dense, so the ends of the page show whether there is more.
    let last_seq = page.last_seq.max(newest);
    let cursor = |message: &Message| MessageCursor { newest_first, seq: message.seq };
    let (older, newer) = (|m: &&Message| m.seq > page.first_seq, |m: &&Message| m.seq < last_seq);
    let (previous, next) = if newest_first {
        (rows.first().filter(newer).map(cursor), rows.last().filter(older).map(cursor))
    } else {
        (rows.first().filter(older).map(cursor), rows.last().filter(newer).map(cursor))
    };
    Ok(Page { rows, previous, next })
}

/// One message.
pub async fn one(app: &App, caller: &Caller, id: MessageId) -> Result<Message> {
    let message = access::message(&app.db, id, caller.user.id).await?;
    with_status(app, message).await
}

/// Edits the user's own message. Equal content, or none, changes nothing. [`Error::Throttled`] over the
/// rate limit, which sends and deletions share.
pub async fn edit(
    app: &Arc<App>,
    user: UserId,
    id: MessageId,
    content: Result<Option<Content>>,
) -> Result<Message> {
    app.rate_limits.message(user, app.clock.now())?;
    let mut unit = Unit::begin(app).await?;
    let (mut message, membership) = access::message_to_change(&mut unit.tx, id, user).await?;
    if message.sender.id != user {
        return Err(Error::PermissionDenied);
    }
    access::not_blocked(&membership)?;
    if message.deleted_at.is_some() {
        return Err(Error::Conflict("A deleted message cannot be edited."));
    }
    if let Some(content) = content?.filter(|content| *content != message.content) {
        let now = app.clock.now();
        message.version = chats::next_version(&mut unit.tx, message.chat).await?;
        message.content = content;
        (message.edited_at, message.last_change) = (Some(now), LastChange::Edited);
        messages::edit(&mut unit.tx, id, &message.content, message.version, now).await?;
        mentions::renew(&mut unit.tx, &mut message).await?;
        return publish(app, unit, message).await;
    }
    drop(unit);
    with_status(app, message).await
}

/// Deletes a message: the user's own, anyone's as the chat's owner or admin, or any as staff, which the
/// audit table records. A tombstone stays; deleting it again changes nothing. [`Error::Throttled`] over
/// the rate limit, which sends and edits share.
pub async fn delete(app: &Arc<App>, user: UserId, id: MessageId) -> Result<Message> {
    app.rate_limits.message(user, app.clock.now())?;
    let mut unit = Unit::begin(app).await?;
    // Any other error ends the transaction: PostgreSQL would refuse its next statement.
    let found = match access::message_to_change(&mut unit.tx, id, user).await {
        Err(Error::NotFound) => None,
        found => Some(found?),
    };
    let own_right = found.as_ref().is_some_and(|(message, membership)| {
        message.sender.id == user || membership.role.may_delete_messages_of_others()
    });
    // Checked now, not when the socket was opened: the user may no longer be staff.
    let moderates = !own_right && staff::moderates_now(&mut unit.tx, user).await?;
    let message = match found {
        Some((message, _)) if own_right || moderates => message,
        Some(_) => return Err(Error::PermissionDenied),
        None if moderates => access::message_to_moderate(&mut unit.tx, id).await?,
        None => return Err(Error::NotFound),
    };
    if message.deleted_at.is_none() {
        if moderates {
            record_deletion(&mut unit, user, &message).await?;
        }
        return bury(app, unit, message).await;
    }
    drop(unit);
    with_status(app, message).await
}

/// Deletes any message on behalf of staff, and records it even if they could as members. False if it was deleted
/// before.
pub async fn moderate(app: &Arc<App>, actor: &User, id: MessageId) -> Result<bool> {
    staff::for_staff(actor)?;
    let mut unit = Unit::begin(app).await?;
    let message = access::message_to_moderate(&mut unit.tx, id).await?;
    if message.deleted_at.is_some() {
        return Ok(false);
    }
    record_deletion(&mut unit, actor.id, &message).await?;
    bury(app, unit, message).await.map(|_| true)
}

/// Not the content: nobody reads what was deleted.
async fn record_deletion(unit: &mut Unit, actor: UserId, message: &Message) -> Result<()> {
    let changes = AuditChanges::default().with("chat", message.chat.0, ());
    let changes = changes.with("sender", message.sender.id.0, ());
    staff::record(unit, actor, AuditAction::MessageDelete, message.id.0, changes).await
}

/// Makes a message a tombstone.
async fn bury(app: &App, mut unit: Unit, mut message: Message) -> Result<Message> {
    let (id, now) = (message.id, unit.now());
    message.version = chats::next_version(&mut unit.tx, message.chat).await?;
    message.content = Content::default();
    message.pinned_at = None;
    if message.extras.take().is_some() {
        reactions::clear(&mut unit.tx, id).await?;
        remove_mentions(&mut unit.tx, id).await?;
        let keys = attachments::delete_of(&mut unit.tx, id).await?;
        unit.discard_files(keys);
    }
    (message.deleted_at, message.last_change) = (Some(now), LastChange::Deleted);
    messages::bury(&mut unit.tx, id, message.version, now).await?;
    publish(app, unit, message).await
}

/// Commits a change of a message and publishes it.
pub(super) async fn publish(app: &App, mut unit: Unit, message: Message) -> Result<Message> {
    let least = least_markers(&mut unit.tx, &app.laggards, &[message.chat]).await?;
    let least = least.get(&message.chat);
    let message = message.with_status(least);
    unit.emit(Event::Chat(ChatEvent::of_last_change(message.clone())));
    unit.commit().await?;
    Ok(message)
}

/// The messages of a page.
fn range(request: &MessagesRequest, size: i64) -> Span {
    let (cursor, is_after) = match request {
        MessagesRequest::Page(PageRequest::First) => {
            return Span { at: Seq(i64::MAX), back: size, ahead: 0 };
        }
        MessagesRequest::Around(anchor) => {
            let back = size / 2 + 1;
            return Span { at: Seq(anchor.0.max(1)), back, ahead: size - back };
        }
        MessagesRequest::Page(PageRequest::After(cursor)) => (cursor, true),
        MessagesRequest::Page(PageRequest::Before(cursor)) => (cursor, false),
    };
    // A client may name any number, also one before the first message.
    if cursor.newest_first == is_after {
        Span { at: Seq(cursor.seq.0.max(1) - 1), back: size, ahead: 0 }
    } else {
        Span { at: cursor.seq.max(Seq(0)), back: 0, ahead: size }
    }
}

/// A message with its status.
pub(super) async fn with_status(app: &App, message: Message) -> Result<Message> {
    let chat = message.chat;
    with_statuses(app, chat, vec![message]).await?.pop().ok_or(Error::NotFound)
}

/// Messages of a chat with their statuses.
pub(super) async fn with_statuses(
    app: &App,
    chat: ChatId,
    rows: Vec<Message>,
) -> Result<Vec<Message>> {
    let least = least_markers(&app.db, &app.laggards, &[chat]).await?;
    let least = least.get(&chat);
    Ok(rows.into_iter().map(|message| message.with_status(least)).collect())
}
