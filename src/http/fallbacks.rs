//! Answers to methods that a path does not have.

use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};

use super::caller::Authenticated;
use super::errors::{ApiError, Result};

/// A method that a public path does not have. `OPTIONS` is answered with those it has, in `Allow`.
pub(super) async fn method_not_allowed(method: Method) -> Response {
    if method == Method::OPTIONS {
        return StatusCode::OK.into_response();
    }
    ApiError::Method(method).into_response()
}

/// The same for a path that needs a token: credentials are checked first, as in DRF.
pub(super) async fn private_method_not_allowed(
    method: Method,
    caller: Result<Authenticated>,
) -> Response {
    match caller {
        Err(error) if method != Method::OPTIONS => error.into_response(),
        _ => method_not_allowed(method).await,
    }
}
