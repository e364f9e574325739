//! The loop of one socket: the only place that reads and writes it. `session` knows what the frames mean.

use std::convert::Infallible;
use std::future::ready;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::response::Response;
use futures_util::FutureExt;
use tokio::time::{Instant, sleep, sleep_until, timeout, timeout_at};
use tokio_tungstenite::tungstenite::Message;

use crate::app::App;
use crate::domain::session::Caller;
use crate::hub::queue::Closing;

use super::close::Close;
use super::flood::FrameVerdict;
use super::heartbeat::{Heartbeat, HeartbeatAction};
use super::requests::Requests;
use super::session::{Handshake, HandshakeError, Reaction, Session};
pub use super::socket_log::SocketClient;
use super::socket_log::SocketLog;
use super::transport::{self, CLOSE_TIMEOUT, MESSAGE_MAX, Socket, Upgrade};

/// Timeout for authentication.
pub const AUTH_TIMEOUT: Duration = Duration::from_secs(10);
/// Timeout of a write, unless the peer reads [`WRITE_LEAST`] in this time. With the 30 s after which a
/// silent peer is pinged, a dead one is noticed within 75 s, however much the system buffers.
const WRITE_TIMEOUT: Duration = Duration::from_secs(45);
/// In bytes. Less than 1.5 kB/s: the speed of a long `sync` reply on a bad line.
const WRITE_LEAST: u64 = 64 * 1024;
/// Timeout of the close handshake with a slow consumer, which has to read again to learn that it is closed.
/// It costs a frame or two of memory meanwhile.
const SLOW_CLOSE_TIMEOUT: Duration = Duration::from_secs(30);

/// How a socket is authenticated.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "one per socket, on the stack")]
pub enum SocketAuth {
    /// By a token or ticket in the request.
    Authenticated(Caller),
    /// By a token in the first frame.
    ByFirstFrame,
}

/// Answers the handshake. The socket then runs as a task of its own, for which shutdown waits.
pub fn upgrade(
    upgrade: Upgrade,
    app: Arc<App>,
    entry: SocketAuth,
    client: SocketClient,
) -> Response {
    let (answer, opened) = upgrade.accept(MESSAGE_MAX, app.rate_limits.frames);
    let (node, spawner) = (Arc::clone(&app), Arc::clone(&app));
    // Larger than all the rest of the task, and freed when the session has begun.
    let beginning = Box::pin(async move {
        let mut socket = opened.await?;
        let log = SocketLog::new(client);
        let begun = begin(&mut socket, app, entry).await;
        Some((socket, log, begun))
    });
    spawner.spawn(async move {
        let Some((mut socket, mut log, begun)) = beginning.await else { return };
        let close = match begun {
            Ok((session, ready)) => {
                log.authenticated(session.user(), session.id());
                session.app().metrics.realtime.socket_opened();
                let Err(close) = converse(&mut socket, &session, ready).await;
                close
            }
            Err(error) => refuse(&mut socket, error).await,
        };
        log.closed(close, socket.traffic());
        node.metrics.realtime.socket_closed(close.name());
        let is_slow = close == Close::TooSlow;
        let within = if is_slow { SLOW_CLOSE_TIMEOUT } else { CLOSE_TIMEOUT };
        // Boxed, so that an open socket needs no memory for it.
        let closed = Box::pin(transport::close_handshake(socket, close, within));
        tokio::select! {
            () = closed => {}
            () = node.stopping.cancelled(), if is_slow => {}
        }
    });
    answer
}

async fn refuse(socket: &mut Socket, HandshakeError { frame, close }: HandshakeError) -> Close {
    if let Some(frame) = frame {
        // If it cannot be sent, the close frame says the same.
        drop(timeout(CLOSE_TIMEOUT, socket.send(Message::text(frame))).await);
    }
    close
}

async fn begin(
    socket: &mut Socket,
    app: Arc<App>,
    entry: SocketAuth,
) -> Result<(Session, String), HandshakeError> {
    let stopping = app.stopping.clone();
    let handshake = Handshake::new(app);
    let until = Instant::now() + AUTH_TIMEOUT;
    let refusal = |close| HandshakeError { frame: None, close };
    let begun = async {
        match entry {
            SocketAuth::Authenticated(caller) => handshake.start(caller).await,
            SocketAuth::ByFirstFrame => loop {
                let message = timeout_at(until, socket.next())
                    .await
                    .map_err(|_| refusal(Close::AuthTimeout))?
                    .map_err(refusal)?;
                if socket.count_frame(Instant::now()) == FrameVerdict::Close {
                    return Err(refusal(Close::Throttled));
                }
                match message {
                    Message::Text(text) => break handshake.authenticate(&text).await,
                    Message::Ping(_) => timeout_at(until, socket.flush())
                        .await
                        .map_err(|_| refusal(Close::AuthTimeout))?
                        .map_err(refusal)?,
                    Message::Pong(_) | Message::Frame(_) => {}
                    // No JSON: answered like any other invalid first frame.
                    Message::Binary(_) => break handshake.authenticate("").await,
                    Message::Close(_) => break Err(refusal(Close::Gone)),
                }
            },
        }
    };
    tokio::select! {
        begun = begun => begun,
        () = stopping.cancelled() => Err(refusal(Close::Restarting { retry_after_ms: 0 })),
    }
}

