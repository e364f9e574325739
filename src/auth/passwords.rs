//! Password hashes: Argon2id in Django's format, off the runtime and bounded. What a password must
//! be like is in `domain::password`.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use argon2::{Algorithm, Argon2, Params, Version};
use tokio::sync::Semaphore;

use crate::domain::error::{Error, Result};

/// Django's name for the algorithm, before the hash itself (`argon2$argon2id$v=19$…`).
const PREFIX: &str = "argon2";
/// OWASP's first choice: 19 MiB, two passes, one lane. About 20 ms of one core.
const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;
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
            decoy: hash("nobody's password")?,
        })
    }

    /// Hashes a password for keeping. [`Error::Unavailable`] where too many are waiting.
    pub async fn hash(&self, password: &str) -> Result<String> {
        let password = password.to_owned();
        self.run(move || hash(&password)).await?
    }

    /// Whether the password is the one that `encoded` was made of. Without an `encoded` it is not,
    /// after the same work.
    pub async fn verify(&self, password: &str, encoded: Option<&str>) -> Result<bool> {
        let known = encoded.is_some();
        let password = password.to_owned();
        let encoded = encoded.unwrap_or(&self.decoy).to_owned();
        Ok(self.run(move || verify(&password, &encoded)).await? && known)
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

fn argon2id() -> Result<Argon2<'static>> {
    let params = Params::new(MEMORY_KIB, PASSES, 1, None).map_err(Error::internal)?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

fn hash(password: &str) -> Result<String> {
    let phc = argon2id()?.hash_password(password.as_bytes()).map_err(Error::internal)?;
    Ok(format!("{PREFIX}{phc}"))
}

fn verify(password: &str, encoded: &str) -> bool {
    // The PHC string keeps its own leading dollar: "argon2" + "$argon2id$v=19$…".
    encoded
        .strip_prefix(PREFIX)
        .is_some_and(|phc| Argon2::default().verify_password(password.as_bytes(), phc).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_djangos_argon2_format_and_verify() {
        let encoded = hash("пароль 🐈").expect("hashed");
        assert!(encoded.starts_with("argon2$argon2id$v=19$m=19456,t=2,p=1$"), "{encoded}");
        assert!(verify("пароль 🐈", &encoded));
        assert!(!verify("пароль", &encoded));
        assert!(!verify("", "!unusable"));
    }

    #[test]
    fn a_hash_that_django_made_verifies() {
        let vectors = include_str!("../../tests/data/django_hashes.json");
        let vectors: Vec<serde_json::Value> = serde_json::from_str(vectors).expect("JSON");
        let argon2: Vec<_> = vectors
            .iter()
            .filter_map(|v| Some((v["password"].as_str()?, v["encoded"].as_str()?)))
            .filter(|(_, encoded)| encoded.starts_with("argon2$"))
            .collect();
        assert!(!argon2.is_empty());
        for (password, encoded) in argon2 {
            assert!(verify(password, encoded), "{encoded}");
            assert!(!verify(&format!("{password}x"), encoded), "{encoded}");
        }
    }

    #[tokio::test]
    async fn a_full_queue_turns_away() {
        let passwords = Passwords::new().expect("made");
        passwords.waiting.store(WAITING_MAX, Ordering::Relaxed);
        let refused = passwords.verify("x", None).await;
        assert!(matches!(refused, Err(Error::Unavailable(_))), "{refused:?}");
        assert_eq!(passwords.waiting.load(Ordering::Relaxed), WAITING_MAX, "and leaves no trace");
    }
}
