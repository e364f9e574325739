//! Serves the style sheet, to everybody: the login has one, too.

use axum::extract::Path;
use axum::http::header;
use axum::response::{IntoResponse, Response};

use crate::domain::error::Error;

use super::errors::Result;
use super::style;

/// `/admin/style/{name}/`
pub(super) async fn sheet(Path(asked): Path<String>) -> Result<Response> {
    if asked != style::name() {
        return Err(Error::NotFound.into());
    }
    let headers = [
        (header::CONTENT_TYPE, "text/css; charset=utf-8"),
        (header::CACHE_CONTROL, "public, max-age=31536000, immutable"),
    ];
    Ok((headers, style::STYLE).into_response())
}
