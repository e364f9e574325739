//! The bodies of `…/avatar/`: a picture in a form, or the bytes of one. Does not look into files.

use bytes::Bytes;
use utoipa::openapi::schema::ObjectBuilder;
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use crate::domain::avatar::NewAvatar;
use crate::domain::error::{Error, Result};

use super::fields::{EMPTY_FILE, Fields};
use super::visitor::{Visitor, file};

const FIELD: &str = "avatar";
/// DRF's `required` of `FileField`.
pub(super) const NO_FILE: &str = "No file was submitted.";

/// A form with a picture.
#[derive(Debug)]
pub struct ReplaceAvatar;

impl ReplaceAvatar {
    /// Reads the form.
    pub fn parse(mut body: Fields) -> Result<NewAvatar> {
        let avatar = body.picture(FIELD).filter(|avatar| *avatar != NewAvatar::Removed);
        if avatar.is_none() && body.is_right() {
            body.fault(FIELD, NO_FILE);
        }
        body.finish(avatar)
    }
}

impl PartialSchema for ReplaceAvatar {
    fn schema() -> RefOr<Schema> {
        let form = ObjectBuilder::new().description(Some("A form with a picture."));
        form.property(FIELD, file("The picture, as a file.")).required(FIELD).into()
    }
}

impl ToSchema for ReplaceAvatar {}

/// A picture as the whole body.
#[derive(Debug)]
pub struct AvatarFile;

impl AvatarFile {
    /// The picture of a body.
    pub fn parse(body: Bytes) -> Result<NewAvatar> {
        match body.is_empty() {
            true => Err(Error::field(FIELD, EMPTY_FILE)),
            false => Ok(NewAvatar::Uploaded(body)),
        }
    }
}

impl PartialSchema for AvatarFile {
    fn schema() -> RefOr<Schema> {
        file("The bytes of the picture.").into()
    }
}

impl ToSchema for AvatarFile {}
