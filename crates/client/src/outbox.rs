//! Requests over the socket: each waits for its `ack` or `error`, and is sent again, in the old
//! order, by every new connection. It knows no socket: it is asked what to write.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::backoff::Backoff;
use crate::errors::{Error, Refusal, Result};
use crate::frames::Frame;

/// Most requests that are under way. The server stops reading at 64; as long as it reads all of
/// them, neither side can wait for the other.
const UNDER_WAY: usize = 32;
/// The first wait before a request that came at a bad time is sent again, and the longest.
const WAITS: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(10));

/// Requests without an answer.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    last: u64,
    waiting: BTreeMap<u64, Waiting>,
}

/// Gets a request's `ack`, or why there is none.
pub(crate) type Answer = oneshot::Sender<Result<Value>>;

#[derive(Debug)]
struct Waiting {
    frame: Value,
    answer: Answer,
    state: State,
    backoff: Backoff,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum State {
    /// To be sent, not before then.
    Due(Instant),
    /// Sent then.
    Sent(Instant),
}

impl Outbox {
    /// Adds a request.
    pub(crate) fn add(&mut self, mut frame: Value, answer: Answer, now: Instant) {
        self.last += 1;
        frame["id"] = self.last.into();
        let backoff = Backoff::new(WAITS.0, WAITS.1);
        self.waiting.insert(self.last, Waiting { frame, answer, state: State::Due(now), backoff });
    }

    /// What to write now. Whoever waits no longer is forgotten.
    pub(crate) fn due(&mut self, now: Instant) -> Vec<String> {
        let abandoned = |w: &Waiting| matches!(w.state, State::Due(_)) && w.answer.is_closed();
        self.waiting.retain(|_, waiting| !abandoned(waiting));
        let free = UNDER_WAY.saturating_sub(self.under_way());
        let is_due = |w: &&mut Waiting| matches!(w.state, State::Due(at) if at <= now);
        let due = self.waiting.values_mut().filter(is_due).take(free);
        due.map(|waiting| {
            waiting.state = State::Sent(now);
            waiting.frame.to_string()
        })
        .collect()
    }

    /// Takes an `ack` or `error`.
    pub(crate) fn answered(&mut self, frame: Frame, now: Instant) {
        match frame {
            Frame::Ack(id, body) => self.finish(id, Ok(body)),
            Frame::Refused(Some(id), refusal) if refusal.kind.passes() => {
                self.put_off(id, &refusal, now)
            }
            Frame::Refused(Some(id), refusal) => self.finish(id, Err(refusal.into())),
            _ => {}
        }
    }

    /// The connection is gone: everything is to be sent again.
    pub(crate) fn disconnected(&mut self, now: Instant) {
        for waiting in self.waiting.values_mut() {
            if matches!(waiting.state, State::Sent(_)) {
                waiting.state = State::Due(now);
            }
        }
    }

    /// There will be no connection any more.
    pub(crate) fn end(&mut self, error: &Error) {
        for (_, waiting) in std::mem::take(&mut self.waiting) {
            // Nobody may be waiting for it.
            drop(waiting.answer.send(Err(error.clone())));
        }
    }

    /// How many were sent and are not answered.
    pub(crate) fn under_way(&self) -> usize {
        self.waiting.values().filter(|w| matches!(w.state, State::Sent(_))).count()
    }

    /// When the first of those that were put off is due.
    pub(crate) fn next_due(&self) -> Option<Instant> {
        if self.under_way() >= UNDER_WAY {
            return None;
        }
        let due = self.waiting.values().filter_map(|waiting| match waiting.state {
            State::Due(at) => Some(at),
            State::Sent(_) => None,
        });
        due.min()
    }

    /// Since when the server has left a request unanswered.
    pub(crate) fn oldest(&self) -> Option<Instant> {
        let sent = self.waiting.values().filter_map(|waiting| match waiting.state {
            State::Sent(at) => Some(at),
            State::Due(_) => None,
        });
        sent.min()
    }

    fn put_off(&mut self, id: u64, refusal: &Refusal, now: Instant) {
        if let Some(waiting) = self.waiting.get_mut(&id) {
            let wait = refusal.retry_after.unwrap_or_default() + waiting.backoff.next_wait();
            waiting.state = State::Due(now + wait);
        }
    }

    fn finish(&mut self, id: u64, result: Result<Value>) {
        if let Some(waiting) = self.waiting.remove(&id) {
            // Nobody may be waiting for it.
            drop(waiting.answer.send(result));
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::errors::Kind;

    fn refused(id: u64, kind: Kind, seconds: u64) -> Frame {
        let refusal = Refusal {
            kind,
            status: None,
            detail: String::new(),
            errors: BTreeMap::new(),
            retry_after: Some(Duration::from_secs(seconds)),
            request_id: None,
        };
        Frame::Refused(Some(id), refusal)
    }

    fn add(outbox: &mut Outbox, now: Instant) -> oneshot::Receiver<Result<Value>> {
        let (answer, answered) = oneshot::channel();
        outbox.add(json!({}), answer, now);
        answered
    }

    #[tokio::test]
    async fn what_is_not_answered_is_sent_again_and_what_is_is_not() {
        let (mut outbox, now) = (Outbox::default(), Instant::now());
        let (first, mut second) = (add(&mut outbox, now), add(&mut outbox, now));
        assert_eq!(outbox.due(now), [r#"{"id":1}"#, r#"{"id":2}"#]);
        assert!(outbox.due(now).is_empty());
        outbox.answered(Frame::Ack(1, json!(7)), now);
        assert_eq!(first.await.expect("answered").expect("acked"), 7);
        outbox.disconnected(now);
        assert_eq!(outbox.due(now), [r#"{"id":2}"#]);
        assert!(second.try_recv().is_err(), "it waits");
        outbox.end(&Error::SessionEnded);
        assert!(matches!(second.await.expect("answered"), Err(Error::SessionEnded)));
    }

    #[tokio::test]
    async fn a_bad_moment_is_waited_out_and_a_refusal_is_final() {
        let (mut outbox, now) = (Outbox::default(), Instant::now());
        let answered = add(&mut outbox, now);
        outbox.due(now);
        outbox.answered(refused(1, Kind::Throttled, 3), now);
        assert!(outbox.due(now + Duration::from_secs(2)).is_empty());
        let due = outbox.next_due().expect("put off");
        assert_eq!(outbox.due(due).len(), 1);
        outbox.answered(refused(1, Kind::Conflict, 0), due);
        assert_eq!(
            answered.await.expect("answered").expect_err("refused").kind(),
            Some(Kind::Conflict)
        );
    }

    #[tokio::test]
    async fn no_more_are_under_way_than_the_server_reads() {
        let (mut outbox, now) = (Outbox::default(), Instant::now());
        let answers: Vec<_> = (0..100).map(|_| add(&mut outbox, now)).collect();
        assert_eq!(outbox.due(now).len(), UNDER_WAY);
        outbox.answered(Frame::Ack(1, json!(null)), now);
        assert_eq!(outbox.due(now), [r#"{"id":33}"#]);
        drop(answers);
        outbox.disconnected(now);
        assert!(outbox.due(now).is_empty(), "nobody waits for them any more");
    }
}
