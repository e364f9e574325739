//! How the workers that commit many requests in one transaction deal with a batch that fails as a whole. Knows
//! nothing of what the requests are.

use std::sync::Arc;

use crate::domain::error::{Error, Result};
use crate::store::error::is_conflict;

/// How often a batch is tried that deadlocks.
const TRIES: usize = 3;

/// Commits a batch by `attempt`, one transaction. If that fails as a whole although the database is available, one of
/// the requests must be the cause: they are tried one by one, so that only that one fails. The outcomes are in the
/// order of the requests.
pub(super) async fn commit<R: Clone, T, F>(
    requests: Vec<R>,
    attempt: impl Fn(Arc<[R]>) -> F,
) -> Vec<Result<T>>
where
    F: Future<Output = Result<Vec<Result<T>>>>,
{
    if requests.is_empty() {
        return Vec::new();
    }
    let requests: Arc<[R]> = requests.into();
    match attempt_again(&requests, &attempt).await {
        Ok(outcomes) => outcomes,
        Err(Error::Internal(cause)) if requests.len() > 1 => {
            tracing::warn!(cause, size = requests.len(), "batch failed; retrying one by one");
            let mut outcomes = Vec::with_capacity(requests.len());
            for request in &*requests {
                let alone = attempt_again(&[request.clone()].into(), &attempt).await;
                let missing = || Err(Error::internal("a request without an outcome"));
                outcomes.push(alone.and_then(|mut one| one.pop().unwrap_or_else(missing)));
            }
            outcomes
        }
        Err(error) => requests.iter().map(|_| Err(error.again())).collect(),
    }
}

/// One transaction, retried where a deadlock ended it.
async fn attempt_again<R, T, F>(
    requests: &Arc<[R]>,
    attempt: &impl Fn(Arc<[R]>) -> F,
) -> Result<Vec<Result<T>>>
where
    F: Future<Output = Result<Vec<Result<T>>>>,
{
    for _ in 1..TRIES {
        match attempt(Arc::clone(requests)).await {
            Err(Error::Unavailable(cause)) if is_conflict(&cause) => {}
            outcome => return outcome,
        }
    }
    attempt(Arc::clone(requests)).await
}
