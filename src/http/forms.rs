//! Bodies with which a file may come: `multipart/form-data` as well as JSON. What the fields say is
//! read later, by DRF's rules for forms.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{FromRequest, Request};
use bytes::Bytes;
use futures_util::stream;

use crate::app::App;
use crate::domain::error::{Error, Result as DomainResult};
use crate::wire::fields::{Fields, Form};

use super::bodies::whole;
use super::errors::{ApiError, Result};
use super::extract::{BODY_MAX, Body, content_type, essence};

/// Most parts, as Django's `DATA_UPLOAD_MAX_NUMBER_FIELDS`.
const PARTS_MAX: usize = 1_000;
/// Allowed for what separates the parts, in bytes.
const SEPARATORS_MAX: usize = 128 * 1024;
/// How long a file may take to arrive.
const TIME: Duration = Duration::from_secs(60);
const BODY_TOO_LARGE: &str = "The body is too large.";
const FIELDS_TOO_LARGE: &str = "The fields are larger than 128 KiB.";
const FILE_TOO_LARGE: &str = "The file is too large.";

/// A JSON body, or a form with at most one file.
#[derive(Debug)]
pub(super) struct FormBody(pub(super) Body);

impl FromRequest<Arc<App>> for FormBody {
    type Rejection = ApiError;

    async fn from_request(request: Request, app: &Arc<App>) -> Result<Self> {
        let kind = content_type(&request);
        if essence(&kind) != "multipart/form-data" {
            let Ok(body) = Body::from_request(request, app).await;
            return Ok(Self(body));
        }
        let file_max = app.limits.avatar_bytes;
        let max = BODY_MAX + SEPARATORS_MAX + file_max;
        let busy = |_| Error::Unavailable("too many files are being received".into());
        let place = app.media.uploads.try_acquire().map_err(busy)?;
        let body = whole(request, max, TIME, BODY_TOO_LARGE).await;
        drop(place);
        Ok(Self(Body::of(match body {
            Ok(body) if body.is_empty() => Ok(Fields::default()),
            Ok(body) => parse(&kind, body.into(), file_max).await.map(Fields::from),
            Err(error) => Err(error),
        })))
    }
}

/// Takes a form apart. As in Django, a part with a file's name is a file, and one whose file's name
/// is empty and that has no content comes of a field that nobody touched: it was not sent.
async fn parse(kind: &str, body: Bytes, file_max: usize) -> DomainResult<Form> {
    let boundary = multer::parse_boundary(kind).map_err(unreadable)?;
    let body = stream::iter([Ok::<_, Infallible>(body)]);
    let mut parts = multer::Multipart::new(body, boundary);
    let (mut form, mut size, mut count) = (Form::default(), 0, 0);
    while let Some(part) = parts.next_field().await.map_err(unreadable)? {
        let name = part.name().unwrap_or_default().to_owned();
        let file_name = part.file_name().map(str::to_owned);
        let content = part.bytes().await.map_err(unreadable)?;
        count += 1;
        if count > PARTS_MAX {
            return Err(Error::Malformed("Too many fields.".into()));
        }
        match file_name {
            Some(_) if content.len() > file_max => return Err(Error::TooLarge(FILE_TOO_LARGE)),
            Some(file_name) if file_name.is_empty() && content.is_empty() => {}
            Some(_) => form.add_file(name, content),
            None => {
                size += name.len() + content.len();
                if size > BODY_MAX {
                    return Err(Error::TooLarge(FIELDS_TOO_LARGE));
                }
                form.add_text(name, String::from_utf8_lossy(&content).into_owned());
            }
        }
    }
    Ok(form)
}

fn unreadable(error: multer::Error) -> Error {
    Error::Malformed(format!("Multipart form parse error - {error}").into())
}
