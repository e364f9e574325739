//! What a connection means: first a handshake, then a session. Neither knows a socket: they are
//! given frames and give frames. A session cannot exist without a caller.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use crate::actions::sockets::{self, Live, Refused};
use crate::actions::{messages, presence, receipts, sessions, sync};
use crate::app::App;
use crate::domain::error::{Error, Result};
use crate::domain::rate::Rate;
use crate::domain::session::Caller;
use crate::domain::urls::Urls;
use crate::wire::frames;
use crate::wire::incoming::{Incoming, Request, RequestId};

use super::close::Close;

/// When to come back where the server could not serve at all, in milliseconds.
const RETRY_AFTER_MS: u128 = 2_000;

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
    live: Arc<Live>,
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
    /// This, when it is done; other frames are read meanwhile. `None`: nothing is sent.
    Later(Pin<Box<dyn Future<Output = Option<String>> + Send>>),
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
        let (live, ready) =
            sockets::connect(&self.app, &caller).await.map_err(|refused| match refused {
                Refused::TooMany => Refusal { frame: None, close: Close::TooMany },
                Refused::Failed(error) => refuse(None, &error),
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
    pub(super) fn live(&self) -> &Live {
        &self.live
    }

    /// Whose it is, for the log.
    pub(super) fn caller(&self) -> &Caller {
        &self.caller
    }

    /// How often a frame may come; `None`: as often as it likes.
    pub(super) fn frame_rate(&self) -> Option<Rate> {
        self.app.throttles.frames
    }

    /// Refuses a frame that comes too soon, by so much.
    pub(super) fn throttle(&self, text: &str, wait: Duration) -> String {
        let incoming = Incoming::parse(text, self.app.limits.message_length);
        frames::error(incoming.id.as_ref(), &Error::Throttled(wait))
    }

    /// Takes a frame. Sends are queued before this returns, so that they are committed in the order
    /// of the frames.
    pub(super) fn on_text(&self, text: &str) -> Answer {
        let Incoming { id, request } = Incoming::parse(text, self.app.limits.message_length);
        let (app, user) = (Arc::clone(&self.app), self.caller.user.id);
        match request {
            Err(error) => Answer::Now(frames::error(id.as_ref(), &error)),
            Ok(Request::Auth { .. }) => {
                let error = Error::Conflict("Already authenticated.");
                Answer::Now(frames::error(id.as_ref(), &error))
            }
            Ok(Request::Ping) => Answer::Now(frames::pong(id.as_ref())),
            Ok(Request::Send { chat, draft }) => {
                let sent = messages::send(&app, user, chat, draft);
                let sent = async move { Ok(sent.await?.message) };
                self.later(id, sent, |id, message, urls| frames::ack(id, message, urls))
            }
            Ok(Request::Edit { message, content }) => {
                let edited =
                    async move { messages::edit(&app, user, message, content.map(Some)).await };
                self.later(id, edited, frames::ack)
            }
            Ok(Request::Delete { message }) => {
                let deleted = async move { messages::delete(&app, user, message).await };
                self.later(id, deleted, frames::ack)
            }
            Ok(Request::Mark { chat, seq, read }) => {
                let marked = async move { receipts::mark(&app, user, chat, seq, read).await };
                self.later(id, marked, |id, (), _| frames::done(id))
            }
            Ok(Request::Typing { chat, active }) => {
                let said = sockets::typing(&app, &self.live, chat, active);
                self.later(id, async move { said }, |id, (), _| frames::done(id))
            }
            Ok(Request::Status { status, text }) => {
                let live = Arc::clone(&self.live);
                let set = async move { presence::set(&app, &live, status, text).await };
                self.later(id, set, |id, (), _| frames::done(id))
            }
            Ok(Request::Watch { users }) => {
                let live = Arc::clone(&self.live);
                let watched = async move { presence::watch(&app, &live, users).await };
                self.later(id, watched, |id, users, _| frames::watching(id, users))
            }
            Ok(Request::Sync(known)) => {
                let changes = async move { sync::changes(&app, user, || Ok(known)).await };
                self.later(id, changes, frames::synced)
            }
        }
    }

    /// An `ack` where one was asked for, an `error` in any case.
    fn later<T: Send + 'static>(
        &self,
        id: Option<RequestId>,
        done: impl Future<Output = Result<T>> + Send + 'static,
        show: impl FnOnce(&RequestId, &T, &Urls) -> String + Send + 'static,
    ) -> Answer {
        let urls = Arc::clone(&self.app.urls);
        Answer::Later(Box::pin(async move {
            match done.await {
                Ok(done) => id.map(|id| show(&id, &done, &urls)),
                Err(error) => {
                    log(&error);
                    Some(frames::error(id.as_ref(), &error))
                }
            }
        }))
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
