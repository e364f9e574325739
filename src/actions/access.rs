//! The only way to a row for a caller. Every query carries the membership, so what one may not
//! know of is not found, and there is one place to review.

use crate::domain::error::{Error, Result};
use crate::domain::ids::{ChatId, MessageId, UserId};
use crate::domain::message::Message;
use crate::domain::role::Role;
use crate::store::chats::ChatOfMember;
use crate::store::members::Membership;
use crate::store::{Target, Tx, chats, members, messages, users};

/// One's own place in a chat. [`Error::NotFound`] where one is no member.
pub async fn membership(
    at: impl Into<Target<'_>>,
    chat: ChatId,
    user: UserId,
) -> Result<Membership> {
    members::membership(at, chat, user).await?.ok_or(Error::NotFound)
}

/// A chat with one's own place in it. [`Error::NotFound`] where one is no member.
pub async fn chat(at: impl Into<Target<'_>>, id: ChatId, user: UserId) -> Result<ChatOfMember> {
    chats::of_member(at, user, &[id]).await?.pop().ok_or(Error::NotFound)
}

/// A chat for changing, held until the transaction ends: nobody else changes it, or who is in it,
/// meanwhile. [`Error::NotFound`] where one is no member.
pub async fn chat_to_change(tx: &mut Tx, id: ChatId, user: UserId) -> Result<ChatOfMember> {
    chats::lock(tx, id).await?;
    chat(tx, id, user).await
}

/// A message for reading. [`Error::NotFound`] where one is no member of its chat.
pub async fn message(db: &crate::store::Db, id: MessageId, user: UserId) -> Result<Message> {
    messages::chat_for_member(db, id, user).await?.ok_or(Error::NotFound)?;
    messages::by_ids(db, &[id]).await?.pop().ok_or(Error::NotFound)
}

/// Whether the caller is staff, at this moment.
pub async fn is_staff(at: impl Into<Target<'_>>, user: UserId) -> Result<bool> {
    Ok(users::by_id(at, user).await?.is_some_and(|user| user.is_active && user.is_staff))
}

/// A message for its deletion, whether one may know of its chat or not: the caller is staff. Its
/// chat is held until the transaction ends.
pub async fn message_to_moderate(tx: &mut Tx, id: MessageId) -> Result<Message> {
    let find = messages::by_ids(&mut *tx, &[id]).await?.pop().ok_or(Error::NotFound)?;
    chats::lock(tx, find.chat).await?;
    if !chats::is_there(&mut *tx, find.chat).await? {
        return Err(Error::NotFound);
    }
    messages::by_ids(tx, &[id]).await?.pop().ok_or(Error::NotFound)
}

/// A message for changing, its chat held until the transaction ends: nobody else changes either
/// meanwhile. With it comes one's own role. [`Error::NotFound`] where one is no member of its chat.
pub async fn message_to_change(
    tx: &mut Tx,
    id: MessageId,
    user: UserId,
) -> Result<(Message, Role)> {
    let chat = messages::chat_for_member(&mut *tx, id, user).await?.ok_or(Error::NotFound)?;
    chats::lock(tx, chat).await?;
    // Read after the lock was had: before it, either could still change.
    let membership = membership(&mut *tx, chat, user).await?;
    let message = messages::by_ids(tx, &[id]).await?.pop().ok_or(Error::NotFound)?;
    Ok((message, membership.role))
}
