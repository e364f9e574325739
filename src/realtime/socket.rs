//! The loop of one socket: the only place that reads and writes it. What the frames mean is
//! `session`'s business.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::response::Response;
use tokio::time::{Instant, sleep, sleep_until, timeout, timeout_at};
use tokio_tungstenite::tungstenite::{Error, Message};

use crate::app::App;
use crate::domain::session::Caller;
use crate::hub::queue::Closing;

use super::close::Close;
use super::flood::Flow;
use super::heartbeat::{Beat, Heartbeat};
use super::requests::Requests;
use super::session::{Answer, Handshake, Refusal, Session};
use super::transport::{self, GOODBYE, MESSAGE_MAX, Socket, Upgrade};

/// How long a client may take to authenticate.
pub const AUTH_TIME: Duration = Duration::from_secs(10);
/// How long the peer may take to read what is written at a time, unless it reads [`WRITE_LEAST`] in
/// this time. With the 30 s after which a silent peer is pinged, a dead one is noticed within 75 s,
/// whatever the system's buffers hide.
const WRITE_TIME: Duration = Duration::from_secs(45);
/// Bytes. Less than 1.5 kB/s: what a long answer to `sync` needs on a bad line.
const WRITE_LEAST: u64 = 64 * 1024;
/// How long a slow consumer may take to begin to read again, and to learn that it is closed. By then
/// it costs a frame or two of memory.
const SLOW_GOODBYE: Duration = Duration::from_secs(30);

/// What is known of who connects.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "one a socket, on the stack of its beginning")]
pub enum Entry {
    /// A token or ticket came with the request.
    Authenticated(Caller),
    /// The first frame has to bring a token.
    Unknown,
}

/// Answers the handshake; the socket goes on by itself, and shutdown waits for it.
pub fn upgrade(upgrade: Upgrade, app: Arc<App>, entry: Entry) -> Response {
    let (answer, opened) = upgrade.accept(MESSAGE_MAX, app.throttles.frames);
    app.clone().spawn(async move {
        let Some(mut socket) = opened.await else { return };
        let stopping = app.stopping.clone();
        let close = run(&mut socket, app, entry).await;
        tracing::debug!(?close, "a socket is closed");
        if close != Close::TooSlow {
            return transport::say_goodbye(socket, close, GOODBYE).await;
        }
        tokio::select! {
            () = transport::say_goodbye(socket, close, SLOW_GOODBYE) => {}
            () = stopping.cancelled() => {}
        }
    });
    answer
}

async fn run(socket: &mut Socket, app: Arc<App>, entry: Entry) -> Close {
    let (session, ready) = match begin(socket, app, entry).await {
        Ok(begun) => begun,
        Err(Refusal { frame, close }) => {
            if let Some(frame) = frame {
                // If it cannot be sent, the close says the same.
                drop(timeout(GOODBYE, socket.send(Message::text(frame))).await);
            }
            return close;
        }
    };
    tracing::debug!(
        user = session.caller().user.id.0,
        session = session.caller().session.0,
        "a socket is ready"
    );
    match converse(socket, &session, ready).await {
        Ok(never) => match never {},
        Err(close) => close,
    }
}

