//! The bounded queues to the workers, whose entries carry a channel for the answer. What the workers do
//! with them is in `actions::committer`, `actions::markers` and `actions::reactions`.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, timeout};

use crate::domain::error::{Error, Result};
use crate::domain::ids::{ChatId, UserId};
use crate::domain::message::{Message, NewMessage};
use crate::domain::reactions::ReactionChange;
use crate::domain::receipt::Markers;
use crate::hub::bus::worker::BusWorker;
use crate::store::markers::MemberMarkers;
use crate::traces::TraceOrigin;

use super::lookups::Questions;

/// Sends that may wait for one committer; more are refused with 503.
const SENDS_WAITING: usize = 2_048;
/// Reactions that may wait; more are refused with 503.
const REACTIONS_WAITING: usize = 2_048;
/// Marker moves that may wait; more are refused with 503.
const MARKERS_WAITING: usize = 8_192;

/// The workers' ends of the queues.
#[derive(Debug)]
pub struct Workers {
    /// One queue per committer.
    pub sends: Vec<mpsc::Receiver<PendingSend>>,
    /// Reactions.
    pub reactions: mpsc::Receiver<PendingReaction>,
    /// Marker moves.
    pub markers: mpsc::Receiver<PendingMarkers>,
    /// Look-ups.
    pub questions: Questions,
    /// The connection to NATS, where there is a bus.
    pub bus: Option<BusWorker>,
}

fn waiting<T>(queue: &mpsc::Sender<T>) -> (usize, usize) {
    let limit = queue.max_capacity();
    (limit - queue.capacity(), limit)
}

/// Waits for a worker's answer. After the timeout the outcome is unknown: the worker may still commit.
pub async fn answered<T>(within: Duration, answer: oneshot::Receiver<Result<T>>) -> Result<T> {
    match timeout(within, answer).await {
        Ok(Ok(outcome)) => outcome,
        Ok(Err(_)) => Err(Error::OutcomeUnknown("the worker dropped it".into())),
        Err(_) => Err(Error::OutcomeUnknown("the worker did not answer in time".into())),
    }
}

/// A send that waits for a committer.
#[derive(Debug)]
pub struct PendingSend {
    /// The message.
    pub message: NewMessage,
    /// When it was queued. One that has waited for too long is refused.
    pub since: Instant,
    /// The request that sends it.
    pub origin: TraceOrigin,
    /// Answered after the commit. Dropped without an answer only if the committer panics.
    pub answer: oneshot::Sender<Result<Sent>>,
}

/// The outcome of a send.
#[derive(Debug)]
pub struct Sent {
    /// The message, as committed.
    pub message: Arc<Message>,
    /// False where an earlier send with the same `client_id` created it.
    pub created: bool,
}

/// Bounded queues to the committers. All sends of a chat go to the same one, in order.
#[derive(Debug)]
pub struct SendQueue(Vec<mpsc::Sender<PendingSend>>);

impl SendQueue {
    pub(super) fn new(committers: usize) -> (Self, Vec<mpsc::Receiver<PendingSend>>) {
        let (senders, receivers) = (0..committers).map(|_| mpsc::channel(SENDS_WAITING)).unzip();
        (Self(senders), receivers)
    }

    /// Queues a send without waiting, so sends are committed in the order of the calls.
    /// [`Error::Unavailable`] where the queue is full.
    pub fn push(&self, message: NewMessage) -> Result<oneshot::Receiver<Result<Sent>>> {
        let (answer, answered) = oneshot::channel();
        self.of(message.chat)
            .try_send(PendingSend {
                message,
                since: Instant::now(),
                origin: TraceOrigin::current(),
                answer,
            })
            .map_err(|_| Error::Unavailable("the committer's queue is full or closed".into()))?;
        Ok(answered)
    }

    /// How many sends wait, and for how many there is room, for all committers together.
    pub fn waiting(&self) -> (usize, usize) {
        let counts = self.0.iter().map(waiting);
        counts.fold((0, 0), |(all, limits), (depth, limit)| (all + depth, limits + limit))
    }

    fn of(&self, chat: ChatId) -> &mpsc::Sender<PendingSend> {
        &self.0[usize::try_from(chat.0.unsigned_abs()).unwrap_or_default() % self.0.len()]
    }
}

/// A reaction that waits for the worker.
#[derive(Debug)]
pub struct PendingReaction {
    /// What is to change.
    pub change: ReactionChange,
    /// When it was queued. One that has waited for too long is refused.
    pub since: Instant,
    /// Answered after the commit, with the message as it was then.
    pub answer: oneshot::Sender<Result<Arc<Message>>>,
}

/// The bounded queue to the worker that writes reactions.
#[derive(Debug)]
pub struct ReactionQueue(mpsc::Sender<PendingReaction>);

impl ReactionQueue {
    pub(super) fn new() -> (Self, mpsc::Receiver<PendingReaction>) {
        let (sender, receiver) = mpsc::channel(REACTIONS_WAITING);
        (Self(sender), receiver)
    }

    /// Queues a reaction without waiting, so that a user's reactions are committed in the order of the calls.
    /// [`Error::Unavailable`] where the queue is full.
    pub fn push(&self, change: ReactionChange) -> Result<oneshot::Receiver<Result<Arc<Message>>>> {
        let (answer, answered) = oneshot::channel();
        self.0
            .try_send(PendingReaction { change, since: Instant::now(), answer })
            .map_err(|_| Error::Unavailable("the queue of reactions is full or closed".into()))?;
        Ok(answered)
    }

    /// How many reactions wait, and for how many there is room.
    pub fn waiting(&self) -> (usize, usize) {
        waiting(&self.0)
    }
}

/// A move of a member's markers that waits for the worker.
#[derive(Debug)]
pub struct PendingMarkers {
    chat: ChatId,
    user: UserId,
    /// The new markers.
    pub markers: Markers,
    /// Answered after the commit, with the markers as they are then.
    pub answer: oneshot::Sender<Result<MemberMarkers>>,
}

impl PendingMarkers {
    /// The member.
    pub fn member(&self) -> (ChatId, UserId) {
        (self.chat, self.user)
    }
}

/// The bounded queue to the worker that moves markers.
#[derive(Debug)]
pub struct MarkerQueue(mpsc::Sender<PendingMarkers>);

impl MarkerQueue {
    pub(super) fn new() -> (Self, mpsc::Receiver<PendingMarkers>) {
        let (sender, receiver) = mpsc::channel(MARKERS_WAITING);
        (Self(sender), receiver)
    }

    /// How many moves wait, and for how many there is room.
    pub fn waiting(&self) -> (usize, usize) {
        waiting(&self.0)
    }

    /// Queues a move. [`Error::Unavailable`] where the queue is full.
    pub fn push(
        &self,
        chat: ChatId,
        user: UserId,
        markers: Markers,
    ) -> Result<oneshot::Receiver<Result<MemberMarkers>>> {
        let (answer, answered) = oneshot::channel();
        self.0
            .try_send(PendingMarkers { chat, user, markers, answer })
            .map_err(|_| Error::Unavailable("the queue of markers is full or closed".into()))?;
        Ok(answered)
    }
}
