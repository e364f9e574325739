//! A user of the server: registers, makes chats, opens sockets.

use reqwest::StatusCode;
use serde_json::{Value, json};
use tokio::net::{TcpSocket, TcpStream};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

use futures_util::{StreamExt, TryStreamExt, stream};

use crate::Result;

pub type Socket = WebSocketStream<TcpStream>;

/// A registered user.
#[derive(Clone)]
pub struct User {
    pub id: i64,
    access: String,
}

impl User {
    /// Makes an account.
    pub async fn register(http: &reqwest::Client, url: &str, name: &str) -> Result<Self> {
        let body = json!({"username": name, "password": "nine-lives-2026"});
        let answer = post(http, url, "/api/auth/register/", None, &body).await?;
        Ok(Self {
            id: answer["user"]["id"].as_i64().ok_or("a user without an id")?,
            access: answer["access"].as_str().ok_or("no access token")?.to_owned(),
        })
    }

    /// The same request, by this user.
    pub fn request(&self, request: reqwest::RequestBuilder) -> reqwest::RequestBuilder {
        request.bearer_auth(&self.access)
    }

    /// Makes several accounts, `prefix0` and so on, a few at a time.
    pub async fn register_all(
        http: &reqwest::Client,
        url: &str,
        prefix: &str,
        count: usize,
    ) -> Result<Vec<Self>> {
        let names = (0..count).map(|number| format!("{prefix}{number}"));
        stream::iter(names)
            .map(async |name| Self::register(http, url, &name).await)
            .buffered(4)
            .try_collect()
            .await
    }

    /// Makes a chat, whose id it gives; `body` is that of `POST /api/chats/`.
    pub async fn chat(&self, http: &reqwest::Client, url: &str, body: &Value) -> Result<i64> {
        let chat = self.post(http, url, "/api/chats/", body).await?;
        Ok(chat["id"].as_i64().ok_or("a chat without an id")?)
    }

    /// Posts, as this user.
    pub async fn post(
        &self,
        http: &reqwest::Client,
        url: &str,
        path: &str,
        body: &Value,
    ) -> Result<Value> {
        post(http, url, path, Some(&self.access), body).await
    }

    /// Opens a socket, and waits until the server says `ready`.
    pub async fn connect(&self, url: &str) -> Result<Socket> {
        self.connect_holding(url, None).await
    }

    /// The same, over a connection of which this side holds at most so many bytes unread.
    pub async fn connect_holding(&self, url: &str, unread: Option<u32>) -> Result<Socket> {
        let mut request = (url.replacen("http", "ws", 1) + "/ws/").into_client_request()?;
        request.headers_mut().insert("authorization", format!("Bearer {}", self.access).parse()?);
        let tcp = TcpSocket::new_v4()?;
        if let Some(unread) = unread {
            tcp.set_recv_buffer_size(unread)?;
        }
        let tcp = tcp.connect(url.trim_start_matches("http://").parse()?).await?;
        tcp.set_nodelay(true)?;
        // With the default, ten thousand of them take a gigabyte here.
        let small = WebSocketConfig::default().read_buffer_size(1024).write_buffer_size(0);
        let (mut socket, _) = client_async_with_config(request, tcp, Some(small)).await?;
        match socket.next().await.ok_or("closed before ready")?? {
            Message::Text(text) if text.starts_with(r#"{"type":"ready""#) => Ok(socket),
            other => Err(format!("not ready, but {other:?}").into()),
        }
    }
}

async fn post(
    http: &reqwest::Client,
    url: &str,
    path: &str,
    access: Option<&str>,
    body: &Value,
) -> Result<Value> {
    let mut request = http.post(format!("{url}{path}")).json(body);
    if let Some(access) = access {
        request = request.bearer_auth(access);
    }
    let answer = request.send().await?;
    match answer.status() {
        StatusCode::OK | StatusCode::CREATED => Ok(answer.json().await?),
        status => Err(format!("{path}: {status} {}", answer.text().await?).into()),
    }
}
