//! Authorisation: the only way for a caller to get a row. Every query contains the membership, so a chat
//! that the caller is not a member of is not found. One place to review.

use crate::domain::chat_settings::ChatSettings;
use crate::domain::error::{Error, Result};
use crate::domain::ids::{AttachmentId, ChatId, MessageId, UserId};
use crate::domain::message::Message;
use crate::store::attachments::StoredAttachment;
use crate::store::member_chats::ChatOfMember;
use crate::store::members::Membership;
use crate::store::messages::{ChatMessages, Span};
use crate::store::{
    Db, Target, Tx, attachments, chat_settings, chats, member_chats, members, messages,
};

/// The user's membership of a chat. [`Error::NotFound`] if the user is not a member.
pub async fn membership(
    at: impl Into<Target<'_>>,
    chat: ChatId,
    user: UserId,
) -> Result<Membership> {
    members::membership(at, chat, user).await?.ok_or(Error::NotFound)
}

/// The user's settings of a chat. [`Error::NotFound`] if the user is not a member.
pub async fn settings(
    at: impl Into<Target<'_>>,
    chat: ChatId,
    user: UserId,
) -> Result<ChatSettings> {
    chat_settings::of(at, chat, user).await?.ok_or(Error::NotFound)
}

/// Messages of a chat. [`Error::NotFound`] if the user is not a member.
pub async fn page(db: &Db, chat: ChatId, user: UserId, span: Span) -> Result<ChatMessages> {
    messages::page(db, chat, user, span).await?.ok_or(Error::NotFound)
}

/// A chat with the user's membership. [`Error::NotFound`] if the user is not a member.
pub async fn chat(at: impl Into<Target<'_>>, id: ChatId, user: UserId) -> Result<ChatOfMember> {
    member_chats::of_member(at, user, &[id]).await?.pop().ok_or(Error::NotFound)
}

/// A chat for updating, locked until the transaction ends: nobody else changes it or its members
/// meanwhile. [`Error::NotFound`] if the user is not a member.
pub async fn chat_to_change(tx: &mut Tx, id: ChatId, user: UserId) -> Result<ChatOfMember> {
    chats::lock(tx, id).await?;
    chat(tx, id, user).await
}

/// A message for reading. [`Error::NotFound`] if the user is not a member of its chat.
pub async fn message(db: &Db, id: MessageId, user: UserId) -> Result<Message> {
    messages::chat_for_member(db, id, user).await?.ok_or(Error::NotFound)?;
    messages::by_ids(db, &[id]).await?.pop().ok_or(Error::NotFound)
}

/// A message for deletion by staff, who need not be members of its chat. The chat is locked until the
/// transaction ends.
pub async fn message_to_moderate(tx: &mut Tx, id: MessageId) -> Result<Message> {
    let find = messages::by_ids(&mut *tx, &[id]).await?.pop().ok_or(Error::NotFound)?;
    chats::lock(tx, find.chat).await?;
    if !chats::is_there(&mut *tx, find.chat).await? {
        return Err(Error::NotFound);
    }
    messages::by_ids(tx, &[id]).await?.pop().ok_or(Error::NotFound)
}

/// A message for updating, and the user's role. The chat is locked until the transaction ends: nobody
/// else changes either meanwhile. [`Error::NotFound`] if the user is not a member of the chat.
pub async fn message_to_change(
    tx: &mut Tx,
    id: MessageId,
    user: UserId,
) -> Result<(Message, Membership)> {
    let chat = messages::chat_for_member(&mut *tx, id, user).await?.ok_or(Error::NotFound)?;
    chats::lock(tx, chat).await?;
    // Read under the lock: before, either could still change.
    let membership = membership(&mut *tx, chat, user).await?;
    let message = messages::by_ids(tx, &[id]).await?.pop().ok_or(Error::NotFound)?;
    Ok((message, membership))
}

/// Whether the user may write to the chat: [`Error::Blocked`] in a private chat in which one blocks the other.
pub fn not_blocked(membership: &Membership) -> Result<()> {
    if membership.blocked { Err(Error::Blocked) } else { Ok(()) }
}

/// An attachment for reading. [`Error::NotFound`] unless it is an own upload that was not sent, or the user is a member
/// of the chat of its message.
pub async fn attachment(db: &Db, id: AttachmentId, user: UserId) -> Result<StoredAttachment> {
    attachments::readable(db, &[id], user).await?.pop().ok_or(Error::NotFound)
}
