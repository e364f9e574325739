//! The WebSocket protocol of RFC 6455: the opening and closing handshakes, and the limits of messages and
//! buffers. Knows no session and no user. `examples/echo.rs` uses this module alone, so the Autobahn suite
//! tests the protocol code that the real sockets use.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::prelude::{BASE64_STANDARD, Engine};
use bytes::buf::Chain;
use bytes::{Buf, Bytes};
use futures_util::{SinkExt, StreamExt};
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::frame::FrameHeader;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message, Utf8Bytes};

use crate::domain::rate::Rate;

use super::close::Close;
use super::flood::{FrameLimiter, FrameVerdict};
use super::metered::Metered;

/// Largest message from a client, in bytes.
pub const MESSAGE_MAX: usize = 128 * 1024;
/// Buffers of a connection, in bytes. They are most of what an idle one costs: the library's
/// defaults come to 135 KiB.
const READ_BUFFER: usize = 2 * 1024;
const WRITE_BUFFER: usize = 8 * 1024;
/// Timeout of the close handshake.
pub const CLOSE_TIMEOUT: Duration = Duration::from_secs(3);

/// An open socket.
#[derive(Debug)]
pub struct Socket {
    stream: WebSocketStream<Metered<TokioIo<Upgraded>>>,
    /// The rest of a long frame, to be written before everything else.
    rest: Chain<Bytes, Bytes>,
    traffic: Traffic,
}

/// What passed through a socket, for the log.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Traffic {
    /// Messages from the peer, pings and pongs included.
    pub(super) received: u64,
    /// Messages to the peer.
    pub(super) sent: u64,
    /// The code of the peer's close frame.
    pub(super) peer_code: Option<u16>,
}

/// A valid opening handshake (RFC 6455, 4.2.1).
#[derive(Debug)]
pub struct Upgrade {
    accept: String,
    connection: OnUpgrade,
}

/// An invalid opening handshake.
#[derive(Debug)]
pub struct Refused {
    /// 426 where the client should ask for another protocol or version, else 400.
    pub status: StatusCode,
    /// A description for people.
    pub text: &'static str,
}

impl Upgrade {
    /// Checks a request.
    pub fn of(request: &mut Parts) -> Result<Self, Refused> {
        let refused = |status, text| Err(Refused { status, text });
        let headers = &request.headers;
        let asks = lists(headers, header::CONNECTION, "upgrade")
            && lists(headers, header::UPGRADE, "websocket");
        if !asks || request.method != Method::GET {
            return refused(StatusCode::UPGRADE_REQUIRED, "This path speaks WebSocket.");
        }
        let Some(key) = single(headers, header::SEC_WEBSOCKET_KEY).filter(|key| is_key(key)) else {
            let text = "One `Sec-WebSocket-Key` of 16 bytes in base64 is needed.";
            return refused(StatusCode::BAD_REQUEST, text);
        };
        match single(headers, header::SEC_WEBSOCKET_VERSION) {
            Some(b"13") => {}
            Some(_) => {
                let text = "`Sec-WebSocket-Version` 13 is spoken.";
                return refused(StatusCode::UPGRADE_REQUIRED, text);
            }
            None => {
                let text = "One `Sec-WebSocket-Version` is needed.";
                return refused(StatusCode::BAD_REQUEST, text);
            }
        }
        let accept = derive_accept_key(key);
        match request.extensions.remove() {
            Some(connection) => Ok(Self { accept, connection }),
            // HTTP/1.0.
            None => refused(StatusCode::UPGRADE_REQUIRED, "HTTP/1.1 is needed."),
        }
    }

    /// Accepts the handshake. The socket is open once the response is sent, unless the client has gone. The
    /// client's messages may have `message_max` bytes, and its frames the rate `frames`; `None` is
    /// unlimited.
    pub fn accept(
        self,
        message_max: usize,
        frames: Option<Rate>,
    ) -> (Response, impl Future<Output = Option<Socket>> + Send + 'static) {
        let answer = (
            StatusCode::SWITCHING_PROTOCOLS,
            [
                (header::CONNECTION, "upgrade"),
                (header::UPGRADE, "websocket"),
                (header::SEC_WEBSOCKET_ACCEPT, &self.accept),
            ],
        );
        let answer = answer.into_response();
        let config = WebSocketConfig::default()
            .read_buffer_size(READ_BUFFER)
            .write_buffer_size(WRITE_BUFFER)
            .max_message_size(Some(message_max))
            .max_frame_size(Some(message_max));
        let opened = async move {
            let connection = TokioIo::new(self.connection.await.ok()?);
            let connection = Metered::new(connection, FrameLimiter::new(frames, Instant::now()));
            let stream = WebSocketStream::from_raw_socket(connection, Role::Server, Some(config));
            Some(Socket {
                stream: stream.await,
                rest: Bytes::new().chain(Bytes::new()),
                traffic: Traffic::default(),
            })
        };
        (answer, opened)
    }
}

