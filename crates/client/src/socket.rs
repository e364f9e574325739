//! One WebSocket: handshake, authentication, reads, writes and the close handshake. Every way in which
//! it can end is a [`Disconnect`]. Reconnecting is the task of `driver`.

use std::fmt::Display;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde::Deserialize;
use serde_json::json;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::{HeaderValue, StatusCode, header};
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, WebSocketConfig};
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async_with_config};

use crate::errors::Error;
use crate::options::Auth;
use crate::rest::Client;

/// The timeout of a write: how long the server may leave it unread.
const WRITE_TIMEOUT: Duration = Duration::from_secs(45);
/// The timeout of the close handshake.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// An authenticated WebSocket.
pub(crate) struct Socket {
    stream: WebSocketStream<MaybeTlsStream<TcpStream>>,
    /// The access token that authenticated it.
    access: String,
}

/// Why a connection was lost or could not be opened.
#[derive(Debug)]
pub(crate) enum Disconnect {
    /// Try again, after the delay that the server asked for, if any.
    Retry { reason: String, after: Option<Duration> },
    /// The server rejects this access token.
    Unauthenticated { access: String },
    /// Trying again is pointless.
    Fatal(Error),
}

/// Connects and authenticates. Returns the socket and its first frame, `ready`.
pub(crate) async fn open(
    client: &Client,
    auth: Auth,
    connect_timeout: Duration,
) -> Result<(Socket, String), Disconnect> {
    let access = client.access().await.map_err(|error| match error {
        Error::Network(_) | Error::Api(_) => retry(error.to_string()),
        error => Disconnect::Fatal(error),
    })?;
    let connecting = timeout(connect_timeout, handshake(client, auth, access));
    connecting.await.map_err(|_| retry("connect timeout"))?
}

async fn handshake(
    client: &Client,
    auth: Auth,
    access: String,
) -> Result<(Socket, String), Disconnect> {
    let url = client.base().replacen("http", "ws", 1) + "/ws/";
    let fatal = |error: &dyn Display| Disconnect::Fatal(Error::Protocol(error.to_string()));
    let mut request = url.into_client_request().map_err(|error| fatal(&error))?;
    if auth == Auth::Header {
        let value = HeaderValue::try_from(format!("Bearer {access}"));
        let value = value.map_err(|error| fatal(&error))?;
        request.headers_mut().insert(header::AUTHORIZATION, value);
    }
    // With the library's default buffers, ten thousand sockets would take a gigabyte.
    let small = WebSocketConfig::default().read_buffer_size(4 * 1024).write_buffer_size(0);
    let opened = connect_async_with_config(request, Some(small), true).await;
    let (stream, _) = opened.map_err(|error| handshake_failed(error, &access))?;
    let mut socket = Socket { stream, access };
    if auth == Auth::Frame {
        let frame = json!({"type": "auth", "token": socket.access}).to_string();
        socket.write([frame]).await?;
    }
    loop {
        if let Some(text) = socket.next().await? {
            // An `error` may precede the close, which says more.
            if text.starts_with(r#"{"type":"ready""#) {
                return Ok((socket, text));
            }
        }
    }
}

impl Socket {
    /// The next text frame; `None` for any other. Cancel-safe.
    pub(crate) async fn next(&mut self) -> Result<Option<String>, Disconnect> {
        match self.stream.next().await {
            Some(Ok(Message::Text(text))) => Ok(Some(text.to_string())),
            Some(Ok(Message::Close(close))) => Err(closed(close, &self.access)),
            Some(Ok(Message::Ping(_))) => {
                // The library queues the pong until the next write or flush.
                self.stream.flush().await.map_err(broken)?;
                Ok(None)
            }
            Some(Ok(_)) => Ok(None),
            Some(Err(error)) => Err(broken(error)),
            None => Err(retry("connection lost")),
        }
    }

