//! The queue of one socket, bounded in bytes. A slow consumer loses what is queued and gets a `resync`; if
//! it still does not read, it is closed. This is the backpressure that keeps it from delaying anybody else.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::future::poll_fn;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio_tungstenite::tungstenite::Utf8Bytes;

use crate::domain::ids::{ChatId, UserId};
use crate::domain::numbering::Version;
use crate::wire::frames;

use super::replies::Replies;

/// The cost of a frame beside its bytes: its entry here.
const OVERHEAD: usize = 64;

/// A frame ready to be written, shared by all who get it.
#[derive(Clone, Debug)]
pub struct Frame {
    /// The JSON.
    pub text: Utf8Bytes,
    subject: Subject,
}

/// What a frame is about: if it is dropped, the client gets `resync` for that.
#[derive(Clone, Copy, Debug)]
enum Subject {
    /// A chat at a version.
    Chat(ChatId, Version),
    /// The account.
    Account,
    /// Nothing that can be synced.
    None,
}

impl Frame {
    /// An event of a chat, at a version.
    pub fn of_chat(chat: ChatId, version: Version, text: Utf8Bytes) -> Self {
        Self { text, subject: Subject::Chat(chat, version) }
    }

    /// A change of the user's account.
    pub fn of_account(text: Utf8Bytes) -> Self {
        Self { text, subject: Subject::Account }
    }

    pub(super) fn chat(&self) -> Option<(ChatId, Version)> {
        match self.subject {
            Subject::Chat(chat, version) => Some((chat, version)),
            Subject::Account | Subject::None => None,
        }
    }

    fn cost(&self) -> usize {
        self.text.len() + OVERHEAD
    }
}

/// The key by which signals are coalesced: a later one replaces an earlier one with the same key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SignalKey {
    /// A member's markers in a chat.
    Receipt(ChatId, UserId),
    /// A member's typing indicator in a chat.
    Typing(ChatId, UserId),
    /// A user's status.
    Status(UserId),
    /// A user's names and avatar.
    User(UserId),
}

/// Why the hub closes a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Closing {
    /// The user logged out, or the session was revoked or has expired.
    SessionEnded,
    /// A slow consumer.
    TooSlow,
    /// The node stops; the client should reconnect after a while.
    Restarting {
        /// How long the client should wait.
        retry_after: Duration,
    },
}

/// A connection's queue. Pushing never waits and never fails.
#[derive(Debug)]
pub struct Queue {
    inner: Mutex<Inner>,
    /// In bytes.
    limit: usize,
}

#[derive(Debug, Default)]
struct Inner {
    frames: VecDeque<Frame>,
    /// Signals, coalesced by key. They are the first to be dropped.
    signals: BTreeMap<SignalKey, Utf8Bytes>,
    bytes: usize,
    /// Chats whose events were dropped. The `resync` for them is sent first.
    lost: BTreeSet<ChatId>,
    /// Changes of the account were dropped.
    lost_account: bool,
    /// The queue overflowed, and nothing was taken from it since.
    overflowed: bool,
    closing: Option<Closing>,
    replies: Replies,
    /// Something changed since the socket's task last waited.
    has_changed: bool,
    /// The socket's task, while it waits for a change.
    waits: Option<Waker>,
    /// The same during a write, when it waits only for the socket's end. Two wakers, so that a write by a slow peer is
    /// not woken by each frame.
    waits_for_end: Option<Waker>,
}

/// Everything that a socket's task takes at once.
#[derive(Debug, Default)]
pub struct Taken {
    /// Frames to write, in this order.
    pub frames: VecDeque<Frame>,
    /// Replies to write after them: an `ack` follows the events that its request caused.
    pub replies: VecDeque<Utf8Bytes>,
    /// The first of the frames is a `resync`: others were dropped.
    pub is_resync: bool,
    /// If set, the socket is closed after that.
    pub closing: Option<Closing>,
}

impl Queue {
    /// An empty queue; `limit` is in bytes.
    pub fn new(limit: usize) -> Self {
        Self { inner: Mutex::default(), limit }
    }

    /// Adds a frame. If there is no room, signals are dropped, then all frames; the second time in a row,
    /// the socket is closed. Waiting replies take up room as well, up to half of it: one long reply alone
    /// does not make a slow consumer.
    pub fn push(&self, frame: Frame) {
        self.change(|inner| {
            if inner.closing.is_some() {
                return;
            }
            let limit = self.limit_of(inner);
            if inner.bytes + frame.cost() > limit {
                inner.drop_signals();
            }
            if inner.bytes + frame.cost() <= limit {
                inner.bytes += frame.cost();
                inner.frames.push_back(frame);
            } else if inner.overflowed {
                // The client has not even read the `resync`.
                inner.close(Closing::TooSlow);
            } else {
                inner.drop_all(&frame);
            }
        });
    }

