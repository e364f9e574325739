//! The handles of a connection: [`Connection`] sends requests, [`Events`] delivers what happens.
//! The work is done by the task in `driver`.

use std::pin::Pin;
use std::sync::MutexGuard;
use std::task::{Context, Poll};

use futures_util::Stream;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::sync::{mpsc, oneshot};

use crate::driver;
use crate::errors::{Error, Result};
use crate::events::Event;
use crate::ids::{ChatId, MessageId, Seq, UserId};
use crate::options::Options;
use crate::outbox::Command;
use crate::replica::Replica;
use crate::rest::Client;
use crate::shared::SharedReplica;
use crate::types::{Availability, Draft, Message, Presence};

/// Events that may wait for the program; while more wait, the socket is not read.
const EVENT_CAPACITY: usize = 256;

/// A connection that reconnects by itself. Cheap to clone. It ends with [`Self::close`], or when all
/// clones and its [`Events`] are dropped.
#[derive(Clone, Debug)]
pub struct Connection {
    commands: mpsc::UnboundedSender<Command>,
    replica: SharedReplica,
}

/// What happens, in order. The program has to read it: while some hundred events wait, the client
/// reads nothing from the server, unless a request is waiting for its answer.
#[derive(Debug)]
pub struct Events(mpsc::Receiver<Event>);

#[derive(Deserialize)]
struct MessageAck {
    message: Message,
}

#[derive(Deserialize)]
struct PresenceAck {
    users: Vec<Presence>,
}

impl Client {
    /// Opens a WebSocket that reconnects whenever it is lost, and resyncs after each connection.
    pub fn connect(&self, options: Options) -> (Connection, Events) {
        let (commands, receiver) = mpsc::unbounded_channel();
        let (sender, events) = mpsc::channel(EVENT_CAPACITY);
        let replica = SharedReplica::new(options.replica.clone());
        let task = driver::run(self.clone(), options, replica.clone(), receiver, sender);
        #[expect(
            clippy::disallowed_methods,
            reason = "a client has no App; it ends with its handles"
        )]
        tokio::spawn(task);
        (Connection { commands, replica }, Events(events))
    }
}

impl Connection {
    /// Sends a message. It is sent again under its `client_id`, over new connections and while the
    /// server is busy, until it is acknowledged or refused. If the future is dropped before that, the
    /// message may or may not have been created.
    pub async fn send(&self, chat: ChatId, draft: impl Into<Draft>) -> Result<Message> {
        let mut frame = json!(draft.into().with_client_id());
        (frame["type"], frame["chat"]) = (json!("message.send"), json!(chat));
        let MessageAck { message } = self.request(frame).await?;
        Ok(message)
    }

    /// Edits a message you sent. Retried as in [`Self::send`].
    pub async fn edit(&self, message: MessageId, content: &str) -> Result<Message> {
        let frame = json!({"type": "message.edit", "message": message, "content": content});
        let MessageAck { message } = self.request(frame).await?;
        Ok(message)
    }

    /// Deletes a message. Retried as in [`Self::send`].
    pub async fn delete(&self, message: MessageId) -> Result<Message> {
        let frame = json!({"type": "message.delete", "message": message});
        let MessageAck { message } = self.request(frame).await?;
        Ok(message)
    }

    /// Reacts to a message with an emoji, or no longer. Retried as in [`Self::send`].
    pub async fn react(&self, message: MessageId, emoji: &str, active: bool) -> Result<Message> {
        let frame = json!({
            "type": "message.react", "message": message, "emoji": emoji, "active": active,
        });
        let MessageAck { message } = self.request(frame).await?;
        Ok(message)
    }

    /// Moves your read marker in a chat to a `seq`.
    pub async fn mark_read(&self, chat: ChatId, seq: Seq) -> Result<()> {
        let frame = json!({"type": "message.read", "chat": chat, "seq": seq});
        self.request::<Value>(frame).await.map(drop)
    }

    /// Moves your delivery marker in a chat to a `seq`.
    pub async fn mark_delivered(&self, chat: ChatId, seq: Seq) -> Result<()> {
        let frame = json!({"type": "message.delivered", "chat": chat, "seq": seq});
        self.request::<Value>(frame).await.map(drop)
    }

    /// Sets your availability. `Online` and `Away` belong to the present connection: set them again
    /// after the next [`Event::Ready`].
    pub async fn set_availability(&self, availability: Availability) -> Result<()> {
        let frame = json!({"type": "status", "status": availability});
        self.request::<Value>(frame).await.map(drop)
    }

    /// Subscribes this connection to the presence of users, instead of those subscribed to before,
    /// and returns their current presence.
    pub async fn subscribe_presence(&self, users: &[UserId]) -> Result<Vec<Presence>> {
        let PresenceAck { users } =
            self.request(json!({"type": "status.watch", "users": users})).await?;
        Ok(users)
    }

    /// Sends a typing indicator. It is lost while there is no connection.
    pub fn send_typing(&self, chat: ChatId, active: bool) {
        let frame = json!({"type": "typing", "chat": chat, "active": active});
        // A connection that has ended has nothing to send it over.
        drop(self.commands.send(Command::Ephemeral(frame.to_string())));
    }

    /// What is known at this moment. It may be ahead of the events read so far. The guard locks the
    /// connection's own state: release it quickly, and do not hold it across an await.
    pub fn replica(&self) -> MutexGuard<'_, Replica> {
        self.replica.lock()
    }

    /// Closes the connection and ends the events. Unanswered requests fail with [`Error::Closed`].
    pub fn close(&self) {
        // A connection that has ended needs no closing.
        drop(self.commands.send(Command::Close));
    }

    async fn request<T: DeserializeOwned>(&self, frame: Value) -> Result<T> {
        let (answer, answered) = oneshot::channel();
        self.commands.send(Command::Request(frame, answer)).map_err(|_| Error::Closed)?;
        let ack = answered.await.map_err(|_| Error::Closed)??;
        serde_json::from_value(ack).map_err(|error| Error::Protocol(error.to_string()))
    }
}

impl Events {
    /// The next event. `None` after [`Event::Ended`], and once the connection is closed.
    pub async fn next(&mut self) -> Option<Event> {
        self.0.recv().await
    }
}

impl Stream for Events {
    type Item = Event;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Event>> {
        self.0.poll_recv(context)
    }
}
