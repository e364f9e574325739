//! Counts what passes between a socket and the network: frames that the WebSocket library does not
//! report, and bytes that were written. Knows no message: the library above it reads frames.

use std::io::{self, Cursor};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::protocol::frame::FrameHeader;

use super::flood::{FrameLimiter, FrameVerdict};

/// The longest header of a frame, in bytes (RFC 6455, 5.2).
const HEADER_MAX: usize = 14;

/// A connection with its meters.
#[derive(Debug)]
pub(super) struct Metered<S> {
    inner: S,
    headers: Headers,
    /// Limits the peer's frames. The reader of messages counts the last frame of each message; all
    /// other frames are counted here.
    pub(super) limiter: FrameLimiter,
    is_flooded: bool,
    written: Arc<AtomicU64>,
}

impl<S> Metered<S> {
    pub(super) fn new(inner: S, limiter: FrameLimiter) -> Self {
        Self {
            inner,
            headers: Headers::default(),
            limiter,
            is_flooded: false,
            written: Arc::default(),
        }
    }

    /// Whether the connection was closed because of too many frames.
    pub(super) fn is_flooded(&self) -> bool {
        self.is_flooded
    }

    /// How many bytes were written so far.
    pub(super) fn written(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.written)
    }

    /// Counts frames among the bytes read that the library does not report: it waits for the rest
    /// of a message, however many empty fragments arrive.
    fn count(&mut self, read: &[u8]) -> io::Result<()> {
        if self.is_flooded {
            // Reading goes on only so that the peer gets the close frame.
            return Ok(());
        }
        let (limiter, is_flooded) = (&mut self.limiter, &mut self.is_flooded);
        self.headers.walk(read, |is_last| {
            if !is_last && !*is_flooded {
                *is_flooded = limiter.count(Instant::now()) == FrameVerdict::Close;
            }
        });
        if *is_flooded { Err(io::Error::other("too many frames")) } else { Ok(()) }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Metered<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        ready!(Pin::new(&mut this.inner).poll_read(cx, buffer))?;
        Poll::Ready(this.count(&buffer.filled()[before..]))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Metered<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = ready!(Pin::new(&mut this.inner).poll_write(cx, bytes))?;
        this.written.fetch_add(written as u64, Ordering::Relaxed);
        Poll::Ready(Ok(written))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_shutdown(cx)
    }
}

/// Finds frame headers in the bytes read.
#[derive(Debug, Default)]
struct Headers {
    /// The first bytes of an incomplete header.
    header: [u8; HEADER_MAX],
    have: usize,
    /// The rest of a frame's payload, in bytes.
    payload: u64,
    /// The peer broke the protocol. The library will report it.
    broken: bool,
}

impl Headers {
    /// For each header that ends in `bytes`, reports whether its frame is the last of a message.
    fn walk(&mut self, mut bytes: &[u8], mut tell: impl FnMut(bool)) {
        while !bytes.is_empty() && !self.broken {
            let skipped = usize::try_from(self.payload).unwrap_or(usize::MAX).min(bytes.len());
            self.payload -= skipped as u64;
            bytes = &bytes[skipped..];
            if let Some((byte, rest)) = bytes.split_first() {
                bytes = rest;
                if let Some(is_last) = self.header_byte(*byte) {
                    tell(is_last);
                }
            }
        }
    }

    fn header_byte(&mut self, byte: u8) -> Option<bool> {
        self.header[self.have] = byte;
        self.have += 1;
        match FrameHeader::parse(&mut Cursor::new(&self.header[..self.have])) {
            Ok(Some((header, payload))) => {
                (self.have, self.payload) = (0, payload);
                Some(header.is_final)
            }
            Ok(None) => {
                self.broken = self.have == self.header.len();
                None
            }
            Err(_) => {
                self.broken = true;
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two fragments of a message, of 3 and 300 bytes, an empty one, and a ping.
    fn frames() -> Vec<u8> {
        let mut bytes = vec![0x01, 0x83, 1, 2, 3, 4, b'a', b'b', b'c'];
        bytes.extend([0x00, 0xfe, 0x01, 0x2c, 1, 2, 3, 4]);
        bytes.extend([b'x'; 300]);
        bytes.extend([0x89, 0x80, 1, 2, 3, 4]);
        bytes.extend([0x80, 0x80, 1, 2, 3, 4]);
        bytes
    }

    #[test]
    fn every_frame_is_found_however_it_is_cut() {
        for size in [1, 2, 5, 7, 64, 1_000] {
            let (mut headers, mut found) = (Headers::default(), Vec::new());
            frames().chunks(size).for_each(|chunk| headers.walk(chunk, |last| found.push(last)));
            assert_eq!(found, [false, false, true, true], "in pieces of {size}");
        }
    }

    #[test]
    fn rubbish_ends_the_search() {
        let mut headers = Headers::default();
        headers.walk(&[0xff; 100], |_| panic!("no frame"));
        assert!(headers.broken);
    }
}
