//! Bodies that can carry a file: `multipart/form-data` as well as JSON. The fields are read later, by
//! DRF's rules for forms.

use std::net::Ipv4Addr;
use std::sync::Arc;

use axum::extract::{FromRequest, Request};
use bytes::Bytes;

use crate::app::App;
use crate::domain::error::{Error, Result as DomainResult};
use crate::shares::{Holder, Permit};
use crate::wire::fields::{Fields, Form};

use super::bodies::{BODY_MAX, Body, content_type, essence};
use super::context::Context;
use super::errors::{ApiError, Result};
use super::multipart::Multipart;
use super::proxies::Peer;
use super::receive::{BodyLimits, receive};
use super::spool::Spool;

/// The most parts, as Django's `DATA_UPLOAD_MAX_NUMBER_FIELDS`.
const PARTS_MAX: usize = 1_000;
/// Allowance for the separators between the parts, in bytes.
pub(super) const SEPARATORS_MAX: usize = 128 * 1024;
const BODY_TOO_LARGE: &str = "The body is too large.";
const FIELDS_TOO_LARGE: &str = "The fields are larger than 128 KiB.";
pub(super) const FILE_TOO_LARGE: &str = "The file is too large.";

/// A JSON body, or a form with at most one file.
#[derive(Debug)]
pub(super) struct FormBody(pub(super) Body);

impl FromRequest<Arc<App>> for FormBody {
    type Rejection = ApiError;

    async fn from_request(request: Request, app: &Arc<App>) -> Result<Self> {
        let (method, kind) = (request.method().clone(), content_type(&request));
        if essence(&kind) != "multipart/form-data" {
            let Ok(body) = Body::from_request(request, app).await;
            return Ok(Self(body));
        }
        let holder = holder(&request);
        let max = BODY_MAX + SEPARATORS_MAX + app.limits.avatar_bytes;
        let fields = match receive_upload(request, app, max, BODY_TOO_LARGE).await? {
            Ok(body) if body.len() == 0 => Ok(Fields::default()),
            Ok(body) => load_form(app, holder, body, &kind).await,
            Err(error) => Err(error),
        };
        Ok(Self(Body::of(&method, fields)))
    }
}

/// A body that is one file, whatever its type.
pub(super) async fn receive_file(request: Request, app: &App) -> Result<DomainResult<Bytes>> {
    let holder = holder(&request);
    let max = app.limits.avatar_bytes;
    Ok(match receive_upload(request, app, max, FILE_TOO_LARGE).await? {
        Ok(body) => load(app, holder, body, 1).await.map(|(content, room)| kept(content, &room)),
        Err(error) => Err(error),
    })
}

/// Receives a body within the user's share of concurrent uploads.
async fn receive_upload(
    request: Request,
    app: &App,
    max: usize,
    too_large: &'static str,
) -> Result<DomainResult<Spool>> {
    let _receiving = app.media.receiving.acquire(holder(&request)).await?;
    Ok(receive(request, BodyLimits::new(max, too_large)).await)
}

/// Whose share an upload uses: the user's, who is authenticated by now on every path that accepts files.
pub(super) fn holder(request: &Request) -> Holder {
    let user = request.extensions().get::<Context>().and_then(Context::user);
    let address = request.extensions().get::<Peer>().map(|peer| peer.address);
    let address = || Holder::at(address.unwrap_or(Ipv4Addr::UNSPECIFIED.into()));
    user.map_or_else(address, Holder::User)
}

/// Loads a received form and parses it. The room is released with the form's last file.
async fn load_form(app: &App, holder: Holder, body: Spool, kind: &str) -> DomainResult<Fields> {
    // The form as it arrived, of which the parts are slices, and what is decoded from base64.
    let (body, room) = load(app, holder, body, 2).await?;
    parse(kind, body, app.limits.avatar_bytes, &room).map(Fields::from)
}

/// Loads a received body into memory, once there is room for so many copies of it.
async fn load(
    app: &App,
    holder: Holder,
    body: Spool,
    copies: usize,
) -> DomainResult<(Bytes, Arc<Permit>)> {
    let kib = u32::try_from(copies * body.len().div_ceil(1024)).unwrap_or(u32::MAX);
    let room = Arc::new(app.media.received.acquire_many(holder, kib).await?);
    Ok((body.into_bytes().await?.into(), room))
}

/// A file that releases its room when it is dropped.
fn kept(content: Bytes, room: &Arc<Permit>) -> Bytes {
    Bytes::from_owner(Kept { content, _room: Arc::clone(room) })
}

/// A file's content, and the memory that is reserved for it.
struct Kept {
    content: Bytes,
    _room: Arc<Permit>,
}

impl AsRef<[u8]> for Kept {
    fn as_ref(&self) -> &[u8] {
        &self.content
    }
}

/// Parses a form. As in Django, a part with a file name is a file. A part with an empty file name and
/// no content is an untouched field of a browser's form, and counts as missing.
fn parse(kind: &str, body: Bytes, file_max: usize, room: &Arc<Permit>) -> DomainResult<Form> {
    let mut parts = Multipart::new(kind, body)?;
    let (mut form, mut size, mut count) = (Form::default(), 0, 0);
    while let Some(part) = parts.next_part()? {
        count += 1;
        if count > PARTS_MAX {
            return Err(Error::Malformed("Too many fields.".into()));
        }
        match &part.file_name {
            Some(_) if part.content.len() > file_max => {
                return Err(Error::TooLarge(FILE_TOO_LARGE));
            }
            Some(file_name) if file_name.is_empty() && part.content.is_empty() => {}
            Some(_) => form.add_file(part.name, kept(part.content, room)),
            None => {
                size += part.name.len() + part.content.len();
                if size > BODY_MAX {
                    return Err(Error::TooLarge(FIELDS_TOO_LARGE));
                }
                let text = parts.text(&part);
                form.add_text(part.name, text);
            }
        }
    }
    Ok(form)
}

#[cfg(test)]
#[path = "forms_fuzz.rs"]
mod fuzz;
