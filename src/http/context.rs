//! What is known of a request while it is answered: its id, and its user once authenticated. Written
//! by the middleware and by `caller`, read for the log, the answer, and the user's share of uploads.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use crate::domain::ids::UserId;

/// A request's id and user, shared by everything that handles the request.
#[derive(Clone, Debug)]
pub(super) struct Context(Arc<ContextInner>);

#[derive(Debug)]
struct ContextInner {
    request_id: String,
    /// 0 until a user is authenticated.
    user: AtomicI64,
}

impl Context {
    pub(super) fn new(request_id: String) -> Self {
        Self(Arc::new(ContextInner { request_id, user: AtomicI64::new(0) }))
    }

    pub(super) fn request_id(&self) -> &str {
        &self.0.request_id
    }

    pub(super) fn set_user(&self, user: UserId) {
        self.0.user.store(user.0, Ordering::Relaxed);
    }

    pub(super) fn user(&self) -> Option<UserId> {
        let id = self.0.user.load(Ordering::Relaxed);
        (id != 0).then_some(UserId(id))
    }
}
