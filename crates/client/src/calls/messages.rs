//! Messages.

use reqwest::Method;
use serde::Deserialize;
use serde_json::json;

use crate::call::Call;
use crate::errors::Result;
use crate::ids::{ChatId, MessageId, Seq, UserId};
use crate::lists::List;
use crate::rest::Client;
use crate::types::{Draft, FoundMessage, Message, Reaction, Receipts, random_client_id};

/// Where a list of a chat's messages starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Anchor {
    /// The newest messages, newest first.
    Newest,
    /// Messages before this `seq`, newest first.
    Before(Seq),
    /// Messages after this `seq`, oldest first.
    After(Seq),
    /// Messages around this `seq`, oldest first, with it in the middle of the first page, whose
    /// `previous` leads to older messages.
    Around(Seq),
}

impl Client {
    /// Messages of a chat. Reading them moves your delivery marker.
    pub fn messages(&self, chat: ChatId, anchor: Anchor) -> List<Message> {
        let list = List::new(self, format!("/api/chats/{chat}/messages/"));
        match anchor {
            Anchor::Newest => list,
            Anchor::Before(seq) => list.with("before", seq),
            Anchor::After(seq) => list.with("after", seq),
            Anchor::Around(seq) => list.with("around", seq),
        }
    }

    /// One message.
    pub async fn message(&self, id: MessageId) -> Result<Message> {
        self.run(Call::get(format!("/api/messages/{id}/"))).await
    }

    /// Searches the messages of all your chats, newest first: all words must occur, the last one may be the beginning
    /// of a word, and `"…"` is a phrase.
    pub fn search_messages(&self, query: &str) -> List<FoundMessage> {
        List::new(self, "/api/messages/search/").with("q", query)
    }

    /// Sends a message, with retries under its `client_id`: it is created at most once. After
    /// [`Error::Network`](crate::Error::Network) it may or may not have been created. The same draft
    /// may be sent again if it has a `client_id` of its own.
    pub async fn send(&self, chat: ChatId, draft: impl Into<Draft>) -> Result<Message> {
        let path = format!("/api/chats/{chat}/messages/");
        self.run(Call::post(path, draft.into().with_client_id()).idempotent()).await
    }

    /// Edits a message you sent.
    pub async fn edit(&self, message: MessageId, content: &str) -> Result<Message> {
        let body = json!({"content": content});
        self.run(Call::patch(format!("/api/messages/{message}/"), body)).await
    }

    /// Forwards a message to up to 20 chats, to all or to none, with retries under a `client_id`: it arrives in each chat
    /// at most once. Returns the new messages in the order of the chats.
    pub async fn forward(&self, message: MessageId, chats: &[ChatId]) -> Result<Vec<Message>> {
        #[derive(Deserialize)]
        struct Forwarded {
            results: Vec<Message>,
        }
        let body = json!({"chats": chats, "client_id": random_client_id()});
        let call = Call::post(format!("/api/messages/{message}/forward/"), body).idempotent();
        let Forwarded { results } = self.run(call).await?;
        Ok(results)
    }

    /// Deletes a message.
    pub async fn delete(&self, message: MessageId) -> Result<()> {
        self.run(Call::delete(format!("/api/messages/{message}/"))).await
    }

    /// Who has received and read a message.
    pub async fn receipts(&self, message: MessageId) -> Result<Receipts> {
        self.run(Call::get(format!("/api/messages/{message}/receipts/"))).await
    }

    /// Pins a message: in a group as its owner or an admin.
    pub async fn pin(&self, message: MessageId) -> Result<Message> {
        self.run(Call::new(Method::PUT, format!("/api/messages/{message}/pin/"))).await
    }

    /// Unpins a message.
    pub async fn unpin(&self, message: MessageId) -> Result<Message> {
        self.run(Call::delete(format!("/api/messages/{message}/pin/"))).await
    }

    /// The pinned messages of a chat, the latest pin first.
    pub fn pins(&self, chat: ChatId) -> List<Message> {
        List::new(self, format!("/api/chats/{chat}/pins/"))
    }

    /// Reacts to a message with an emoji. Reacting twice changes nothing.
    pub async fn react(&self, message: MessageId, emoji: &str) -> Result<Message> {
        self.run(Call::new(Method::PUT, reaction(message, emoji))).await
    }

    /// Removes your reaction with an emoji.
    pub async fn unreact(&self, message: MessageId, emoji: &str) -> Result<Message> {
        self.run(Call::delete(reaction(message, emoji))).await
    }

    /// The reactions to a message, oldest first.
    pub fn reactions(&self, message: MessageId) -> List<Reaction> {
        List::new(self, format!("/api/messages/{message}/reactions/"))
    }
}

/// An emoji may contain characters that mean something else in a URL, such as `#`.
fn reaction(message: MessageId, emoji: &str) -> String {
    let emoji: String = emoji.bytes().map(|byte| format!("%{byte:02X}")).collect();
    format!("/api/messages/{message}/reactions/{emoji}/")
}

impl List<FoundMessage> {
    /// Only messages of this chat.
    pub fn in_chat(self, chat: ChatId) -> Self {
        self.with("chat", chat)
    }

    /// Only messages that this user has sent.
    pub fn sent_by(self, user: UserId) -> Self {
        self.with("sender", user)
    }

    /// Only messages that were sent after this time (RFC 3339).
    pub fn after(self, time: &str) -> Self {
        self.with("after", time)
    }

    /// Only messages that were sent before this time (RFC 3339).
    pub fn before(self, time: &str) -> Self {
        self.with("before", time)
    }

    /// Only messages with attachments.
    pub fn with_attachments(self) -> Self {
        self.with("has", "attachment")
    }
}