impl Socket {
    /// Receives the peer's next message. The error says how to close. Cancel-safe. Everything must have
    /// been written before, because the library answers pings while it reads.
    pub async fn next(&mut self) -> Result<Message, Close> {
        match self.stream.next().await {
            Some(Ok(message)) => {
                self.traffic.received += 1;
                if let Message::Close(frame) = &message {
                    // 1005: the peer gave none (RFC 6455, 7.1.5).
                    let code = frame.as_ref().map_or(1005, |frame| frame.code.into());
                    self.traffic.peer_code = Some(code);
                }
                Ok(message)
            }
            Some(Err(_)) if self.stream.get_ref().is_flooded() => Err(Close::Throttled),
            Some(Err(error)) => Err(error.into()),
            None => Err(Close::Gone),
        }
    }

    /// Counts the last frame of a message against the rate limit. Other frames are counted as they arrive.
    pub(super) fn count_frame(&mut self, now: Instant) -> FrameVerdict {
        self.stream.get_mut().limiter.count(now)
    }

    /// What passed through so far.
    pub(super) fn traffic(&self) -> Traffic {
        self.traffic
    }

    /// The number of bytes that the system has accepted for sending.
    pub(super) fn written(&self) -> Arc<AtomicU64> {
        self.stream.get_ref().written()
    }

    /// Writes a message; [`Self::flush`] must follow. After a cancelled call the next one goes on where it
    /// stopped.
    pub async fn feed(&mut self, message: Message) -> Result<(), Error> {
        self.traffic.sent += 1;
        match message {
            Message::Text(text) if text.len() > WRITE_BUFFER => {
                self.flush().await?;
                self.rest = frame(text);
                self.write_rest().await
            }
            message => {
                self.write_rest().await?;
                self.stream.feed(message).await
            }
        }
    }

    /// Writes everything to the system.
    pub async fn flush(&mut self) -> Result<(), Error> {
        self.write_rest().await?;
        self.stream.flush().await
    }

    /// Writes a message and flushes.
    pub async fn send(&mut self, message: Message) -> Result<(), Error> {
        self.feed(message).await?;
        self.flush().await
    }

    async fn write_rest(&mut self) -> Result<(), Error> {
        while self.rest.has_remaining() {
            if self.stream.get_mut().write_buf(&mut self.rest).await? == 0 {
                return Err(Error::ConnectionClosed);
            }
        }
        // Releases the text.
        self.rest = Bytes::new().chain(Bytes::new());
        Ok(())
    }
}

/// Encodes a text as one frame without copying it. The library would copy it into a buffer that it keeps
/// for as long as the socket lives.
fn frame(text: Utf8Bytes) -> Chain<Bytes, Bytes> {
    let header = FrameHeader { opcode: OpCode::Data(Data::Text), ..FrameHeader::default() };
    let mut payload = Bytes::from(text);
    let mut head = Vec::with_capacity(WRITE_BUFFER);
    // Writing to memory cannot fail.
    header.format(payload.len() as u64, &mut head).ok();
    // Fills the first packet.
    head.extend_from_slice(&payload.split_to(payload.len().min(WRITE_BUFFER / 2)));
    Bytes::from(head).chain(payload)
}

/// The close handshake (RFC 6455, 7.1.1): sends the close frame, waits for the peer's, shuts the connection
/// down, and reads what still arrives, so that the close frame is not lost to a reset. After `within` the
/// connection is dropped.
pub async fn close_handshake(mut socket: Socket, close: Close, within: Duration) {
    let closed = async {
        let is_sent = match close.frame() {
            Some(frame) => socket.send(Message::Close(Some(frame))).await.is_ok(),
            None => true,
        };
        // Messages are ignored now. After a protocol error of the peer's none can be read.
        while is_sent && socket.next().await.is_ok() {}
        let connection = socket.stream.get_mut();
        let mut rest = [0; 512];
        if connection.shutdown().await.is_ok() {
            while matches!(connection.read(&mut rest).await, Ok(1..)) {}
        }
    };
    drop(timeout(within, closed).await);
}

/// Whether a header that is a list has this item, ignoring case.
fn lists(headers: &HeaderMap, name: HeaderName, item: &str) -> bool {
    let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|one| one.trim().eq_ignore_ascii_case(item))
}

/// The value of a header that must occur once.
fn single(headers: &HeaderMap, name: HeaderName) -> Option<&[u8]> {
    let mut values = headers.get_all(name).iter();
    values.next().filter(|_| values.next().is_none()).map(|value| value.as_bytes())
}

fn is_key(key: &[u8]) -> bool {
    BASE64_STANDARD.decode(key).is_ok_and(|key| key.len() == 16)
}
