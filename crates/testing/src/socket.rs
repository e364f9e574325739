//! A WebSocket client that waits for frames with a deadline, and checks each against the AsyncAPI
//! document.

use std::collections::VecDeque;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::{HeaderName, HeaderValue};
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, client_async, connect_async};

use crate::asyncapi;
use crate::client::Client;

/// The deadline of everything that a test waits for: longer than anything takes.
pub const DEADLINE: Duration = Duration::from_secs(20);

/// An open WebSocket.
pub struct Socket {
    pub stream: WebSocketStream<MaybeTlsStream<TcpStream>>,
    /// Frames that arrived while a reply was awaited.
    waiting: VecDeque<Value>,
    /// The first frame after authentication.
    pub ready: Value,
    requests: u64,
    /// Whether [`Self::next`] returns ephemeral signals, whose timing is not fixed.
    loud: bool,
    /// The ids of requests that the document does not allow.
    unallowed: Vec<Value>,
}

/// Ephemeral signals, which most tests skip.
const SIGNALS: [&str; 4] = ["status", "receipt", "typing", "user.updated"];

impl Socket {
    /// Opens a socket with the client's token in a header, and waits for `ready`.
    pub async fn open(client: &Client) -> Self {
        let token = format!("Bearer {}", client.access);
        let mut socket =
            Self::dial(client, "/ws/", &[("authorization", &token)]).await.expect("upgraded");
        socket.ready = socket.next().await;
        assert_eq!(socket.ready["type"], "ready", "{}", socket.ready);
        socket
    }

