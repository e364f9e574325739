//! Files that are sent with messages.

use bytes::Bytes;
use futures_util::stream::{Stream, StreamExt, iter};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use time::serde::rfc3339;

use crate::ids::AttachmentId;

/// An uploaded file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Attachment {
    /// The attachment's id.
    pub id: AttachmentId,
    /// The file's name, without a path.
    pub name: String,
    /// The media type, made from the content.
    pub content_type: String,
    /// In bytes.
    pub size: u64,
    /// Of a picture, as it is shown, in pixels.
    pub width: Option<u32>,
    /// Of a picture, as it is shown, in pixels.
    pub height: Option<u32>,
    /// Whether it has a thumbnail.
    pub has_thumbnail: bool,
    /// Where the bytes are. It needs an access token.
    pub url: String,
    /// When it was uploaded.
    #[serde(with = "rfc3339")]
    pub created_at: OffsetDateTime,
}

/// URLs of an attachment that work without a token for an hour.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct AttachmentLink {
    /// The attachment's id.
    pub id: AttachmentId,
    /// Where the file is.
    pub url: String,
    /// Where its thumbnail is.
    pub thumbnail_url: Option<String>,
    /// Until when they work.
    #[serde(with = "rfc3339")]
    pub expires_at: OffsetDateTime,
}

/// A file to upload, of at most 25 MiB unless the server allows more: the form in which it is sent.
#[derive(Debug)]
pub struct Upload {
    boundary: String,
    form: UploadForm,
}

#[derive(Debug)]
enum UploadForm {
    /// Can be sent again.
    Bytes(Bytes),
    /// Can be sent once; `None` after that.
    Stream(Option<reqwest::Body>),
}

impl Upload {
    /// A file in memory.
    pub fn new(name: &str, content: impl AsRef<[u8]>) -> Self {
        let boundary = new_boundary();
        let [head, tail] = ends(&boundary, name);
        let form = [head.as_bytes(), content.as_ref(), tail.as_bytes()].concat();
        Self { boundary, form: UploadForm::Bytes(form.into()) }
    }

    /// A file that is sent while it is read. The upload is not retried, since it cannot be read twice.
    pub fn stream(
        name: &str,
        content: impl Stream<Item = std::io::Result<Bytes>> + Send + 'static,
    ) -> Self {
        let boundary = new_boundary();
        let [head, tail] = ends(&boundary, name).map(|end| iter([Ok(Bytes::from(end))]));
        let form = reqwest::Body::wrap_stream(head.chain(content).chain(tail));
        Self { boundary, form: UploadForm::Stream(Some(form)) }
    }

    pub(crate) fn content_type(&self) -> String {
        format!("multipart/form-data; boundary={}", self.boundary)
    }

    /// Whether it was a stream and has been sent.
    pub(crate) fn is_used_up(&self) -> bool {
        matches!(self.form, UploadForm::Stream(None))
    }

    /// The body of the next attempt; `None` if there cannot be one.
    pub(crate) fn next_body(&mut self) -> Option<reqwest::Body> {
        match &mut self.form {
            UploadForm::Bytes(bytes) => Some(bytes.clone().into()),
            UploadForm::Stream(body) => body.take(),
        }
    }
}

fn new_boundary() -> String {
    format!("meowsenger-{:032x}", fastrand::u128(..))
}

/// What comes before the file, and after it.
fn ends(boundary: &str, name: &str) -> [String; 2] {
    let name = name.replace('"', "%22").replace('\r', "%0D").replace('\n', "%0A");
    let head = format!(
        "--{boundary}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{name}\"\r\n\r\n"
    );
    [head, format!("\r\n--{boundary}--\r\n")]
}
