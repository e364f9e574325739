//! The state of one connection: whether the server waits for the client, since when, and with which
//! timeout. It does no I/O: `stream.rs` reports reads and writes, `serve.rs` requests and answers,
//! and `connections.rs` asks which connections are overdue.

use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

/// How long a connection without a request is kept. Proxies keep theirs for 60 to 120 s and must be
/// the first to close, or they send requests into connections that are closed already.
const IDLE: Duration = Duration::from_secs(130);
/// How long a request's head may take from its first byte to its last.
const HEAD: Duration = Duration::from_secs(30);
/// How long a client may accept nothing of an answer.
const UNREAD: Duration = Duration::from_secs(30);
/// The slowest that an answer may be read over longer times, in bytes a second: 32 kbit/s.
const SLOWEST: u32 = 4 * 1024;
/// A client that has accepted nothing for as long may be cut off where others need the room.
const STALLED: Duration = Duration::from_secs(2);

/// How long a new connection may wait before it can be closed to make room: its request may be on
/// the way.
pub(super) const FRESH: Duration = Duration::from_millis(500);

/// One accepted connection.
#[derive(Debug)]
pub(super) struct ClientConnection {
    /// Larger for those that were accepted later.
    pub(super) id: u64,
    /// What counts as one client.
    pub(super) block: IpAddr,
    /// Its address is over its limit: the client gets an answer that says so.
    pub(super) refused: bool,
    state: Mutex<State>,
    /// Wakes the connection's task, which waits in [`Self::cut`].
    called: Notify,
}

#[derive(Clone, Copy, Debug)]
struct State {
    phase: Phase,
    /// When the phase began.
    since: Instant,
    /// Since when the client has accepted nothing of what is to be written.
    stalled: Option<Instant>,
    /// How much longer this may last: at most [`UNREAD`], used up by waiting, earned by reading.
    time_left: Duration,
    /// Whether a whole head ever came.
    served: bool,
    /// Whether what is written is a handler's answer to a request.
    answering: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// No byte of the next request has come.
    Idle,
    /// A request's head has begun.
    Head,
    /// A request is being handled.
    Working,
    /// The same, for a WebSocket.
    Upgrading,
    /// A WebSocket, which has timeouts of its own.
    Socket,
}

impl ClientConnection {
    pub(super) fn new(id: u64, block: IpAddr, refused: bool) -> Self {
        let state = State {
            phase: Phase::Idle,
            since: Instant::now(),
            stalled: None,
            time_left: UNREAD,
            served: false,
            answering: false,
        };
        Self { id, block, refused, state: Mutex::new(state), called: Notify::new() }
    }

    /// Bytes came.
    pub(super) fn read(&self) {
        let mut state = self.state();
        if state.phase == Phase::Idle {
            state.enter(Phase::Head);
        }
    }

    /// A head is complete, and its request goes to a handler.
    pub(super) fn requested(&self) {
        let mut state = self.state();
        state.enter(Phase::Working);
        (state.served, state.answering) = (true, true);
    }

    /// The request asks for a WebSocket, and there is room for one.
    pub(super) fn upgrading(&self) {
        self.state().enter(Phase::Upgrading);
    }

    /// The request became a WebSocket.
    pub(super) fn upgraded(&self) {
        self.state().enter(Phase::Socket);
    }

    /// The last byte of the answer was handed to the writer.
    pub(super) fn answered(&self) {
        let mut state = self.state();
        if state.phase == Phase::Working {
            state.enter(Phase::Idle);
        }
    }

    /// The client accepted so many bytes.
    pub(super) fn written(&self, bytes: usize) {
        let mut state = self.state();
        if let Some(since) = state.stalled.take() {
            let earned =
                Duration::from_secs(1) * u32::try_from(bytes).unwrap_or(u32::MAX) / SLOWEST;
            state.time_left =
                state.time_left.saturating_sub(since.elapsed()).saturating_add(earned);
            state.time_left = state.time_left.min(UNREAD);
            if state.phase == Phase::Idle {
                state.since = Instant::now();
            }
        }
    }

    /// The client accepts nothing for now.
    pub(super) fn stalled(&self) {
        self.state().stalled.get_or_insert_with(Instant::now);
    }

    /// Everything is written.
    pub(super) fn flushed(&self) {
        let mut state = self.state();
        if matches!(state.phase, Phase::Idle | Phase::Head) {
            state.answering = false;
        }
    }

    /// Whether what is written answers a request that a handler got. If not, it is hyper's own
    /// answer to a head that it could not read.
    pub(super) fn is_answering(&self) -> bool {
        self.state().answering
    }

    /// Whether it counts as a socket.
    pub(super) fn is_socket(&self) -> bool {
        matches!(self.state().phase, Phase::Upgrading | Phase::Socket)
    }

