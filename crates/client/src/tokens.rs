//! A session's tokens. They are refreshed in time, and by one caller at a time: a refresh token is
//! valid once, and its reuse revokes the session.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use tokio::sync::{Mutex, OwnedMutexGuard, watch};
use tokio::time::Instant;

use crate::errors::{Error, Result};
use crate::types::TokenPair;

/// The share of an access token's lifetime that is left when it is refreshed.
const REFRESH_MARGIN: f64 = 0.2;

/// The current pair, and when to refresh it.
#[derive(Debug)]
pub(crate) struct Tokens {
    pair: watch::Sender<TokenPair>,
    /// When to refresh the access token, if known. Locked during a refresh.
    refresh_at: Arc<Mutex<Option<Instant>>>,
}

/// A session's tokens as they change.
#[derive(Clone, Debug)]
pub struct TokenWatch(watch::Receiver<TokenPair>);

/// The claims of an access token that concern its lifetime. Only the server verifies them.
#[derive(Deserialize)]
struct Claims {
    iat: u64,
    exp: u64,
}

impl Tokens {
    /// Tokens that were issued just now. Their lifetime starts now by this clock, which may differ
    /// from the server's.
    pub(crate) fn issued_now(pair: TokenPair) -> Self {
        let refresh_at = refresh_at(&pair.access);
        Self { pair: watch::Sender::new(pair), refresh_at: Arc::new(Mutex::new(refresh_at)) }
    }

    /// Tokens of unknown age. They are refreshed when the server rejects them.
    pub(crate) fn stored(pair: TokenPair) -> Self {
        Self { pair: watch::Sender::new(pair), refresh_at: Arc::default() }
    }

    pub(crate) fn current(&self) -> TokenPair {
        self.pair.borrow().clone()
    }

    pub(crate) fn watch(&self) -> TokenWatch {
        TokenWatch(self.pair.subscribe())
    }