    /// Opens a socket without authentication. The error is an answer other than an upgrade.
    pub async fn dial(
        client: &Client,
        path: &str,
        headers: &[(&'static str, &str)],
    ) -> Result<Self, Error> {
        let url = client.base.replace("http://", "ws://") + path;
        let mut request = url.into_client_request()?;
        for (name, value) in headers {
            let value = HeaderValue::from_str(value).expect("a header");
            request.headers_mut().insert(HeaderName::from_static(name), value);
        }
        let (stream, _) = timeout(DEADLINE, connect_async(request)).await.expect("in time")?;
        Ok(Self::of(stream))
    }

    /// Opens a socket with a small receive buffer, which is soon full if nothing is read.
    pub async fn narrow(client: &Client) -> Self {
        let tcp = TcpSocket::new_v4().expect("a socket");
        tcp.set_recv_buffer_size(4_096).expect("set");
        let address = client.base.trim_start_matches("http://").parse().expect("an address");
        Self::over(client, tcp.connect(address).await.expect("connected")).await
    }

    /// Opens a socket over an existing connection, and waits for `ready`.
    pub async fn over(client: &Client, tcp: TcpStream) -> Self {
        let url = client.base.replace("http://", "ws://") + "/ws/";
        let mut request = url.into_client_request().expect("a request");
        let token = HeaderValue::from_str(&format!("Bearer {}", client.access)).expect("a header");
        request.headers_mut().insert("authorization", token);
        let upgraded = client_async(request, MaybeTlsStream::Plain(tcp));
        let (stream, _) = timeout(DEADLINE, upgraded).await.expect("in time").expect("upgraded");
        let mut socket = Self::of(stream);
        socket.ready = socket.next().await;
        socket
    }

    /// Opens a socket and authenticates with an `auth` frame.
    pub async fn open_by_frame(client: &Client) -> Self {
        let mut socket = Self::dial(client, "/ws/", &[]).await.expect("upgraded");
        socket.send(json!({"type": "auth", "token": client.access})).await;
        socket.ready = socket.next().await;
        assert_eq!(socket.ready["type"], "ready", "{}", socket.ready);
        socket
    }

    fn of(stream: WebSocketStream<MaybeTlsStream<TcpStream>>) -> Self {
        Self {
            stream,
            waiting: VecDeque::new(),
            ready: Value::Null,
            requests: 0,
            loud: false,
            unallowed: Vec::new(),
        }
    }

    /// The same socket, without skipping signals.
    pub fn loud(mut self) -> Self {
        self.loud = true;
        self
    }

    fn skips(&self, frame: &Value) -> bool {
        !self.loud && frame["type"].as_str().is_some_and(|kind| SIGNALS.contains(&kind))
    }

    /// The version of a chat in `ready`.
    pub fn version_of(&self, chat: i64) -> i64 {
        self.ready["versions"][chat.to_string()].as_i64().expect("a version")
    }

    /// Sends a frame.
    pub async fn send(&mut self, frame: Value) {
        self.send_text(&frame.to_string()).await;
    }

    pub async fn send_text(&mut self, text: &str) {
        if let Ok(frame) = serde_json::from_str::<Value>(text)
            && let Some(id) = frame.get("id")
            && !asyncapi::allows(&frame)
        {
            self.unallowed.push(id.clone());
        }
        self.stream.send(Message::text(text)).await.expect("sent");
    }

    /// Sends any message, valid or not.
    pub async fn send_message(&mut self, message: Message) {
        self.stream.send(message).await.expect("sent");
    }

    /// Sends a request and returns its `ack`, `error` or `pong`. Frames that arrive before it are kept
    /// for [`Self::next`].
    pub async fn request(&mut self, mut frame: Value) -> Value {
        self.requests += 1;
        let id = self.requests;
        frame["id"] = json!(id);
        self.send(frame).await;
        loop {
            let frame = self.read().await;
            if frame["id"] == id {
                return frame;
            }
            self.waiting.push_back(frame);
        }
    }

    /// The next frame.
    pub async fn next(&mut self) -> Value {
        match self.waiting.pop_front() {
            Some(frame) => frame,
            None => self.read().await,
        }
    }

    /// The next frame of a type. Others before it are skipped.
    pub async fn next_of(&mut self, kind: &str) -> Value {
        loop {
            let frame = self.next().await;
            if frame["type"] == kind {
                return frame;
            }
        }
    }

    /// The next `status` of this user. Those of others arrive at any time, and one may be repeated when
    /// a user connects. For a [`Self::loud`] socket.
    pub async fn next_status_of(&mut self, user: &Client) -> Value {
        loop {
            let frame = self.next_of("status").await;
            if frame["user"] == user.id {
                return frame;
            }
        }
    }

    /// Every frame that the server sends before it answers a `ping` sent now.
    pub async fn drain(&mut self) -> Vec<Value> {
        let pong = self.request(json!({"type": "ping"})).await;
        assert_eq!(pong["type"], "pong");
        self.waiting.drain(..).collect()
    }

    /// The next frame, or how the server closed the connection: with a code and a reason, or without.
    pub async fn next_or_end(&mut self) -> Result<Value, Option<(u16, String)>> {
        if let Some(frame) = self.waiting.pop_front() {
            return Ok(frame);
        }
        loop {
            match timeout(DEADLINE, self.stream.next()).await.expect("a frame in time") {
                Some(Ok(Message::Text(text))) => {
                    let frame = self.parse(&text);
                    if !self.skips(&frame) {
                        return Ok(frame);
                    }
                }
                Some(Ok(Message::Close(frame))) => {
                    let end = frame.map(|f| (f.code.into(), f.reason.to_string()));
                    end.iter().for_each(|(code, _)| asyncapi::assert_code(*code));
                    return Err(end);
                }
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return Err(None),
            }
        }
    }

    /// Waits for the server to close the connection: the code and the reason.
    pub async fn closed(&mut self) -> (u16, String) {
        loop {
            if let Err(end) = self.next_or_end().await {
                return end.expect("closed in order");
            }
        }
    }

    /// Parses and checks a frame. The server must answer a frame that the document does not allow with
    /// `error`.
    fn parse(&self, text: &str) -> Value {
        let frame: Value = serde_json::from_str(text).expect("JSON");
        asyncapi::assert_described(&frame);
        let allowed = !frame.get("id").is_some_and(|id| self.unallowed.contains(id));
        assert!(
            allowed || frame["type"] == "error",
            "not allowed by the document, but accepted: {frame}"
        );
        frame
    }

    async fn read(&mut self) -> Value {
        loop {
            let message = timeout(DEADLINE, self.stream.next()).await.expect("a frame in time");
            match message {
                Some(Ok(Message::Text(text))) => {
                    let frame = self.parse(&text);
                    if !self.skips(&frame) {
                        return frame;
                    }
                }
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                other => panic!("not a frame: {other:?}"),
            }
        }
    }
}
