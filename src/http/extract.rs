//! Taking a request apart: who asks, which row, and the body. Everything that can be wrong with
//! these ends here, in the contract's words.

use std::convert::Infallible;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use axum::extract::{FromRequest, FromRequestParts, Path, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, header};

use crate::actions::sessions;
use crate::app::App;
use crate::domain::error::{Error, Result as DomainResult};
use crate::domain::ids::{ChatId, MAX_ID, MessageId, SessionId, UserId};
use crate::domain::session::{Caller, Device};
use crate::wire::fields::Fields;

use super::bodies::receive;
use super::errors::{ApiError, Result};
use super::throttles;

/// Largest body, in bytes.
pub(super) const BODY_MAX: usize = 128 * 1024;
const TOO_LARGE: &str = "The body is larger than 128 KiB.";
/// Kept of a `User-Agent`, in characters.
const USER_AGENT_MAX: usize = 200;

/// What is known of a request from its beginning, for the log and the answer.
#[derive(Clone, Debug)]
pub(super) struct Context(Arc<ContextInner>);

#[derive(Debug)]
struct ContextInner {
    request_id: String,
    /// 0 until somebody is authenticated.
    user: AtomicI64,
}

impl Context {
    pub(super) fn new(request_id: String) -> Self {
        Self(Arc::new(ContextInner { request_id, user: AtomicI64::new(0) }))
    }

    pub(super) fn request_id(&self) -> &str {
        &self.0.request_id
    }

    pub(super) fn user(&self) -> Option<i64> {
        Some(self.0.user.load(Ordering::Relaxed)).filter(|id| *id != 0)
    }
}

/// Who asks, as far as the network tells.
#[derive(Clone, Copy, Debug)]
pub(super) struct Peer {
    /// The client's address, proxies left out.
    pub(super) address: IpAddr,
    /// Whether a proxy of ours says that the client came by TLS.
    pub(super) is_secure: bool,
}

impl<S: Send + Sync> FromRequestParts<S> for Peer {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let unknown = Self { address: Ipv4Addr::UNSPECIFIED.into(), is_secure: false };
        Ok(parts.extensions.get().copied().unwrap_or(unknown))
    }
}

/// The caller, by `Authorization: Bearer`.
#[derive(Debug)]
pub(super) struct Authenticated(pub(super) Caller);

impl FromRequestParts<Arc<App>> for Authenticated {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self> {
        // Which methods a path has, anybody may ask, and is not counted; so nothing is looked up.
        if parts.method == Method::OPTIONS {
            return Err(Error::NotAuthenticated.into());
        }
        let Ok(peer) = Peer::from_request_parts(parts, app).await;
        let found = match bearer(&parts.headers) {
            Ok(Some(token)) => sessions::authenticate(app, token).await,
            Ok(None) => Err(Error::NotAuthenticated),
            Err(error) => Err(error),
        };
        let caller = throttles::admit(app, peer, found)?;
        if let Some(context) = parts.extensions.get::<Context>() {
            context.0.user.store(caller.user.id.0, Ordering::Relaxed);
        }
        Ok(Self(caller))
    }
}

/// The token of an `Authorization: Bearer` header. Another scheme is as good as none, as in
/// simplejwt.
pub(super) fn bearer(headers: &HeaderMap) -> DomainResult<Option<&str>> {
    let Some(value) = headers.get(header::AUTHORIZATION) else {
        return Ok(None);
    };
    let value = value.to_str().map_err(|_| Error::TokenNotValid)?;
    match value.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => Ok(Some(token.trim())),
        None if value.eq_ignore_ascii_case("bearer") => Err(Error::TokenNotValid),
        _ => Ok(None),
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Device {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Infallible> {
        let Ok(peer) = Peer::from_request_parts(parts, state).await;
        let agent = parts.headers.get(header::USER_AGENT).and_then(|value| value.to_str().ok());
        Ok(Self {
            ip: peer.address,
            user_agent: agent.unwrap_or_default().chars().take(USER_AGENT_MAX).collect(),
        })
    }
}

/// An id in the path. What is no id is not found, as with Django's `<int:pk>`.
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

/// Two ids in the path.
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

/// A number in the path that can be an id.
#[derive(Debug, Clone, Copy)]
pub(super) struct PathId(i64);

impl PathId {
    fn parse(text: &str) -> Result<Self> {
        let digits = text.bytes().all(|byte| byte.is_ascii_digit());
        let id = text.parse().ok().filter(|id| digits && (1..=MAX_ID).contains(id));
        Ok(Self(id.ok_or(Error::NotFound)?))
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

/// A JSON body. What is wrong with it, be it its size or type, is told when it is asked for, after
/// the question whether the caller may at all.
#[derive(Debug)]
pub(super) struct Body(Content);

#[derive(Debug)]
enum Content {
    Json(Vec<u8>),
    Fields(DomainResult<Fields>),
}

impl Body {
    /// What a body of another type was read into.
    pub(super) fn of(fields: DomainResult<Fields>) -> Self {
        Self(Content::Fields(fields))
    }

    /// Reads the fields, by a function of `wire::requests`.
    pub(super) fn read<T>(self, parse: impl FnOnce(Fields) -> DomainResult<T>) -> DomainResult<T> {
        parse(self.fields()?)
    }

    /// The same; without a tree of its values between, where `quick` can.
    pub(super) fn read_quickly<T>(
        self,
        quick: impl FnOnce(&[u8]) -> Option<T>,
        parse: impl FnOnce(Fields) -> DomainResult<T>,
    ) -> DomainResult<T> {
        let quickly = match &self.0 {
            Content::Json(body) => quick(body),
            Content::Fields(_) => None,
        };
        quickly.map_or_else(|| self.read(parse), Ok)
    }

    /// The fields as they are.
    pub(super) fn fields(self) -> DomainResult<Fields> {
        match self.0 {
            Content::Json(body) => Fields::parse(&body),
            Content::Fields(fields) => fields,
        }
    }
}

impl<S: Send + Sync> FromRequest<S> for Body {
    type Rejection = Infallible;

    async fn from_request(request: Request, _: &S) -> Result<Self, Infallible> {
        let kind = content_type(&request);
        Ok(match whole(request).await {
            // As in DRF, whatever its type.
            Ok(body) if body.is_empty() => Self::of(Ok(Fields::default())),
            Ok(_) if essence(&kind) != "application/json" => Self::of(Err(Error::MediaType(kind))),
            Ok(body) => Self(Content::Json(body)),
            Err(error) => Self::of(Err(error)),
        })
    }
}

async fn whole(request: Request) -> DomainResult<Vec<u8>> {
    receive(request, BODY_MAX, TOO_LARGE).await?.into_bytes().await
}

/// What the body is said to be, as it was said; empty where it was not.
pub(super) fn content_type(request: &Request) -> String {
    let kind = request.headers().get(header::CONTENT_TYPE);
    kind.map_or("", |value| value.to_str().unwrap_or("?")).to_owned()
}

/// A type without its parameters.
pub(super) fn essence(kind: &str) -> String {
    kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}
