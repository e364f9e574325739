//! `/api/attachments/`: files that are sent with messages.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::body::HttpBody;
use axum::extract::{FromRequestParts, Query, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use crate::actions::attachments::{self, AttachmentLinks, Rendition, Upload};
use crate::app::App;
use crate::domain::error::{Error, Result as DomainResult};
use crate::domain::ids::{AttachmentId, UserId};
use crate::media::section::work;
use crate::wire::attachments::{
    AttachmentFile, AttachmentJson, LinkJson, LinksJson, RequestLinks, UploadAttachment,
};
use crate::wire::errors::{Detail, FieldTexts};

use super::bodies::{BODY_MAX, Body, content_type, essence};
use super::caller::Authenticated;
use super::errors::{ApiError, Result};
use super::form_file;
use super::forms::{FILE_TOO_LARGE, SEPARATORS_MAX, holder};
use super::ids::Id;
use super::multipart::Boundary;
use super::proxies::Peer;
use super::rate_limits;
use super::receive::{BodyLimits, receive};
use super::served_file;

/// The longest time for an upload: 25 MiB at 60 kbit/s.
const UPLOAD_TIME: Duration = Duration::from_secs(3_600);
const FIELD: &str = "file";

/// Upload a file
///
/// As the part `file` of a form. Until you send it with a message, only you can see it; after 24 hours it is deleted.
/// The media type is made from the content. JPEG, PNG and WebP lose their metadata.
#[utoipa::path(
    post, path = "/api/attachments/", tag = "attachments", operation_id = "upload_attachment",
    request_body(content = UploadAttachment, content_type = "multipart/form-data"),
    responses(
        (status = 201, description = "The attachment", body = AttachmentJson),
        (status = 409, description = "Your attachments would take more space than you have", body = Detail),
    )
)]
pub(super) async fn upload(
    State(app): State<Arc<App>>,
    Authenticated(caller): Authenticated,
    request: Request,
) -> Result<Response> {
    let user = caller.user.id;
    attachments::admit(&app, user).await?;
    let upload = received(&app, request).await?;
    let attachment = attachments::upload(&app, user, upload).await?;
    let json = Json(AttachmentJson::of(&attachment, &app.urls));
    Ok((StatusCode::CREATED, json).into_response())
}

/// Receives the file. What is not in a form was not submitted.
async fn received(app: &App, request: Request) -> DomainResult<Upload> {
    let kind = content_type(&request);
    if essence(&kind) != "multipart/form-data" {
        return Err(match request.body().is_end_stream() {
            // As in DRF, a missing body has no type.
            true => UploadAttachment::missing(),
            false => Error::MediaType(kind),
        });
    }
    let boundary = Boundary::of(&kind)?;
    let max = app.limits.attachment_bytes;
    let limits = BodyLimits {
        size: BODY_MAX + SEPARATORS_MAX + max,
        too_large: FILE_TOO_LARGE,
        time: UPLOAD_TIME,
    };
    let receiving = app.media.attachments.acquire(holder(&request)).await?;
    let form = receive(request, limits).await?.into_section().await?;
    let part = work(move || form_file::find(&form, &boundary, FIELD)).await??;
    drop(receiving);
    let part = part.ok_or_else(UploadAttachment::missing)?;
    let name = part.file_name.ok_or_else(UploadAttachment::not_a_file)?;
    match part.content.len() {
        // A browser's form whose field was not touched.
        0 if name.is_empty() => Err(UploadAttachment::missing()),
        0 => Err(UploadAttachment::empty()),
        length if length > max as u64 => Err(Error::TooLarge(FILE_TOO_LARGE)),
        _ => Ok(Upload { name, content: part.content }),
    }
}

/// Who asks for a file: a caller with a token, or a link that was given to a user.
pub(super) struct LinkOrCaller(Result<UserId>);

/// The query of a link.
#[derive(Deserialize)]
struct LinkQuery {
    signature: Option<String>,
}

impl FromRequestParts<Arc<App>> for LinkOrCaller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self> {
        let query = Query::<LinkQuery>::try_from_uri(&parts.uri).ok();
        let Some(signature) = query.and_then(|Query(query)| query.signature) else {
            let Authenticated(caller) = Authenticated::from_request_parts(parts, app).await?;
            return Ok(Self(Ok(caller.user.id)));
        };
        let Id(id) = Id::<AttachmentId>::from_request_parts(parts, app).await?;
        let rendition = match parts.uri.path().trim_end_matches('/').ends_with("/thumbnail") {
            true => Rendition::Thumbnail,
            false => Rendition::File,
        };
        let user = attachments::user_of_link(app, id, rendition, &signature);
        if user.is_err() {
            // Links that work are not counted: a page may show a hundred pictures.
            let Ok(peer) = Peer::from_request_parts(parts, app).await;
            rate_limits::anonymous(app, peer)?;
        }
        Ok(Self(user.map_err(Into::into)))
    }
}

