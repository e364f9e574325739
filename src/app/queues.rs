//! The queues to the workers: what waits there, bounded, with where to answer. What is done with it
//! is the workers' business.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, timeout};

use crate::domain::error::{Error, Result};
use crate::domain::ids::{ChatId, UserId};
use crate::domain::message::{Message, NewMessage};
use crate::domain::receipt::Marks;
use crate::hub::bus::worker::BusWorker;
use crate::store::marks::MemberMarks;

/// Sends that may wait for one committer; more are answered 503.
const SENDS_WAITING: usize = 2_048;
/// Marks that may wait; more are answered 503.
const MARKS_WAITING: usize = 8_192;

/// The workers' ends of the queues.
#[derive(Debug)]
pub struct Workers {
    /// A committer's each.
    pub sends: Vec<mpsc::Receiver<PendingSend>>,
    /// Marks that are to move.
    pub marks: mpsc::Receiver<PendingMark>,
    /// The connection to NATS, where there is a bus.
    pub bus: Option<BusWorker>,
}

/// A worker's answer, waited for until it is no use any more. A worker that hangs on the database
/// is not waited for longer than that: what it does then is not known.
pub async fn answered<T>(wait: Duration, answer: oneshot::Receiver<Result<T>>) -> Result<T> {
    match timeout(wait, answer).await {
        Ok(Ok(outcome)) => outcome,
        Ok(Err(_)) => Err(Error::OutcomeUnknown("the worker dropped it".into())),
        Err(_) => Err(Error::OutcomeUnknown("the worker did not answer in time".into())),
    }
}

/// A send on its way to the committer, with where to answer.
#[derive(Debug)]
pub struct PendingSend {
    /// What to send.
    pub message: NewMessage,
    /// When it was queued: nobody waits for ever.
    pub since: Instant,
    /// Answered after the commit; dropped without an answer only if the committer dies.
    pub answer: oneshot::Sender<Result<Sent>>,
}

/// What became of a send.
#[derive(Debug)]
pub struct Sent {
    /// The message, as committed.
    pub message: Arc<Message>,
    /// False where an earlier send under the same `client_id` had made it.
    pub created: bool,
}

/// Bounded queues to the committers: a chat's sends all go to the same one, in order.
#[derive(Debug)]
pub struct SendQueue(Vec<mpsc::Sender<PendingSend>>);

impl SendQueue {
    pub(super) fn new(committers: usize) -> (Self, Vec<mpsc::Receiver<PendingSend>>) {
        let (senders, receivers) = (0..committers).map(|_| mpsc::channel(SENDS_WAITING)).unzip();
        (Self(senders), receivers)
    }

    /// Queues a send, at once: calls in order are committed in order.
    /// [`Error::Unavailable`] where the queue is full.
    pub fn push(&self, message: NewMessage) -> Result<oneshot::Receiver<Result<Sent>>> {
        let (answer, answered) = oneshot::channel();
        self.of(message.chat)
            .try_send(PendingSend { message, since: Instant::now(), answer })
            .map_err(|_| Error::Unavailable("the committer is full, or gone".into()))?;
        Ok(answered)
    }

    fn of(&self, chat: ChatId) -> &mpsc::Sender<PendingSend> {
        &self.0[usize::try_from(chat.0.unsigned_abs()).unwrap_or_default() % self.0.len()]
    }
}

/// Marks on their way to the database.
#[derive(Debug)]
pub struct PendingMark {
    chat: ChatId,
    user: UserId,
    /// How far to move them.
    pub marks: Marks,
    /// Answered after the commit, with where they are then.
    pub answer: oneshot::Sender<Result<MemberMarks>>,
}

impl PendingMark {
    /// Whose, and where.
    pub fn who(&self) -> (ChatId, UserId) {
        (self.chat, self.user)
    }
}

/// A bounded queue to the worker that moves marks.
#[derive(Debug)]
pub struct MarkQueue(mpsc::Sender<PendingMark>);

impl MarkQueue {
    pub(super) fn new() -> (Self, mpsc::Receiver<PendingMark>) {
        let (sender, receiver) = mpsc::channel(MARKS_WAITING);
        (Self(sender), receiver)
    }

    /// Queues marks. [`Error::Unavailable`] where the queue is full.
    pub fn push(
        &self,
        chat: ChatId,
        user: UserId,
        marks: Marks,
    ) -> Result<oneshot::Receiver<Result<MemberMarks>>> {
        let (answer, answered) = oneshot::channel();
        self.0
            .try_send(PendingMark { chat, user, marks, answer })
            .map_err(|_| Error::Unavailable("the queue of marks is full, or gone".into()))?;
        Ok(answered)
    }
}
