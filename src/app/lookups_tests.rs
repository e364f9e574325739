//! Tests of look-ups that share queries, in virtual time and without a database.

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::future::join_all;
use tokio::sync::Semaphore;
use tokio::task::{JoinHandle, yield_now};

use super::*;

/// Look-ups of which each query waits for a permit, and whose values are the query's number and size.
struct Scene {
    lookups: Lookup<u32, (usize, usize)>,
    permits: Arc<Semaphore>,
    worker: JoinHandle<()>,
}

impl Scene {
    fn new() -> Self {
        let (lookups, questions) = Lookup::new();
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
