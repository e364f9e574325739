//! Messages as the API shows them, and the bodies that send and edit them.

use serde::Serialize;
use utoipa::ToSchema;

use crate::domain;
use crate::domain::error::Result;
use crate::domain::ids::{ChatId, MessageId};
use crate::domain::message::{ClientId, Content, Draft, Unfit};
use crate::domain::numbering::{Seq, Version};
use crate::domain::receipt::MessageStatus;
use crate::domain::time::Timestamp;
use crate::domain::urls::Urls;

use super::fields::Fields;
use super::pages::PageJson;
use super::users::UserRef;

/// A message, or the tombstone of one: empty `content`, `deleted_at` set.
#[derive(Serialize, ToSchema)]
pub struct Message<'a> {
    #[schema(value_type = i64, minimum = 1, example = 12)]
    id: MessageId,
    /// The chat's id.
    #[schema(value_type = i64, minimum = 1, example = 3)]
    chat: ChatId,
    /// Numbers a chat's messages 1, 2, 3, … without holes.
    #[schema(value_type = i64, minimum = 1, example = 5)]
    seq: Seq,
    /// The chat's version that this message's last change made.
    #[schema(value_type = i64, minimum = 2, example = 6)]
    version: Version,
    sender: UserRef<'a>,
    /// Exactly as it was sent.
    #[schema(example = "Meow!")]
    content: &'a str,
    #[schema(value_type = String, format = DateTime)]
    timestamp: Timestamp,
    #[schema(required, value_type = Option<String>, format = DateTime)]
    edited_at: Option<Timestamp>,
    #[schema(required, value_type = Option<String>, format = DateTime)]
    deleted_at: Option<Timestamp>,
    /// The id of the message that it answers.
    #[schema(required, value_type = Option<i64>, minimum = 1)]
    reply_to: Option<MessageId>,
    /// The sender's own name for it.
    #[schema(required, max_length = 64)]
    client_id: Option<&'a str>,
    #[schema(value_type = schema::MessageStatus)]
    status: MessageStatus,
}

/// A page of messages.
pub type MessagePage<'a> = PageJson<Message<'a>>;

impl<'a> Message<'a> {
    /// As every member sees it.
    pub fn of(message: &'a domain::message::Message, urls: &Urls) -> Self {
        Self {
            id: message.id,
            chat: message.chat,
            seq: message.seq,
            version: message.version,
            sender: UserRef::of(&message.sender, urls),
            content: &message.content,
            timestamp: message.timestamp,
            edited_at: message.edited_at,
            deleted_at: message.deleted_at,
            reply_to: message.reply_to,
            client_id: message.client_id.as_deref(),
            status: message.status,
        }
    }
}

/// Sends a message.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only described")]
pub struct SendMessage {
    /// Kept exactly as it is sent. Not blank.
    #[schema(min_length = 1, example = "Meow!")]
    content: String,
    /// The id of the message of this chat that it answers.
    #[schema(minimum = 1)]
    reply_to: Option<i64>,
    /// One's own name for the message: the same one again makes no second message.
    #[schema(min_length = 1, max_length = 64, example = "b0f7c2a4")]
    client_id: Option<String>,
}

impl SendMessage {
    /// Reads the body; `max` is the longest content, in characters.
    pub fn parse(mut body: Fields, max: usize) -> Result<Draft, Unfit> {
        let content = body.required("content", |text| Content::parse(text, max));
        let reply_to = body.nullable_id("reply_to").map(MessageId);
        let client_id = body.nullable("client_id", ClientId::parse);
        body.finish(content.map(|content| Draft { content, reply_to, client_id }))
            .map_err(|error| Unfit { error, reply_to })
    }
}

/// Edits a message.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only described")]
pub struct EditMessage {
    /// Kept exactly as it is sent. Not blank.
    #[schema(min_length = 1, example = "Purr.")]
    content: String,
}

impl EditMessage {
    /// Reads the body; `max` is the longest content, in characters.
    pub fn parse(mut body: Fields, max: usize) -> Result<Content> {
        let content = body.required("content", |text| Content::parse(text, max));
        body.finish(content)
    }

    /// Reads a body that may leave out what it does not change.
    pub fn parse_partial(mut body: Fields, max: usize) -> Result<Option<Content>> {
        let content = body.optional("content", |text| Content::parse(text, max));
        body.finish(Some(content))
    }
}

/// Changes a message: what is left out stays.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only described")]
pub struct PatchMessage {
    /// Kept exactly as it is sent. Not blank.
    #[schema(min_length = 1, nullable = false, example = "Purr.")]
    content: Option<String>,
}

/// The enumerations as the schema names them: the domain knows no schema.
pub mod schema {
    use utoipa::ToSchema;

    /// How far a message came.
    #[derive(ToSchema)]
    #[schema(rename_all = "lowercase")]
    pub enum MessageStatus {
        /// Committed.
        Sent,
        /// Every other member's device has it.
        Delivered,
        /// Every other member has read it.
        Read,
    }
}
