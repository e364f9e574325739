//! JSON bodies. A body is read when the handler asks for it, after the caller's rights are known, so
//! what is wrong with its size, type or syntax is not reported before that.

use std::convert::Infallible;

use axum::extract::{FromRequest, Request};
use axum::http::header;

use crate::domain::error::{Error, Result as DomainResult};
use crate::wire::fields::Fields;

use super::receive::receive;

/// Largest body, in bytes.
pub(super) const BODY_MAX: usize = 128 * 1024;
const TOO_LARGE: &str = "The body is larger than 128 KiB.";

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