    /// Adds a signal, in place of an earlier one with its key. Where there is no room, it is dropped.
    pub fn signal(&self, key: SignalKey, text: Utf8Bytes) {
        self.change(|inner| {
            if let Some(old) = inner.signals.remove(&key) {
                inner.bytes -= old.len() + OVERHEAD;
            }
            let cost = text.len() + OVERHEAD;
            if inner.closing.is_none() && inner.bytes + cost <= self.limit_of(inner) {
                inner.bytes += cost;
                inner.signals.insert(key, text);
            }
        });
    }

    /// Sends the client a `resync` of a chat: it will not get some of its events.
    pub fn resync(&self, chat: ChatId) {
        // The chat's queued events precede the missing ones. The `resync` is sent ahead of both, which only
        // makes the client sync a little more.
        self.change(|inner| _ = inner.lost.insert(chat));
    }

    /// Closes the socket. The first reason counts.
    pub fn close(&self, why: Closing) {
        self.change(|inner| inner.close(why));
    }

    /// Keeps only the events for which `keep` returns true, by chat and version.
    pub fn retain(&self, keep: impl Fn(ChatId, Version) -> bool) {
        let mut inner = self.lock();
        inner.frames.retain(|f| f.chat().is_none_or(|(chat, version)| keep(chat, version)));
        let signals = inner.signals.values().map(|text| text.len() + OVERHEAD).sum::<usize>();
        inner.bytes = signals + inner.frames.iter().map(Frame::cost).sum::<usize>();
    }

    /// Adds a reply. Replies are never dropped; while too many wait, no more requests are read: see
    /// [`Self::has_room`].
    pub fn reply(&self, mut text: String) {
        // The spare capacity of an encoded reply may be as much again.
        text.shrink_to_fit();
        self.replies(|replies| replies.push(text.into()));
    }

    /// Whether another request may begin. Changes of this wake [`Self::wait`].
    pub fn has_room(&self) -> bool {
        self.lock().replies.has_room(self.limit)
    }

    /// Whether a heavy request is in progress.
    pub fn is_heavy(&self) -> bool {
        self.lock().replies.is_heavy()
    }

    /// How many requests are in progress.
    pub fn in_progress(&self) -> usize {
        self.lock().replies.in_progress()
    }

    pub(super) fn replies(&self, change: impl FnOnce(&mut Replies)) {
        self.change(|inner| change(&mut inner.replies));
    }

    /// Waits until there may be something to take, and takes it. May return nothing, but never misses
    /// anything. Cancel-safe.
    pub async fn next(&self) -> Taken {
        self.when_changed(Inner::take).await
    }

    /// [`Self::next`], without taking it.
    pub async fn wait(&self) {
        self.when_changed(|_| ()).await;
    }

    async fn when_changed<T>(&self, look: impl Fn(&mut Inner) -> T) -> T {
        let poll = |context: &mut Context<'_>| {
            let mut inner = self.lock();
            if std::mem::take(&mut inner.has_changed) {
                return Poll::Ready(look(&mut inner));
            }
            register(&mut inner.waits, context);
            Poll::Pending
        };
        poll_fn(poll).await
    }

    /// Waits until the socket is to be closed, even during a write. Does not consume what wakes
    /// [`Self::wait`].
    pub async fn wait_closing(&self) {
        let poll = |context: &mut Context<'_>| {
            let mut inner = self.lock();
            if inner.closing.is_some() {
                return Poll::Ready(());
            }
            register(&mut inner.waits_for_end, context);
            Poll::Pending
        };
        poll_fn(poll).await;
    }

    /// Takes everything.
    pub fn take(&self) -> Taken {
        self.lock().take()
    }

    /// What waits, for tests that look at it without taking it.
    #[cfg(test)]
    pub(super) fn frames(&self) -> VecDeque<Frame> {
        self.lock().frames.clone()
    }

    /// The room for events and signals, in bytes.
    fn limit_of(&self, inner: &Inner) -> usize {
        self.limit - inner.replies.bytes().min(self.limit / 2)
    }

    /// Changes the queue, and wakes the socket's task.
    fn change(&self, change: impl FnOnce(&mut Inner)) {
        let mut inner = self.lock();
        change(&mut inner);
        inner.has_changed = true;
        let waits = inner.waits.take();
        let waits_for_end = inner.closing.and_then(|_| inner.waits_for_end.take());
        // The woken task locks at once.
        drop(inner);
        waits.into_iter().chain(waits_for_end).for_each(Waker::wake);
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn take(&mut self) -> Taken {
        self.bytes = 0;
        self.overflowed = false;
        let mut frames = std::mem::take(&mut self.frames);
        let chats: Vec<_> = std::mem::take(&mut self.lost).into_iter().collect();
        // Without chats, it says that anything may be missing.
        let resync = match std::mem::take(&mut self.lost_account) {
            true => Some(frames::resync(None)),
            false => (!chats.is_empty()).then(|| frames::resync(Some(&chats))),
        };
        let is_resync = resync.is_some();
        if let Some(text) = resync {
            frames.push_front(Frame { text: text.into(), subject: Subject::None });
        }
        // After the events, which they may refer to.
        let signals = std::mem::take(&mut self.signals).into_values();
        frames.extend(signals.map(|text| Frame { text, subject: Subject::None }));
        Taken { frames, replies: self.replies.take(), is_resync, closing: self.closing }
    }

    fn drop_all(&mut self, last: &Frame) {
        self.signals.clear();
        let dropped = std::mem::take(&mut self.frames);
        self.bytes = 0;
        self.overflowed = true;
        for frame in dropped.iter().chain([last]) {
            match frame.subject {
                Subject::Chat(chat, _) => drop(self.lost.insert(chat)),
                Subject::Account => self.lost_account = true,
                Subject::None => {}
            }
        }
    }

    fn drop_signals(&mut self) {
        let lost = std::mem::take(&mut self.signals);
        self.bytes -= lost.values().map(|text| text.len() + OVERHEAD).sum::<usize>();
    }

    fn close(&mut self, why: Closing) {
        if self.closing.is_none() {
            self.closing = Some(why);
        }
        if why == Closing::TooSlow {
            self.frames = VecDeque::new();
            self.signals.clear();
            self.replies.take();
            self.bytes = 0;
        }
    }
}

