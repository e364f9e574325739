//! Discarding the part of a request's body that no handler read, so that the connection can go on.

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
use tokio::time::timeout;

/// Largest rest of a body that is discarded, in bytes.
const DISCARD_MAX: usize = 32 * 1024 * 1024;
/// How long discarding may take in all.
const DISCARD_TIME: Duration = Duration::from_secs(30);
/// How long the client may send nothing meanwhile.
const DISCARD_SILENCE: Duration = Duration::from_secs(2);

/// Reads the rest of a body before the answer is sent. Otherwise data that the client is still sending
/// would reset the connection, and the answer, or the next request, could be lost. If the rest is too
/// large, or does not arrive, the answer closes the connection (`Connection: close`).
pub(super) async fn discard_rest(request: Request, next: Next) -> Response {
    if request.body().is_end_stream() {
        return next.run(request).await;
    }
    // With `Expect: 100-continue`, reading the body would ask the client to send it.
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

/// Whether the whole body arrived and was not too large.
async fn discard(mut body: Body) -> bool {
    if body.size_hint().lower() > DISCARD_MAX as u64 {
        // A client that announces so much is answered at once.
        return false;
    }
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

/// A body that is returned to its lender when it is dropped before its end.
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
            // Nobody waits for it if the request was cancelled.
            back.send(std::mem::take(&mut self.body)).ok();
        }
    }
}
