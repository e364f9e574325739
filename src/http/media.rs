//! `/media/`: pictures, for anybody who knows their name.

use std::sync::Arc;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};

use crate::actions::avatars;
use crate::app::App;
use crate::domain::error::Error;

use super::errors::Result;

/// A picture never changes: another one gets another name.
const FOR_EVER: &str = "public, max-age=31536000, immutable";
/// Whatever a browser might make of it, it runs nothing and belongs to no origin.
const POLICY: &str = "default-src 'none'; sandbox";

pub(super) async fn avatar(
    State(app): State<Arc<App>>,
    name: Result<Path<String>, PathRejection>,
) -> Result<Response> {
    // What is no text is no name.
    let Path(name) = name.map_err(|_| Error::NotFound)?;
    let (kind, bytes) = avatars::one(&app, &name).await?;
    let headers = [
        (header::CONTENT_TYPE, kind),
        (header::CACHE_CONTROL, FOR_EVER),
        (header::CONTENT_SECURITY_POLICY, POLICY),
    ];
    Ok((headers, bytes).into_response())
}
