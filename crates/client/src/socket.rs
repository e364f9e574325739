//! One WebSocket: opened, authenticated, read, written and closed. Every way in which it can end is
//! told as [`Lost`].

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
use crate::live::Auth;
use crate::rest::Client;

/// How long the server may take to read what is written, and to say goodbye.
const WRITE_TIME: Duration = Duration::from_secs(45);
const GOODBYE: Duration = Duration::from_secs(1);

/// A socket that is authenticated.
pub(crate) struct Socket {
    stream: WebSocketStream<MaybeTlsStream<TcpStream>>,
    /// What it was authenticated with.
    access: String,
}

/// Why there is no socket any more.
#[derive(Debug)]
pub(crate) enum Lost {
    /// For this reason; it may be tried again, after this time where the server says so.
    For(String, Option<Duration>),
    /// The server does not take this access token (any more).
    Unauthenticated(String),
    /// It is no use.
    Ended(Error),
}

/// Opens one; with it comes the first frame, `ready`.
pub(crate) async fn open(
    client: &Client,
    auth: Auth,
    patience: Duration,
) -> Result<(Socket, String), Lost> {
    let access = client.access().await.map_err(|error| match error {
        Error::Network(_) | Error::Refused(_) => Lost::For(error.to_string(), None),
        error => Lost::Ended(error),
    })?;
    let late = |_| Lost::For("no connection in time".to_owned(), None);
    timeout(patience, handshake(client, auth, access)).await.map_err(late)?
}

async fn handshake(client: &Client, auth: Auth, access: String) -> Result<(Socket, String), Lost> {
    let url = client.base().replacen("http", "ws", 1) + "/ws/";
    let protocol = |error: &dyn std::fmt::Display| Lost::Ended(Error::Protocol(error.to_string()));
    let mut request = url.into_client_request().map_err(|error| protocol(&error))?;
    if auth == Auth::Header {
        let value = HeaderValue::try_from(format!("Bearer {access}"));
        let value = value.map_err(|error| protocol(&error))?;
        request.headers_mut().insert(header::AUTHORIZATION, value);
    }
    // With the library's buffers, ten thousand sockets take a gigabyte.
    let small = WebSocketConfig::default().read_buffer_size(4 * 1024).write_buffer_size(0);
    let opened = connect_async_with_config(request, Some(small), true).await;
    let (stream, _) = opened.map_err(|error| not_opened(error, &access))?;
    let mut socket = Socket { stream, access };
    if auth == Auth::Frame {
        let frame = json!({"type": "auth", "token": socket.access}).to_string();
        socket.write([frame]).await?;
    }
    loop {
        if let Some(text) = socket.next().await? {
            // An `error` may come before the close, which says more.
            if text.starts_with(r#"{"type":"ready""#) {
                return Ok((socket, text));
            }
        }
    }
}

impl Socket {
    /// The next text; `None` for what is of no interest. Cancel-safe.
    pub(crate) async fn next(&mut self) -> Result<Option<String>, Lost> {
        match self.stream.next().await {
            Some(Ok(Message::Text(text))) => Ok(Some(text.to_string())),
            Some(Ok(Message::Close(close))) => Err(closed(close, &self.access)),
            Some(Ok(Message::Ping(_))) => {
                // The pong waits in the library until something is written.
                self.stream.flush().await.map_err(broken)?;
                Ok(None)
            }
            Some(Ok(_)) => Ok(None),
            Some(Err(error)) => Err(broken(error)),
            None => Err(Lost::For("the server went away".to_owned(), None)),
        }
    }

    /// Writes texts, in one flush.
    pub(crate) async fn write(
        &mut self,
        texts: impl IntoIterator<Item = String>,
    ) -> Result<(), Lost> {
        let mut written = false;
        for text in texts {
            self.in_time(Message::text(text)).await?;
            written = true;
        }
        if written { self.flush().await } else { Ok(()) }
    }

    pub(crate) async fn ping(&mut self) -> Result<(), Lost> {
        self.in_time(Message::Ping(Default::default())).await?;
        self.flush().await
    }

    /// Says goodbye.
    pub(crate) async fn close(&mut self) {
        // Whether the server still hears it makes no difference.
        drop(timeout(GOODBYE, self.stream.close(None)).await);
    }

    async fn in_time(&mut self, message: Message) -> Result<(), Lost> {
        timeout(WRITE_TIME, self.stream.feed(message)).await.map_err(|_| unread())?.map_err(broken)
    }

    async fn flush(&mut self) -> Result<(), Lost> {
        timeout(WRITE_TIME, self.stream.flush()).await.map_err(|_| unread())?.map_err(broken)
    }
}

/// What a close says. `access` is what the socket was authenticated with.
fn closed(close: Option<CloseFrame>, access: &str) -> Lost {
    #[derive(Deserialize)]
    struct Restarting {
        retry_after_ms: u64,
    }
    let Some(CloseFrame { code, reason }) = close else {
        return Lost::For("the server closed the socket".to_owned(), None);
    };
    match u16::from(code) {
        4001 => Lost::Unauthenticated(access.to_owned()),
        4003 => Lost::Ended(Error::TooManyConnections),
        code => {
            let hint: Option<Restarting> = serde_json::from_str(&reason).ok();
            let after = hint.filter(|_| code == 1012);
            let after = after.map(|hint| Duration::from_millis(hint.retry_after_ms));
            Lost::For(format!("the server closed the socket: {code} {reason}"), after)
        }
    }
}

/// The server refused, or was not reached.
fn not_opened(error: tungstenite::Error, access: &str) -> Lost {
    let tungstenite::Error::Http(answer) = &error else { return broken(error) };
    match answer.status() {
        StatusCode::UNAUTHORIZED => Lost::Unauthenticated(access.to_owned()),
        StatusCode::FORBIDDEN => Lost::Ended(Error::Protocol(error.to_string())),
        status => {
            let after = answer.headers().get(header::RETRY_AFTER);
            let after = after.and_then(|value| value.to_str().ok()?.parse().ok());
            Lost::For(format!("no socket: {status}"), after.map(Duration::from_secs))
        }
    }
}

fn broken(error: tungstenite::Error) -> Lost {
    Lost::For(error.to_string(), None)
}

fn unread() -> Lost {
    Lost::For("the server does not read".to_owned(), None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_close_says_whether_and_when_to_come_back() {
        let told = |code: u16, reason: &str| {
            closed(
                Some(CloseFrame { code: code.into(), reason: reason.to_owned().into() }),
                "token",
            )
        };
        assert!(
            matches!(told(4001, "session ended"), Lost::Unauthenticated(token) if token == "token")
        );
        assert!(matches!(told(4003, ""), Lost::Ended(Error::TooManyConnections)));
        let wait = |lost| match lost {
            Lost::For(_, wait) => wait,
            other => panic!("{other:?}"),
        };
        let hint = r#"{"retry_after_ms": 2500}"#;
        assert_eq!(wait(told(1012, hint)), Some(Duration::from_millis(2500)));
        for (code, reason) in
            [(1012, "soon"), (1001, hint), (4008, "too slow"), (4029, "throttled")]
        {
            assert_eq!(wait(told(code, reason)), None, "{code}");
        }
        assert_eq!(wait(closed(None, "token")), None);
    }
}
