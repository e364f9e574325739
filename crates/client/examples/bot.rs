//! A bot that answers every message exactly once, also what was said while it was down. It stores
//! nothing: its answers are its memory. It ends when it cannot go on, and goes on where it stopped when
//! it is started again.
//!
//! ```sh
//! cargo run -p meowsenger-client --example bot -- http://127.0.0.1:8000 whiskers nine-lives-2026
//! ```

use std::collections::HashMap;
use std::time::Duration;

use meowsenger_client::types::{Chat, Draft, Message};
use meowsenger_client::{
    Anchor, Change, ChatId, Client, Connection, ErrorKind, Event, Options, Result, Resynced, Seq,
    Server, UserId,
};

#[tokio::main]
async fn main() -> Result<()> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let [url, username, password] = &arguments[..] else {
        panic!("usage: bot URL USERNAME PASSWORD");
    };
    // How long one attempt may take, and how long the bot waits for a server that is down.
    let (timeout, deadline) = (Duration::from_secs(10), Duration::from_secs(3_600));
    let server = Server::new(url).with_timeouts(timeout, deadline);
    run(server.log_in(username, password).await?).await
}

/// Answers until the session ends.
pub async fn run(client: Client) -> Result<()> {
    let me = client.me().await?.id;
    let (connection, mut events) = client.connect(Options::new());
    let mut bot = Bot { client, connection, me, answered: HashMap::new() };
    while let Some(event) = events.next().await {
        let outcome = match event {
            Event::Change(
                Change::MessageCreated { message, .. } | Change::MessageUpdated { message, .. },
            ) => bot.answer(&message).await,
            // The bot missed something: it has just started, was disconnected, or joined the chat.
            Event::Resynced(Resynced { chat, .. }) | Event::ChatCreated(chat) => {
                bot.catch_up(&chat).await
            }
            Event::Ended(error) => Err(error),
            _ => Ok(()),
        };
        match outcome {
            // The bot is no longer in the chat.
            Err(error) if error.kind() == Some(ErrorKind::NotFound) => {}
            outcome => outcome?,
        }
    }
    Ok(())
}

struct Bot {
    client: Client,
    connection: Connection,
    me: UserId,
    /// In each chat, everything up to this message is answered.
    answered: HashMap<ChatId, Seq>,
}

impl Bot {
    /// Answers a chat's messages in order, from the first one that has no answer.
    async fn catch_up(&mut self, chat: &Chat) -> Result<()> {
        let last = match self.answered.get(&chat.id) {
            Some(last) => *last,
            None => self.last_answered(chat).await?,
        };
        self.answered.insert(chat.id, last);
        let mut messages = self.client.messages(chat.id, Anchor::After(last));
        while let Some(message) = messages.next().await? {
            self.answer(&message).await?;
        }
        Ok(())
    }

    /// How far an earlier run answered a chat. Sending moves the bot's read marker, so its last answer
    /// is the last message before the marker, or close to it. Without an answer there, the bot starts
    /// after the marker: in a group that it was added to, with the first message after that.
    async fn last_answered(&self, chat: &Chat) -> Result<Seq> {
        let marker = chat.last_read_seq;
        let page = self.client.messages(chat.id, Anchor::Before(marker.next())).next_page().await?;
        let messages = page.map(|page| page.results).unwrap_or_default();
        let mut answers = messages.iter().filter(|message| message.sender.id == self.me);
        Ok(answers.find_map(|answer| key_to_seq(answer.client_id.as_deref()?)).unwrap_or(marker))
    }

    /// Answers a message, unless that was done. The idempotency key is derived from the message: if an
    /// earlier run sent the answer and was killed before it knew, this sends nothing new.
    async fn answer(&mut self, message: &Message) -> Result<()> {
        let answered = self.answered.entry(message.chat).or_default();
        let is_own = message.sender.id == self.me;
        if is_own || message.seq <= *answered || message.deleted_at.is_some() {
            return Ok(());
        }
        let start: String = message.content.chars().take(1_000).collect();
        let draft = Draft::new(format!("You said: {start}")).client_id(seq_to_key(message.seq));
        match self.connection.send(message.chat, draft).await {
            Err(error) if error.kind().is_none_or(|kind| kind == ErrorKind::ServerError) => {
                Err(error)
            }
            // Sent, or refused for good: the message was edited after its answer, say.
            _ => {
                *answered = message.seq;
                Ok(())
            }
        }
    }
}

fn seq_to_key(seq: Seq) -> String {
    format!("answer-{seq}")
}

fn key_to_seq(key: &str) -> Option<Seq> {
    key.strip_prefix("answer-")?.parse().ok()
}
