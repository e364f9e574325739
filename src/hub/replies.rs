//! The requests of one socket: how many are in progress, and the replies waiting to be written.
//! Both are bounded, because the peer decides when it reads. Knows no frame and runs no request.

use std::collections::VecDeque;

use tokio_tungstenite::tungstenite::Utf8Bytes;

/// The most requests of one socket in progress. At this number the socket reads no more frames.
pub const IN_PROGRESS_MAX: usize = 64;

/// Requests in progress and waiting replies, as part of a connection's queue.
#[derive(Debug, Default)]
pub(super) struct Replies {
    waiting: VecDeque<Utf8Bytes>,
    /// Size of `waiting`, in bytes.
    bytes: usize,
    in_progress: usize,
    /// Expected size of the replies to requests in progress, in bytes.
    expected: usize,
    heavy: bool,
}

/// The expected cost of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weight {
    /// A bounded number of rows; the expected size of its reply, in bytes.
    Light(usize),
    /// Thousands of rows, and a reply of a megabyte or more. A socket has one in progress at a time.
    Heavy,
}

impl Replies {
    /// Counts a request as in progress.
    pub(super) fn begin(&mut self, weight: Weight) {
        self.in_progress += 1;
        match weight {
            Weight::Light(bytes) => self.expected += bytes,
            Weight::Heavy => self.heavy = true,
        }
    }

    /// Counts it no more.
    pub(super) fn end(&mut self, weight: Weight) {
        self.in_progress -= 1;
        match weight {
            Weight::Light(bytes) => self.expected -= bytes,
            Weight::Heavy => self.heavy = false,
        }
    }

    /// Adds a reply.
    pub(super) fn push(&mut self, text: Utf8Bytes) {
        self.bytes += text.len();
        self.waiting.push_back(text);
    }

    /// Takes the waiting replies.
    pub(super) fn take(&mut self) -> VecDeque<Utf8Bytes> {
        self.bytes = 0;
        std::mem::take(&mut self.waiting)
    }

    /// Size of the waiting replies, in bytes.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// How many requests are in progress.
    pub(super) fn in_progress(&self) -> usize {
        self.in_progress
    }

    /// Whether a heavy request is in progress.
    pub(super) fn is_heavy(&self) -> bool {
        self.heavy
    }

    /// Whether another request may begin. `limit` is the most bytes of all replies together.
    pub(super) fn has_room(&self, limit: usize) -> bool {
        self.in_progress < IN_PROGRESS_MAX && self.expected + self.bytes < limit
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waiting_and_expected_replies_fill_the_room() {
        let mut replies = Replies::default();
        replies.begin(Weight::Light(60));
        assert!(replies.has_room(100));
        replies.begin(Weight::Light(60));
        assert!(!replies.has_room(100), "expected");
        replies.push("x".repeat(60).into());
        replies.end(Weight::Light(60));
        assert!(!replies.has_room(100), "one waits");
        assert_eq!(replies.take().len(), 1);
        assert!(replies.has_room(100));
    }

    #[test]
    fn requests_in_progress_are_bounded_in_number() {
        let mut replies = Replies::default();
        for _ in 0..IN_PROGRESS_MAX {
            assert!(replies.has_room(100));
            replies.begin(Weight::Light(0));
        }
        assert!(!replies.has_room(100));
    }
}
