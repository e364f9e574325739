//! A terminal client: shows what happens in one's chats and sends what one types. It is written
//! against `meowsenger-client`, which connects again where the connection is lost; it keeps nothing.
//!
//! ```text
//! cargo run --example chat -- --url http://127.0.0.1:8000 --username alice --password … --chat 1
//! printf 'meow\n' | cargo run --example chat -- …                  sends, and ends when it is sent
//! cargo run --example chat -- … --listen 60 </dev/null             shows a minute's events
//! ```
//!
//! Typed lines are sent; `/edit ID TEXT` and `/delete ID` change a message by the number after the
//! `#`, `/quit` ends. The exit status is 0 where everything that was typed was done.

use std::collections::BTreeMap;
use std::error::Error;
use std::io::{Write, stderr, stdin, stdout};
use std::pin::Pin;
use std::process::ExitCode;
use std::time::Duration;

use meowsenger_client::types::Message;
use meowsenger_client::{Change, Client, Event, Events, Live, Options, Resynced, Server};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until, timeout};

const USAGE: &str =
    "usage: chat --url URL --username NAME --password PASSWORD --chat ID [--listen SECONDS]";
/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long events are still shown when all is answered and nothing more is typed.
const MOMENT: Duration = Duration::from_millis(300);

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
    chat: i64,
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
                "--chat" => chat = Some(value.parse().map_err(|_| "--chat is a number")?),
                "--listen" => {
                    let seconds = value.parse().map_err(|_| "--listen is a number of seconds")?;
                    listen = Some(Duration::from_secs(seconds));
                }
                _ => return Err(USAGE.into()),
            }
        }
        if !url.starts_with("http://") && !url.starts_with("https://") {
            return Err("--url begins with http:// or https://".into());
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

/// Begins a session.
async fn log_in(arguments: &Arguments) -> Result<Client> {
    let server = Server::new(&arguments.url).with_patience(PATIENCE, PATIENCE);
    match server.log_in(&arguments.username, &arguments.password).await {
        Err(meowsenger_client::Error::Network(_)) => {
            Err(format!("no server answers at {}", arguments.url).into())
        }
        other => Ok(other?),
    }
}

/// What is typed, line by line; it closes at the end of the input.
fn lines() -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::channel(1);
    // A thread of its own: reading a terminal cannot be cancelled, and must not hold up the exit.
    std::thread::spawn(move || {
        for line in stdin().lines().map_while(std::result::Result::ok) {
            if sender.blocking_send(line).is_err() {
                return;
            }
        }
    });
    receiver
}

/// A request under way.
type Request = Pin<Box<dyn Future<Output = Result<Message, meowsenger_client::Error>>>>;

struct Conversation {
    live: Live,
    events: Events,
    chat: i64,
    /// What was there already when one came, by chat: it is not shown.
    old: BTreeMap<i64, i64>,
    refused: usize,
}

impl Conversation {
    /// Connects, and waits until one's chats are known.
    async fn open(chat: i64, client: &Client) -> Result<Self> {
        let (live, events) = client.connect(Options::default());
        let mut this = Self { live, events, chat, old: BTreeMap::new(), refused: 0 };
        let ready = async {
            match this.events.next().await {
                Some(Event::Ready(ready)) => Ok(ready),
                Some(Event::Disconnected { why, .. }) => Err(why),
                other => Err(format!("no connection: {other:?}")),
            }
        };
        let ready = timeout(PATIENCE, ready).await??;
        this.old = ready.versions;
        if !this.old.contains_key(&chat) {
            let chats: Vec<_> = this.old.keys().map(i64::to_string).collect();
            let chats = if chats.is_empty() { "none".to_owned() } else { chats.join(", ") };
            return Err(format!("no such chat: {chat}; yours: {chats}").into());
        }
        say(&format!("You are {} in chat {chat}.", text(&ready.user.username)));
        // What is sent before the chat is known could come as a part of what was there.
        let known = async {
            while this.live.replica().chat(chat).is_none() {
                let Some(event) = this.events.next().await else { break };
                this.show(event);
            }
        };
        timeout(PATIENCE, known).await?;
        Ok(this)
    }

