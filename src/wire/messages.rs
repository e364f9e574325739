//! Messages as the API shows them, and the bodies that send and edit them.

use std::collections::HashSet;

use serde::Serialize;
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use crate::domain;
use crate::domain::attachment::ATTACHMENTS_MAX;
use crate::domain::error::Result;
use crate::domain::ids::{AttachmentId, ChatId, MessageId, UserId};
use crate::domain::input::Input;
use crate::domain::message::{CLIENT_ID_MAX, ClientId, Content, Draft};
use crate::domain::numbering::{Seq, Version};
use crate::domain::receipt::MessageStatus;
use crate::domain::text::BLANK;
use crate::domain::time::Timestamp;
use crate::domain::urls::Urls;

use super::attachments::AttachmentJson;
use super::fields::Fields;
use super::kinds::{ObjectId, ObjectIds, Text, text};
use super::origins::OriginJson;
use super::pages::PageJson;
use super::reactions::ReactionSummaryJson;
use super::users::UserRefJson;
use super::visitor::{Visitor, describe};

/// A message, or the tombstone of a deleted one: `content` is empty, `deleted_at` is set.
#[derive(Serialize, ToSchema)]
#[schema(as = Message)]
pub struct MessageJson<'a> {
    /// The message's id, unique over all chats.
    #[schema(value_type = i64, minimum = 1, example = 12)]
    id: MessageId,
    /// The chat's id.
    #[schema(value_type = i64, minimum = 1, example = 3)]
    chat: ChatId,
    /// The position in the chat: 1, 2, 3, … without gaps.
    #[schema(value_type = i64, minimum = 1, example = 5)]
    seq: Seq,
    /// The chat's version of the message's last change.
    #[schema(value_type = i64, minimum = 2, example = 6)]
    version: Version,
    sender: UserRefJson<'a>,
    /// Exactly as sent.
    #[schema(example = "Meow!")]
    content: &'a str,
    /// When it was sent.
    #[schema(value_type = String, format = DateTime)]
    timestamp: Timestamp,
    /// When its content was last edited.
    #[schema(required, value_type = Option<String>, format = DateTime)]
    edited_at: Option<Timestamp>,
    /// When it was deleted.
    #[schema(required, value_type = Option<String>, format = DateTime)]
    deleted_at: Option<Timestamp>,
    /// The id of the message that it replies to.
    #[schema(required, value_type = Option<i64>, minimum = 1)]
    reply_to: Option<MessageId>,
    /// The idempotency key that the sender chose.
    #[schema(required, max_length = 64)]
    client_id: Option<&'a str>,
    #[schema(value_type = MessageStatusSchema)]
    status: MessageStatus,
    /// The reactions, in the order in which the emoji were first used.
    #[schema(max_items = 20)]
    reactions: Vec<ReactionSummaryJson<'a>>,
    /// The ids of the members that the content names with `@`.
    #[schema(value_type = Vec<i64>, max_items = 50)]
    mentions: &'a [UserId],
    /// Whether it mentions everybody, by `@all`.
    mentions_all: bool,
    /// When it was pinned.
    #[schema(required, value_type = Option<String>, format = DateTime)]
    pinned_at: Option<Timestamp>,
    /// Where it was forwarded from.
    #[schema(required)]
    forwarded_from: Option<OriginJson<'a>>,
    /// The files that were sent with it.
    #[schema(max_items = 10)]
    attachments: Vec<AttachmentJson<'a>>,
}

/// A page of messages.
pub type MessagePage<'a> = PageJson<MessageJson<'a>>;

impl<'a> MessageJson<'a> {
    /// As every member sees it.
    pub fn of(message: &'a domain::message::Message, urls: &Urls) -> Self {
        let (mentions, attachments) = (message.mentions(), message.attachments().iter());
        Self {
            id: message.id,
            chat: message.chat,
            seq: message.seq,
            version: message.version,
            sender: UserRefJson::of(&message.sender, urls),
            content: message.content.as_str(),
            timestamp: message.timestamp,
            edited_at: message.edited_at,
            deleted_at: message.deleted_at,
            reply_to: message.reply_to,
            client_id: message.client_id.as_deref(),
            status: message.status,
            reactions: message.reactions().iter().map(ReactionSummaryJson::of).collect(),
            mentions: mentions.map_or(&[], |mentions| &mentions.users),
            mentions_all: mentions.is_some_and(|mentions| mentions.all),
            pinned_at: message.pinned_at,
            forwarded_from: message.origin().map(|origin| OriginJson::of(origin, urls)),
            attachments: attachments.map(|one| AttachmentJson::of(one, urls)).collect(),
        }
    }
}

