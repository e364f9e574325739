//! The handles of a connection: what a program asks of it, and the events that it gives.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::Stream;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::sync::{mpsc, oneshot};

use crate::connection::{self, Command};
use crate::errors::{Error, Result};
use crate::events::Event;
use crate::replica::Replica;
use crate::rest::Client;
use crate::types::{Availability, Draft, Message, StatusOf};

/// Events that a program has not taken yet; beyond these nothing more is read.
const EVENTS: usize = 256;

/// How a connection is made and kept.
#[derive(Clone)]
pub struct Options {
    /// How the server is told who one is.
    pub auth: Auth,
    /// What one knows already; see [`Live::replica`].
    pub replica: Replica,
    /// The first wait before the connection is tried again. Waits double, each shortened by chance.
    pub first_wait: Duration,
    /// The longest wait.
    pub longest_wait: Duration,
    /// How long a connection may take to be ready, and an answer to come.
    pub timeout: Duration,
    /// Sees every text frame that comes, with the number of the connection, for logs and tests.
    pub tap: Option<Tap>,
}

/// See [`Options::tap`].
pub type Tap = Arc<dyn Fn(u64, &str) + Send + Sync>;

/// How the server is told who one is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Auth {
    /// By a header.
    Header,
    /// By the first frame.
    Frame,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            auth: Auth::Header,
            replica: Replica::default(),
            first_wait: Duration::from_millis(500),
            longest_wait: Duration::from_secs(30),
            timeout: Duration::from_secs(30),
            tap: None,
        }
    }
}

/// A connection that keeps itself. Cheap to clone; it ends when all clones and its [`Events`] are
/// dropped, or with [`Self::close`].
#[derive(Clone, Debug)]
pub struct Live {
    commands: mpsc::UnboundedSender<Command>,
    replica: Arc<Mutex<Replica>>,
}

/// What happens, in order. It has to be read: while some hundred events wait, nothing more is read
/// from the server, unless a request waits for its answer.
#[derive(Debug)]
pub struct Events(mpsc::Receiver<Event>);

#[derive(Deserialize)]
struct Acked {
    message: Message,
}

#[derive(Deserialize)]
struct Watched {
    users: Vec<StatusOf>,
}

impl Client {
    /// Opens a socket that connects itself again whenever it is lost, and brings itself up to date.
    pub fn connect(&self, options: Options) -> (Live, Events) {
        let (commands, receiver) = mpsc::unbounded_channel();
        let (sender, events) = mpsc::channel(EVENTS);
        let replica = Arc::new(Mutex::new(options.replica.clone()));
        let task = connection::run(self.clone(), options, Arc::clone(&replica), receiver, sender);
        #[expect(
            clippy::disallowed_methods,
            reason = "it ends with its handles; no server is here"
        )]
        tokio::spawn(task);
        (Live { commands, replica }, Events(events))
    }
}

impl Live {
    /// Sends a message. It is sent again under its `client_id`, over lost connections and busy
    /// servers, until it is acknowledged or refused. Where this is dropped before, it may be there
    /// or not.
    pub async fn send(&self, chat: i64, draft: impl Into<Draft>) -> Result<Message> {
        let mut frame = json!(draft.into().named());
        (frame["type"], frame["chat"]) = (json!("message.send"), json!(chat));
        let Acked { message } = self.request(frame).await?;
        Ok(message)
    }

    /// Changes a message of one's own; repeated as in [`Self::send`].
    pub async fn edit(&self, message: i64, content: &str) -> Result<Message> {
        let frame = json!({"type": "message.edit", "message": message, "content": content});
        let Acked { message } = self.request(frame).await?;
        Ok(message)
    }

    /// Deletes a message; repeated as in [`Self::send`].
    pub async fn delete(&self, message: i64) -> Result<Message> {
        let frame = json!({"type": "message.delete", "message": message});
        let Acked { message } = self.request(frame).await?;
        Ok(message)
    }

    /// Marks a chat as read up to a `seq`.
    pub async fn read(&self, chat: i64, seq: i64) -> Result<()> {
        let frame = json!({"type": "message.read", "chat": chat, "seq": seq});
        self.request::<Value>(frame).await.map(drop)
    }

    /// Marks a chat as delivered up to a `seq`.
    pub async fn delivered(&self, chat: i64, seq: i64) -> Result<()> {
        let frame = json!({"type": "message.delivered", "chat": chat, "seq": seq});
        self.request::<Value>(frame).await.map(drop)
    }

    /// Says how one wants to be seen. `Online` and `Away` are of this connection, and have to be
    /// said again when another is ready.
    pub async fn status(&self, status: Availability) -> Result<()> {
        self.request::<Value>(json!({"type": "status", "status": status})).await.map(drop)
    }

    /// Asks to be told how others are seen, on this connection; how they are seen now.
    pub async fn watch(&self, users: &[i64]) -> Result<Vec<StatusOf>> {
        let Watched { users } =
            self.request(json!({"type": "status.watch", "users": users})).await?;
        Ok(users)
    }

    /// Says whether one writes. Lost where there is no connection.
    pub fn typing(&self, chat: i64, active: bool) {
        let frame = json!({"type": "typing", "chat": chat, "active": active});
        // Where the task has ended there is nobody to be told.
        drop(self.commands.send(Command::Hint(frame.to_string())));
    }

    /// What is known at this moment. It may be ahead of the events that were taken. The lock is the
    /// connection's own: it is to be held shortly.
    pub fn replica(&self) -> MutexGuard<'_, Replica> {
        lock(&self.replica)
    }

    /// Says goodbye, and ends the events. Requests without an answer end with [`Error::Closed`].
    pub fn close(&self) {
        // Where the task has ended there is nothing to close.
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
    /// The next event. `None` after [`Event::Ended`], or when it was closed.
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

pub(crate) fn lock(replica: &Mutex<Replica>) -> MutexGuard<'_, Replica> {
    replica.lock().unwrap_or_else(PoisonError::into_inner)
}
