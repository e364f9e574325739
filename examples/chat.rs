//! A terminal client: shows what happens in one's chats and sends what one types. Written against
//! the public API alone; it keeps nothing, and does not reconnect.
//!
//! ```text
//! cargo run --example chat -- --url http://127.0.0.1:8000 --username alice --password … --chat 1
//! printf 'meow\n' | cargo run --example chat -- …                  sends, and ends when it is sent
//! cargo run --example chat -- … --listen 60 </dev/null             shows a minute's events
//! ```
//!
//! Typed lines are sent; `/edit ID TEXT` and `/delete ID` change a message by the number after the
//! `#`, `/quit` ends. The exit status is 0 where everything that was typed was done.

use std::error::Error;
use std::io::{Write, stderr, stdin, stdout};
use std::process::ExitCode;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

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
        let token = log_in(&arguments).await?;
        Conversation::open(&arguments, &token).await?.run(lines(), arguments.listen).await
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
        if !url.starts_with("http://") {
            return Err("--url begins with http://; this example speaks no TLS".into());
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

/// Begins a session; its access token.
async fn log_in(arguments: &Arguments) -> Result<String> {
    let body = json!({"username": arguments.username, "password": arguments.password});
    let request = reqwest::Client::new().post(format!("{}/api/auth/login/", arguments.url));
    let answer = request.timeout(PATIENCE).json(&body).send().await;
    let answer = answer.map_err(|_| format!("no server answers at {}", arguments.url))?;
    let status = answer.status();
    let body: Value = answer.json().await.map_err(|_| format!("login: {status}"))?;
    match body["access"].as_str() {
        Some(token) => Ok(token.to_owned()),
        None => Err(body["detail"].as_str().map_or_else(|| body.to_string(), str::to_owned).into()),
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

struct Conversation {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    chat: i64,
    /// With a number behind it, a `client_id` that no other message of this user has.
    session: i64,
    requests: u64,
    /// The request under way. The next line waits for its answer, so that lines are carried out in
    /// their order, and at the server's pace.
    unanswered: Option<u64>,
    refused: usize,
}

impl Conversation {
    /// Opens the socket and waits for `ready`, which names one's chats.
    async fn open(arguments: &Arguments, token: &str) -> Result<Self> {
        let url = arguments.url.replacen("http", "ws", 1) + "/ws/";
        let mut request = url.into_client_request()?;
        request.headers_mut().insert("authorization", format!("Bearer {token}").parse()?);
        let (socket, _) = timeout(PATIENCE, connect_async(request)).await??;
        let chat = arguments.chat;
        let mut this = Self { socket, chat, session: 0, requests: 0, unanswered: None, refused: 0 };
        let ready = timeout(PATIENCE, this.read()).await??;
        let chats = ready["versions"].as_object().ok_or("the server did not say ready")?;
        if !chats.contains_key(&chat.to_string()) {
            let chats: Vec<_> = chats.keys().map(String::as_str).collect();
            let chats = if chats.is_empty() { "none".to_owned() } else { chats.join(", ") };
            return Err(format!("no such chat: {chat}; yours: {chats}").into());
        }
        this.session = ready["session"].as_i64().ok_or("ready names no session")?;
        say(&format!("You are {} in chat {chat}.", text(&ready["user"]["username"])));
        Ok(this)
    }

    async fn run(mut self, mut lines: mpsc::Receiver<String>, listen: Option<Duration>) -> Result {
        let mut until = None;
        loop {
            tokio::select! {
                line = lines.recv(), if until.is_none() && self.unanswered.is_none() => {
                    match line.as_deref() {
                        Some("") => {}
                        Some("/quit") => until = Some(Instant::now() + PATIENCE),
                        Some(line) => self.request(line).await?,
                        None => until = Some(Instant::now() + listen.unwrap_or(PATIENCE)),
                    }
                }
                frame = self.read() => self.show(&frame?),
                () = sleep_until(until.unwrap_or_else(Instant::now)), if until.is_some() => break,
            }
            if listen.is_none() && self.unanswered.is_none() {
                until = until.map(|until| until.min(Instant::now() + MOMENT));
            }
        }
        match (self.unanswered, self.refused) {
            (None, 0) => Ok(self.socket.close(None).await?),
            (None, refused) => Err(format!("refused: {refused}").into()),
            (Some(_), _) => Err("the last line was not answered in time".into()),
        }
    }

    async fn request(&mut self, line: &str) -> Result {
        let id = self.requests + 1;
        let mut words = line.splitn(3, ' ');
        let (command, message, text) = (words.next(), words.next(), words.next());
        let message = message.and_then(|id| id.trim_start_matches('#').parse::<i64>().ok());
        let frame = match (command, message, text) {
            (Some("/edit"), Some(message), Some(text)) => {
                json!({"type": "message.edit", "id": id, "message": message, "content": text})
            }
            (Some("/delete"), Some(message), None) => {
                json!({"type": "message.delete", "id": id, "message": message})
            }
            (Some("/edit" | "/delete"), ..) => {
                self.refused += 1;
                say("! /edit ID TEXT, /delete ID, /quit");
                return Ok(());
            }
            _ => json!({"type": "message.send", "id": id, "chat": self.chat, "content": line,
                        "client_id": format!("{}-{id}", self.session)}),
        };
        self.requests = id;
        self.unanswered = Some(id);
        Ok(self.socket.send(Message::text(frame.to_string())).await?)
    }

    /// The next frame.
    async fn read(&mut self) -> Result<Value> {
        loop {
            match self.socket.next().await {
                Some(Ok(Message::Text(text))) => return Ok(serde_json::from_str(&text)?),
                Some(Ok(Message::Close(Some(close)))) => {
                    let (code, reason) = (u16::from(close.code), close.reason);
                    return Err(format!("the server closed the socket: {code} {reason}").into());
                }
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(error.into()),
                None => return Err("the server went away".into()),
            }
        }
    }

    fn show(&mut self, frame: &Value) {
        if frame["id"].as_u64().is_some_and(|id| self.unanswered == Some(id)) {
            self.unanswered = None;
        }
        let message = &frame["message"];
        let (id, sender, content) =
            (&message["id"], text(&message["sender"]["username"]), text(&message["content"]));
        let what = match frame["type"].as_str().unwrap_or_default() {
            "message.created" => format!("#{id} {sender}: {content}"),
            "message.updated" => format!("#{id} {sender} (edited): {content}"),
            "message.deleted" => format!("#{id} {sender} (deleted)"),
            "chat.created" => {
                let (id, name) = (&frame["chat"]["id"], text(&frame["chat"]["name"]));
                return say(&format!("* you are in chat {id} now: {name}"));
            }
            "chat.updated" => format!("* the chat is called {}", text(&frame["name"])),
            "chat.deleted" => "* the chat is gone".to_owned(),
            "member.joined" => format!("* {} joined", text(&frame["member"]["user"]["username"])),
            "member.left" => format!("* {} left", text(&frame["member"]["user"]["username"])),
            "resync" => return say("* some events were left out"),
            "error" => {
                self.refused += 1;
                let errors = frame.get("errors").map(|errors| format!(" {errors}"));
                let detail = text(&frame["detail"]);
                return say(&format!("! {detail}{}", errors.unwrap_or_default()));
            }
            // Acknowledgements are no news: the event of the same message is shown.
            _ => return,
        };
        let elsewhere = frame["chat"].as_i64().filter(|chat| *chat != self.chat);
        let place = elsewhere.map(|chat| format!("[chat {chat}] ")).unwrap_or_default();
        say(&format!("{place}{what}"));
    }
}

/// On one line, and without what would steer the terminal.
fn text(value: &Value) -> String {
    let text = value.as_str().unwrap_or_default();
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// Prints a line. A reader that went away is no failure.
fn say(line: &str) {
    writeln!(stdout(), "{line}").ok();
}
