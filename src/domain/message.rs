//! Messages: drafts, sent messages, and the kind of their last change. The store numbers them.

use std::sync::Arc;

use super::attachment::{Attachment, NewAttachments};
use super::extras::Extras;
use super::ids::{AttachmentId, ChatId, MessageId, UserId};
use super::mentions::{Candidates, Mentions};
use super::numbering::{Seq, Version};
use super::origins::ForwardOrigin;
use super::reactions::EmojiUsers;
use super::receipt::{LeastMarkers, MessageStatus};
use super::text;
use super::time::Timestamp;
use super::user::UserRef;

/// Longest `client_id`, in characters.
pub const CLIENT_ID_MAX: usize = 64;

/// The text of a message: not blank, no NUL, at most the configured number of characters, and otherwise
/// exactly as it was sent; empty for a tombstone. Shared, so that the text is never copied on its way
/// from the parser to the row and to the event. (`Arc<str>` would copy the parser's string once.)
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Content(Arc<String>);

impl Content {
    /// Validates; `max` is `MESSAGE_MAX_LENGTH`, in characters. The error is DRF's text.
    pub fn parse(value: String, max: usize) -> Result<Self, String> {
        text::check_present(&value, max)?;
        Ok(Self(Arc::new(value)))
    }

    /// The content of a row, which was validated when it was sent.
    pub fn of_row(value: String) -> Self {
        Self(Arc::new(value))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The sender's idempotency key: a retry under the same one creates no second message.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ClientId(String);

impl ClientId {
    /// 1–64 characters, no NUL. The error is DRF's text.
    pub fn parse(value: String) -> Result<Self, String> {
        if value.is_empty() {
            return Err(text::BLANK.to_owned());
        }
        text::check(&value, CLIENT_ID_MAX)?;
        Ok(Self(value))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A message to be sent; fields that could not be parsed are `None`.
#[derive(Clone, Debug)]
pub struct Draft {
    /// The text.
    pub content: Option<Content>,
    /// The message in the same chat that it replies to.
    pub reply_to: Option<MessageId>,
    /// The idempotency key.
    pub client_id: Option<ClientId>,
    /// The uploads that are sent with it, each once.
    pub attachments: Vec<AttachmentId>,
}

/// A draft in the queue. The sending transaction checks the sender's membership.
#[derive(Clone, Debug)]
pub struct NewMessage {
    /// The chat.
    pub chat: ChatId,
    /// The sender.
    pub sender: UserId,
    /// What.
    pub content: Content,
    /// The message in the same chat that it replies to.
    pub reply_to: Option<MessageId>,
    /// The idempotency key.
    pub client_id: Option<ClientId>,
    /// The names that the content may mention.
    pub candidates: Candidates,
    /// The members that it mentions, once these were looked up.
    pub mentions: Mentions,
    /// Where it is forwarded from.
    pub origin: Option<Arc<ForwardOrigin>>,
    /// The uploads that are sent with it.
    pub attachments: NewAttachments,
}

/// The kind of a message's last change, stored on its row: the catch-up publishes the event of that change
/// from the row alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LastChange {
    /// It was sent.
    Created,
    /// Its content changed.
    Edited,
    /// It became a tombstone.
    Deleted,
    /// Its reactions changed, or it was pinned or unpinned, or it was a kind that only a later version knows. Like an edit, it is published as
    /// the whole message.
    Other,
}

impl LastChange {
    /// The kind of a row: what is `stored`, and whether the row has the times of an edit and of a
    /// deletion. Older programs, which may run beside this one, store no kind and leave one that is there as
    /// it is. The times correct that: nothing follows a deletion, and an edited message is not just created.
    pub fn of_row(stored: Option<&str>, edited: bool, deleted: bool) -> Self {
        match stored {
            _ if deleted => Self::Deleted,
            None | Some("created") if edited => Self::Edited,
            None | Some("created") => Self::Created,
            Some("edited") => Self::Edited,
            Some(_) => Self::Other,
        }
    }
}

/// A message as it is now, possibly a tombstone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Its id.
    pub id: MessageId,
    /// The chat.
    pub chat: ChatId,
    /// Its position in the chat: 1, 2, 3, … without gaps.
    pub seq: Seq,
    /// The chat's version of its last change.
    pub version: Version,
    /// The sender, who may no longer be a member.
    pub sender: UserRef,
    /// Empty if it is deleted.
    pub content: Content,
    /// When it was committed, by the server's clock.
    pub timestamp: Timestamp,
    /// When its content last changed.
    pub edited_at: Option<Timestamp>,
    /// When it became a tombstone.
    pub deleted_at: Option<Timestamp>,
    /// The kind of its last change, which made `version`.
    pub last_change: LastChange,
    /// The message that it replies to.
    pub reply_to: Option<MessageId>,
    /// The sender's idempotency key.
    pub client_id: Option<String>,
    /// Sent, delivered or read.
    pub status: MessageStatus,
    /// When it was pinned; the later of two pins of a chat has the later time.
    pub pinned_at: Option<Timestamp>,
    /// What else most messages do not have.
    pub extras: Option<Box<Extras>>,
}

impl Message {
    /// The same with its status worked out anew; as it is where its chat has no markers any more.
    pub fn with_status(mut self, least: Option<&LeastMarkers>) -> Self {
        if let Some(least) = least {
            self.status = least.status(self.seq, self.sender.id);
        }
        self
    }

    /// The members that it mentions, if any.
    pub fn mentions(&self) -> Option<&Mentions> {
        self.extras.as_deref().map(|extras| &extras.mentions)
    }

    /// The files that were sent with it.
    pub fn attachments(&self) -> &[Attachment] {
        self.extras.as_deref().map_or(&[], |extras| &extras.attachments)
    }

    /// Where it was forwarded from, if it was.
    pub fn origin(&self) -> Option<&ForwardOrigin> {
        self.extras.as_deref().and_then(|extras| extras.origin.as_ref())
    }

    /// Where a forward of it comes from: its own origin, if it is a forward itself.
    pub fn origin_of_forward(&self) -> ForwardOrigin {
        let own = || ForwardOrigin {
            user: self.sender.id,
            timestamp: self.timestamp,
            message: self.id,
            author: Some(self.sender.clone()),
        };
        self.origin()
            .map_or_else(own, |origin| ForwardOrigin { message: self.id, ..origin.clone() })
    }

    /// Its emoji, with their users.
    pub fn reactions(&self) -> &[EmojiUsers] {
        self.extras.as_deref().map_or(&[], |extras| extras.reactions.of_emoji())
    }
}

#[cfg(test)]
mod tests {
    use super::Content;
    use super::LastChange::{self, Created, Deleted, Edited, Other};

    #[test]
    fn the_text_is_never_copied() {
        let sent = "meow".to_owned();
        let buffer = sent.as_ptr();
        let content = Content::parse(sent, 9).expect("valid");
        assert_eq!(content.clone().as_str().as_ptr(), buffer);
    }

    #[test]
    fn a_row_tells_the_last_change_also_after_an_older_program_wrote_it() {
        for (stored, edited, deleted, expected) in [
            (Some("created"), false, false, Created),
            (Some("edited"), true, false, Edited),
            (Some("edited"), true, true, Deleted),
            (Some("deleted"), false, true, Deleted),
            (Some("pinned"), false, false, Other),
            (Some("pinned"), true, false, Other),
            // Written before the column existed.
            (None, false, false, Created),
            (None, true, false, Edited),
            (None, true, true, Deleted),
            // Changed by an older program after this one stored a kind.
            (Some("created"), true, false, Edited),
            (Some("created"), false, true, Deleted),
        ] {
            let found = LastChange::of_row(stored, edited, deleted);
            assert_eq!(found, expected, "{stored:?}, edited: {edited}, deleted: {deleted}");
        }
    }
}
