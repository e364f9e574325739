//! Hashing and checking passwords off the runtime, in a bounded queue. The formats are in `hashes`;
//! what a password must be like is in `domain::password`.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Semaphore;

use crate::domain::error::{Error, Result};

use super::hashes;

/// How many may wait for a turn before the rest is turned away: at 20 ms each on two cores, the
/// last of them waits some three seconds.
const WAITING_MAX: usize = 256;

/// Hashes and checks passwords, as many at a time as there are cores.
#[derive(Debug)]
pub struct Passwords {
    turns: Arc<Semaphore>,
    /// Bounds the queue before the semaphore, and so memory and waiting time.
    waiting: AtomicUsize,
    /// Checked where there is no user, so that it takes as long as where there is one.
    decoy: String,
}

impl Passwords {
    /// Makes the decoy hash, so it takes as long as a login.
    pub fn new() -> Result<Self> {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Ok(Self {
            turns: Arc::new(Semaphore::new(cores)),
            waiting: AtomicUsize::new(0),
            decoy: hashes::hash("nobody's password")?,
        })
    }

    /// Hashes a password for keeping. [`Error::Unavailable`] where too many are waiting.
    pub async fn hash(&self, password: &str) -> Result<String> {
        let password = password.to_owned();
        self.run(move || hashes::hash(&password)).await?
    }

    /// Whether the password is the one that `encoded` was made of. Without an `encoded`, or with
    /// one that no password can match, it is not, after the same work.
    pub async fn verify(&self, password: &str, encoded: Option<&str>) -> Result<bool> {
        let (password, decoy) = (password.to_owned(), self.decoy.clone());
        let encoded = encoded.unwrap_or_default().to_owned();
        self.run(move || {
            hashes::verify(&password, &encoded).unwrap_or_else(|| {
                hashes::verify(&password, &decoy);
                false
            })
        })
        .await
    }

    async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
        let _waiting = Waiting::enter(&self.waiting)?;
        let turn = Arc::clone(&self.turns).acquire_owned().await.map_err(Error::internal)?;
        tokio::task::spawn_blocking(move || {
            // Held by the work itself: a client that goes away does not free its turn early.
            let _turn = turn;
            work()
        })
        .await
        .map_err(Error::internal)
    }
}

/// A place in the queue, given back when dropped.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn enter(count: &'a AtomicUsize) -> Result<Self> {
        let place = Self(count);
        if count.fetch_add(1, Ordering::Relaxed) >= WAITING_MAX {
            return Err(Error::Unavailable("too many passwords are being checked".into()));
        }
        Ok(place)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_full_queue_turns_away() {
        let passwords = Passwords::new().expect("made");
        passwords.waiting.store(WAITING_MAX, Ordering::Relaxed);
        let refused = passwords.verify("x", None).await;
        assert!(matches!(refused, Err(Error::Unavailable(_))), "{refused:?}");
        assert_eq!(passwords.waiting.load(Ordering::Relaxed), WAITING_MAX, "and leaves no trace");
    }
}
