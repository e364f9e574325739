//! Look-ups that arrive together become one query: what a group commit is for writing. Nothing is kept: a
//! query begins after all who share it have asked, so no answer is older than its question.

use std::collections::HashMap;
use std::hash::Hash;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, StreamExt};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::domain::error::{Error, Result};

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
pub struct Lookups<K, V>(mpsc::Sender<Question<K, V>>);

/// A question that waits for its query.
#[derive(Debug)]
pub struct Question<K, V> {
    key: K,
    /// Dropped without an answer only if the query panics, or the node stops.
    answer: oneshot::Sender<Result<Option<V>>>,
}

impl<K, V> Lookups<K, V> {
    pub(super) fn new() -> (Self, mpsc::Receiver<Question<K, V>>) {
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
        let may_start = running.is_empty()
            || running.len() < AT_ONCE && started.elapsed() >= PATIENCE;
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
    // The hook has logged a panic's own message; who asked is told when the question is dropped.
    let Ok(found) = AssertUnwindSafe(async { find(keys).await }).catch_unwind().await else { return };
    for Question { key, answer } in questions {
        let found = found.as_ref().map(|found| found.get(&key).cloned());
        // Who has hung up needs no answer.
        answer.send(found.map_err(Error::again)).ok();
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures_util::future::join_all;
    use tokio::sync::Semaphore;
    use tokio::task::{JoinHandle, yield_now};

    use super::*;

    /// Look-ups of which each query waits for a permit, and whose values are the query's number and size.
    struct Scene {
        lookups: Lookups<u32, (usize, usize)>,
        permits: Arc<Semaphore>,
        worker: JoinHandle<()>,
    }

    impl Scene {
        fn new() -> Self {
            let (lookups, questions) = Lookups::new();
            let (permits, queries) = (Arc::new(Semaphore::new(0)), AtomicUsize::new(0));
            let may_run = Arc::clone(&permits);
            #[expect(clippy::disallowed_methods, reason = "there is no App")]
            let worker = tokio::spawn(async move {
                let find = |keys: Vec<u32>| {
                    let number = queries.fetch_add(1, Ordering::Relaxed) + 1;
                    let may_run = Arc::clone(&may_run);
                    async move {
                        assert!(!keys.contains(&0), "zero");
                        if keys.contains(&7) {
                            pending::<()>().await;
                        }
                        may_run.acquire().await.expect("open").forget();
                        let known = keys.iter().filter(|key| **key < 100);
                        match keys.contains(&13) {
                            true => Err(Error::Unavailable("thirteen".into())),
                            false => Ok(known.map(|key| (*key, (number, keys.len()))).collect()),
                        }
                    }
                };
                answer(questions, find).await;
            });
            Self { lookups, permits, worker }
        }

        /// Lets so many queries end.
        async fn run(&self, queries: usize) {
            self.permits.add_permits(queries);
            yield_now().await;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn those_who_ask_during_a_query_share_the_next_one() {
        let scene = Scene::new();
        let find = |key| scene.lookups.find(key);
        let later = async {
            yield_now().await;
            let shared = async { join_all([2, 3, 2, 999].map(find)).await };
            tokio::join!(shared, scene.run(2)).0
        };
        let (first, later) = tokio::join!(find(1), later);
        assert_eq!(first.expect("found"), Some((1, 1)));
        let later: Vec<_> = later.into_iter().map(|one| one.expect("answered")).collect();
        // None of them has the first query's answer, which may be older than their questions.
        assert_eq!(later, [Some((2, 4)), Some((2, 4)), Some((2, 4)), None]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_query_that_hangs_holds_nobody_up() {
        let scene = Scene::new();
        scene.run(1).await;
        let mut hangs = Box::pin(scene.lookups.find(7));
        assert!(futures_util::poll!(&mut hangs).is_pending());
        yield_now().await;
        assert_eq!(scene.lookups.find(2).await.expect("found"), Some((2, 1)));
        assert!(futures_util::poll!(&mut hangs).is_pending());
    }

    #[tokio::test(start_paused = true)]
    async fn who_hangs_up_or_causes_a_failure_leaves_no_harm() {
        let scene = Scene::new();
        scene.run(4).await;
        let mut dropped = Box::pin(scene.lookups.find(1));
        assert!(futures_util::poll!(&mut dropped).is_pending());
        let other = scene.lookups.find(2);
        drop(dropped);
        assert_eq!(other.await.expect("found"), Some((1, 2)));

        let (one, other) = tokio::join!(scene.lookups.find(13), scene.lookups.find(14));
        assert!(matches!(one, Err(Error::Unavailable(_))), "{one:?}");
        assert!(matches!(other, Err(Error::Unavailable(_))), "{other:?}");
        let panicked = scene.lookups.find(0).await;
        assert!(matches!(panicked, Err(Error::Internal(_))), "{panicked:?}");
        assert!(scene.lookups.find(5).await.expect("found").is_some());

        scene.worker.abort();
        yield_now().await;
        assert!(scene.lookups.find(5).await.is_err(), "nobody is there to answer");
    }
}