fn register(waker: &mut Option<Waker>, context: &Context<'_>) {
    match waker {
        Some(waker) => waker.clone_from(context.waker()),
        None => *waker = Some(context.waker().clone()),
    }
}

#[cfg(test)]
#[path = "queue_races.rs"]
mod races;

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(chat: i64, version: i64) -> Frame {
        Frame::of_chat(ChatId(chat), Version(version), "x".repeat(36).into())
    }

    #[test]
    fn a_slow_consumer_gets_a_resync_and_is_then_closed() {
        let queue = Queue::new(300);
        for version in 1..=4 {
            queue.push(frame(1 + version % 2, version));
        }
        let taken = queue.take();
        let texts: Vec<_> = taken.frames.iter().map(|f| f.text.as_str()).collect();
        assert_eq!(texts, [r#"{"type":"resync","chats":[1,2]}"#], "all four are dropped");
        assert_eq!(taken.closing, None);

        for version in 5..=12 {
            queue.push(frame(1, version));
        }
        assert_eq!(queue.take().closing, Some(Closing::TooSlow));
    }

    #[test]
    fn a_dropped_change_of_the_account_is_a_resync_of_everything() {
        let queue = Queue::new(300);
        queue.push(Frame::of_account("x".repeat(36).into()));
        (1..=3).for_each(|version| queue.push(frame(1, version)));
        let texts: Vec<_> = queue.take().frames.iter().map(|f| f.text.to_string()).collect();
        assert_eq!(texts, [r#"{"type":"resync"}"#]);
    }

    #[test]
    fn signals_are_coalesced_and_dropped_first() {
        let queue = Queue::new(300);
        let typing = |user: i64| SignalKey::Typing(ChatId(1), UserId(user));
        queue.signal(typing(1), "a".into());
        queue.signal(typing(1), "b".into());
        queue.push(frame(1, 1));
        queue.signal(typing(2), "c".into());
        let texts = |queue: &Queue| -> Vec<_> {
            queue.take().frames.iter().map(|f| f.text.to_string()).collect()
        };
        assert_eq!(texts(&queue), ["x".repeat(36), "b".into(), "c".into()]);

        for user in 1..=9 {
            queue.signal(typing(user), "d".into());
        }
        queue.push(frame(1, 2));
        queue.push(frame(1, 3));
        queue.push(frame(1, 4));
        assert_eq!(texts(&queue).len(), 3, "signals displace no event");
    }

    #[tokio::test(start_paused = true)]
    async fn a_frame_pushed_during_a_write_wakes_afterwards() {
        let queue = Queue::new(300);
        queue.push(frame(1, 1));
        queue.wait().await;
        assert_eq!(queue.take().frames.len(), 1);
        let second = std::time::Duration::from_secs(1);
        let writing = tokio::time::timeout(second, queue.wait_closing());
        let (_, ()) = tokio::join!(writing, async { queue.push(frame(1, 2)) });
        assert!(tokio::time::timeout(second, queue.wait()).await.is_ok());

        queue.close(Closing::SessionEnded);
        assert!(tokio::time::timeout(second, queue.wait_closing()).await.is_ok());
    }

    #[test]
    fn a_consumer_that_keeps_up_loses_nothing() {
        let queue = Queue::new(300);
        for version in 1..=100 {
            queue.push(frame(1, version));
            queue.push(frame(2, version));
            let taken = queue.take();
            assert_eq!((taken.frames.len(), taken.closing), (2, None));
        }
    }
}