    /// A valid access token, as far as is known. `refresh` exchanges a refresh token for a pair.
    pub(crate) async fn access<R: Refresh>(
        &self,
        refresh: impl FnOnce(String) -> R,
    ) -> Result<String> {
        let refresh_at = Arc::clone(&self.refresh_at).lock_owned().await;
        if refresh_at.is_some_and(|time| time <= Instant::now()) {
            match self.replace(refresh_at, |pair| refresh(pair.refresh)).await {
                // The old token is still valid for a while.
                Ok(()) | Err(Error::Network(_) | Error::Api(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(self.pair.borrow().access.clone())
    }

    /// A replacement for an access token that the server has rejected. Refreshes it, unless another
    /// caller has done so.
    pub(crate) async fn replace_access<R: Refresh>(
        &self,
        rejected: &str,
        refresh: impl FnOnce(String) -> R,
    ) -> Result<String> {
        let refresh_at = Arc::clone(&self.refresh_at).lock_owned().await;
        if self.pair.borrow().access == rejected {
            self.replace(refresh_at, |pair| refresh(pair.refresh)).await?;
        }
        Ok(self.pair.borrow().access.clone())
    }

    /// Exchanges the pair for another one in some other way than by a refresh.
    pub(crate) async fn exchange<R: Refresh>(
        &self,
        exchange: impl FnOnce(TokenPair) -> R,
    ) -> Result<()> {
        let refresh_at = Arc::clone(&self.refresh_at).lock_owned().await;
        self.replace(refresh_at, exchange).await
    }

    /// Completes an exchange even if the caller's future is dropped: the refresh token is used up
    /// then, and losing its successor would lose the session.
    async fn replace<R: Refresh>(
        &self,
        mut next_refresh: OwnedMutexGuard<Option<Instant>>,
        exchange: impl FnOnce(TokenPair) -> R,
    ) -> Result<()> {
        let pair = self.pair.clone();
        let exchanging = exchange(self.current());
        #[expect(clippy::disallowed_methods, reason = "a client has no App to spawn with")]
        let task = tokio::spawn(async move {
            let successor = exchanging.await?;
            *next_refresh = refresh_at(&successor.access);
            pair.send_replace(successor);
            Ok(())
        });
        task.await.unwrap_or_else(|error| Err(Error::Network(error.to_string())))
    }
}

impl TokenWatch {
    /// The current pair.
    pub fn current(&mut self) -> TokenPair {
        self.0.borrow_and_update().clone()
    }

    /// The next pair, once there is one; `None` when all clones of the client are dropped.
    pub async fn next(&mut self) -> Option<TokenPair> {
        self.0.changed().await.ok()?;
        Some(self.current())
    }
}

/// A refresh in progress.
pub(crate) trait Refresh: Future<Output = Result<TokenPair>> + Send + 'static {}

impl<F: Future<Output = Result<TokenPair>> + Send + 'static> Refresh for F {}

/// When to refresh a token that was issued just now.
fn refresh_at(access: &str) -> Option<Instant> {
    let claims = URL_SAFE_NO_PAD.decode(access.split('.').nth(1)?).ok()?;
    let Claims { iat, exp } = serde_json::from_slice(&claims).ok()?;
    let life = Duration::from_secs(exp.checked_sub(iat)?);
    Instant::now().checked_add(life.mul_f64(1.0 - REFRESH_MARGIN))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::sync::oneshot;

    use super::*;

    fn pair(number: usize, life: u64) -> TokenPair {
        let claims = format!(r#"{{"iat": 1000, "exp": {}, "number": {number}}}"#, 1000 + life);
        let access = format!("h.{}.s", URL_SAFE_NO_PAD.encode(claims));
        TokenPair::new(access, format!("refresh {number}"))
    }

    #[tokio::test(start_paused = true)]
    async fn a_token_is_refreshed_shortly_before_it_expires() {
        let tokens = Tokens::issued_now(pair(1, 100));
        let refresh = |token: String| async move {
            assert_eq!(token, "refresh 1");
            Ok(pair(2, 100))
        };
        tokio::time::advance(Duration::from_secs(79)).await;
        assert_eq!(tokens.access(refresh).await.expect("valid"), pair(1, 100).access);
        tokio::time::advance(Duration::from_secs(2)).await;
        assert_eq!(tokens.access(refresh).await.expect("valid"), pair(2, 100).access);
        assert_eq!(tokens.access(refresh).await.expect("valid"), pair(2, 100).access);
    }

    #[tokio::test]
    async fn concurrent_rejections_cause_one_refresh() {
        let tokens = Tokens::stored(pair(1, 100));
        let issued = Arc::new(AtomicUsize::new(1));
        let refresh = |_| {
            let issued = Arc::clone(&issued);
            async move {
                tokio::task::yield_now().await;
                Ok(pair(issued.fetch_add(1, Ordering::Relaxed) + 1, 100))
            }
        };
        let rejected = pair(1, 100).access;
        let ask = || tokens.replace_access(&rejected, refresh);
        let (a, b, c) = tokio::join!(ask(), ask(), ask());
        for token in [a, b, c] {
            assert_eq!(token.expect("valid"), pair(2, 100).access);
        }
        assert_eq!(issued.load(Ordering::Relaxed), 2, "one refresh");
    }

    #[tokio::test(start_paused = true)]
    async fn an_ended_session_is_an_error_and_a_lost_answer_is_not() {
        let tokens = Tokens::issued_now(pair(1, 10));
        tokio::time::advance(Duration::from_secs(9)).await;
        let lost = |_| async { Err(Error::Network("gone".to_owned())) };
        assert_eq!(tokens.access(lost).await.expect("still valid"), pair(1, 10).access);
        let ended = |_| async { Err(Error::SessionEnded) };
        assert!(matches!(tokens.access(ended).await, Err(Error::SessionEnded)));
    }

    #[tokio::test]
    async fn a_refresh_completes_although_its_caller_is_dropped() {
        let tokens = Tokens::stored(pair(1, 100));
        let (deliver, delivery) = oneshot::channel();
        let rejected = pair(1, 100).access;
        let caller =
            tokens.replace_access(&rejected, |_| async { Ok(delivery.await.expect("a pair")) });
        tokio::select! {
            biased;
            _ = caller => panic!("nothing was delivered"),
            () = tokio::task::yield_now() => {}
        }
        deliver.send(pair(2, 100)).expect("the refresh goes on");
        let unwanted = |_| async { Err(Error::SessionEnded) };
        let next = tokens.replace_access(&rejected, unwanted).await;
        assert_eq!(next.expect("valid"), pair(2, 100).access);
    }
}
