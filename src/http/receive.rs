//! Receiving a whole body, with limits on its size, its speed and its duration. What the bytes mean is
//! read elsewhere.

use std::time::Duration;

use axum::body::HttpBody;
use axum::extract::Request;
use axum::http::{HeaderMap, header};
use http_body_util::BodyExt;
use tokio::time::{Instant, timeout_at};

use crate::domain::error::{Error, Result};

use super::spool::Spool;

/// The slowest upload: so many bytes have to arrive in each window.
const WINDOW: Duration = Duration::from_secs(20);
const WINDOW_BYTES: usize = 20_000;
const UNREADABLE: &str = "The body could not be read.";
const TOO_SLOW: &str = "The body took too long to arrive.";

/// How large a body may be, and how long it may take.
#[derive(Clone, Copy, Debug)]
pub(super) struct BodyLimits {
    /// In bytes.
    pub(super) size: usize,
    /// The error of a larger one.
    pub(super) too_large: &'static str,
    /// However steadily it arrives.
    pub(super) time: Duration,
}

impl BodyLimits {
    /// The longest time for most bodies.
    const TIME: Duration = Duration::from_secs(600);

    /// With the usual time.
    pub(super) fn new(size: usize, too_large: &'static str) -> Self {
        Self { size, too_large, time: Self::TIME }
    }
}

/// The whole body. It may not be compressed. A client that sends less than `WINDOW_BYTES` in a `WINDOW`, or takes
/// too long in all, is cut off: slow uploads succeed, stalled ones end soon.
pub(super) async fn receive(request: Request, limits: BodyLimits) -> Result<Spool> {
    let BodyLimits { size: max, too_large, time } = limits;
    let encoding = content_encoding(request.headers());
    let mut body = request.into_body();
    if let Some(encoding) = encoding
        && !body.is_end_stream()
    {
        return Err(Error::ContentEncoding(encoding));
    }
    if body.size_hint().lower() > max as u64 {
        return Err(Error::TooLarge(too_large));
    }
    let mut spool = Spool::default();
    let mut progress = Progress::new(time);
    loop {
        let data = match timeout_at(progress.deadline(), body.frame()).await {
            Ok(None) => return Ok(spool),
            Ok(Some(Ok(frame))) => frame.into_data().unwrap_or_default(),
            // The client disconnected.
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

/// How the body is compressed. Such a body could be of any size once it is read.
fn content_encoding(headers: &HeaderMap) -> Option<String> {
    let lines = headers.get_all(header::CONTENT_ENCODING).iter();
    let text = lines.map(|line| String::from_utf8_lossy(line.as_bytes())).collect::<Vec<_>>();
    let text = text.join(", ");
    let is_plain = text.split(',').all(|coding| {
        let coding = coding.trim();
        coding.is_empty() || coding.eq_ignore_ascii_case("identity")
    });
    (!is_plain).then_some(text)
}

/// Whether a client sends fast enough.
struct Progress {
    window_end: Instant,
    end: Instant,
    /// Bytes received in this window.
    received: usize,
}

impl Progress {
    fn new(time: Duration) -> Self {
        let now = Instant::now();
        Self { window_end: now + WINDOW, end: now + time, received: 0 }
    }

    /// When to check [`Progress::goes_on`] next.
    fn deadline(&self) -> Instant {
        self.window_end.min(self.end)
    }

    fn received(&mut self, bytes: usize) {
        self.received += bytes;
    }

    /// At the end of a window: starts the next, if enough arrived in this one.
    fn goes_on(&mut self) -> bool {
        let enough = self.received >= WINDOW_BYTES && self.window_end < self.end;
        self.received = 0;
        self.window_end += WINDOW;
        enough
    }
}

#[cfg(test)]
#[path = "receive_tests.rs"]
mod tests;
