//! The stream of a connection, between TCP and hyper. It reports each read and write to the
//! connection's [`Slot`], and withholds what hyper would answer by itself.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes, HttpBody};
use axum::http::StatusCode;
use hyper::body::{Frame, SizeHint};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use super::connections::{ConnectionHandle, Slot};

/// A connection's stream. Dropping it frees the connection's slot.
#[derive(Debug)]
pub(super) struct Stream {
    tcp: TcpStream,
    slot: Slot,
    /// It has become a WebSocket, which has its own timeouts; nothing is reported any more.
    is_socket: bool,
    /// What hyper answered by itself, to a head that it could not read.
    withheld: Option<StatusCode>,
}

impl Stream {
    pub(super) fn new(tcp: TcpStream, slot: Slot) -> Self {
        Self { tcp, slot, is_socket: false, withheld: None }
    }

    /// The status of an answer that was held back.
    pub(super) fn withheld(&self) -> StatusCode {
        self.withheld.unwrap_or(StatusCode::BAD_REQUEST)
    }

    /// The stream, past hyper.
    pub(super) fn tcp(&mut self) -> &mut TcpStream {
        &mut self.tcp
    }

    /// Whether reads and writes are still of interest.
    fn is_http(&mut self) -> bool {
        self.is_socket = self.is_socket || self.slot.is_open_socket();
        !self.is_socket
    }

    fn note_written(&self, written: &Poll<io::Result<usize>>) {
        match written {
            Poll::Ready(Ok(bytes)) => self.slot.written(*bytes),
            Poll::Ready(Err(_)) => {}
            Poll::Pending => self.slot.stalled(),
        }
    }

    /// Withholds an answer of hyper's own, and keeps only its status.
    fn withhold(&mut self, head: &[u8]) {
        let status = head.get("HTTP/1.1 ".len()..).and_then(|rest| rest.get(..3));
        let status = status.and_then(|status| StatusCode::from_bytes(status).ok());
        self.withheld = self.withheld.or(status).or(Some(StatusCode::BAD_REQUEST));
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.tcp).poll_read(context, buffer);
        if buffer.filled().len() > before && self.is_http() {
            self.slot.read();
        }
        read
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &[u8],
    ) -> Poll<io::Result<usize>> {
        if !self.is_http() {
            // Cheaper than a vectored write of one buffer.
            return Pin::new(&mut self.tcp).poll_write(context, buffer);
        }
        self.poll_write_vectored(context, &[IoSlice::new(buffer)])
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffers: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if !self.is_http() {
            return Pin::new(&mut self.tcp).poll_write_vectored(context, buffers);
        }
        if !self.slot.is_answering() {
            buffers.iter().take(1).for_each(|head| self.withhold(head));
            return Poll::Ready(Ok(buffers.iter().map(|buffer| buffer.len()).sum()));
        }
        let written = Pin::new(&mut self.tcp).poll_write_vectored(context, buffers);
        self.note_written(&written);
        written
    }

    fn is_write_vectored(&self) -> bool {
        self.tcp.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.is_http() {
            self.slot.flushed();
        }
        Pin::new(&mut self.tcp).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.withheld.is_some() {
            // The answer has still to be written.
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.tcp).poll_shutdown(context)
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        if self.slot.is_stalled() && self.is_http() {
            // Nobody reads it: the system need not keep it for them. Best effort.
            self.tcp.set_zero_linger().ok();
        }
    }
}

/// An answer's body, which reports when hyper has taken all of it.
#[derive(Debug)]
pub(super) struct Answer {
    body: Body,
    handle: ConnectionHandle,
}

impl Answer {
    pub(super) fn new(body: Body, handle: ConnectionHandle) -> Self {
        Self { body, handle }
    }
}

impl HttpBody for Answer {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        self.handle.answered();
    }
}
