//! A user of the server: `meowsenger-client` for everything but what is measured, which is plain
//! requests and sockets that do as little as can be.

use futures_util::StreamExt;
use meowsenger_client::{Client, Server};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async_with_config};

use crate::Result;

pub type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// A registered user.
pub struct User {
    pub id: i64,
    /// Of the server on which they registered.
    pub client: Client,
}

impl User {
    /// Makes an account.
    pub async fn register(url: &str, name: &str) -> Result<Self> {
        let client = Server::new(url).register(name, "nine-lives-2026").await?;
        Ok(Self { id: client.me().await?.id, client })
    }

    /// The same request, by this user.
    pub fn request(&self, request: reqwest::RequestBuilder) -> reqwest::RequestBuilder {
        request.bearer_auth(self.access())
    }

    /// Opens a socket, and waits until the server says `ready`.
    pub async fn connect(&self, url: &str) -> Result<Socket> {
        let mut request = (url.replacen("http", "ws", 1) + "/ws/").into_client_request()?;
        request.headers_mut().insert("authorization", format!("Bearer {}", self.access()).parse()?);
        // With the default, ten thousand of them take a gigabyte here.
        let small = WebSocketConfig::default().read_buffer_size(1024).write_buffer_size(0);
        let (mut socket, _) = connect_async_with_config(request, Some(small), false).await?;
        match socket.next().await.ok_or("closed before ready")?? {
            Message::Text(text) if text.starts_with(r#"{"type":"ready""#) => Ok(socket),
            other => Err(format!("not ready, but {other:?}").into()),
        }
    }

    fn access(&self) -> String {
        self.client.tokens().borrow().access.clone()
    }
}
