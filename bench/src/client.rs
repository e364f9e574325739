//! A user of the server. Uses `meowsenger-client`, except for what is measured: plain requests, and
//! sockets that do as little as possible.

use futures_util::{StreamExt, TryStreamExt, stream};
use meowsenger_client::types::Registration;
use meowsenger_client::{Client, Server, UserId};
use reqwest::Method;
use serde_json::Value;
use tokio::net::{TcpSocket, TcpStream};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

use crate::Result;

pub type Socket = WebSocketStream<TcpStream>;

/// A registered user.
#[derive(Clone)]
pub struct User {
    pub id: UserId,
    /// The server on which the user registered.
    pub client: Client,
}

impl User {
    /// Registers an account.
    pub async fn register(server: &Server, name: &str) -> Result<Self> {
        let client = server.register(&Registration::new(name, "nine-lives-2026")).await?;
        Ok(Self { id: client.me().await?.id, client })
    }

    /// Registers several accounts, `prefix0` and so on, a few at a time.
    pub async fn register_all(server: &Server, prefix: &str, count: usize) -> Result<Vec<Self>> {
        let names = (0..count).map(|number| format!("{prefix}{number}"));
        stream::iter(names)
            .map(async |name| Self::register(server, &name).await)
            .buffered(4)
            .try_collect()
            .await
    }

    /// Authorises a request as this user.
    pub fn request(&self, request: reqwest::RequestBuilder) -> reqwest::RequestBuilder {
        request.bearer_auth(self.access())
    }

    /// Creates a chat and returns its id; `body` is that of `POST /api/chats/`.
    pub async fn chat(&self, body: &Value) -> Result<i64> {
        let chat = self.post("/api/chats/", body).await?;
        Ok(chat["id"].as_i64().ok_or("a chat without an id")?)
    }

    /// Sends a POST request as this user.
    pub async fn post(&self, path: &str, body: &Value) -> Result<Value> {
        Ok(self.client.request(Method::POST, path, Some(body)).await?)
    }

    /// Opens a socket, and waits until the server says `ready`.
    pub async fn connect(&self, url: &str) -> Result<Socket> {
        self.connect_holding(url, None).await
    }

    /// The same, with a receive buffer of at most so many bytes.
    pub async fn connect_holding(&self, url: &str, unread: Option<u32>) -> Result<Socket> {
        let mut request = (url.replacen("http", "ws", 1) + "/ws/").into_client_request()?;
        request.headers_mut().insert("authorization", format!("Bearer {}", self.access()).parse()?);
        let tcp = TcpSocket::new_v4()?;
        if let Some(unread) = unread {
            tcp.set_recv_buffer_size(unread)?;
        }
        let tcp = tcp.connect(url.trim_start_matches("http://").parse()?).await?;
        tcp.set_nodelay(true)?;
        // With the default, ten thousand sockets need a gigabyte here.
        let small = WebSocketConfig::default().read_buffer_size(1024).write_buffer_size(0);
        let (mut socket, _) = client_async_with_config(request, tcp, Some(small)).await?;
        match socket.next().await.ok_or("closed before ready")?? {
            Message::Text(text) if text.starts_with(r#"{"type":"ready""#) => Ok(socket),
            other => Err(format!("not ready, but {other:?}").into()),
        }
    }

    fn access(&self) -> String {
        self.client.tokens().access
    }
}
