//! Tests of look-ups that share queries, in virtual time and without a database.

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::future::join_all;
use tokio::sync::Semaphore;
use tokio::task::{JoinHandle, yield_now};
use tokio::time::advance;

use super::*;

/// The number and the size of the query that found it.
type Found = (usize, usize);

/// Look-ups of which each query waits for a permit.
struct Scene {
    lookups: Lookup<u32, Found>,
    database: Arc<Database>,
    worker: JoinHandle<()>,
}

struct Database {
    permits: Semaphore,
    queries: AtomicUsize,
}

impl Database {
    async fn query(self: Arc<Self>, keys: Vec<u32>) -> Result<HashMap<u32, Found>> {
        let number = self.queries.fetch_add(1, Ordering::Relaxed) + 1;
        assert!(!keys.contains(&0), "zero");
        if keys.contains(&7) {
            pending::<()>().await;
        }
        self.permits.acquire().await.expect("open").forget();
        let known = keys.iter().filter(|key| **key < 100);
        match keys.contains(&13) {
            true => Err(Error::Unavailable("thirteen".into())),
            false => Ok(known.map(|key| (*key, (number, keys.len()))).collect()),
        }
    }
}

impl Scene {
    fn new() -> Self {
        let (lookups, waiting) = Lookup::new();
        let database =
            Arc::new(Database { permits: Semaphore::new(0), queries: AtomicUsize::new(0) });
        let node = Arc::clone(&database);
        #[expect(clippy::disallowed_methods, reason = "there is no App")]
        let worker = tokio::spawn(answer(waiting, move |keys| Arc::clone(&node).query(keys)));
        Self { lookups, database, worker }
    }

    async fn find(&self, key: u32) -> Result<Option<Found>> {
        let alone = |keys| Arc::clone(&self.database).query(keys);
        Ok(self.lookups.find(vec![key], alone).await?.remove(&key))
    }

    /// Lets so many queries end.
    async fn run(&self, queries: usize) {
        self.database.permits.add_permits(queries);
        yield_now().await;
    }
}

#[tokio::test(start_paused = true)]
async fn those_who_ask_during_a_query_share_the_next_one() {
    let scene = Scene::new();
    let later = async {
        yield_now().await;
        let shared = async { join_all([2, 3, 2, 999].map(|key| scene.find(key))).await };
        let run = async {
            yield_now().await;
            scene.run(1).await;
            // The next query begins when the first one has ended, even if that was not the worker's.
            yield_now().await;
            scene.run(1).await;
        };
        tokio::join!(shared, run).0
    };
    let (first, later) = tokio::join!(scene.find(1), later);
    assert_eq!(first.expect("found"), Some((1, 1)));
    let later: Vec<_> = later.into_iter().map(|one| one.expect("answered")).collect();
    // None of them has the first query's answer, which may be older than their questions.
    assert_eq!(later, [Some((2, 4)), Some((2, 4)), Some((2, 4)), None]);
}

#[tokio::test(start_paused = true)]
async fn who_asks_alone_needs_nobody_to_answer() {
    let scene = Scene::new();
    scene.worker.abort();
    scene.run(2).await;
    assert_eq!(scene.find(1).await.expect("found"), Some((1, 1)));
    assert_eq!(scene.find(2).await.expect("found"), Some((2, 1)));
}

#[tokio::test(start_paused = true)]
async fn a_query_that_hangs_holds_nobody_up() {
    let scene = Scene::new();
    scene.run(2).await;
    let mut alone = Box::pin(scene.find(7));
    assert!(futures_util::poll!(&mut alone).is_pending());
    let mut shared = Box::pin(scene.find(7));
    assert!(futures_util::poll!(&mut shared).is_pending());
    advance(2 * TICK).await;
    yield_now().await;
    assert_eq!(scene.find(2).await.expect("found"), Some((3, 1)));
    drop(alone);
    assert_eq!(scene.find(3).await.expect("found"), Some((4, 1)));
    assert!(futures_util::poll!(&mut shared).is_pending());
}

#[tokio::test(start_paused = true)]
async fn who_hangs_up_or_causes_a_failure_leaves_no_harm() {
    let scene = Scene::new();
    // Somebody else asks, so all these are shared.
    let mut hangs = Box::pin(scene.find(7));
    assert!(futures_util::poll!(&mut hangs).is_pending());
    scene.run(4).await;
    let mut dropped = Box::pin(scene.find(1));
    assert!(futures_util::poll!(&mut dropped).is_pending());
    let mut found = Box::pin(scene.find(2));
    assert!(futures_util::poll!(&mut found).is_pending());
    drop(dropped);
    assert_eq!(found.await.expect("found"), Some((2, 2)));

    let (one, other) = tokio::join!(scene.find(13), scene.find(14));
    assert!(matches!(one, Err(Error::Unavailable(_))), "{one:?}");
    assert!(matches!(other, Err(Error::Unavailable(_))), "{other:?}");
    let panicked = scene.find(0).await;
    assert!(matches!(panicked, Err(Error::Internal(_))), "{panicked:?}");
    assert!(scene.find(5).await.expect("found").is_some());

    scene.worker.abort();
    yield_now().await;
    assert!(scene.find(5).await.is_err(), "nobody is there to answer");
}
