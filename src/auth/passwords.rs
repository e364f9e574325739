//! Hashes and checks passwords on blocking threads, a few at a time and shared fairly among addresses. The
//! formats are in `hashes`, the rules for new passwords in `domain::password`.

use std::time::Duration;

use crate::domain::error::{Error, Result};
use crate::shares::{FairSemaphore, Holder, PermitLoad};

use super::hashes::{self, HashCost};

/// Timeout for a core. At 20 ms each on two cores, a thousand passwords are checked in this time.
const WAIT: Duration = Duration::from_secs(10);

/// Hashes and checks passwords, as many at a time as there are cores.
#[derive(Debug)]
pub struct Passwords {
    /// An address may use every core while no other needs one. An address that floods the server with
    /// logins delays others by one hash.
    cores: FairSemaphore,
    /// Checked when there is no such user, so that the answer takes as long as if there were one.
    decoy: String,
    cost: HashCost,
}

impl Passwords {
    /// Computes the decoy hash, which takes as long as a login.
    pub fn new(cost: HashCost) -> Result<Self> {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Ok(Self {
            cores: FairSemaphore::new("passwords", u32::try_from(cores).unwrap_or(1), cores, WAIT),
            decoy: hashes::hash("nobody's password", cost)?,
            cost,
        })
    }

    /// Hashes a password for storing. Like [`Passwords::verify`], returns [`Error::Unavailable`] after waiting
    /// for ten seconds.
    pub async fn hash(&self, holder: Holder, password: &str) -> Result<String> {
        let password = password.to_owned();
        let cost = self.cost;
        self.run(holder, move || hashes::hash(&password, cost)).await?
    }

    /// Hashes in progress, and requests that wait.
    pub fn load(&self) -> PermitLoad {
        self.cores.load()
    }

    /// Whether a hash has the format and cost of new ones. If not, it is replaced at the next login, when the
    /// password is known, as Django does.
    pub fn is_current(&self, encoded: &str) -> bool {
        self.cost.is_of(encoded)
    }

    /// Whether the password matches the hash `encoded`. If there is none, or one that no password can match,
    /// it does not, after the same work.
    pub async fn verify(
        &self,
        holder: Holder,
        password: &str,
        encoded: Option<&str>,
    ) -> Result<bool> {
        let (password, decoy) = (password.to_owned(), self.decoy.clone());
        let encoded = encoded.unwrap_or_default().to_owned();
        self.run(holder, move || {
            hashes::verify(&password, &encoded).unwrap_or_else(|| {
                hashes::verify(&password, &decoy);
                false
            })
        })
        .await
    }

    async fn run<T: Send + 'static>(
        &self,
        holder: Holder,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T> {
        let core = self.cores.acquire(holder).await?;
        tokio::task::spawn_blocking(move || {
            // Held by the blocking work: if the client disconnects, the core is still in use.
            let _turn = core;
            work()
        })
        .await
        .map_err(Error::internal)
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use futures_util::future::{Either, join_all, select};

    use super::*;

    #[tokio::test]
    async fn a_flood_from_one_address_does_not_delay_others() {
        let passwords = Passwords::new(HashCost::default()).expect("made");
        let at = |last| Holder::at(Ipv4Addr::new(192, 0, 2, last).into());
        let flood = (0..100).map(|_| passwords.verify(at(1), "x", None));
        let other = std::pin::pin!(async {
            // Behind the flood, which is polled first.
            tokio::task::yield_now().await;
            passwords.verify(at(2), "x", None).await
        });
        match select(join_all(flood), other).await {
            Either::Left(_) => panic!("the flood was served first"),
            Either::Right((answer, _)) => assert!(!answer.expect("served")),
        }
    }
}
