//! The bytes of bodies: receiving one whole, within bounds, and discarding what nobody read. What
//! is in a body is read elsewhere.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::Request;
use axum::http::{HeaderValue, header};
use axum::middleware::Next;
use axum::response::Response;
use http_body_util::BodyExt;
use hyper::body::{Frame, SizeHint};
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout, timeout_at};

use crate::domain::error::{Error, Result};

use super::spool::Spool;

/// Least progress: so many bytes have to come in each window.
const WINDOW: Duration = Duration::from_secs(20);
const WINDOW_BYTES: usize = 20_000;
/// How long a body may take at most, however steadily it comes.
const TIME_MAX: Duration = Duration::from_secs(600);
const UNREADABLE: &str = "The body could not be read.";
const TOO_SLOW: &str = "The body took too long to arrive.";

/// Most of a body that is thrown away, in bytes; how long that may take, and how long the client may
/// send nothing meanwhile.
const DISCARD_MAX: usize = 32 * 1024 * 1024;
const DISCARD_TIME: Duration = Duration::from_secs(30);
const DISCARD_SILENCE: Duration = Duration::from_secs(2);

/// The whole body, of at most `max` bytes; `too_large` says that there were more. A client that
/// sends less than `WINDOW_BYTES` in a `WINDOW`, or takes longer than `TIME_MAX`, is cut off:
/// large files may come by slow lines, but a body that stalls is not waited for.
pub(super) async fn receive(
    request: Request,
    max: usize,
    too_large: &'static str,
) -> Result<Spool> {
    let mut body = request.into_body();
    if body.size_hint().lower() > max as u64 {
        return Err(Error::TooLarge(too_large));
    }
    let mut spool = Spool::default();
    let mut progress = Progress::new();
    loop {
        let data = match timeout_at(progress.deadline(), body.frame()).await {
            Ok(None) => return Ok(spool),
            Ok(Some(Ok(frame))) => frame.into_data().unwrap_or_default(),
            // Broken off by a client that went away.
            Ok(Some(Err(_))) => return Err(Error::Malformed(UNREADABLE.into())),
            Err(_) if progress.goes_on() => continue,
            Err(_) => return Err(Error::Malformed(TOO_SLOW.into())),
        };
        if spool.len() + data.len() > max {
            return Err(Error::TooLarge(too_large));
        }
        progress.received(data.len());
        spool.write(data).await?;
    }
}

/// Whether a client sends fast enough.
struct Progress {
    window_end: Instant,
    end: Instant,
    /// Bytes in this window.
    received: usize,
}

impl Progress {
    fn new() -> Self {
        let now = Instant::now();
        Self { window_end: now + WINDOW, end: now + TIME_MAX, received: 0 }
    }

    /// When to ask next whether it [`Progress::goes_on`].
    fn deadline(&self) -> Instant {
        self.window_end.min(self.end)
    }

    fn received(&mut self, bytes: usize) {
        self.received += bytes;
    }

    /// At the end of a window: begins the next, if enough came in this one.
    fn goes_on(&mut self) -> bool {
        let enough = self.received >= WINDOW_BYTES && self.window_end < self.end;
        self.received = 0;
        self.window_end += WINDOW;
        enough
    }
}

/// Reads what was left of a body before it is answered: to answer on top of what the client is still
/// sending would reset the connection, and the answer, or the next request, could be lost. Where
/// there is too much of it, or it does not come, the connection ends with the answer, which says so.
pub(super) async fn discard_rest(request: Request, next: Next) -> Response {
    if request.body().is_end_stream() {
        return next.run(request).await;
    }
    // It sends its body when it is told to, which reading it would do.
    let waits = request.headers().contains_key(header::EXPECT);
    let (back, mut returned) = oneshot::channel();
    let lend = |body| Body::new(Lent { body, back: Some(back) });
    let mut response = next.run(request.map(lend)).await;
    if let Ok(rest) = returned.try_recv()
        && (waits || !discard(rest).await)
    {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

/// Whether all of it came, and was not too much.
async fn discard(mut body: Body) -> bool {
    let mut left = DISCARD_MAX;
    let discarded = async {
        loop {
            let size = match timeout(DISCARD_SILENCE, body.frame()).await {
                Ok(None) => return true,
                Ok(Some(Ok(frame))) => frame.data_ref().map_or(0, Bytes::len),
                Ok(Some(Err(_))) | Err(_) => return false,
            };
            let Some(rest) = left.checked_sub(size) else { return false };
            left = rest;
        }
    };
    timeout(DISCARD_TIME, discarded).await.unwrap_or(false)
}

/// A body that goes back to its lender when it is dropped before its end.
struct Lent {
    body: Body,
    back: Option<oneshot::Sender<Body>>,
}

impl HttpBody for Lent {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        if frame.is_none() {
            self.back = None;
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        if let Some(back) = self.back.take().filter(|_| !self.body.is_end_stream()) {
            // Nobody waits for it where the request was given up.
            back.send(std::mem::take(&mut self.body)).ok();
        }
    }
}

#[cfg(test)]
#[path = "bodies_tests.rs"]
mod tests;
