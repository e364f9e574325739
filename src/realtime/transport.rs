//! The WebSocket protocol of RFC 6455: the opening and closing handshakes, and the limits of messages and
//! buffers. Knows no session and no user. `examples/echo.rs` uses this module alone, so the Autobahn suite
//! tests the protocol code that the real sockets use.

use std::future::poll_fn;
use std::io::IoSlice;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::prelude::{BASE64_STANDARD, Engine};
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::time::{Instant, timeout};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use crate::domain::rate::Rate;

use super::close::Close;
use super::flood::{FrameLimiter, FrameVerdict};
use super::reader::FrameReader;
use super::writer::{FrameWriter, SLICES};

/// Largest message from a client, in bytes.
pub const MESSAGE_MAX: usize = 128 * 1024;
/// Most bytes that are read at once.
const READ: usize = 4 * 1024;
/// Up to this many bytes are copied into one buffer before they are written.
const COPIED: usize = 8 * 1024;
/// Timeout of the close handshake.
pub const CLOSE_TIMEOUT: Duration = Duration::from_secs(3);

/// An open socket.
#[derive(Debug)]
pub struct Socket {
    stream: TokioIo<Upgraded>,
    reader: FrameReader,
    writer: FrameWriter,
    /// How many bytes the system has accepted for sending.
    accepted: u64,
    /// A close frame was queued: nothing may follow it.
    has_closed: bool,
    /// Nothing more can be read: the peer closed, went away, or broke the protocol.
    is_read_out: bool,
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
        let opened = async move {
            let stream = TokioIo::new(self.connection.await.ok()?);
            Some(Socket {
                stream,
                reader: FrameReader::new(message_max, FrameLimiter::new(frames, Instant::now())),
                writer: FrameWriter::default(),
                accepted: 0,
                has_closed: false,
                is_read_out: false,
                traffic: Traffic::default(),
            })
        };
        (answer, opened)
    }
}

impl Socket {
    /// Receives the peer's next message. The error says how to close. Cancel-safe. A ping queues its pong, which
    /// [`Self::flush`] writes.
    pub async fn next(&mut self) -> Result<Message, Close> {
        poll_fn(|context| self.poll_next(context)).await
    }

    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Result<Message, Close>> {
        if self.is_read_out {
            return Poll::Ready(Err(Close::Gone));
        }
        let next = loop {
            match self.reader.next() {
                Ok(None) => {}
                Ok(Some(message)) => break Ok(self.received(message)),
                Err(close) => break Err(close),
            }
            // On the stack: ten thousand idle sockets have no buffers.
            let mut buffer = [MaybeUninit::uninit(); READ];
            let mut buffer = ReadBuf::uninit(&mut buffer);
            let read = ready!(Pin::new(&mut self.stream).poll_read(context, &mut buffer));
            if read.is_err() || buffer.filled().is_empty() {
                break Err(Close::Gone);
            }
            self.reader.push(buffer.filled());
        };
        self.is_read_out |= next.is_err();
        Poll::Ready(next)
    }

    /// Queues what the protocol answers by itself: pongs, and the close frame.
    fn received(&mut self, message: Message) -> Message {
        self.traffic.received += 1;
        match &message {
            Message::Ping(data) if !self.has_closed => {
                self.writer.push(Message::Pong(data.clone()));
            }
            Message::Close(frame) => {
                // 1005: the peer gave none (RFC 6455, 7.1.5).
                let code = frame.as_ref().map_or(1005, |frame| frame.code.into());
                self.traffic.peer_code = Some(code);
                self.is_read_out = true;
                self.close(message.clone());
            }
            _ => {}
        }
        message
    }

    fn close(&mut self, message: Message) {
        if !self.has_closed {
            self.has_closed = true;
            self.writer.push(message);
        }
    }

    /// Counts the last frame of a message against the rate limit. Other frames are counted as they arrive.
    pub(super) fn count_frame(&mut self, now: Instant) -> FrameVerdict {
        self.reader.limiter.count(now)
    }

    /// What passed through so far.
    pub(super) fn traffic(&self) -> Traffic {
        self.traffic
    }

    /// The number of bytes that the system has accepted for sending.
    pub(super) fn accepted(&self) -> u64 {
        self.accepted
    }

    /// Queues a message; [`Self::flush`] writes it.
    pub fn feed(&mut self, message: Message) {
        self.traffic.sent += 1;
        self.writer.push(message);
    }

    /// Writes everything to the system. After a cancelled call the next one goes on where it stopped.
    pub async fn flush(&mut self) -> Result<(), Close> {
        poll_fn(|context| self.poll_flush(context)).await
    }

    fn poll_flush(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Close>> {
        while !self.writer.is_empty() {
            let stream = Pin::new(&mut self.stream);
            let mut copy = [MaybeUninit::uninit(); COPIED];
            let mut copy = ReadBuf::uninit(&mut copy);
            let written = if self.writer.copy_to(&mut copy) {
                stream.poll_write(context, copy.filled())
            } else {
                let mut slices = [IoSlice::new(&[]); SLICES];
                let count = self.writer.fill(&mut slices);
                stream.poll_write_vectored(context, &slices[..count])
            };
            match ready!(written) {
                Ok(0) | Err(_) => return Poll::Ready(Err(Close::Gone)),
                Ok(bytes) => {
                    self.writer.advance(bytes);
                    self.accepted += bytes as u64;
                }
            }
        }
        Pin::new(&mut self.stream).poll_flush(context).map_err(|_| Close::Gone)
    }

    /// Writes a message and flushes.
    pub async fn send(&mut self, message: Message) -> Result<(), Close> {
        self.feed(message);
        self.flush().await
    }
}

/// The close handshake (RFC 6455, 7.1.1): sends the close frame, waits for the peer's, shuts the connection
/// down, and reads what still arrives, so that the close frame is not lost to a reset. After `within` the
/// connection is dropped.
pub async fn close_handshake(mut socket: Socket, close: Close, within: Duration) {
    if let Some(frame) = close.frame() {
        // A slow consumer's events would wait as long as it does.
        socket.writer.abandon();
        socket.close(Message::Close(Some(frame)));
    }
    let closed = async {
        let is_sent = socket.flush().await.is_ok();
        // Messages are ignored now. After a protocol error of the peer's none can be read.
        while is_sent && socket.next().await.is_ok() {}
        let mut rest = [0; 512];
        if socket.stream.shutdown().await.is_ok() {
            while matches!(socket.stream.read(&mut rest).await, Ok(1..)) {}
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