    async fn run(mut self, mut lines: mpsc::Receiver<String>, listen: Option<Duration>) -> Result {
        let mut until = None;
        // The next line waits for the answer, so that lines are carried out in their order, and at
        // the server's pace.
        let mut request: Option<Request> = None;
        loop {
            tokio::select! {
                line = lines.recv(), if until.is_none() && request.is_none() => {
                    match line.as_deref() {
                        Some("") => {}
                        Some("/quit") => until = Some(Instant::now() + PATIENCE),
                        Some(line) => request = self.request(line),
                        None => until = Some(Instant::now() + listen.unwrap_or(PATIENCE)),
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
                        self.refused += 1;
                        say(&format!("! {}", text(&error.to_string())));
                    }
                }
                () = sleep_until(until.unwrap_or_else(Instant::now)), if until.is_some() => break,
            }
            if listen.is_none() && request.is_none() {
                until = until.map(|until| until.min(Instant::now() + MOMENT));
            }
        }
        match (request, self.refused) {
            (None, 0) => Ok(()),
            (None, refused) => Err(format!("refused: {refused}").into()),
            (Some(_), _) => Err("the last line was not answered in time".into()),
        }
    }

    /// What a line asks for.
    fn request(&mut self, line: &str) -> Option<Request> {
        let mut words = line.splitn(3, ' ');
        let (command, message, text) = (words.next(), words.next(), words.next());
        let message = message.and_then(|id| id.trim_start_matches('#').parse::<i64>().ok());
        let (live, chat, text) = (self.live.clone(), self.chat, text.map(str::to_owned));
        let line = line.to_owned();
        Some(match (command, message, text) {
            (Some("/edit"), Some(message), Some(text)) => {
                Box::pin(async move { live.edit(message, &text).await })
            }
            (Some("/delete"), Some(message), None) => {
                Box::pin(async move { live.delete(message).await })
            }
            (Some("/edit" | "/delete"), ..) => {
                self.refused += 1;
                say("! /edit ID TEXT, /delete ID, /quit");
                return None;
            }
            _ => Box::pin(async move { live.send(chat, line).await }),
        })
    }

    fn show(&self, event: Event) {
        let (chat, what) = match event {
            Event::Change(change) => (change.place().0, changed(&change)),
            Event::ChatCreated(chat) => {
                return say(&format!("* you are in chat {} now: {}", chat.id, text(&chat.name)));
            }
            Event::ChatDeleted(chat) => (chat, "* the chat is gone".to_owned()),
            Event::Resynced(Resynced { chat, messages, .. }) => {
                let old = self.old.get(&chat.id).copied().unwrap_or(0);
                for message in messages.iter().filter(|message| message.version > old) {
                    self.show_in(chat.id, &told(message));
                }
                return;
            }
            Event::Disconnected { why, .. } => {
                return say(&format!("* disconnected: {}", text(&why)));
            }
            _ => return,
        };
        self.show_in(chat, &what);
    }

    fn show_in(&self, chat: i64, what: &str) {
        let place = if chat == self.chat { String::new() } else { format!("[chat {chat}] ") };
        say(&format!("{place}{what}"));
    }
}

/// The answer of the request under way.
async fn answer(request: &mut Option<Request>) -> Result<Message, meowsenger_client::Error> {
    match request {
        Some(request) => request.await,
        None => std::future::pending().await,
    }
}

fn changed(change: &Change) -> String {
    match change {
        Change::MessageCreated { message, .. }
        | Change::MessageUpdated { message, .. }
        | Change::MessageDeleted { message, .. } => told(message),
        Change::ChatUpdated { name, .. } => format!("* the chat is called {}", text(name)),
        Change::MemberJoined { member, .. } => format!("* {} joined", text(&member.user.username)),
        Change::MemberUpdated { member, .. } => {
            format!("* {} has another role", text(&member.user.username))
        }
        Change::MemberLeft { member, .. } => format!("* {} left", text(&member.user.username)),
    }
}

fn told(message: &Message) -> String {
    let (id, sender, content) =
        (message.id, text(&message.sender.username), text(&message.content));
    match message {
        Message { deleted_at: Some(_), .. } => format!("#{id} {sender} (deleted)"),
        Message { edited_at: Some(_), .. } => format!("#{id} {sender} (edited): {content}"),
        _ => format!("#{id} {sender}: {content}"),
    }
}

/// On one line, and without what would steer the terminal.
fn text(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// Prints a line. A reader that went away is no failure.
fn say(line: &str) {
    writeln!(stdout(), "{line}").ok();
}
