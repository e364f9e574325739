//! A session's tokens, renewed in time and by one caller at a time: a refresh token is good once.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use tokio::sync::{Mutex, OwnedMutexGuard, watch};
use tokio::time::Instant;

use crate::errors::{Error, Result};

/// An access token is renewed when this part of its life is left.
const LEFT: f64 = 0.2;

/// What proves a session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenPair {
    /// Goes with every request.
    pub access: String,
    /// Buys the next pair, once. Whoever stores tokens has to store the newest one.
    pub refresh: String,
}

/// The pair that is good now.
#[derive(Debug)]
pub(crate) struct Tokens {
    pair: watch::Sender<TokenPair>,
    /// Held by the one who renews; when the access token is to be renewed, where that is known.
    due: Arc<Mutex<Option<Instant>>>,
}

/// What an access token says of itself; it is the server who checks it.
#[derive(Deserialize)]
struct Claims {
    iat: u64,
    exp: u64,
}

impl Tokens {
    /// `fresh`: they were issued just now. Of others it is not known how long they are good, since
    /// this clock may differ from the server's.
    pub(crate) fn new(pair: TokenPair, fresh: bool) -> Self {
        let due = if fresh { due(&pair.access) } else { None };
        Self { pair: watch::Sender::new(pair), due: Arc::new(Mutex::new(due)) }
    }

    /// Tells of every new pair.
    pub(crate) fn watch(&self) -> watch::Receiver<TokenPair> {
        self.pair.subscribe()
    }

    /// An access token that is good as far as is known. `renew` buys a pair for a refresh token.
    pub(crate) async fn access<P: Purchase>(
        &self,
        renew: impl FnOnce(String) -> P,
    ) -> Result<String> {
        let due_at = Arc::clone(&self.due).lock_owned().await;
        if due_at.is_some_and(|due| due <= Instant::now()) {
            match self.buy(due_at, renew).await {
                // It may still be good for a while.
                Ok(()) | Err(Error::Network(_) | Error::Refused(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(self.pair.borrow().access.clone())
    }

    /// The same, where the server has refused `spent`: renews it, unless another caller has.
    pub(crate) async fn instead_of<P: Purchase>(
        &self,
        spent: &str,
        renew: impl FnOnce(String) -> P,
    ) -> Result<String> {
        let due_at = Arc::clone(&self.due).lock_owned().await;
        if self.pair.borrow().access == spent {
            self.buy(due_at, renew).await?;
        }
        Ok(self.pair.borrow().access.clone())
    }

    /// Sees a purchase to its end even where who asked for it goes away meanwhile: the refresh token
    /// is spent then, and its successor would be lost, with the session.
    async fn buy<P: Purchase>(
        &self,
        mut due_at: OwnedMutexGuard<Option<Instant>>,
        renew: impl FnOnce(String) -> P,
    ) -> Result<()> {
        let pair = self.pair.clone();
        let purchase = renew(pair.borrow().refresh.clone());
        #[expect(clippy::disallowed_methods, reason = "clients have no App to spawn by")]
        let bought = tokio::spawn(async move {
            let bought = purchase.await?;
            *due_at = due(&bought.access);
            pair.send_replace(bought);
            Ok(())
        });
        bought.await.unwrap_or_else(|error| Err(Error::Network(error.to_string())))
    }
}

/// Ends with the pair that was bought.
pub(crate) trait Purchase: Future<Output = Result<TokenPair>> + Send + 'static {}

impl<P: Future<Output = Result<TokenPair>> + Send + 'static> Purchase for P {}

/// When a token that was issued just now is to be renewed.
fn due(access: &str) -> Option<Instant> {
    let claims = URL_SAFE_NO_PAD.decode(access.split('.').nth(1)?).ok()?;
    let Claims { iat, exp } = serde_json::from_slice(&claims).ok()?;
    let life = Duration::from_secs(exp.checked_sub(iat)?);
    Instant::now().checked_add(life.mul_f64(1.0 - LEFT))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::sync::oneshot;

    use super::*;

    fn pair(number: usize, life: u64) -> TokenPair {
        let claims = format!(r#"{{"iat": 1000, "exp": {}, "number": {number}}}"#, 1000 + life);
        let access = format!("h.{}.s", URL_SAFE_NO_PAD.encode(claims));
        TokenPair { access, refresh: format!("refresh {number}") }
    }

    #[tokio::test(start_paused = true)]
    async fn a_token_is_renewed_before_it_ends_and_only_then() {
        let tokens = Tokens::new(pair(1, 100), true);
        let renew = |refresh: String| async move {
            assert_eq!(refresh, "refresh 1");
            Ok(pair(2, 100))
        };
        tokio::time::advance(Duration::from_secs(79)).await;
        assert_eq!(tokens.access(renew).await.expect("good"), pair(1, 100).access);
        tokio::time::advance(Duration::from_secs(2)).await;
        assert_eq!(tokens.access(renew).await.expect("good"), pair(2, 100).access);
        assert_eq!(tokens.access(renew).await.expect("good"), pair(2, 100).access);
    }

    #[tokio::test]
    async fn those_who_are_refused_at_once_renew_once() {
        let tokens = Tokens::new(pair(1, 100), false);
        let bought = Arc::new(AtomicUsize::new(1));
        let renew = |_| {
            let bought = Arc::clone(&bought);
            async move {
                tokio::task::yield_now().await;
                Ok(pair(bought.fetch_add(1, Ordering::Relaxed) + 1, 100))
            }
        };
        let spent = pair(1, 100).access;
        let ask = || tokens.instead_of(&spent, renew);
        let (a, b, c) = tokio::join!(ask(), ask(), ask());
        for token in [a, b, c] {
            assert_eq!(token.expect("good"), pair(2, 100).access);
        }
        assert_eq!(bought.load(Ordering::Relaxed), 2, "one was bought");
    }

    #[tokio::test(start_paused = true)]
    async fn an_ended_session_is_told_and_a_lost_answer_is_not_taken_for_one() {
        let tokens = Tokens::new(pair(1, 10), true);
        tokio::time::advance(Duration::from_secs(9)).await;
        let lost = |_| async { Err(Error::Network("gone".to_owned())) };
        assert_eq!(tokens.access(lost).await.expect("still good"), pair(1, 10).access);
        let ended = |_| async { Err(Error::SessionEnded) };
        assert!(matches!(tokens.access(ended).await, Err(Error::SessionEnded)));
    }

    #[tokio::test]
    async fn what_is_bought_is_kept_although_the_buyer_went_away() {
        let tokens = Tokens::new(pair(1, 100), false);
        let (deliver, delivery) = oneshot::channel();
        let spent = pair(1, 100).access;
        let buyer = tokens.instead_of(&spent, |_| async { Ok(delivery.await.expect("a pair")) });
        tokio::select! {
            biased;
            _ = buyer => panic!("nothing is delivered yet"),
            () = tokio::task::yield_now() => {}
        }
        deliver.send(pair(2, 100)).expect("somebody still waits for it");
        let unwanted = |_| async { Err(Error::SessionEnded) };
        let next = tokens.instead_of(&spent, unwanted).await;
        assert_eq!(next.expect("good"), pair(2, 100).access);
    }
}
