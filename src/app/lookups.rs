//! Look-ups that arrive together become one query: what a group commit is for writing. Nothing is kept: a
//! query begins after all who share it have asked, so no answer is older than its question. Who asks alone
//! runs their own query, since to wake another task for it would cost more than the rest of a small request.

use std::collections::HashMap;
use std::hash::Hash;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::try_join_all;
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, StreamExt};
use tokio::sync::{Notify, mpsc, oneshot};
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
pub struct Lookup<K, V> {
    questions: mpsc::Sender<Question<K, V>>,
    asking: Arc<Asking>,
}

/// The questions that wait for [`answer`].
#[derive(Debug)]
pub struct Waiting<K, V> {
    questions: mpsc::Receiver<Question<K, V>>,
    asking: Arc<Asking>,
}

/// Who asks at present.
#[derive(Debug, Default)]
struct Asking {
    now: Mutex<AskingNow>,
    /// Notified when somebody's own query has ended and others ask.
    ended: Notify,
}

#[derive(Debug, Default)]
struct AskingNow {
    count: usize,
    /// When the query began that somebody runs for themselves.
    alone_since: Option<Instant>,
}

/// Counts somebody as asking until it is dropped.
struct Asker<'a> {
    asking: &'a Asking,
    is_alone: bool,
}

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

/// What waits for [`answer`], of each kind.
#[derive(Debug)]
#[expect(missing_docs, reason = "as in Lookups")]
pub struct Questions {
    pub sessions: Waiting<SessionId, Live>,
    pub entries: Waiting<UserId, Entry>,
    pub standings: Waiting<UserId, Standing>,
    pub users: Waiting<UserId, User>,
    pub elsewhere: Waiting<UserId, Vec<NodePresence>>,
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
        !self.sessions.questions.is_closed()
    }
}

impl<K: Copy + Eq + Hash, V> Lookup<K, V> {
    fn new() -> (Self, Waiting<K, V>) {
        let (questions, receiver) = mpsc::channel(WAITING);
        let asking = Arc::<Asking>::default();
        let waiting = Waiting { questions: receiver, asking: Arc::clone(&asking) };
        (Self { questions, asking }, waiting)
    }

    /// The values of a few keys, read from now on: with `alone`, if nobody else asks.
    /// [`Error::Unavailable`] if too many wait.
    pub async fn find<F>(
        &self,
        keys: Vec<K>,
        alone: impl FnOnce(Vec<K>) -> F,
    ) -> Result<HashMap<K, V>>
    where
        F: Future<Output = Result<HashMap<K, V>>>,
    {
        let asker = self.asking.begin();
        if asker.is_alone {
            return alone(keys).await;
        }
        let found = try_join_all(keys.iter().map(|key| self.ask(*key))).await?;
        Ok(keys.into_iter().zip(found).filter_map(|(key, value)| Some((key, value?))).collect())
    }

    async fn ask(&self, key: K) -> Result<Option<V>> {
        let (answer, answered) = oneshot::channel();
        self.questions
            .try_send(Question { key, answer })
            .map_err(|_| Error::Unavailable("the queue of look-ups is full or closed".into()))?;
        answered.await.unwrap_or_else(|_| Err(Error::internal("a look-up was dropped")))
    }
}

impl Asking {
    fn begin(&self) -> Asker<'_> {
        let mut now = self.now();
        let is_alone = now.count == 0;
        now.count += 1;
        if is_alone {
            now.alone_since = Some(Instant::now());
        }
        Asker { asking: self, is_alone }
    }

    fn alone_since(&self) -> Option<Instant> {
        self.now().alone_since
    }

    fn now(&self) -> MutexGuard<'_, AskingNow> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Asker<'_> {
    fn drop(&mut self) {
        let mut now = self.asking.now();
        now.count -= 1;
        if self.is_alone {
            now.alone_since = None;
            if now.count > 0 {
                self.asking.ended.notify_one();
            }
        }
    }
}

/// Answers questions with `find`, which gets many keys at a time, for as long as somebody can ask.
pub async fn answer<K, V, F>(waiting: Waiting<K, V>, find: impl Fn(Vec<K>) -> F)
where
    K: Copy + Eq + Hash,
    V: Clone,
    F: Future<Output = Result<HashMap<K, V>>>,
{
    let Waiting { mut questions, asking } = waiting;
    let mut waiting = Vec::new();
    let mut running = FuturesUnordered::new();
    let mut started = Instant::now();
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        if !waiting.is_empty() {
            // A query that somebody runs for themselves counts like one of ours.
            let alone = asking.alone_since();
            let count = running.len() + usize::from(alone.is_some());
            let last = alone.map_or(started, |alone| alone.max(started));
            if count == 0 || count < AT_ONCE && last.elapsed() >= PATIENCE {
                started = Instant::now();
                running.push(answer_all(std::mem::take(&mut waiting), &find));
            }
        }
        let room = BATCH - waiting.len();
        tokio::select! {
            biased;
            taken = questions.recv_many(&mut waiting, room), if room > 0 => if taken == 0 {
                return;
            },
            Some(()) = running.next() => {}
            () = asking.ended.notified(), if !waiting.is_empty() => {}
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