/// Get a file
///
/// An own upload, or one in a message of a chat that you are a member of. With `signature`, as in a link, no token is
/// needed. A browser shows pictures, audio, video, PDF and plain text, and downloads everything else.
#[utoipa::path(
    get, path = "/api/attachments/{id}/", tag = "attachments", operation_id = "get_attachment",
    params(
        ("id" = i64, Path, minimum = 1, description = "The attachment's id."),
        ("signature" = Option<String>, Query, description = "Of a link: it replaces the token."),
        ("Range" = Option<String>, Header, description = "A range of bytes."),
        ("If-None-Match" = Option<String>, Header, description = "The `ETag` of what you have."),
        ("If-Range" = Option<String>, Header, description = "The `ETag` of what you have a part of."),
    ),
    responses(
        (status = 200, description = "The file", content((inline(AttachmentFile) = "application/octet-stream"))),
        (status = 206, description = "The range", content((inline(AttachmentFile) = "application/octet-stream"))),
        (status = 304, description = "You have it"),
        (status = 403, description = "The link is not valid or has expired", body = Detail),
        (status = 404, description = "No such attachment that you may read", body = Detail),
        (status = 416, description = "The file has no such range"),
    )
)]
pub(super) async fn file(
    State(app): State<Arc<App>>,
    LinkOrCaller(reader): LinkOrCaller,
    Id(id): Id<AttachmentId>,
    method: Method,
    headers: HeaderMap,
) -> Result<Response> {
    read(&app, reader?, id, Rendition::File, &method, headers).await
}

/// Get a file's thumbnail
///
/// Of a picture: WebP or JPEG, at most 512 pixels a side, upright.
#[utoipa::path(
    get, path = "/api/attachments/{id}/thumbnail/", tag = "attachments",
    operation_id = "get_attachment_thumbnail",
    params(
        ("id" = i64, Path, minimum = 1, description = "The attachment's id."),
        ("signature" = Option<String>, Query, description = "Of a link: it replaces the token."),
    ),
    responses(
        (status = 200, description = "The thumbnail",
            content((inline(AttachmentFile) = "image/jpeg"), (inline(AttachmentFile) = "image/webp"))),
        (status = 206, description = "The range",
            content((inline(AttachmentFile) = "image/jpeg"), (inline(AttachmentFile) = "image/webp"))),
        (status = 304, description = "You have it"),
        (status = 403, description = "The link is not valid or has expired", body = Detail),
        (status = 404, description = "No such attachment that you may read, or it has no thumbnail", body = Detail),
        (status = 416, description = "The thumbnail has no such range"),
    )
)]
pub(super) async fn thumbnail(
    State(app): State<Arc<App>>,
    LinkOrCaller(reader): LinkOrCaller,
    Id(id): Id<AttachmentId>,
    method: Method,
    headers: HeaderMap,
) -> Result<Response> {
    read(&app, reader?, id, Rendition::Thumbnail, &method, headers).await
}

async fn read(
    app: &App,
    user: UserId,
    id: AttachmentId,
    rendition: Rendition,
    method: &Method,
    headers: HeaderMap,
) -> Result<Response> {
    let file = attachments::one(app, user, id, rendition).await?;
    served_file::answer(app, file, rendition, method, headers).await
}

/// Delete an upload
///
/// Your own, as long as it was not sent.
#[utoipa::path(
    delete, path = "/api/attachments/{id}/", tag = "attachments", operation_id = "delete_attachment",
    params(("id" = i64, Path, minimum = 1, description = "The attachment's id.")),
    responses(
        (status = 204, description = "It is deleted"),
        (status = 403, description = "It is somebody else's", body = Detail),
        (status = 404, description = "No such attachment that you may read", body = Detail),
        (status = 409, description = "It was sent", body = Detail),
    )
)]
pub(super) async fn delete(
    State(app): State<Arc<App>>,
    Authenticated(caller): Authenticated,
    Id(id): Id<AttachmentId>,
) -> Result<StatusCode> {
    attachments::delete(&app, caller.user.id, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Get links to attachments
///
/// URLs that work without a token for an hour, for `<img>`, `<video>` and download managers. A link stops working when
/// the message is deleted or you leave its chat. Attachments that you may not read are left out.
#[utoipa::path(
    post, path = "/api/attachments/links/", tag = "attachments", operation_id = "create_attachment_links",
    request_body = RequestLinks,
    responses(
        (status = 200, description = "The links", body = LinksJson),
        (status = 400, description = "The body is wrong", body = FieldTexts),
    )
)]
pub(super) async fn links(
    State(app): State<Arc<App>>,
    Authenticated(caller): Authenticated,
    body: Body,
) -> Result<Json<LinksJson>> {
    let ids = body.read(RequestLinks::parse)?;
    let links = attachments::links(&app, &caller, &ids).await?;
    let results = links.into_iter().map(|links| link(&app, links)).collect();
    Ok(Json(LinksJson { results }))
}

fn link(app: &App, links: AttachmentLinks) -> LinkJson {
    let AttachmentLinks { attachment, file, thumbnail, expires_at } = links;
    let url = app.urls.attachment(attachment.id);
    LinkJson {
        id: attachment.id,
        thumbnail_url: thumbnail.map(|signature| format!("{url}thumbnail/?signature={signature}")),
        url: format!("{url}?signature={file}"),
        expires_at,
    }
}
