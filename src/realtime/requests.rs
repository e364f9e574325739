//! The requests of one socket in progress. Each runs as a task of its own, so that it releases what
//! it holds (a database connection, locks, permits) even while the peer reads nothing. Knows no
//! frame and no socket.

use std::pin::Pin;

use futures_util::FutureExt;
use tokio_util::task::AbortOnDropHandle;

use crate::actions::live::LiveSocket;
use crate::app::App;
use crate::hub::replies::Weight;

/// A request that has not begun. It returns the reply, if there is one.
pub(super) struct Work {
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
    parked: Option<Work>,
}

impl<'a> Requests<'a> {
    pub(super) fn new(app: &'a App, socket: &'a LiveSocket) -> Self {
        Self { app, socket, heavy: None, parked: None }
    }

    /// Whether to read frames. If not, the peer has to wait, and costs no more memory. Any change
    /// of this wakes the queue.
    pub(super) fn may_read(&self) -> bool {
        self.parked.is_none() && self.socket.queue().has_room()
    }

    /// Begins a request, or parks it.
    pub(super) fn begin(&mut self, work: Work) {
        if work.weight == Weight::Heavy && self.socket.queue().is_heavy() {
            self.parked = Some(work);
        } else {
            self.run(work);
        }
    }

    /// Begins the parked request if no heavy request is in progress.
    pub(super) fn go_on(&mut self) {
        if !self.socket.queue().is_heavy()
            && let Some(work) = self.parked.take()
        {
            self.run(work);
        }
    }

    fn run(&mut self, Work { weight, run }: Work) {
        let place = self.socket.begin(weight);
        let mut task = Box::pin(async move { place.reply(run.await) });
        // Polls the request once right away, so that requests take their turn in the order of their
        // frames.
        if (&mut task).now_or_never().is_some() {
            return;
        }
        let handle = self.app.spawn(task);
        if weight == Weight::Heavy {
            self.heavy = Some(AbortOnDropHandle::new(handle));
        }
    }
}
