//! Who sends a request: the authenticated caller, and the device that logs in. It authenticates; what
//! a caller may do is decided by the actions.

use std::convert::Infallible;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, header};

use crate::actions::sessions;
use crate::app::App;
use crate::domain::error::{Error, Result as DomainResult};
use crate::domain::session::{Caller, Device};

use super::context::Context;
use super::errors::{ApiError, Result};
use super::proxies::Peer;
use super::rate_limits;

/// How much of a `User-Agent` is kept, in characters.
const USER_AGENT_MAX: usize = 200;

/// The caller, authenticated by `Authorization: Bearer`.
#[derive(Debug)]
pub(super) struct Authenticated(pub(super) Caller);

impl FromRequestParts<Arc<App>> for Authenticated {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self> {
        // Anybody may ask which methods a path has. That is not counted, so nothing is looked up.
        if parts.method == Method::OPTIONS {
            return Err(Error::NotAuthenticated.into());
        }
        let Ok(peer) = Peer::from_request_parts(parts, app).await;
        let found = match bearer(&parts.headers) {
            Ok(Some(token)) => sessions::authenticate(app, token).await,
            Ok(None) => Err(Error::NotAuthenticated),
            Err(error) => Err(error),
        };
        let caller = rate_limits::admit(app, peer, found)?;
        if let Some(context) = parts.extensions.get::<Context>() {
            context.set_user(caller.user.id);
        }
        Ok(Self(caller))
    }
}

/// The token of an `Authorization: Bearer` header. A header of another scheme is ignored, as in
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
