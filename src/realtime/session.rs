//! The protocol of a connection: first a handshake, then a session. Both take frames and return frames, and
//! know no socket. A session cannot exist without an authenticated caller.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use tracing::Instrument;

use crate::actions::connect::{ConnectError, connect};
use crate::actions::live::LiveSocket;
use crate::actions::{messages, presence, reactions, receipts, sessions, signals, sync};
use crate::app::App;
use crate::domain::error::{Error, Result};
use crate::domain::ids::{SessionId, UserId};
use crate::domain::session::Caller;
use crate::domain::urls::Urls;
use crate::hub::queue::Taken;
use crate::hub::replies::Weight;
use crate::shares::Holder;
use crate::traces;
use crate::wire::frames;
use crate::wire::incoming::{Incoming, Request};
use crate::wire::request_id::RequestId;

use super::close::Close;
use super::requests::SocketRequest;

/// When to reconnect after a handshake that failed on the server's side, in milliseconds.
const RETRY_AFTER_MS: u128 = 2_000;
/// The cost of a `sync` or `status.watch` for `THROTTLE_USER`; other requests cost 1.
const HEAVY_COST: u32 = 10;
/// Expected size of an `ack` beside the text of its request, in bytes.
const REPLY: usize = 2 * 1024;

/// A connection that is not authenticated yet.
#[derive(Debug)]
pub(super) struct Handshake {
    app: Arc<App>,
}

/// An authenticated connection.
#[derive(Debug)]
pub(super) struct Session {
    app: Arc<App>,
    user: UserId,
    id: SessionId,
    /// Shared with the requests in progress.
    live: Arc<LiveSocket>,
}

/// A handshake that failed.
#[derive(Debug)]
pub(super) struct HandshakeError {
    /// The frame to send first.
    pub(super) frame: Option<String>,
    /// How to close after it.
    pub(super) close: Close,
}

/// The reaction to a frame.
pub(super) enum Reaction {
    /// A reply, at once.
    Reply(String),
    /// A request to begin. Other frames are read meanwhile.
    Begin(SocketRequest),
}

impl Handshake {
    pub(super) fn new(app: Arc<App>) -> Self {
        Self { app }
    }

    /// Handles the first frame, which must be an `auth`.
    pub(super) async fn authenticate(
        self,
        text: &str,
    ) -> Result<(Session, String), HandshakeError> {
        let incoming = Incoming::parse(text, self.app.limits.message_length);
        let Ok(Request::Auth { token: Ok(token) }) = incoming.request else {
            return Err(refuse(incoming.id.as_ref(), &Error::NotAuthenticated));
        };
        let caller = sessions::authenticate(&self.app, &token).await;
        let caller = caller.map_err(|error| refuse(incoming.id.as_ref(), &error))?;
        self.start(caller).await
    }

    /// Starts the session of an authenticated caller. Also returns the first frame to send.
    pub(super) async fn start(self, caller: Caller) -> Result<(Session, String), HandshakeError> {
        let (live, ready) = connect(&self.app, &caller).await.map_err(|error| match error {
            ConnectError::TooMany => HandshakeError { frame: None, close: Close::TooMany },
            ConnectError::Failed(error) => refuse(None, &error),
        })?;
        let frame = frames::ready(
            &ready.me,
            caller.session,
            ready.server_time,
            &ready.epoch,
            &ready.versions,
            &self.app.urls,
        );
        let (user, id) = (caller.user.id, caller.session);
        Ok((Session { app: self.app, user, id, live: Arc::new(live) }, frame))
    }
}

impl Session {
    /// The connected socket.
    pub(super) fn live(&self) -> &LiveSocket {
        &self.live
    }

    /// The user.
    pub(super) fn user(&self) -> UserId {
        self.user
    }

    /// The session of the token, or ticket.
    pub(super) fn id(&self) -> SessionId {
        self.id
    }

    /// The node.
    pub(super) fn app(&self) -> &App {
        &self.app
    }

    /// Counts what is about to be written.
    pub(super) fn count_sent(&self, taken: &Taken) {
        let metrics = &self.app.metrics.realtime;
        metrics.frames_sent(taken.frames.len(), taken.replies.len());
        if taken.is_resync {
            metrics.resync();
        }
    }

    /// The reply to a frame that exceeds the rate limit; `wait` is how long the client should wait.
    pub(super) fn throttle(&self, text: &str, wait: Duration) -> String {
        let incoming = Incoming::parse(text, self.app.limits.message_length);
        self.app.metrics.realtime.frame_received("throttled");
        frames::error(incoming.id.as_ref(), &Error::Throttled(wait))
    }