async fn begin(
    socket: &mut Socket,
    app: Arc<App>,
    entry: Entry,
) -> Result<(Session, String), Refusal> {
    let stopping = app.stopping.clone();
    let handshake = Handshake::new(app);
    let until = Instant::now() + AUTH_TIME;
    let refusal = |close| Refusal { frame: None, close };
    let begun = async {
        match entry {
            Entry::Authenticated(caller) => handshake.welcome(caller).await,
            Entry::Unknown => loop {
                let message = timeout_at(until, socket.next())
                    .await
                    .map_err(|_| refusal(Close::AuthTimeout))?
                    .map_err(refusal)?;
                if socket.flow(Instant::now()) == Flow::Close {
                    return Err(refusal(Close::Throttled));
                }
                match message {
                    Message::Text(text) => break handshake.hello(&text).await,
                    Message::Ping(_) => timeout_at(until, socket.flush())
                        .await
                        .map_err(|_| refusal(Close::AuthTimeout))?
                        .map_err(|error| refusal(error.into()))?,
                    Message::Pong(_) | Message::Frame(_) => {}
                    // No JSON at all: answered like any other rubbish.
                    Message::Binary(_) => break handshake.hello("").await,
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

/// Reads, begins requests, and writes events and replies, until there is a reason to close. Only
/// [`write()`] waits for the peer, and nothing that others need is held meanwhile.
async fn converse(
    socket: &mut Socket,
    session: &Session,
    ready: String,
) -> Result<std::convert::Infallible, Close> {
    let queue = session.live().queue();
    let mut heartbeat = Heartbeat::new(Instant::now());
    let mut requests = Requests::new(session.app(), session.live());
    write(socket, session, [Message::text(ready)]).await?;
    loop {
        // Everything that waits goes out in one flush.
        let taken = queue.take();
        if !taken.frames.is_empty() || !taken.replies.is_empty() {
            let events = taken.frames.into_iter().map(|frame| frame.text);
            write(socket, session, events.chain(taken.replies).map(Message::Text)).await?;
        }
        if let Some(closing) = taken.closing {
            if matches!(closing, Closing::Restarting { .. }) {
                finish(socket, session).await;
            }
            return Err(closing.into());
        }
        requests.go_on();
        tokio::select! {
            message = socket.next(), if requests.may_read() => {
                let now = Instant::now();
                heartbeat.heard(now);
                let message = message?;
                let refused = match socket.flow(now) {
                    Flow::Pass => None,
                    Flow::Refuse(wait) => Some(wait),
                    Flow::Close => return Err(Close::Throttled),
                };
                match message {
                    Message::Text(text) if let Some(wait) = refused => {
                        queue.reply(session.throttle(&text, wait));
                    }
                    Message::Text(text) => match session.on_text(&text) {
                        Answer::Now(frame) => queue.reply(frame),
                        Answer::Begin(work) => requests.begin(work),
                    },
                    Message::Binary(_) => return Err(Close::Binary),
                    // The pong goes out before anything more is read: a peer that floods and does
                    // not read is held up, instead of filling a buffer with pongs.
                    Message::Ping(_) => write(socket, session, []).await?,
                    Message::Pong(_) | Message::Frame(_) => {}
                    Message::Close(_) => return Err(Close::Gone),
                }
            }
            () = queue.wait() => {}
            () = sleep_until(heartbeat.due()) => match heartbeat.look(Instant::now()) {
                Beat::Wait => {}
                Beat::Ping => write(socket, session, [Message::Ping(Default::default())]).await?,
                Beat::Dead => return Err(Close::Gone),
            }
        }
    }
}

/// Writes the replies to the requests in progress, at the end: they will be committed, so their
/// sender ought to know.
async fn finish(socket: &mut Socket, session: &Session) {
    let queue = session.live().queue();
    let answered = async {
        loop {
            let was_last = queue.in_progress() == 0;
            for reply in queue.take().replies {
                socket.feed(Message::Text(reply)).await?;
            }
            socket.flush().await?;
            if was_last {
                return Ok::<_, Error>(());
            }
            queue.wait().await;
        }
    };
    // A client that gets no reply tries again under the same `client_id`.
    drop(timeout(GOODBYE, answered).await);
}

/// Writes messages and flushes once. A peer that does not read blocks this, until its queue
/// overflows and the hub gives it up or, where there are few events, until it took too little for
/// too long.
async fn write(
    socket: &mut Socket,
    session: &Session,
    messages: impl IntoIterator<Item = Message>,
) -> Result<(), Close> {
    let queue = session.live().queue();
    let taken = socket.written();
    let written = async {
        for message in messages {
            socket.feed(message).await?;
        }
        socket.flush().await
    };
    tokio::select! {
        biased;
        written = written => written.map_err(Close::from),
        () = queue.wait_closing() => Err(queue.take().closing.map_or(Close::Gone, Close::from)),
        () = stalled(&taken) => Err(Close::Stuck),
    }
}

/// Waits until the peer takes too little of what is written.
async fn stalled(taken: &AtomicU64) {
    let mut before = taken.load(Ordering::Relaxed);
    loop {
        sleep(WRITE_TIME).await;
        let now = taken.load(Ordering::Relaxed);
        if now - before < WRITE_LEAST {
            return;
        }
        before = now;
    }
}
