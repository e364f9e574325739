//! Pages of lists, and their signed cursors: the signature covers the list, so a forged cursor, or that
//! of another list, is rejected. Keyset pagination: a cursor holds the key of a row, which each list
//! defines.

use axum::Json;
use axum::extract::FromRequestParts;
use axum::http::Uri;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use std::num::{IntErrorKind, ParseIntError};
use std::sync::Arc;
use url::form_urlencoded;
use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::{RefOr, Required, Schema};
use utoipa::{IntoParams, PartialSchema};

use crate::app::App;
use crate::domain::error::Error;
use crate::domain::page::{DEFAULT_SIZE, Page, PageRequest, SIZES};
use crate::wire::pages::PageJson;

use super::errors::{ApiError, Result};
use super::hosts::Origin;

/// The page that a request asks for.
#[derive(Debug)]
pub(super) struct Paging {
    app: Arc<App>,
    /// The list's own URL, without a query.
    base: String,
    /// The other parameters, which the links to other pages repeat.
    parameters: Vec<(String, String)>,
    cursor: Option<String>,
    /// The page size, within the limits.
    pub(super) size: i64,
}

impl FromRequestParts<Arc<App>> for Paging {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self> {
        let mut parameters = parameters(&parts.uri);
        let cursor = parameters
            .iter()
            .find(|(name, value)| name == "cursor" && !value.is_empty())
            .map(|(_, value)| value.clone());
        parameters.retain(|(name, _)| name != "cursor");
        let size = parameters.iter().find(|(name, _)| name == "page_size");
        let size = size.and_then(|(_, value)| whole_number(value));
        let Ok(Origin(origin)) = Origin::from_request_parts(parts, app).await;
        Ok(Self {
            app: Arc::clone(app),
            base: origin + parts.uri.path(),
            parameters,
            cursor,
            size: size.map_or(DEFAULT_SIZE, |size| size.clamp(*SIZES.start(), *SIZES.end())),
        })
    }
}

/// A whole number. Numbers beyond 64 bits become the nearest possible, since no row has them.
pub(super) fn whole_number(text: &str) -> Option<i64> {
    text.parse()
        .or_else(|fault: ParseIntError| match fault.kind() {
            IntErrorKind::PosOverflow => Ok(i64::MAX),
            IntErrorKind::NegOverflow => Ok(i64::MIN),
            _ => Err(fault),
        })
        .ok()
}

/// A request's query, decoded.
fn parameters(uri: &Uri) -> Vec<(String, String)> {
    let query = uri.query().unwrap_or_default();
    form_urlencoded::parse(query.as_bytes()).into_owned().collect()
}

impl IntoParams for Paging {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let parameter = |name: &str, about: &str, schema: RefOr<Schema>| {
            ParameterBuilder::new()
                .name(name)
                .parameter_in(ParameterIn::Query)
                .description(Some(about))
                .required(Required::False)
                .schema(Some(schema))
                .build()
        };
        let size = ObjectBuilder::new()
            .schema_type(Type::Integer)
            .minimum(Some(*SIZES.start()))
            .maximum(Some(*SIZES.end()))
            .default(Some(DEFAULT_SIZE.into()));
        vec![
            parameter("cursor", "From `next` or `previous` of another page.", String::schema()),
            parameter("page_size", "The most entries on a page.", size.into()),
        ]
    }
}

impl Paging {
    /// A parameter that selects the first page. `None` with a cursor, which takes precedence.
    pub(super) fn parameter(&self, name: &str) -> Option<&str> {
        let found = self.parameters.iter().find(|(other, _)| other == name);
        found.map(|(_, value)| value.as_str()).filter(|_| self.cursor.is_none())
    }

    /// A parameter that filters the list, on every page. An empty one counts as missing.
    pub(super) fn filter(&self, name: &str) -> Option<&str> {
        let found = self.parameters.iter().find(|(other, _)| other == name);
        found.map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
    }

    /// A parameter that lists values, separated by commas or sent several times. An empty one is there.
    pub(super) fn list(&self, name: &str) -> Option<String> {
        let found = self.parameters.iter().filter(|(other, _)| other == name);
        let found: Vec<_> = found.map(|(_, value)| value.as_str()).collect();
        (!found.is_empty()).then(|| found.join(","))
    }

    /// Which page. `list` identifies the list; `parse` reads the key of a row.
    pub(super) fn request<P>(
        &self,
        list: &str,
        parse: impl Fn(&str) -> Option<P>,
    ) -> Result<PageRequest<P>, Error> {
        let Some(cursor) = &self.cursor else {
            return Ok(PageRequest::First);
        };
        let text = self.app.signing_key.verify_text(list, cursor).ok_or(Error::InvalidCursor)?;
        let (way, key) = text.split_at_checked(1).ok_or(Error::InvalidCursor)?;
        let key = parse(key).ok_or(Error::InvalidCursor)?;
        match way {
            ">" => Ok(PageRequest::After(key)),
            "<" => Ok(PageRequest::Before(key)),
            _ => Err(Error::InvalidCursor),
        }
    }

    /// The answer. `write` writes a key as [`Self::request`] reads it; `show` returns a row's JSON.
    pub(super) fn envelope<'a, T, P, W: Serialize>(
        &self,
        list: &str,
        page: &'a Page<T, P>,
        write: impl Fn(&P) -> String,
        show: impl Fn(&'a T) -> W,
    ) -> Response {
        let link = |way: &str, key: &P| self.link(list, &format!("{way}{}", write(key)));
        Json(PageJson {
            next: page.next.as_ref().map(|key| link(">", key)),
            previous: page.previous.as_ref().map(|key| link("<", key)),
            results: page.rows.iter().map(show).collect(),
        })
        .into_response()
    }

    fn link(&self, list: &str, text: &str) -> String {
        let cursor = self.app.signing_key.sign_text(list, text);
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.append_pair("cursor", &cursor).extend_pairs(&self.parameters);
        format!("{}?{}", self.base, query.finish())
    }
}