    /// Handles a frame, and counts it for `THROTTLE_USER`. Sends are queued before this returns, so that
    /// they are committed in the order of the frames.
    pub(super) fn on_text(&self, text: &str) -> Reaction {
        let Incoming { id, request } = Incoming::parse(text, self.app.limits.message_length);
        let (app, user) = (Arc::clone(&self.app), self.user);
        let kind = request.as_ref().map_or("invalid", Request::name);
        app.metrics.realtime.frame_received(kind);
        let _span = traces::frame(kind, user.0).entered();
        let cost = match request {
            Ok(Request::Sync(_) | Request::Watch { .. }) => HEAVY_COST,
            _ => 1,
        };
        let allowed = app.rate_limits.user(user, cost, app.clock.now());
        let request = match allowed.and(request) {
            Ok(request) => request,
            Err(error) => return Reaction::Reply(frames::error(id.as_ref(), &error)),
        };
        let light = Weight::Light(text.len() + REPLY);
        let begun = match request {
            Request::Auth { .. } => {
                let error = Error::Conflict("Already authenticated.");
                return Reaction::Reply(frames::error(id.as_ref(), &error));
            }
            Request::Ping => return Reaction::Reply(frames::pong(id.as_ref())),
            Request::Send { chat, draft } => {
                // A valid message goes to the committer; only a refusal uses the database.
                let uses_database = !draft.is_valid();
                let sent = messages::send(&app, user, chat, Ok(draft));
                let sent = async move { Ok(sent.await?.message) };
                let show = |id: &_, message: &Arc<_>, urls: &_| frames::ack(id, message, urls);
                match uses_database {
                    true => self.request(light, id, self.with_permit(sent), show),
                    false => self.request(light, id, sent, show),
                }
            }
            Request::Edit { message, content } => {
                let edited = async move { messages::edit(&app, user, message, content).await };
                self.request(light, id, self.with_permit(edited), frames::ack)
            }
            Request::Delete { message } => {
                let deleted = async move { messages::delete(&app, user, message).await };
                self.request(light, id, self.with_permit(deleted), frames::ack)
            }
            Request::React { message, reaction } => {
                // A valid one goes to the worker; only a refusal uses the database.
                let uses_database = reaction.is_err();
                let reacted = reactions::react(&app, user, message, reaction);
                let show = |id: &_, message: &Arc<_>, urls: &_| frames::ack(id, message, urls);
                match uses_database {
                    true => self.request(light, id, self.with_permit(reacted), show),
                    false => self.request(light, id, reacted, show),
                }
            }
            Request::Mark { chat, seq, read } => {
                let marked = async move { receipts::mark(&app, user, chat, seq, read).await };
                self.request(light, id, marked, |id, (), _| frames::done(id))
            }
            Request::Typing { chat, active } => {
                let live = Arc::clone(&self.live);
                let said = async move { signals::typing(&app, &live, chat, active).await };
                self.request(light, id, said, |id, (), _| frames::done(id))
            }
            Request::Status { status, text } => {
                let live = Arc::clone(&self.live);
                let set = async move { presence::set(&app, &live, status, text).await };
                self.request(light, id, self.with_permit(set), |id, (), _| frames::done(id))
            }
            Request::Watch { users } => {
                let live = Arc::clone(&self.live);
                let watched = async move { presence::subscribe(&app, &live, users).await };
                self.request(Weight::Heavy, id, watched, |id, users, _| frames::watching(id, users))
            }
            Request::Sync(known) => {
                let changes = async move { sync::changes(&app, user, || Ok(known)).await };
                self.request(Weight::Heavy, id, changes, frames::synced)
            }
        };
        Reaction::Begin(begun)
    }

    /// Makes a request wait for a permit: a user has only a few, for all sockets together. It holds nothing
    /// meanwhile.
    fn with_permit<T>(
        &self,
        done: impl Future<Output = Result<T>> + Send + 'static,
    ) -> impl Future<Output = Result<T>> + Send + 'static {
        let (app, user) = (Arc::clone(&self.app), self.user);
        async move {
            let _permit = app.socket_requests.acquire(Holder::User(user)).await?;
            done.await
        }
    }

    /// A request that replies with an `ack`, if its frame had an `id`, or with an `error` in any case. A
    /// panic is an error as well, so that the socket and its other requests go on.
    fn request<T: Send + 'static>(
        &self,
        weight: Weight,
        id: Option<RequestId>,
        done: impl Future<Output = Result<T>> + Send + 'static,
        show: impl FnOnce(&RequestId, &T, &Urls) -> String + Send + 'static,
    ) -> SocketRequest {
        let urls = Arc::clone(&self.app.urls);
        let user = self.user;
        let done = AssertUnwindSafe(done).catch_unwind();
        let run = async move {
            let done = done.await.unwrap_or_else(|_| Err(Error::internal("a request panicked")));
            match done {
                Ok(done) => id.map(|id| show(&id, &done, &urls)),
                Err(error) => {
                    log(&error, Some(user));
                    Some(frames::error(id.as_ref(), &error))
                }
            }
        };
        SocketRequest { weight, run: Box::pin(run.instrument(traces::current())) }
    }
}

fn refuse(id: Option<&RequestId>, error: &Error) -> HandshakeError {
    log(error, None);
    let close = match error {
        Error::Unavailable(_) | Error::Internal(_) => {
            Close::Restarting { retry_after_ms: RETRY_AFTER_MS }
        }
        _ => Close::NotAuthenticated,
    };
    HandshakeError { frame: Some(frames::error(id, error)), close }
}

fn log(error: &Error, user: Option<UserId>) {
    let user = user.map(|id| id.0);
    match error {
        Error::Internal(cause) => tracing::error!(user, %cause, "socket request failed"),
        Error::Unavailable(cause) => tracing::warn!(user, %cause, "socket request refused"),
        _ => {}
    }
}
