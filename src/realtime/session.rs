//! What a connection means: first a handshake, then a session. Neither knows a socket: they are
//! given frames and give frames. A session cannot exist without a caller.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;

use crate::actions::connect::{ConnectError, connect};
use crate::actions::live::LiveSocket;
use crate::actions::{messages, presence, receipts, sessions, signals, sync};
use crate::app::App;
use crate::domain::error::{Error, Result};
use crate::domain::session::Caller;
use crate::domain::urls::Urls;
use crate::hub::replies::Weight;
use crate::shares::Holder;
use crate::wire::frames;
use crate::wire::incoming::{Incoming, Request};
use crate::wire::request_id::RequestId;

use super::close::Close;
use super::requests::Work;

/// When to come back where the server could not serve at all, in milliseconds.
const RETRY_AFTER_MS: u128 = 2_000;
/// What a `sync` or a `status.watch` counts for `THROTTLE_USER`.
const HEAVY_COST: i64 = 10;
/// What an `ack` is expected to need beside the text that came in its request, in bytes.
const REPLY: usize = 2 * 1024;

/// A connection of which it is not known yet whose it is.
#[derive(Debug)]
pub(super) struct Handshake {
    app: Arc<App>,
}

/// An authenticated connection.
#[derive(Debug)]
pub(super) struct Session {
    app: Arc<App>,
    caller: Caller,
    /// Shared with what is being worked on.
    live: Arc<LiveSocket>,
}

/// The end of a connection before it became a session.
#[derive(Debug)]
pub(super) struct Refusal {
    /// What to send first.
    pub(super) frame: Option<String>,
    /// How to close then.
    pub(super) close: Close,
}

/// What comes of a frame.
pub(super) enum Answer {
    /// This, at once.
    Now(String),
    /// A request is to be begun; other frames are read meanwhile.
    Begin(Work),
}

impl Handshake {
    pub(super) fn new(app: Arc<App>) -> Self {
        Self { app }
    }

    /// Takes the first frame, which has to be an `auth`.
    pub(super) async fn hello(self, text: &str) -> Result<(Session, String), Refusal> {
        let incoming = Incoming::parse(text, self.app.limits.message_length);
        let Ok(Request::Auth { token: Ok(token) }) = incoming.request else {
            return Err(refuse(incoming.id.as_ref(), &Error::NotAuthenticated));
        };
        let caller = sessions::authenticate(&self.app, &token).await;
        let caller = caller.map_err(|error| refuse(incoming.id.as_ref(), &error))?;
        self.welcome(caller).await
    }

