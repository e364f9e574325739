//! A terminal client: shows what happens in your chats and sends what you type. It is built on
//! `meowsenger-client`, which reconnects by itself; it stores nothing.
//!
//! ```text
//! cargo run --example chat -- --url http://127.0.0.1:8000 --username alice --password … --chat 1
//! printf 'meow\n' | cargo run --example chat -- …                  sends a line and exits
//! cargo run --example chat -- … --listen 60 </dev/null             shows events for a minute
//! ```
//!
//! Typed lines are sent. `/edit ID TEXT` and `/delete ID` change the message with that number after
//! the `#`; `/quit` exits. The exit status is 0 if every line succeeded.

use std::collections::BTreeMap;
use std::error::Error;
use std::io::{Write, stderr, stdin, stdout};
use std::pin::Pin;
use std::process::ExitCode;
use std::time::Duration;

use meowsenger_client::types::Message;
use meowsenger_client::{
    Change, ChatId, Client, Connection, Event, Events, MessageId, Options, Resynced, Server,
    Version,
};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until, timeout};

const USAGE: &str =
    "usage: chat --url URL --username NAME --password PASSWORD --chat ID [--listen SECONDS]";
/// The deadline of a request.
const DEADLINE: Duration = Duration::from_secs(10);
/// How long events are still shown after the last answer and the end of the input.
const LINGER: Duration = Duration::from_millis(300);

type Result<T = (), E = Box<dyn Error>> = std::result::Result<T, E>;

#[tokio::main]
async fn main() -> ExitCode {
    let outcome = async {
        let arguments = Arguments::parse(std::env::args().skip(1))?;
        let client = log_in(&arguments).await?;
        Conversation::open(arguments.chat, &client).await?.run(lines(), arguments.listen).await
    };
    match outcome.await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            writeln!(stderr(), "chat: {error}").ok();
            ExitCode::FAILURE
        }
    }
}

struct Arguments {
    url: String,
    username: String,
    password: String,
    chat: ChatId,
    listen: Option<Duration>,
}

impl Arguments {
    fn parse(mut words: impl Iterator<Item = String>) -> Result<Self> {
        let (mut url, mut username, mut password, mut chat, mut listen) =
            ("http://127.0.0.1:8000".to_owned(), None, None, None, None);
        while let Some(name) = words.next() {
            let value = words.next().ok_or(USAGE)?;
            match name.as_str() {
                "--url" => url = value.trim_end_matches('/').to_owned(),
                "--username" => username = Some(value),
                "--password" => password = Some(value),
                "--chat" => chat = Some(value.parse().map_err(|_| "--chat must be a number")?),
                "--listen" => {
                    let seconds =
                        value.parse().map_err(|_| "--listen must be a number of seconds")?;
                    listen = Some(Duration::from_secs(seconds));
                }
                _ => return Err(USAGE.into()),
            }
        }
        if !url.starts_with("http://") && !url.starts_with("https://") {
            return Err("--url must begin with http:// or https://".into());
        }
        Ok(Self {
            url,
            username: username.ok_or(USAGE)?,
            password: password.ok_or(USAGE)?,
            chat: chat.ok_or(USAGE)?,
            listen,
        })
    }
}

/// Starts a session.
async fn log_in(arguments: &Arguments) -> Result<Client> {
    let server = Server::new(&arguments.url).with_timeouts(DEADLINE, DEADLINE);
    match server.log_in(&arguments.username, &arguments.password).await {
        Err(meowsenger_client::Error::Network(_)) => {
            Err(format!("no server answers at {}", arguments.url).into())
        }
        other => Ok(other?),
    }
}

/// The lines of standard input. The channel closes at its end.
fn lines() -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::channel(1);
    // A separate thread: reading a terminal cannot be cancelled, and must not delay the exit.
    std::thread::spawn(move || {
        for line in stdin().lines().map_while(std::result::Result::ok) {
            if sender.blocking_send(line).is_err() {
                return;
            }
        }
    });
    receiver
}

/// A request in progress.
type Request = Pin<Box<dyn Future<Output = Result<Message, meowsenger_client::Error>>>>;

struct Conversation {
    connection: Connection,
    events: Events,
    chat: ChatId,
    /// The chats' versions when the program started. Older messages are not shown.
    initial_versions: BTreeMap<ChatId, Version>,
    failed: usize,
}

impl Conversation {
    /// Connects, and waits until the chat is known.
    async fn open(chat: ChatId, client: &Client) -> Result<Self> {
        let (connection, events) = client.connect(Options::default());
        let initial_versions = BTreeMap::new();
        let mut this = Self { connection, events, chat, initial_versions, failed: 0 };
        let ready = async {
            match this.events.next().await {
                Some(Event::Ready(ready)) => Ok(ready),
                Some(Event::Disconnected { reason, .. }) => Err(reason),
                other => Err(format!("no connection: {other:?}")),
            }
        };
        let ready = timeout(DEADLINE, ready).await??;
        this.initial_versions = ready.versions;
        if !this.initial_versions.contains_key(&chat) {
            let chats: Vec<_> = this.initial_versions.keys().map(ChatId::to_string).collect();
            let chats = if chats.is_empty() { "none".to_owned() } else { chats.join(", ") };
            return Err(format!("no such chat: {chat}; yours: {chats}").into());
        }
        say(&format!("You are {} in chat {chat}.", text(&ready.user.username)));
        // A message sent before the chat is known might be taken for an old one.
        let known = async {
            while this.connection.replica().chat(chat).is_none() {
                let Some(event) = this.events.next().await else { break };
                this.show(event);
            }
        };
        timeout(DEADLINE, known).await?;
        Ok(this)
    }