/// Reads frames, begins requests, and writes events and replies, until there is a reason to close. Only
/// [`write()`] waits for the peer, and it holds nothing that others need.
async fn converse(
    socket: &mut Socket,
    session: &Session,
    first: String,
) -> Result<Infallible, Close> {
    let queue = session.live().queue();
    let mut heartbeat = Heartbeat::new(Instant::now());
    // Set anew only when it fires: to move it with every frame would cost more than the frame.
    let mut timer = pin!(sleep_until(heartbeat.due()));
    let mut requests = Requests::new(session.app(), session.live());
    write(socket, session, [Message::text(first)]).await?;
    let mut has_written = false;
    loop {
        // What wakes an idle socket is mostly an event, so the queue comes first, but not twice in a row: however
        // busy a chat is, the peer is read and the heartbeat checked.
        let is_others_turn = std::mem::take(&mut has_written);
        tokio::select! {
            biased;
            taken = queue.next(), if !is_others_turn => {
                has_written = true;
                session.count_sent(&taken);
                // Everything that waits is written with one flush.
                let events = taken.frames.into_iter().map(|frame| frame.text);
                write(socket, session, events.chain(taken.replies).map(Message::Text)).await?;
                if let Some(closing) = taken.closing {
                    if matches!(closing, Closing::Restarting { .. }) {
                        finish(socket, session).await;
                    }
                    return Err(closing.into());
                }
                requests.go_on();
            }
            message = socket.next(), if requests.may_read() => {
                let now = Instant::now();
                heartbeat.received(now);
                if heartbeat.due() < timer.deadline() {
                    timer.as_mut().reset(heartbeat.due());
                }
                let message = message?;
                let refused = match socket.count_frame(now) {
                    FrameVerdict::Accept => None,
                    FrameVerdict::Reject(wait) => Some(wait),
                    FrameVerdict::Close => return Err(Close::Throttled),
                };
                match message {
                    Message::Text(text) if let Some(wait) = refused => {
                        queue.reply(session.throttle(&text, wait));
                    }
                    Message::Text(text) => match session.on_text(&text) {
                        Reaction::Reply(frame) => queue.reply(frame),
                        Reaction::Begin(request) => requests.begin(request),
                    },
                    Message::Binary(_) => return Err(Close::Binary),
                    // The pong is written before anything more is read: a peer that floods and does not
                    // read has to wait, instead of filling a buffer with pongs.
                    Message::Ping(_) => write(socket, session, []).await?,
                    Message::Pong(_) | Message::Frame(_) => {}
                    Message::Close(_) => return Err(Close::Gone),
                }
            }
            () = &mut timer => {
                let action = heartbeat.check(Instant::now());
                timer.as_mut().reset(heartbeat.due());
                match action {
                    HeartbeatAction::Wait => {}
                    HeartbeatAction::Ping => {
                        session.app().metrics.realtime.pinged();
                        write(socket, session, [Message::Ping(Default::default())]).await?;
                    }
                    HeartbeatAction::Dead => return Err(Close::Gone),
                }
            }
            () = ready(()), if is_others_turn => {}
        }
    }
}

/// Before closing, writes the replies to the requests in progress: they will be committed, so the client
/// should know.
async fn finish(socket: &mut Socket, session: &Session) {
    let queue = session.live().queue();
    let answered = async {
        loop {
            let was_last = queue.in_progress() == 0;
            for reply in queue.take().replies {
                socket.feed(Message::Text(reply));
            }
            socket.flush().await?;
            if was_last {
                return Ok::<_, Close>(());
            }
            queue.wait().await;
        }
    };
    // A client that gets no reply retries with the same `client_id`.
    drop(timeout(CLOSE_TIMEOUT, answered).await);
}

/// Writes messages and flushes once. A peer that does not read blocks this until its queue overflows and
/// the hub closes it or, where there are few events, until the write times out.
async fn write(
    socket: &mut Socket,
    session: &Session,
    messages: impl IntoIterator<Item = Message>,
) -> Result<(), Close> {
    let queue = session.live().queue();
    messages.into_iter().for_each(|message| socket.feed(message));
    // Mostly the system takes everything at once, and no timer is needed.
    if let Some(written) = socket.flush().now_or_never() {
        return written;
    }
    loop {
        let before = socket.accepted();
        tokio::select! {
            biased;
            written = socket.flush() => return written,
            () = queue.wait_closing() => {
                return Err(queue.take().closing.map_or(Close::Gone, Close::from));
            }
            () = sleep(WRITE_TIMEOUT) => if socket.accepted() - before < WRITE_LEAST {
                return Err(Close::Stuck);
            }
        }
    }
}
