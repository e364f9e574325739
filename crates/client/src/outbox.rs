//! Requests over the socket. Each is sent again, in order, on every new connection until its `ack` or
//! `error` arrives. The outbox does no I/O: it says what to write, and is given the answers.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::backoff::Backoff;
use crate::errors::{ApiError, Error, Result};
use crate::frames::Frame;

/// The most requests in flight. The server stops reading at 64. Staying below that avoids a deadlock
/// in which each side waits for the other to read.
const MAX_IN_FLIGHT: usize = 32;
/// Backoff of a request that was rate limited or met a busy server.
const BACKOFF_BASE: Duration = Duration::from_millis(200);
const BACKOFF_CAP: Duration = Duration::from_secs(10);

/// What a handle asks of its connection.
#[derive(Debug)]
pub(crate) enum Command {
    /// Send this until it is answered.
    Request(Value, AnswerSender),
    /// Send this now, or drop it if there is no connection.
    Ephemeral(String),
    /// Close the connection.
    Close,
}

/// Receives a request's `ack`, or why there is none.
pub(crate) type AnswerSender = oneshot::Sender<Result<Value>>;

/// Requests without an answer, by number. Numbers grow, so their order is the order of the requests.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    last: u64,
    pending: BTreeMap<u64, Pending>,
}

#[derive(Debug)]
struct Pending {
    frame: Value,
    answer: AnswerSender,
    state: State,
    backoff: Backoff,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum State {
    /// To be sent, not before this time.
    Due(Instant),
    /// Sent at this time.
    InFlight(Instant),
}

impl Outbox {
    /// Adds a request.
    pub(crate) fn add(&mut self, mut frame: Value, answer: AnswerSender, now: Instant) {
        self.last += 1;
        frame["id"] = self.last.into();
        let backoff = Backoff::new(BACKOFF_BASE, BACKOFF_CAP);
        self.pending.insert(self.last, Pending { frame, answer, state: State::Due(now), backoff });
    }

    /// The frames to write now. Requests that nobody waits for are dropped, unless they are in flight.
    pub(crate) fn due(&mut self, now: Instant) -> Vec<String> {
        let abandoned = |p: &Pending| matches!(p.state, State::Due(_)) && p.answer.is_closed();
        self.pending.retain(|_, pending| !abandoned(pending));
        let free = MAX_IN_FLIGHT.saturating_sub(self.in_flight());
        let is_due = |p: &&mut Pending| matches!(p.state, State::Due(at) if at <= now);
        let due = self.pending.values_mut().filter(is_due).take(free);
        due.map(|pending| {
            pending.state = State::InFlight(now);
            pending.frame.to_string()
        })
        .collect()
    }

    /// Takes an `ack` or `error`.
    pub(crate) fn answered(&mut self, frame: Frame, now: Instant) {
        match frame {
            Frame::Ack(id, body) => self.finish(id, Ok(body)),
            Frame::Error(Some(id), error) if error.kind.is_transient() => {
                self.postpone(id, &error, now)
            }
            Frame::Error(Some(id), error) => self.finish(id, Err(error.into())),
            _ => {}
        }
    }

    /// The connection is lost: everything has to be sent again.
    pub(crate) fn disconnected(&mut self, now: Instant) {
        for pending in self.pending.values_mut() {
            if matches!(pending.state, State::InFlight(_)) {
                pending.state = State::Due(now);
            }
        }
    }

    /// Fails every request: there will be no further connection.
    pub(crate) fn fail(&mut self, error: &Error) {
        for (_, pending) in std::mem::take(&mut self.pending) {
            // The caller may have dropped its future.
            drop(pending.answer.send(Err(error.clone())));
        }
    }

    /// How many requests are sent and not answered.
    pub(crate) fn in_flight(&self) -> usize {
        self.pending.values().filter(|p| matches!(p.state, State::InFlight(_))).count()
    }

