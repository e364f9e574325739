//! The client's frames: the fields of each, and how the AsyncAPI document describes them. What they
//! ask for is put together in `incoming`.

use utoipa::openapi::schema::OneOfBuilder;
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use crate::domain::emoji::Emoji;
use crate::domain::ids::{ChatId, MessageId};
use crate::domain::numbering::Seq;
use crate::domain::presence::Availability;

use super::kinds::{Boolean, Integer, ObjectId, ObjectIds, choice, text};
use super::messages::{EditMessage, SendMessage};
use super::presence::{WATCH_MAX, status_text};
use super::reactions::emoji;
use super::request_id::RequestId;
use super::sync::Sync;
use super::visitor::{Visitor, describe_variant};

/// The client's frames, for messages of at most `message_max` characters; and the schemas that they,
/// and their `id`s, name.
pub fn schemas(message_max: usize) -> (RefOr<Schema>, Vec<(String, RefOr<Schema>)>) {
    let frames = [
        describe_variant(
            "auth",
            "Authenticates a connection that was opened with neither a header nor a ticket: its \
             first frame, within 10 s. The answer is `ready`. An invalid token is answered with \
             `error not_authenticated` and the close code 4001; a second `auth` with `error \
             conflict`.",
            auth,
        ),
        describe_variant("ping", "Asks for a `pong`.", |_| ()),
        describe_variant(
            "message.send",
            "Sends a message. Every connection of every member, this one included, receives \
             `message.created`. The `ack` carries the message and means that it is committed.",
            |shape| send(shape, message_max),
        ),
        describe_variant(
            "message.edit",
            "Edits a message of yours. The members receive `message.updated`; the `ack` carries \
             the message.",
            |shape| edit(shape, message_max),
        ),
        describe_variant(
            "message.delete",
            "Deletes a message of yours, or any message if you are the owner or an admin of the \
             group. The members receive `message.deleted`; the `ack` carries the tombstone.",
            delete,
        ),
        describe_variant(
            "message.react",
            "Reacts to a message with an emoji, or no longer. The members receive \
             `message.updated` if that changed anything; the `ack` carries the message.",
            react,
        ),
        describe_variant(
            "message.delivered",
            "Moves your delivery marker: this device has everything up to a message. The \
             members receive `receipt`.",
            mark,
        ),
        describe_variant(
            "message.read",
            "Moves your read marker, and with it the delivery marker. The members receive \
             `receipt`.",
            mark,
        ),
        describe_variant(
            "typing",
            "Starts or stops your typing indicator. The other members receive `typing`: `true` \
             at most once in 3 s, `false` immediately. It expires 6 s after the last `true`.",
            typing,
        ),
        describe_variant(
            "status",
            "Sets your presence. `online` and `away` apply to this device until it changes them \
             or disconnects; `busy` and `invisible` set your `availability`, and `online` \
             resets it. Subscribers and your other devices receive `status` if it changed.",
            status,
        ),
        describe_variant(
            "status.watch",
            "Subscribes to the presence of up to 1,000 users you share a chat with; other users \
             are ignored. Replaces the previous list. The peers of your private chats are \
             always subscribed to. The `ack` carries the users' presence; changes follow as \
             `status` and `user.updated`.",
            watch,
        ),
        describe_variant(
            "sync",
            "Asks what changed, as `POST /api/sync/` does. The `ack` carries the same answer.",
            Sync::visit,
        ),
    ];
    let frames = frames.into_iter().fold(OneOfBuilder::new(), OneOfBuilder::item);
    let named = vec![(RequestId::name().into_owned(), RequestId::schema())];
    (Schema::OneOf(frames.build()).into(), named)
}

pub(super) fn auth(frame: &mut impl Visitor) -> Option<String> {
    frame.required("token", "An access token.", text(Ok))
}

pub(super) fn chat(frame: &mut impl Visitor) -> Option<ChatId> {
    frame.required("chat", "The chat's id.", ObjectId { example: Some(3) }).map(ChatId)
}

pub(super) fn message(frame: &mut impl Visitor) -> Option<MessageId> {
    frame.required("message", "The message's id.", ObjectId { example: Some(12) }).map(MessageId)
}

pub(super) fn send(frame: &mut impl Visitor, max: usize) -> (Option<ChatId>, SendMessage) {
    (chat(frame), SendMessage::visit(frame, max))
}

pub(super) fn edit(frame: &mut impl Visitor, max: usize) -> (Option<MessageId>, EditMessage) {
    (message(frame), EditMessage::visit(frame, max))
}

pub(super) fn delete(frame: &mut impl Visitor) -> Option<MessageId> {
    message(frame)
}

pub(super) fn react(frame: &mut impl Visitor) -> (Option<MessageId>, Option<(Emoji, bool)>) {
    let about = "One emoji that Unicode recommends for interchange (RGI).";
    let message = message(frame);
    let emoji = frame.required("emoji", about, emoji());
    let active = frame.required("active", "Whether you react with it.", Boolean::default());
    (message, emoji.zip(active))
}

pub(super) fn mark(frame: &mut impl Visitor) -> (Option<ChatId>, Option<Seq>) {
    let about = "The message's `seq`; the newest message's if it is larger.";
    let seq = Integer { min: 0, max: i64::MAX };
    (chat(frame), frame.required("seq", about, seq).map(Seq))
}

pub(super) fn typing(frame: &mut impl Visitor) -> (Option<ChatId>, Option<bool>) {
    let about = "Whether you are typing.";
    (chat(frame), frame.required("active", about, Boolean::default()))
}

pub(super) fn status(frame: &mut impl Visitor) -> (Option<Availability>, Option<String>) {
    let status = frame.required("status", "", choice("Availability"));
    (status, frame.optional("text", "Your new status text.", status_text()))
}

pub(super) fn watch(frame: &mut impl Visitor) -> Option<Vec<i64>> {
    let users = ObjectIds { max: Some(WATCH_MAX), ..ObjectIds::default() };
    frame.required("users", "The users' ids.", users)
}
