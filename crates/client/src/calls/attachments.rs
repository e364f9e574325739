//! Attachments.

use reqwest::Response;
use serde::Deserialize;
use serde_json::json;

use crate::call::Call;
use crate::errors::Result;
use crate::ids::AttachmentId;
use crate::rest::Client;
use crate::types::{Attachment, AttachmentLink, Upload};

#[derive(Deserialize)]
struct Links {
    results: Vec<AttachmentLink>,
}

impl Client {
    /// Uploads a file, to be sent with [`Draft::attachments`](crate::types::Draft::attachments) within a day.
    /// A retry after a lost answer may leave a second upload, which the server deletes after a day.
    pub async fn upload(&self, upload: Upload) -> Result<Attachment> {
        self.run(Call::upload("/api/attachments/", upload).idempotent()).await
    }

    /// The bytes of an attachment, to be read as they arrive.
    pub async fn download(&self, attachment: AttachmentId) -> Result<Response> {
        self.fetch(&format!("/api/attachments/{attachment}/")).await
    }

    /// The bytes of an attachment's thumbnail.
    pub async fn thumbnail(&self, attachment: AttachmentId) -> Result<Response> {
        self.fetch(&format!("/api/attachments/{attachment}/thumbnail/")).await
    }

    /// Deletes an upload of yours that was not sent.
    pub async fn delete_attachment(&self, attachment: AttachmentId) -> Result<()> {
        self.run(Call::delete(format!("/api/attachments/{attachment}/"))).await
    }

    /// URLs of up to 100 attachments that work without a token for an hour. Those that you may not read are left
    /// out.
    pub async fn attachment_links(
        &self,
        attachments: &[AttachmentId],
    ) -> Result<Vec<AttachmentLink>> {
        let call = Call::post("/api/attachments/links/", json!({"attachments": attachments}));
        Ok(self.run::<Links>(call.idempotent()).await?.results)
    }
}
