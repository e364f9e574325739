//! The body of `…/avatar/`: a form with a picture, or the bytes of one as `image/*`, whose subtype does
//! not matter. What is wrong with it is reported after the caller's rights are known.

use std::sync::Arc;

use axum::body::HttpBody;
use axum::extract::{FromRequest, Request};

use crate::app::App;
use crate::domain::avatar::NewAvatar;
use crate::domain::error::{Error, Result as DomainResult};
use crate::wire::avatars::{AvatarFile, ReplaceAvatar};
use crate::wire::fields::Fields;

use super::bodies::{content_type, essence};
use super::errors::{ApiError, Result};
use super::forms::{FormBody, receive_file};

/// A new picture.
#[derive(Debug)]
pub(super) struct PictureBody(pub(super) DomainResult<NewAvatar>);

impl FromRequest<Arc<App>> for PictureBody {
    type Rejection = ApiError;

    async fn from_request(request: Request, app: &Arc<App>) -> Result<Self> {
        let kind = content_type(&request);
        let essence = essence(&kind);
        Ok(Self(if essence == "multipart/form-data" {
            FormBody::from_request(request, app).await?.0.read(ReplaceAvatar::parse)
        } else if essence.starts_with("image/") {
            receive_file(request, app).await?.and_then(AvatarFile::parse)
        } else if request.body().is_end_stream() {
            // As in DRF, a missing body has no type.
            ReplaceAvatar::parse(Fields::default())
        } else {
            Err(Error::MediaType(kind))
        }))
    }
}
