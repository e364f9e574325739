//! Attachments as the API shows them, and the bodies that upload them and ask for links.

use serde::Serialize;
use utoipa::openapi::schema::ObjectBuilder;
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use crate::domain::attachment::Attachment;
use crate::domain::error::{Error, Result};
use crate::domain::ids::AttachmentId;
use crate::domain::time::Timestamp;
use crate::domain::urls::Urls;

use super::avatars::NO_FILE;
use super::fields::{EMPTY_FILE, Fields, NOT_A_FILE};
use super::kinds::ObjectIds;
use super::visitor::{Visitor, describe, file};

const FIELD: &str = "file";
/// Most attachments in a request for links.
pub const LINKS_MAX: usize = 100;

/// A file that was uploaded, to be sent with a message.
#[derive(Serialize, ToSchema)]
#[schema(as = Attachment)]
pub struct AttachmentJson<'a> {
    /// The attachment's id.
    #[schema(value_type = i64, minimum = 1, example = 7)]
    id: AttachmentId,
    /// The file's name, without a path.
    #[schema(max_length = 255, example = "cat.jpg")]
    name: &'a str,
    /// The media type, by the content. `application/octet-stream` if it is unknown.
    #[schema(example = "image/jpeg")]
    content_type: &'a str,
    /// In bytes, as it is stored: pictures lose their metadata.
    #[schema(minimum = 0, example = 48_213)]
    size: i64,
    /// Of a picture, as it is shown, in pixels.
    #[schema(required, minimum = 1, example = 1_024)]
    width: Option<i64>,
    /// Of a picture, as it is shown, in pixels.
    #[schema(required, minimum = 1, example = 768)]
    height: Option<i64>,
    /// Whether there is a thumbnail, at `thumbnail/` below `url`.
    has_thumbnail: bool,
    /// Where the file is, for members of the chat.
    #[schema(format = "uri", example = "https://chat.example.org/api/attachments/7/")]
    url: String,
    /// When it was uploaded.
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
}

impl<'a> AttachmentJson<'a> {
    /// As every member sees it.
    pub fn of(attachment: &'a Attachment, urls: &Urls) -> Self {
        Self {
            id: attachment.id,
            name: &attachment.name,
            content_type: &attachment.content_type,
            size: attachment.size,
            width: attachment.width,
            height: attachment.height,
            has_thumbnail: attachment.has_thumbnail,
            url: urls.attachment(attachment.id),
            created_at: attachment.created_at,
        }
    }
}

/// A form with a file.
#[derive(Debug)]
pub struct UploadAttachment;

impl UploadAttachment {
    /// What is wrong with a form without a file.
    pub fn missing() -> Error {
        Error::field(FIELD, NO_FILE)
    }

    /// What is wrong with a form whose field is a text.
    pub fn not_a_file() -> Error {
        Error::field(FIELD, NOT_A_FILE)
    }

    /// What is wrong with an empty file.
    pub fn empty() -> Error {
        Error::field(FIELD, EMPTY_FILE)
    }
}

impl PartialSchema for UploadAttachment {
    fn schema() -> RefOr<Schema> {
        let form = ObjectBuilder::new().description(Some("A form with a file."));
        form.property(FIELD, file("The file, with its name.")).required(FIELD).into()
    }
}

impl ToSchema for UploadAttachment {}

/// The content of an attachment, for the documents.
#[derive(Debug)]
pub struct AttachmentFile;

impl PartialSchema for AttachmentFile {
    fn schema() -> RefOr<Schema> {
        file("The bytes of the file.").into()
    }
}

impl ToSchema for AttachmentFile {}

/// Asks for links.
#[derive(Debug)]
pub struct RequestLinks(Option<Vec<i64>>);

impl PartialSchema for RequestLinks {
    fn schema() -> RefOr<Schema> {
        describe("Asks for links to attachments.", Self::visit)
    }
}

impl ToSchema for RequestLinks {}

impl RequestLinks {
    fn visit(body: &mut impl Visitor) -> Self {
        let ids = ObjectIds { max: Some(LINKS_MAX), example: &[7, 8], ..ObjectIds::default() };
        Self(body.required("attachments", "The ids of the attachments.", ids))
    }

    /// Reads the body.
    pub fn parse(mut body: Fields) -> Result<Vec<AttachmentId>> {
        let Self(ids) = Self::visit(&mut body);
        if ids.as_ref().is_some_and(|ids| ids.len() > LINKS_MAX) {
            body.fault(
                "attachments",
                format!("Ensure this field has no more than {LINKS_MAX} elements."),
            );
        }
        body.finish(ids.map(|ids| ids.into_iter().map(AttachmentId).collect()))
    }
}

/// Links to an attachment.
#[derive(Serialize, ToSchema)]
#[schema(as = AttachmentLink)]
pub struct LinkJson {
    /// The attachment's id.
    #[schema(value_type = i64, minimum = 1, example = 7)]
    pub id: AttachmentId,
    /// The file.
    #[schema(format = "uri")]
    pub url: String,
    /// Its thumbnail.
    #[schema(required, format = "uri")]
    pub thumbnail_url: Option<String>,
    /// Until when the links work.
    #[schema(value_type = String, format = DateTime)]
    pub expires_at: Timestamp,
}

/// Links, in the order of the request.
#[derive(Serialize, ToSchema)]
#[schema(as = AttachmentLinks)]
pub struct LinksJson {
    /// Those of attachments that you may read.
    pub results: Vec<LinkJson>,
}
