//! A fair semaphore: no user and no address can take all permits or fill the queue. It does not know what
//! a permit is for.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use crate::domain::error::{Error, Result};
use crate::domain::ids::UserId;
use crate::domain::network::block;

/// The user or address that a permit counts for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Holder {
    /// A user who is logged in.
    User(UserId),
    /// An address, or its /64, if nobody is logged in.
    Address(IpAddr),
}

impl Holder {
    /// The holder for an address.
    pub fn at(address: IpAddr) -> Self {
        Self::Address(block(address))
    }
}

/// Permits that several holders compete for.
///
/// Each holder has a queue of its own, and only `share` of its requests at a time go on to the
/// common queue. So a request waits behind at most `share` requests of each other holder, however
/// many these send. A single holder can use all permits if `share` allows it.
#[derive(Debug)]
pub struct FairSemaphore {
    what: &'static str,
    total: u32,
    timeout: Duration,
    permits: Arc<Semaphore>,
    queues: Arc<Queues>,
}

/// Held permits, returned when dropped.
#[derive(Debug)]
pub struct Permit {
    // The order matters: the queue is dropped last, when nothing here holds a part of it any more.
    _permits: OwnedSemaphorePermit,
    _share: OwnedSemaphorePermit,
    _queue: Queue,
}

/// The load of a semaphore.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PermitLoad {
    /// Permits that there are.
    pub limit: usize,
    /// Permits in use.
    pub used: usize,
    /// Requests that wait.
    pub waiting: usize,
}

/// The queues of holders that have or want a permit. Others have none.
#[derive(Debug)]
struct Queues {
    share: usize,
    by_holder: Mutex<HashMap<Holder, HolderQueue>>,
}

#[derive(Debug)]
struct HolderQueue {
    semaphore: Arc<Semaphore>,
    users: usize,
}

impl FairSemaphore {
    /// `total` permits, for at most `share` requests of each holder at a time. A request that waits
    /// longer than `timeout` is refused. `what` names the permits in the log: "pictures".
    pub fn new(what: &'static str, total: u32, share: usize, timeout: Duration) -> Self {
        let permits = Arc::new(Semaphore::new(total as usize));
        let queues = Arc::new(Queues { share, by_holder: Mutex::default() });
        Self { what, total, timeout, permits, queues }
    }

    /// Waits for one permit. [`Error::Unavailable`] after too long a wait.
    pub async fn acquire(&self, holder: Holder) -> Result<Permit> {
        self.acquire_many(holder, 1).await
    }

    /// Waits for `count` permits at once, or for all of them if there are fewer.
    pub async fn acquire_many(&self, holder: Holder, count: u32) -> Result<Permit> {
        let queue = Queue::of(&self.queues, holder);
        let own = Arc::clone(&queue.semaphore);
        let acquired = timeout(self.timeout, async {
            let share = own.acquire_owned().await.map_err(Error::internal)?;
            let count = count.min(self.total);
            let permits = Arc::clone(&self.permits).acquire_many_owned(count).await;
            Ok::<_, Error>((share, permits.map_err(Error::internal)?))
        });
        let (share, permits) = acquired.await.map_err(|_| self.busy())??;
        Ok(Permit { _permits: permits, _share: share, _queue: queue })
    }

    /// Takes one permit without waiting. [`Error::Unavailable`] if none is free or the holder has
    /// its full share.
    pub fn try_acquire(&self, holder: Holder) -> Result<Permit> {
        let queue = Queue::of(&self.queues, holder);
        let share = Arc::clone(&queue.semaphore).try_acquire_owned();
        let permits = Arc::clone(&self.permits).try_acquire_owned();
        match (share, permits) {
            (Ok(share), Ok(permits)) => {
                Ok(Permit { _permits: permits, _share: share, _queue: queue })
            }
            _ => Err(self.busy()),
        }
    }

    /// How many permits are in use, and how many requests wait, if each takes one permit.
    pub fn load(&self) -> PermitLoad {
        let limit = self.total as usize;
        let used = limit.saturating_sub(self.permits.available_permits());
        let by_holder = self.queues.by_holder.lock().unwrap_or_else(PoisonError::into_inner);
        let here: usize = by_holder.values().map(|queue| queue.users).sum();
        PermitLoad { limit, used, waiting: here.saturating_sub(used) }
    }

    fn busy(&self) -> Error {
        Error::Unavailable(format!("too many requests at once: {}", self.what).into())
    }
}

/// A reference to a holder's queue. Dropping the last one removes the queue.
#[derive(Debug)]
struct Queue {
    holder: Holder,
    semaphore: Arc<Semaphore>,
    queues: Arc<Queues>,
}

impl Queue {
    fn of(queues: &Arc<Queues>, holder: Holder) -> Self {
        let mut by_holder = queues.by_holder.lock().unwrap_or_else(PoisonError::into_inner);
        let made = || HolderQueue { semaphore: Arc::new(Semaphore::new(queues.share)), users: 0 };
        let entry = by_holder.entry(holder).or_insert_with(made);
        entry.users += 1;
        let semaphore = Arc::clone(&entry.semaphore);
        Self { holder, semaphore, queues: Arc::clone(queues) }
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        let mut by_holder = self.queues.by_holder.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(entry) = by_holder.get_mut(&self.holder) {
            entry.users -= 1;
            if entry.users == 0 {
                by_holder.remove(&self.holder);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    const TOM: Holder = Holder::User(UserId(1));
    const KITTY: Holder = Holder::User(UserId(2));
    const WAIT: Duration = Duration::from_secs(10);

    fn known(semaphore: &FairSemaphore) -> usize {
        semaphore.queues.by_holder.lock().expect("unharmed").len()
    }

    #[tokio::test(start_paused = true)]
    async fn a_holder_has_its_share_and_others_are_served() {
        let semaphore = FairSemaphore::new("tests", 8, 2, WAIT);
        let _held = [semaphore.acquire(TOM).await, semaphore.acquire(TOM).await];
        assert!(matches!(semaphore.try_acquire(TOM), Err(Error::Unavailable(_))));
        assert!(matches!(semaphore.acquire(TOM).await, Err(Error::Unavailable(_))), "in time");
        for holder in [KITTY, Holder::at(Ipv4Addr::LOCALHOST.into())] {
            semaphore.try_acquire(holder).expect("at once");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_crowd_of_one_holder_lets_others_pass() {
        let semaphore = FairSemaphore::new("tests", 1, 1, WAIT);
        let first = semaphore.acquire(TOM).await.expect("free");
        let crowd = futures_util::future::join_all((0..100).map(|_| semaphore.acquire(TOM)));
        let mut crowd = std::pin::pin!(crowd);
        let mut other = std::pin::pin!(semaphore.acquire(KITTY));
        assert!(futures_util::poll!(&mut crowd).is_pending());
        assert!(futures_util::poll!(&mut other).is_pending());
        drop(first);
        // At most one request of the crowd comes first.
        assert!(futures_util::poll!(&mut crowd).is_pending());
        drop(other.await.expect("soon"));
    }

    #[tokio::test(start_paused = true)]
    async fn large_requests_get_all_there_is_and_leave_no_trace() {
        let semaphore = FairSemaphore::new("tests", 4, 2, WAIT);
        let all = semaphore.acquire_many(TOM, 100).await.expect("all");
        assert!(semaphore.try_acquire(KITTY).is_err());
        assert_eq!(known(&semaphore), 1, "refused holders are forgotten");
        drop(all);
        drop(semaphore.try_acquire(KITTY).expect("free again"));
        assert_eq!(known(&semaphore), 0);
    }
}