    /// When the next request may be sent, if another may be in flight.
    pub(crate) fn next_due(&self) -> Option<Instant> {
        if self.in_flight() >= MAX_IN_FLIGHT {
            return None;
        }
        let due = self.pending.values().filter_map(|pending| match pending.state {
            State::Due(at) => Some(at),
            State::InFlight(_) => None,
        });
        due.min()
    }

    /// When the oldest request in flight was sent.
    pub(crate) fn oldest_in_flight(&self) -> Option<Instant> {
        let sent = self.pending.values().filter_map(|pending| match pending.state {
            State::InFlight(at) => Some(at),
            State::Due(_) => None,
        });
        sent.min()
    }

    fn postpone(&mut self, id: u64, error: &ApiError, now: Instant) {
        if let Some(pending) = self.pending.get_mut(&id) {
            let delay = error.retry_after.unwrap_or_default() + pending.backoff.next_delay();
            pending.state = State::Due(now + delay);
        }
    }

    fn finish(&mut self, id: u64, result: Result<Value>) {
        if let Some(pending) = self.pending.remove(&id) {
            // The caller may have dropped its future.
            drop(pending.answer.send(result));
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::errors::ErrorKind;

    fn error(id: u64, kind: ErrorKind, seconds: u64) -> Frame {
        let error = ApiError {
            kind,
            status: None,
            detail: String::new(),
            code: None,
            errors: BTreeMap::new(),
            retry_after: Some(Duration::from_secs(seconds)),
            request_id: None,
        };
        Frame::Error(Some(id), error)
    }

    fn add(outbox: &mut Outbox, now: Instant) -> oneshot::Receiver<Result<Value>> {
        let (answer, answered) = oneshot::channel();
        outbox.add(json!({}), answer, now);
        answered
    }

    #[tokio::test]
    async fn only_unanswered_requests_are_sent_again() {
        let (mut outbox, now) = (Outbox::default(), Instant::now());
        let (first, mut second) = (add(&mut outbox, now), add(&mut outbox, now));
        assert_eq!(outbox.due(now), [r#"{"id":1}"#, r#"{"id":2}"#]);
        assert!(outbox.due(now).is_empty());
        outbox.answered(Frame::Ack(1, json!(7)), now);
        assert_eq!(first.await.expect("answered").expect("acked"), 7);
        outbox.disconnected(now);
        assert_eq!(outbox.due(now), [r#"{"id":2}"#]);
        assert!(second.try_recv().is_err(), "unanswered");
        outbox.fail(&Error::SessionEnded);
        assert!(matches!(second.await.expect("answered"), Err(Error::SessionEnded)));
    }

    #[tokio::test]
    async fn a_transient_error_is_retried_and_any_other_is_final() {
        let (mut outbox, now) = (Outbox::default(), Instant::now());
        let answered = add(&mut outbox, now);
        outbox.due(now);
        outbox.answered(error(1, ErrorKind::Throttled, 3), now);
        assert!(outbox.due(now + Duration::from_secs(2)).is_empty());
        let due = outbox.next_due().expect("postponed");
        assert_eq!(outbox.due(due).len(), 1);
        outbox.answered(error(1, ErrorKind::Conflict, 0), due);
        assert_eq!(
            answered.await.expect("answered").expect_err("refused").kind(),
            Some(ErrorKind::Conflict)
        );
    }

    #[tokio::test]
    async fn the_number_of_requests_in_flight_is_bounded() {
        let (mut outbox, now) = (Outbox::default(), Instant::now());
        let answers: Vec<_> = (0..100).map(|_| add(&mut outbox, now)).collect();
        assert_eq!(outbox.due(now).len(), MAX_IN_FLIGHT);
        outbox.answered(Frame::Ack(1, json!(null)), now);
        assert_eq!(outbox.due(now), [r#"{"id":33}"#]);
        drop(answers);
        outbox.disconnected(now);
        assert!(outbox.due(now).is_empty(), "abandoned by their callers");
    }
}