    /// Whether it is a socket and will stay one.
    pub(super) fn is_open_socket(&self) -> bool {
        self.state().phase == Phase::Socket
    }

    pub(super) fn is_stalled(&self) -> bool {
        self.state().stalled.is_some()
    }

    /// Whether a head has begun and is not complete.
    pub(super) fn is_in_head(&self) -> bool {
        self.state().phase == Phase::Head
    }

    /// Whether the client has used up its time.
    pub(super) fn is_overdue(&self, now: Instant) -> bool {
        let state = self.state();
        let waited = now.saturating_duration_since(state.since);
        match (state.stalled, state.phase) {
            (_, Phase::Socket) => false,
            (Some(since), _) => now.saturating_duration_since(since) > state.time_left,
            (None, Phase::Idle) => waited > IDLE,
            (None, Phase::Head) => waited > HEAD,
            (None, Phase::Working | Phase::Upgrading) => false,
        }
    }

    /// Since when the server waits for the client, and whether the client ever sent a request;
    /// `None` while the client waits for the server. A connection on which the server waits can be
    /// closed without losing a request.
    pub(super) fn waits_since(&self, now: Instant) -> Option<(bool, Instant)> {
        let state = self.state();
        match (state.stalled, state.phase) {
            (_, Phase::Socket) => None,
            (Some(since), _) => {
                (now.saturating_duration_since(since) >= STALLED).then_some((state.served, since))
            }
            (None, Phase::Idle | Phase::Head) => {
                let waited = now.saturating_duration_since(state.since);
                (state.served || waited >= FRESH).then_some((state.served, state.since))
            }
            (None, Phase::Working | Phase::Upgrading) => None,
        }
    }

    /// Asks the connection's task to end, if it may be cut.
    pub(super) fn call(&self) {
        self.called.notify_one();
    }

    /// Waits until the connection is called and may be cut. Only the connection's task changes what
    /// this depends on, so no request can come in between.
    pub(super) async fn cut(&self) {
        loop {
            self.called.notified().await;
            if self.waits_since(Instant::now()).is_some() {
                return;
            }
        }
    }

    /// A panic while it is held cannot leave it half-changed.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn enter(&mut self, phase: Phase) {
        self.phase = phase;
        self.since = Instant::now();
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use tokio::time::advance;

    use super::*;

    fn connection() -> ClientConnection {
        ClientConnection::new(1, Ipv4Addr::LOCALHOST.into(), false)
    }

    async fn pass(seconds: u64) -> Instant {
        advance(Duration::from_secs(seconds)).await;
        Instant::now()
    }

    #[tokio::test(start_paused = true)]
    async fn an_idle_connection_may_wait_longer_than_a_head() {
        let connection = connection();
        assert!(!connection.is_overdue(pass(129).await));
        assert!(connection.is_overdue(pass(2).await));
        connection.read();
        assert!(!connection.is_overdue(pass(29).await));
        connection.read();
        assert!(connection.is_overdue(pass(2).await), "one byte at a time buys nothing");
        connection.requested();
        assert!(!connection.is_overdue(pass(1_000).await), "it is ours to answer");
        assert_eq!(connection.waits_since(Instant::now()), None);
        connection.answered();
        assert!(!connection.is_overdue(pass(129).await));
        assert!(connection.is_overdue(pass(2).await));
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_may_be_unread_for_30_s_and_read_at_4_kib_a_second() {
        let connection = connection();
        connection.requested();
        connection.stalled();
        assert!(!connection.is_overdue(pass(29).await));
        connection.stalled();
        assert!(connection.is_overdue(pass(2).await));

        // At the slowest allowed rate: for ever.
        let connection = self::connection();
        connection.requested();
        for _ in 0..100 {
            connection.stalled();
            assert!(!connection.is_overdue(pass(10).await));
            connection.written(40 * 1024);
        }
        // Half of that: not for much longer than half a minute.
        let mut lasted = 0;
        loop {
            connection.stalled();
            if connection.is_overdue(pass(10).await) {
                break;
            }
            connection.written(20 * 1024);
            lasted += 10;
        }
        assert!((30..=60).contains(&lasted), "{lasted}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_socket_is_left_to_itself() {
        let connection = connection();
        connection.requested();
        connection.upgrading();
        connection.upgraded();
        connection.answered();
        connection.stalled();
        assert!(!connection.is_overdue(pass(10_000).await));
        assert_eq!(connection.waits_since(Instant::now()), None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_is_heeded_only_while_the_server_waits() {
        let connection = connection();
        connection.requested();
        connection.call();
        assert!(futures_util::FutureExt::now_or_never(connection.cut()).is_none());
        connection.answered();
        connection.call();
        connection.cut().await;
    }
}
