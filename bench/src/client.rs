//! A user of the server: registers, makes chats, opens sockets.

use reqwest::StatusCode;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async_with_config};

use futures_util::StreamExt;

use crate::Result;

pub type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// A registered user.
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

    /// Makes a chat; `body` is that of `POST /api/chats/`.
    pub async fn chat(&self, http: &reqwest::Client, url: &str, body: &Value) -> Result {
        post(http, url, "/api/chats/", Some(&self.access), body).await.map(drop)
    }

    /// Opens a socket, and waits until the server says `ready`.
    pub async fn connect(&self, url: &str) -> Result<Socket> {
        let mut request = (url.replacen("http", "ws", 1) + "/ws/").into_client_request()?;
        request.headers_mut().insert("authorization", format!("Bearer {}", self.access).parse()?);
        // With the default, ten thousand of them take a gigabyte here.
        let small = WebSocketConfig::default().read_buffer_size(1024).write_buffer_size(0);
        let (mut socket, _) = connect_async_with_config(request, Some(small), false).await?;
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
