//! JSON bodies. A body is read when the handler asks for it, after the caller's rights are known, so
//! what is wrong with its size, type or syntax is not reported before that.

use std::convert::Infallible;

use axum::extract::{FromRequest, Request};
use axum::http::{Method, header};

use crate::domain::error::{Error, Result as DomainResult};
use crate::wire::fields::Fields;

use super::receive::{BodyLimits, receive};

/// Largest body, in bytes.
pub(super) const BODY_MAX: usize = 128 * 1024;
const TOO_LARGE: &str = "The body is larger than 128 KiB.";

/// A body. What is wrong with it is reported when it is read.
#[derive(Debug)]
pub(super) struct Body {
    content: Content,
    /// PATCH: no field has to be sent.
    is_partial: bool,
}

#[derive(Debug)]
enum Content {
    Json(Vec<u8>),
    Fields(DomainResult<Fields>),
}

impl Body {
    /// The body of a request with this method.
    pub(super) fn of(method: &Method, fields: DomainResult<Fields>) -> Self {
        Self::new(method, Content::Fields(fields))
    }

    fn new(method: &Method, content: Content) -> Self {
        Self { content, is_partial: method == Method::PATCH }
    }

    /// Reads the fields by `parse`, a function of `wire`.
    pub(super) fn read<T>(self, parse: impl FnOnce(Fields) -> DomainResult<T>) -> DomainResult<T> {
        parse(self.fields()?)
    }

    /// Reads the body by `quick` if that can, which saves building a tree of JSON values.
    pub(super) fn read_quickly<T>(
        self,
        quick: impl FnOnce(&[u8]) -> Option<T>,
        parse: impl FnOnce(Fields) -> DomainResult<T>,
    ) -> DomainResult<T> {
        let quickly = match &self.content {
            Content::Json(body) => quick(body),
            Content::Fields(_) => None,
        };
        quickly.map_or_else(|| self.read(parse), Ok)
    }

    /// The fields.
    pub(super) fn fields(self) -> DomainResult<Fields> {
        let fields = match self.content {
            Content::Json(body) => Fields::parse(&body),
            Content::Fields(fields) => fields,
        }?;
        Ok(if self.is_partial { fields.partial() } else { fields })
    }
}

impl<S: Send + Sync> FromRequest<S> for Body {
    type Rejection = Infallible;

    async fn from_request(request: Request, _: &S) -> Result<Self, Infallible> {
        let (method, kind) = (request.method().clone(), content_type(&request));
        let content = match whole(request).await {
            // As in DRF, whatever its type.
            Ok(body) if body.is_empty() => Content::Fields(Ok(Fields::default())),
            Ok(_) if essence(&kind) != "application/json" => {
                Content::Fields(Err(Error::MediaType(kind)))
            }
            Ok(body) => Content::Json(body),
            Err(error) => Content::Fields(Err(error)),
        };
        Ok(Self::new(&method, content))
    }
}

async fn whole(request: Request) -> DomainResult<Vec<u8>> {
    receive(request, BodyLimits::new(BODY_MAX, TOO_LARGE)).await?.into_bytes().await
}

/// The `Content-Type` as it was sent; empty if it was not.
pub(super) fn content_type(request: &Request) -> String {
    let kind = request.headers().get(header::CONTENT_TYPE);
    kind.map_or("", |value| value.to_str().unwrap_or("?")).to_owned()
}

/// A media type without its parameters.
pub(super) fn essence(kind: &str) -> String {
    kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}