    async fn run(mut self, mut lines: mpsc::Receiver<String>, listen: Option<Duration>) -> Result {
        let mut until = None;
        // Wait for each answer before reading the next line. This keeps the lines in order and at the
        // server's pace.
        let mut request: Option<Request> = None;
        loop {
            tokio::select! {
                line = lines.recv(), if until.is_none() && request.is_none() => {
                    match line.as_deref() {
                        Some("") => {}
                        Some("/quit") => until = Some(Instant::now() + DEADLINE),
                        Some(line) => request = self.request(line),
                        None => until = Some(Instant::now() + listen.unwrap_or(DEADLINE)),
                    }
                }
                event = self.events.next() => match event {
                    Some(Event::Ended(error)) => return Err(error.into()),
                    Some(event) => self.show(event),
                    None => return Err("the connection was closed".into()),
                },
                answer = answer(&mut request), if request.is_some() => {
                    request = None;
                    if let Err(error) = answer {
                        self.failed += 1;
                        say(&format!("! {}", text(&error.to_string())));
                    }
                }
                () = sleep_until(until.unwrap_or_else(Instant::now)), if until.is_some() => break,
            }
            if listen.is_none() && request.is_none() {
                until = until.map(|until| until.min(Instant::now() + LINGER));
            }
        }
        match (request, self.failed) {
            (None, 0) => Ok(()),
            (None, failed) => Err(format!("failed: {failed}").into()),
            (Some(_), _) => Err("timeout: the last line was not answered".into()),
        }
    }

    /// Parses a line and starts its request.
    fn request(&mut self, line: &str) -> Option<Request> {
        let mut words = line.splitn(3, ' ');
        let (command, message, text) = (words.next(), words.next(), words.next());
        let message = message.and_then(|id| id.trim_start_matches('#').parse::<MessageId>().ok());
        let (connection, chat, text) =
            (self.connection.clone(), self.chat, text.map(str::to_owned));
        let line = line.to_owned();
        Some(match (command, message, text) {
            (Some("/edit"), Some(message), Some(text)) => {
                Box::pin(async move { connection.edit(message, &text).await })
            }
            (Some("/delete"), Some(message), None) => {
                Box::pin(async move { connection.delete(message).await })
            }
            (Some("/edit" | "/delete"), ..) => {
                self.failed += 1;
                say("! /edit ID TEXT, /delete ID, /quit");
                return None;
            }
            _ => Box::pin(async move { connection.send(chat, line).await }),
        })
    }

    fn show(&self, event: Event) {
        let (chat, what) = match event {
            Event::Change(change) => (change.chat(), describe_change(&change)),
            Event::ChatCreated(chat) => {
                return say(&format!("* you are now in chat {}: {}", chat.id, text(&chat.name)));
            }
            Event::ChatDeleted(chat) => (chat, "* you are no longer in this chat".to_owned()),
            Event::Resynced(Resynced { chat, messages, .. }) => {
                let known = self.initial_versions.get(&chat.id).copied().unwrap_or_default();
                for message in messages.iter().filter(|message| message.version > known) {
                    self.show_in(chat.id, &describe(message));
                }
                return;
            }
            Event::Disconnected { reason, .. } => {
                return say(&format!("* disconnected: {}", text(&reason)));
            }
            _ => return,
        };
        self.show_in(chat, &what);
    }

    fn show_in(&self, chat: ChatId, what: &str) {
        let prefix = if chat == self.chat { String::new() } else { format!("[chat {chat}] ") };
        say(&format!("{prefix}{what}"));
    }
}

/// The answer to the request in progress; never, if there is none.
async fn answer(request: &mut Option<Request>) -> Result<Message, meowsenger_client::Error> {
    match request {
        Some(request) => request.await,
        None => std::future::pending().await,
    }
}

fn describe_change(change: &Change) -> String {
    match change {
        Change::MessageCreated { message, .. }
        | Change::MessageUpdated { message, .. }
        | Change::MessageDeleted { message, .. } => describe(message),
        Change::ChatUpdated { name, .. } => format!("* the chat is now called {}", text(name)),
        Change::MemberJoined { member, .. } => format!("* {} joined", text(&member.user.username)),
        Change::MemberUpdated { member, .. } => {
            format!("* the role of {} changed", text(&member.user.username))
        }
        Change::MemberLeft { member, .. } => format!("* {} left", text(&member.user.username)),
        _ => "* the chat changed".to_owned(),
    }
}

fn describe(message: &Message) -> String {
    let (id, sender, content) =
        (message.id, text(&message.sender.username), text(&message.content));
    match message {
        Message { deleted_at: Some(_), .. } => format!("#{id} {sender} (deleted)"),
        Message { edited_at: Some(_), .. } => format!("#{id} {sender} (edited): {content}"),
        _ => format!("#{id} {sender}: {content}"),
    }
}

/// A single line without terminal control characters.
fn text(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// Prints a line. A closed standard output is not an error.
fn say(line: &str) {
    writeln!(stdout(), "{line}").ok();
}