    /// Begins the session of a caller who is known. With it comes the first frame to send.
    pub(super) async fn welcome(self, caller: Caller) -> Result<(Session, String), Refusal> {
        let (live, ready) = connect(&self.app, &caller).await.map_err(|error| match error {
            ConnectError::TooMany => Refusal { frame: None, close: Close::TooMany },
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
        Ok((Session { app: self.app, caller, live: Arc::new(live) }, frame))
    }
}

impl Session {
    /// What waits to be written.
    pub(super) fn live(&self) -> &LiveSocket {
        &self.live
    }

    /// Whose it is, for the log.
    pub(super) fn caller(&self) -> &Caller {
        &self.caller
    }

    /// The node.
    pub(super) fn app(&self) -> &App {
        &self.app
    }

    /// Refuses a frame that comes too soon, by so much.
    pub(super) fn throttle(&self, text: &str, wait: Duration) -> String {
        let incoming = Incoming::parse(text, self.app.limits.message_length);
        frames::error(incoming.id.as_ref(), &Error::Throttled(wait))
    }

    /// Takes a frame, and counts it for `THROTTLE_USER`. Sends are queued before this returns, so
    /// that they are committed in the order of the frames.
    pub(super) fn on_text(&self, text: &str) -> Answer {
        let Incoming { id, request } = Incoming::parse(text, self.app.limits.message_length);
        let (app, user) = (Arc::clone(&self.app), self.caller.user.id);
        let cost = match request {
            Ok(Request::Sync(_) | Request::Watch { .. }) => HEAVY_COST,
            _ => 1,
        };
        let allowed = app.throttles.user(user, cost, app.clock.now());
        let request = match allowed.and(request) {
            Ok(request) => request,
            Err(error) => return Answer::Now(frames::error(id.as_ref(), &error)),
        };
        let light = Weight::Light(text.len() + REPLY);
        let work = match request {
            Request::Auth { .. } => {
                let error = Error::Conflict("Already authenticated.");
                return Answer::Now(frames::error(id.as_ref(), &error));
            }
            Request::Ping => return Answer::Now(frames::pong(id.as_ref())),
            Request::Send { chat, draft } => {
                // What is sent goes to the committer; only a refusal asks the database.
                let asks = draft.is_err();
                let sent = messages::send(&app, user, chat, draft);
                let sent = async move { Ok(sent.await?.message) };
                let show = |id: &_, message: &Arc<_>, urls: &_| frames::ack(id, message, urls);
                match asks {
                    true => self.work(light, id, self.in_turn(sent), show),
                    false => self.work(light, id, sent, show),
                }
            }
            Request::Edit { message, content } => {
                let edited = async move { messages::edit(&app, user, message, content).await };
                self.work(light, id, self.in_turn(edited), frames::ack)
            }
            Request::Delete { message } => {
                let deleted = async move { messages::delete(&app, user, message).await };
                self.work(light, id, self.in_turn(deleted), frames::ack)
            }
            Request::Mark { chat, seq, read } => {
                let marked = async move { receipts::mark(&app, user, chat, seq, read).await };
                self.work(light, id, marked, |id, (), _| frames::done(id))
            }
            Request::Typing { chat, active } => {
                let said = signals::typing(&app, &self.live, chat, active);
                self.work(light, id, async move { said }, |id, (), _| frames::done(id))
            }
            Request::Status { status, text } => {
                let live = Arc::clone(&self.live);
                let set = async move { presence::set(&app, &live, status, text).await };
                self.work(light, id, self.in_turn(set), |id, (), _| frames::done(id))
            }
            Request::Watch { users } => {
                let live = Arc::clone(&self.live);
                let watched = async move { presence::subscribe(&app, &live, users).await };
                self.work(Weight::Heavy, id, watched, |id, users, _| frames::watching(id, users))
            }
            Request::Sync(known) => {
                let changes = async move { sync::changes(&app, user, || Ok(known)).await };
                self.work(Weight::Heavy, id, changes, frames::synced)
            }
        };
        Answer::Begin(work)
    }

    /// A request that waits until its user has less than a few others in progress, on all sockets
    /// together. It holds nothing meanwhile.
    fn in_turn<T>(
        &self,
        done: impl Future<Output = Result<T>> + Send + 'static,
    ) -> impl Future<Output = Result<T>> + Send + 'static {
        let (app, user) = (Arc::clone(&self.app), self.caller.user.id);
        async move {
            let _turn = app.socket_requests.acquire(Holder::User(user)).await?;
            done.await
        }
    }

    /// An `ack` where one was asked for, an `error` in any case. A panic is an error as well, so that
    /// the socket and the requests beside it go on.
    fn work<T: Send + 'static>(
        &self,
        weight: Weight,
        id: Option<RequestId>,
        done: impl Future<Output = Result<T>> + Send + 'static,
        show: impl FnOnce(&RequestId, &T, &Urls) -> String + Send + 'static,
    ) -> Work {
        let urls = Arc::clone(&self.app.urls);
        let done = AssertUnwindSafe(done).catch_unwind();
        let run = Box::pin(async move {
            let done = done.await.unwrap_or_else(|_| Err(Error::internal("a request panicked")));
            match done {
                Ok(done) => id.map(|id| show(&id, &done, &urls)),
                Err(error) => {
                    log(&error);
                    Some(frames::error(id.as_ref(), &error))
                }
            }
        });
        Work { weight, run }
    }
}

fn refuse(id: Option<&RequestId>, error: &Error) -> Refusal {
    log(error);
    let close = match error {
        Error::Unavailable(_) | Error::Internal(_) => {
            Close::Restarting { retry_after_ms: RETRY_AFTER_MS }
        }
        _ => Close::NotAuthenticated,
    };
    Refusal { frame: Some(frames::error(id, error)), close }
}

fn log(error: &Error) {
    match error {
        Error::Internal(cause) => tracing::error!(%cause, "a frame failed"),
        Error::Unavailable(cause) => tracing::warn!(%cause, "a frame was refused"),
        _ => {}
    }
}
