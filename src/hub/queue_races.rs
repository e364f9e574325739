//! Short races between producers and the socket's task on real threads. Whatever the interleaving, no frame is
//! left in the queue without waking the task, and a close wakes it, also during a write. The loops try many
//! interleavings, not all.

use std::thread;
use std::time::Duration;

use tokio::time::timeout;

use super::*;

const ROUNDS: usize = 1_000;
const PRODUCERS: usize = 2;
const FRAMES: usize = 20;
/// Longer than any round takes.
const DEADLINE: Duration = Duration::from_secs(10);

fn frame(version: usize) -> Frame {
    let version = Version(i64::try_from(version).expect("small"));
    Frame::of_chat(ChatId(1), version, "{}".into())
}

/// Starts producers, runs the socket's task against them, and waits for both.
fn race(queue: &Queue, produce: impl Fn() + Send + Copy, task: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
    let runtime = runtime.expect("a runtime");
    thread::scope(|scope| {
        for _ in 0..PRODUCERS {
            scope.spawn(produce);
        }
        let finished = runtime.block_on(async { timeout(DEADLINE, task).await });
        finished.unwrap_or_else(|_| panic!("missed a wake-up: {queue:?}"));
    });
}

#[test]
fn no_frame_is_left_in_the_queue() {
    for round in 0..ROUNDS {
        let queue = Queue::new(1 << 20);
        race(&queue, || (0..FRAMES).for_each(|version| queue.push(frame(version))), async {
            let mut taken = 0;
            while taken < PRODUCERS * FRAMES {
                // As in a `select!` in which another branch is ready: the wait is cancelled.
                let next = if round.is_multiple_of(2) {
                    timeout(Duration::ZERO, queue.next()).await.unwrap_or_default()
                } else {
                    queue.next().await
                };
                taken += next.frames.len();
            }
        });
    }
}

#[test]
fn a_close_is_noticed_during_a_write_and_after_it() {
    for _ in 0..ROUNDS {
        let queue = Queue::new(1 << 20);
        race(
            &queue,
            || {
                (0..FRAMES).for_each(|version| queue.push(frame(version)));
                queue.close(Closing::SessionEnded);
            },
            async {
                queue.wait_closing().await;
                assert_eq!(queue.next().await.closing, Some(Closing::SessionEnded));
            },
        );
    }
}

/// The limit is so small that each push overflows, until the consumer counts as too slow.
#[test]
fn a_slow_consumer_is_closed_though_it_waits_only_for_that() {
    for _ in 0..ROUNDS {
        let queue = Queue::new(OVERHEAD);
        race(&queue, || (0..FRAMES).for_each(|version| queue.push(frame(version))), async {
            queue.wait_closing().await
        });
        assert_eq!(queue.take().closing, Some(Closing::TooSlow));
    }
}