/// Sends a message.
#[derive(Debug)]
pub struct SendMessage {
    content: Option<Content>,
    reply_to: Option<MessageId>,
    client_id: Option<ClientId>,
    attachments: Option<Vec<i64>>,
}

impl PartialSchema for SendMessage {
    fn schema() -> RefOr<Schema> {
        describe("Sends a message.", |shape| Self::visit(shape, usize::MAX))
    }
}

impl ToSchema for SendMessage {}

impl SendMessage {
    /// Lists the fields; `max` is the longest content, in characters.
    pub(super) fn visit(body: &mut impl Visitor, max: usize) -> Self {
        Self {
            content: body.optional(
                "content",
                "Stored exactly as sent. Required without `attachments`. Must not be blank, but with them it may \
                 be empty.",
                text(move |text| match text.is_empty() {
                    true => Ok(Content::default()),
                    false => Content::parse(text, max),
                })
                .max(max)
                .example("Meow!"),
            ),
            reply_to: body
                .nullable(
                    "reply_to",
                    "The id of the message in this chat that it replies to.",
                    ObjectId::default(),
                )
                .map(MessageId),
            client_id: body.nullable(
                "client_id",
                "An idempotency key: sending with the same one again creates no second message.",
                client_id(),
            ),
            attachments: body.optional(
                "attachments",
                "The ids of files that you uploaded and did not send yet.",
                ObjectIds { max: Some(ATTACHMENTS_MAX), ..ObjectIds::default() },
            ),
        }
    }

    /// Reads the body; `max` is the longest content, in characters.
    pub fn parse(mut body: Fields, max: usize) -> Input<Draft> {
        Self::visit(&mut body, max).finish(body)
    }

    /// The draft, and what is wrong with the body.
    pub(super) fn finish(self, mut body: Fields) -> Input<Draft> {
        let Self { mut content, reply_to, client_id, attachments } = self;
        let attachments = attachments.unwrap_or_default();
        if attachments.len() > ATTACHMENTS_MAX {
            let text = format!("Ensure this field has no more than {ATTACHMENTS_MAX} elements.");
            body.fault("attachments", text);
        }
        match &content {
            None if attachments.is_empty() => body.require("content"),
            None => content = body.is_right().then(Content::default),
            Some(text) if text.as_str().is_empty() && attachments.is_empty() => {
                body.fault("content", BLANK);
            }
            Some(_) => {}
        }
        let mut ids: Vec<_> = attachments.into_iter().map(AttachmentId).collect();
        let mut seen = HashSet::new();
        ids.retain(|id| seen.insert(*id));
        let value = Draft { content, reply_to, client_id, attachments: ids };
        Input { value, errors: body.into_errors() }
    }
}

/// Edits a message.
#[derive(Debug)]
pub struct EditMessage(Option<Content>);

impl PartialSchema for EditMessage {
    fn schema() -> RefOr<Schema> {
        describe("Edits a message.", |shape| Self::visit(shape, usize::MAX))
    }
}

impl ToSchema for EditMessage {}

impl EditMessage {
    /// Lists the fields; `max` is the longest content, in characters.
    pub(super) fn visit(body: &mut impl Visitor, max: usize) -> Self {
        Self(body.required("content", CONTENT, content(max).example("Purr.")))
    }

    /// Reads the body; `max` is the longest content, in characters. `None` if a PATCH leaves the
    /// content out.
    pub fn parse(mut body: Fields, max: usize) -> Result<Option<Content>> {
        Self::visit(&mut body, max).finish(body)
    }

    /// The content, or what is wrong with the body.
    pub(super) fn finish(self, body: Fields) -> Result<Option<Content>> {
        body.finish(Some(self.0))
    }
}

const CONTENT: &str = "Stored exactly as sent. Must not be blank.";

/// An idempotency key in a body.
pub(super) fn client_id() -> Text<impl FnOnce(String) -> Result<ClientId, String>> {
    text(ClientId::parse).min(1).max(CLIENT_ID_MAX).example("b0f7c2a4")
}

/// The content of a message. Its largest length is a setting.
fn content(max: usize) -> Text<impl FnOnce(String) -> Result<Content, String>> {
    text(move |text| Content::parse(text, max)).min(1).max(max)
}

/// How far a message has got.
#[derive(ToSchema)]
#[schema(as = MessageStatus, rename_all = "lowercase")]
pub enum MessageStatusSchema {
    /// Committed.
    Sent,
    /// It has reached a device of every other member.
    Delivered,
    /// Every other member has read it.
    Read,
}
