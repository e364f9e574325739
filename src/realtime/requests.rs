//! The requests in progress of one socket. Each runs as a task of its own, so that it releases its database
//! connection, locks and permits even while the peer does not read. Knows no frame and no transport.

use std::pin::Pin;

use futures_util::FutureExt;
use tokio_util::task::AbortOnDropHandle;

use crate::actions::live::LiveSocket;
use crate::app::App;
use crate::hub::replies::Weight;

/// A request that has not begun. It returns the reply, if there is one.
pub(super) struct SocketRequest {
    pub(super) weight: Weight,
    pub(super) run: Pin<Box<dyn Future<Output = Option<String>> + Send>>,
}

/// The requests of a socket.
pub(super) struct Requests<'a> {
    app: &'a App,
    socket: &'a LiveSocket,
    /// The last heavy request. It only reads, and is aborted when the socket closes. Light requests
    /// run to their end.
    heavy: Option<AbortOnDropHandle<()>>,
    /// A heavy request that arrived while another one was in progress.
    parked: Option<SocketRequest>,
    /// See [`Self::may_read`].
    may_read: bool,
}

impl<'a> Requests<'a> {
    pub(super) fn new(app: &'a App, socket: &'a LiveSocket) -> Self {
        Self { app, socket, heavy: None, parked: None, may_read: true }
    }

    /// Whether to read frames. If not, the peer has to wait, and costs no more memory. As of the last call of
    /// another method: whatever changes it wakes the queue.
    pub(super) fn may_read(&self) -> bool {
        self.may_read
    }

    /// Begins a request, or parks it.
    pub(super) fn begin(&mut self, request: SocketRequest) {
        if request.weight == Weight::Heavy && self.socket.queue().is_heavy() {
            self.parked = Some(request);
        } else {
            self.run(request);
        }
        self.look_for_room();
    }

    /// Begins the parked request if no heavy request is in progress. Called after the queue has changed.
    pub(super) fn go_on(&mut self) {
        if self.parked.is_some()
            && !self.socket.queue().is_heavy()
            && let Some(request) = self.parked.take()
        {
            self.run(request);
        }
        self.look_for_room();
    }

    fn look_for_room(&mut self) {
        self.may_read = self.parked.is_none() && self.socket.queue().has_room();
    }

    fn run(&mut self, SocketRequest { weight, run }: SocketRequest) {
        let in_progress = self.socket.begin(weight);
        let mut task = Box::pin(async move { in_progress.reply(run.await) });
        // Polled once at once, so that requests take their first step in the order of their frames.
        if (&mut task).now_or_never().is_some() {
            return;
        }
        let handle = self.app.spawn(task);
        if weight == Weight::Heavy {
            self.heavy = Some(AbortOnDropHandle::new(handle));
        }
    }
}
