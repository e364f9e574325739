//! Errors of the admin site, as pages with the request's id. What may be known of a failure is the same as for REST.

use std::borrow::Cow;
use std::sync::Arc;

use askama::Template;
use axum::Extension;
use axum::extract::Request;
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::domain::error::Error;

use super::pages::{PageFrame, render};
use super::request::RequestFacts;

/// The result of a handler.
pub(super) type Result<T, E = AdminError> = std::result::Result<T, E>;

/// Why a page cannot be shown.
#[derive(Clone, Debug)]
pub(super) enum AdminError {
    /// The error of an action.
    Action(Arc<Error>),
    /// The path does not have this method.
    Method(Method),
    /// A form without the token that was made for it.
    Forged,
}

/// The error of an action that an answer reports, for the log.
#[derive(Clone, Debug)]
pub struct Failed(pub Arc<Error>);

impl<E: Into<Error>> From<E> for AdminError {
    fn from(error: E) -> Self {
        Self::Action(Arc::new(error.into()))
    }
}

impl IntoResponse for AdminError {
    /// Without a body: [`as_page`] renders it, where the navigation is known.
    fn into_response(self) -> Response {
        let mut response = self.status().into_response();
        response.extensions_mut().insert(self);
        response
    }
}

#[derive(Template)]
#[template(path = "admin/error.html")]
struct ErrorPage<'a> {
    frame: PageFrame,
    texts: Vec<Cow<'a, str>>,
    request_id: &'a str,
}

impl AdminError {
    fn status(&self) -> StatusCode {
        match self {
            Self::Method(_) => StatusCode::METHOD_NOT_ALLOWED,
            Self::Forged => StatusCode::FORBIDDEN,
            Self::Action(error) => match &**error {
                Error::Invalid(_) | Error::Malformed(_) => StatusCode::BAD_REQUEST,
                Error::NotAuthenticated | Error::TokenNotValid | Error::LoginFailed(_) => {
                    StatusCode::FORBIDDEN
                }
                Error::PermissionDenied | Error::Blocked => StatusCode::FORBIDDEN,
                Error::NotFound | Error::InvalidCursor => StatusCode::NOT_FOUND,
                Error::Conflict(_) => StatusCode::CONFLICT,
                Error::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
                Error::MediaType(_) | Error::ContentEncoding(_) => {
                    StatusCode::UNSUPPORTED_MEDIA_TYPE
                }
                Error::Throttled(_) => StatusCode::TOO_MANY_REQUESTS,
                Error::Unavailable(_) | Error::OutcomeUnknown(_) => StatusCode::SERVICE_UNAVAILABLE,
                Error::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
            },
        }
    }

    fn texts(&self) -> Vec<Cow<'_, str>> {
        match self {
            Self::Method(method) => vec![format!("This page does not take {method}.").into()],
            Self::Forged => vec![
                "This form has expired, or was not sent from this site. Nothing was done.".into(),
                "Go back, load the page again, and repeat what you did.".into(),
            ],
            Self::Action(error) => match &**error {
                Error::Invalid(errors) => {
                    let fields = errors.by_field().iter();
                    fields
                        .map(|(name, texts)| format!("{name}: {}", texts.join(" ")).into())
                        .collect()
                }
                Error::NotFound => vec!["There is no such page.".into()],
                other => vec![other.to_string().into()],
            },
        }
    }
}

/// Renders an error as a page within `frame`. Other answers stay as they are.
pub(super) fn as_page(
    response: Response,
    facts: &RequestFacts,
    frame: impl FnOnce(&str) -> PageFrame,
) -> Response {
    let (mut parts, body) = response.into_parts();
    let Some(error) = parts.extensions.remove::<AdminError>() else {
        return Response::from_parts(parts, body);
    };
    let title = parts.status.canonical_reason().unwrap_or("Error");
    let page =
        ErrorPage { frame: frame(title), texts: error.texts(), request_id: &facts.request_id };
    let mut response = render(&page).unwrap_or_else(|_| title.to_owned().into_response());
    *response.status_mut() = parts.status;
    for (name, value) in &parts.headers {
        if name != header::CONTENT_LENGTH {
            response.headers_mut().append(name.clone(), value.clone());
        }
    }
    if let AdminError::Action(error) = error {
        if let Some(seconds) = error.retry_after() {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response.extensions_mut().insert(Failed(error));
    }
    response
}

/// An error as a page outside of the navigation.
pub fn error_page(error: Error, facts: &RequestFacts) -> Response {
    as_page(AdminError::from(error).into_response(), facts, PageFrame::without_user)
}

/// Renders the errors of pages that everybody may open.
pub(super) async fn show(
    Extension(facts): Extension<RequestFacts>,
    request: Request,
    next: Next,
) -> Response {
    as_page(next.run(request).await, &facts, PageFrame::without_user)
}

/// The answer to a path that is not there.
pub(super) async fn not_found() -> AdminError {
    Error::NotFound.into()
}

/// The answer to a method that a path does not have.
pub(super) async fn method_not_allowed(method: Method) -> AdminError {
    AdminError::Method(method)
}
