//! Ids in paths. What is not an id is not found, as with Django's `<int:pk>`.

use axum::extract::{FromRequestParts, Path};
use axum::http::request::Parts;

use crate::domain::error::Error;
use crate::domain::ids::{AttachmentId, ChatId, MAX_ID, MessageId, SessionId, UserId};

use super::errors::{ApiError, Result};

/// The id in a path.
#[derive(Debug, Clone, Copy)]
pub(super) struct Id<T>(pub(super) T);

impl<S: Send + Sync, T: From<PathId>> FromRequestParts<S> for Id<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self> {
        let path = Path::<String>::from_request_parts(parts, state).await;
        let Path(text) = path.map_err(|_| Error::NotFound)?;
        Ok(Self(PathId::parse(&text)?.into()))
    }
}

/// The two ids in a path.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ids<A, B>(pub(super) A, pub(super) B);

impl<S: Send + Sync, A: From<PathId>, B: From<PathId>> FromRequestParts<S> for Ids<A, B> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self> {
        let path = Path::<(String, String)>::from_request_parts(parts, state).await;
        let Path((first, second)) = path.map_err(|_| Error::NotFound)?;
        Ok(Self(PathId::parse(&first)?.into(), PathId::parse(&second)?.into()))
    }
}

/// A number that can be an id: 1 to [`MAX_ID`].
#[derive(Debug, Clone, Copy)]
pub(super) struct PathId(i64);

impl PathId {
    pub(super) fn parse(text: &str) -> Result<Self> {
        let digits = text.bytes().all(|byte| byte.is_ascii_digit());
        let id = text.parse().ok().filter(|id| digits && (1..=MAX_ID).contains(id));
        Ok(Self(id.ok_or(Error::NotFound)?))
    }

    pub(super) fn number(self) -> i64 {
        self.0
    }
}

impl From<PathId> for UserId {
    fn from(id: PathId) -> Self {
        Self(id.0)
    }
}

impl From<PathId> for ChatId {
    fn from(id: PathId) -> Self {
        Self(id.0)
    }
}

impl From<PathId> for SessionId {
    fn from(id: PathId) -> Self {
        Self(id.0)
    }
}

impl From<PathId> for MessageId {
    fn from(id: PathId) -> Self {
        Self(id.0)
    }
}

impl From<PathId> for AttachmentId {
    fn from(id: PathId) -> Self {
        Self(id.0)
    }
}
