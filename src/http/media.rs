//! `/media/`: avatars, for anybody who knows their name.

use std::sync::Arc;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};

use crate::actions::avatars;
use crate::app::App;
use crate::domain::error::Error;

use crate::wire::avatars::AvatarFile;
use crate::wire::errors::Detail;

use super::errors::Result;

/// The file of a name never changes: a new avatar has a new name.
const FOR_EVER: &str = "public, max-age=31536000, immutable";
/// Whatever a browser takes the file for, it runs no scripts and has no origin.
const POLICY: &str = "default-src 'none'; base-uri 'none'; frame-ancestors 'none'; sandbox";

/// Get a picture
///
/// The URLs of pictures are in the fields `avatar`. A new picture has a new URL, so that pictures can be
/// cached for ever.
#[utoipa::path(
    get, path = "/media/avatars/{name}/", tag = "media", operation_id = "get_picture", security(()),
    params(("name" = String, Path, description = "The file's name.", example = "0123456789abcdef.png")),
    responses(
        (status = 200, description = "The picture",
            content((inline(AvatarFile) = "image/png"), (inline(AvatarFile) = "image/jpeg"))),
        (status = 404, description = "No such picture", body = Detail),
    )
)]
pub(super) async fn avatar(
    State(app): State<Arc<App>>,
    name: Result<Path<String>, PathRejection>,
) -> Result<Response> {
    // A name that is not valid text does not exist.
    let Path(name) = name.map_err(|_| Error::NotFound)?;
    let (kind, bytes) = avatars::one(&app, &name).await?;
    let headers = [
        (header::CONTENT_TYPE, kind),
        (header::CACHE_CONTROL, FOR_EVER),
        (header::CONTENT_SECURITY_POLICY, POLICY),
    ];
    Ok((headers, bytes).into_response())
}
