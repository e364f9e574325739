//! Look-ups that arrive together become one query: what a group commit is for writing. Nothing is kept: a
//! query begins after all who share it have asked, so no answer is older than its question.

use std::collections::HashMap;
use std::hash::Hash;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures_util::future::try_join_all;
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, StreamExt};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::domain::error::{Error, Result};
use crate::domain::ids::{SessionId, UserId};
use crate::domain::user::User;
use crate::store::connecting::{Entry, Standing};
use crate::store::presence::NodePresence;
use crate::store::sessions::Live;

/// Most questions in one query.
const BATCH: usize = 256;
/// Questions that may wait; more are refused with 503.
const WAITING: usize = 8_192;
/// A query that takes longer does not hold up those who asked later: they get a query of their own. A
/// database nearby answers sooner; with one far away, queries overlap.
const PATIENCE: Duration = Duration::from_millis(1);
/// How often this is checked while nobody asks.
const TICK: Duration = Duration::from_millis(20);
/// Most queries at once. Each takes a connection, which others need too.
const AT_ONCE: usize = 4;

/// Where to ask. [`answer`] answers.
#[derive(Debug)]
pub struct Lookup<K, V>(mpsc::Sender<Question<K, V>>);

/// A question that waits for its query.
#[derive(Debug)]
pub struct Question<K, V> {
    key: K,
    /// Dropped without an answer only if the query panics, or the node stops.
    answer: oneshot::Sender<Result<Option<V>>>,
}

/// What is looked up like this.
#[derive(Debug)]
pub struct Lookups {
    /// Live sessions, by each request.
    pub sessions: Lookup<SessionId, Live>,
    /// What a new connection has to know first.
    pub entries: Lookup<UserId, Entry>,
    /// What a new connection has to know last.
    pub standings: Lookup<UserId, Standing>,
    /// Users, such as the peers of a new connection.
    pub users: Lookup<UserId, User>,
    /// Their connections to other nodes.
    pub elsewhere: Lookup<UserId, Vec<NodePresence>>,
}

/// The questions that wait for [`answer`].
#[derive(Debug)]
#[expect(missing_docs, reason = "as in Lookups")]
pub struct Questions {
    pub sessions: mpsc::Receiver<Question<SessionId, Live>>,
    pub entries: mpsc::Receiver<Question<UserId, Entry>>,
    pub standings: mpsc::Receiver<Question<UserId, Standing>>,
    pub users: mpsc::Receiver<Question<UserId, User>>,
    pub elsewhere: mpsc::Receiver<Question<UserId, Vec<NodePresence>>>,
}

impl Lookups {
    pub(super) fn new() -> (Self, Questions) {
        let (sessions, of_sessions) = Lookup::new();
        let (entries, of_entries) = Lookup::new();
        let (standings, of_standings) = Lookup::new();
        let (users, of_users) = Lookup::new();
        let (elsewhere, of_elsewhere) = Lookup::new();
        let questions = Questions {
            sessions: of_sessions,
            entries: of_entries,
            standings: of_standings,
            users: of_users,
            elsewhere: of_elsewhere,
        };
        (Self { sessions, entries, standings, users, elsewhere }, questions)
    }

    /// Whether somebody answers: not where a command runs, and not after the node has stopped.
    pub fn are_answered(&self) -> bool {
        !self.sessions.0.is_closed()
    }
}

impl<K, V> Lookup<K, V> {
    fn new() -> (Self, mpsc::Receiver<Question<K, V>>) {
        let (questions, receiver) = mpsc::channel(WAITING);
        (Self(questions), receiver)
    }

    /// The value of a key, read from now on. [`Error::Unavailable`] if too many wait.
    pub async fn find(&self, key: K) -> Result<Option<V>> {
        let (answer, answered) = oneshot::channel();
        self.0
            .try_send(Question { key, answer })
            .map_err(|_| Error::Unavailable("the queue of look-ups is full or closed".into()))?;
        answered.await.unwrap_or_else(|_| Err(Error::internal("a look-up was dropped")))
    }

    /// The values of a few keys, each as [`Self::find`] finds it.
    pub async fn find_all(&self, keys: &[K]) -> Result<Vec<Option<V>>>
    where
        K: Copy,
    {
        try_join_all(keys.iter().map(|key| self.find(*key))).await
    }
}

/// Answers questions with `find`, which gets many keys at a time, for as long as somebody can ask.
pub async fn answer<K, V, F>(
    mut questions: mpsc::Receiver<Question<K, V>>,
    find: impl Fn(Vec<K>) -> F,
) where
    K: Copy + Eq + Hash,
    V: Clone,
    F: Future<Output = Result<HashMap<K, V>>>,
{
    let mut waiting = Vec::new();
    let mut running = FuturesUnordered::new();
    let mut started = Instant::now();
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let may_start =
            running.is_empty() || running.len() < AT_ONCE && started.elapsed() >= PATIENCE;
        if may_start && !waiting.is_empty() {
            started = Instant::now();
            running.push(answer_all(std::mem::take(&mut waiting), &find));
        }
        let room = BATCH - waiting.len();
        tokio::select! {
            biased;
            taken = questions.recv_many(&mut waiting, room), if room > 0 => if taken == 0 {
                return;
            },
            Some(()) = running.next() => {}
            _ = ticks.tick(), if !waiting.is_empty() => {}
        }
    }
}

async fn answer_all<K, V, F>(questions: Vec<Question<K, V>>, find: impl Fn(Vec<K>) -> F)
where
    K: Copy + Eq + Hash,
    V: Clone,
    F: Future<Output = Result<HashMap<K, V>>>,
{
    let keys = questions.iter().map(|question| question.key).collect();
    // The hook has logged a panic's own message; dropping the questions answers those who asked.
    let Ok(found) = AssertUnwindSafe(async { find(keys).await }).catch_unwind().await else {
        return;
    };
    for Question { key, answer } in questions {
        let found = found.as_ref().map(|found| found.get(&key).cloned());
        // Who has hung up needs no answer.
        answer.send(found.map_err(Error::again)).ok();
    }
}

#[cfg(test)]
#[path = "lookups_tests.rs"]
mod tests;