    /// Writes text frames with one flush.
    pub(crate) async fn write(
        &mut self,
        texts: impl IntoIterator<Item = String>,
    ) -> Result<(), Disconnect> {
        let mut written = false;
        for text in texts {
            self.feed(Message::text(text)).await?;
            written = true;
        }
        if written { self.flush().await } else { Ok(()) }
    }

    pub(crate) async fn ping(&mut self) -> Result<(), Disconnect> {
        self.feed(Message::Ping(Default::default())).await?;
        self.flush().await
    }

    /// Performs the close handshake.
    pub(crate) async fn close(&mut self) {
        // The connection is dropped in any case.
        drop(timeout(CLOSE_TIMEOUT, self.stream.close(None)).await);
    }

    async fn feed(&mut self, message: Message) -> Result<(), Disconnect> {
        timeout(WRITE_TIMEOUT, self.stream.feed(message))
            .await
            .map_err(|_| write_timeout())?
            .map_err(broken)
    }

    async fn flush(&mut self) -> Result<(), Disconnect> {
        timeout(WRITE_TIMEOUT, self.stream.flush())
            .await
            .map_err(|_| write_timeout())?
            .map_err(broken)
    }
}

/// What the server's close frame asks for. `access` authenticated the socket.
fn closed(close: Option<CloseFrame>, access: &str) -> Disconnect {
    #[derive(Deserialize)]
    struct RestartHint {
        retry_after_ms: u64,
    }
    let Some(CloseFrame { code, reason }) = close else {
        return retry("closed by the server");
    };
    match u16::from(code) {
        4001 => Disconnect::Unauthenticated { access: access.to_owned() },
        4003 => Disconnect::Fatal(Error::TooManyConnections),
        code => {
            let hint: Option<RestartHint> = serde_json::from_str(&reason).ok();
            let after = hint.filter(|_| code == 1012);
            let after = after.map(|hint| Duration::from_millis(hint.retry_after_ms));
            Disconnect::Retry { reason: format!("closed by the server: {code} {reason}"), after }
        }
    }
}

/// The server rejected the handshake or could not be reached.
fn handshake_failed(error: tungstenite::Error, access: &str) -> Disconnect {
    let tungstenite::Error::Http(answer) = &error else { return broken(error) };
    match answer.status() {
        StatusCode::UNAUTHORIZED => Disconnect::Unauthenticated { access: access.to_owned() },
        StatusCode::FORBIDDEN => Disconnect::Fatal(Error::Protocol(error.to_string())),
        status => {
            let after = answer.headers().get(header::RETRY_AFTER);
            let after = after.and_then(|value| value.to_str().ok()?.parse().ok());
            let reason = format!("handshake failed: {status}");
            Disconnect::Retry { reason, after: after.map(Duration::from_secs) }
        }
    }
}

fn broken(error: tungstenite::Error) -> Disconnect {
    retry(error.to_string())
}

fn write_timeout() -> Disconnect {
    retry("write timeout")
}

fn retry(reason: impl Into<String>) -> Disconnect {
    Disconnect::Retry { reason: reason.into(), after: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_close_frame_decides_whether_and_when_to_retry() {
        let close = |code: u16, reason: &str| {
            closed(
                Some(CloseFrame { code: code.into(), reason: reason.to_owned().into() }),
                "token",
            )
        };
        assert!(
            matches!(close(4001, "session ended"), Disconnect::Unauthenticated { access } if access == "token")
        );
        assert!(matches!(close(4003, ""), Disconnect::Fatal(Error::TooManyConnections)));
        let delay = |lost| match lost {
            Disconnect::Retry { after, .. } => after,
            other => panic!("{other:?}"),
        };
        let hint = r#"{"retry_after_ms": 2500}"#;
        assert_eq!(delay(close(1012, hint)), Some(Duration::from_millis(2500)));
        for (code, reason) in
            [(1012, "soon"), (1001, hint), (4008, "too slow"), (4029, "throttled")]
        {
            assert_eq!(delay(close(code, reason)), None, "{code}");
        }
        assert_eq!(delay(closed(None, "token")), None);
    }
}
