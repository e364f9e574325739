//! Attachments: uploading, reading and deleting them, and links that work without a token. Sending them is the
//! committer's; removing files without a row is in `stored_files`.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::digest::{Context, SHA256};
use futures_util::TryStreamExt;

use crate::app::App;
use crate::auth::secrets::{hex, random_hex};
use crate::domain::attachment::{Attachment, file_name};
use crate::domain::error::{Error, Result};
use crate::domain::ids::{AttachmentId, UserId};
use crate::domain::session::Caller;
use crate::domain::time::Timestamp;
use crate::media::files::FileStream;
use crate::media::inspect::{Inspected, inspect};
use crate::media::section::{Section, work};
use crate::media::thumbnail::Thumbnail;
use crate::shares::Holder;
use crate::store::attachments::{self, NewAttachment, StoredAttachment, THUMBNAIL};

use super::stored_files::ATTACHMENTS;
use super::unit::Unit;
use super::{access, stored_files};

/// For how long an upload that is not sent is kept.
pub const KEPT_UNSENT: Duration = Duration::from_secs(86_400);
/// How often it is looked for uploads that were not sent.
pub const INTERVAL: Duration = Duration::from_secs(600);
/// Uploads that are deleted in one transaction.
const ABANDONED: i64 = 100;
/// For how long a link works.
const LINK_AGE: Duration = Duration::from_secs(3_600);
/// Length of the random part of a storage key, in bytes.
const RANDOM: usize = 16;
/// Length of the part of a hash that is the tag of a file, in characters.
const TAG: usize = 32;

const OVER_QUOTA: &str = "Your attachments would take more space than you have.";
const SENT: &str = "The attachment was sent.";

/// A file as it was received.
#[derive(Debug)]
pub struct Upload {
    /// Its name, as the client wrote it.
    pub name: String,
    /// Its bytes.
    pub content: Section,
}

/// What of an attachment is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rendition {
    /// The file.
    File,
    /// Its thumbnail.
    Thumbnail,
}

/// What is known about a file that is served.
#[derive(Clone, Debug)]
pub struct ServedFile {
    /// The attachment.
    pub attachment: Attachment,
    /// The media type.
    pub content_type: String,
    /// Which changes if the bytes do.
    pub tag: String,
    path: String,
    /// In bytes; `None` until it is asked for.
    size: Option<u64>,
}

/// Links to an attachment.
#[derive(Clone, Debug)]
pub struct AttachmentLinks {
    /// The attachment.
    pub attachment: Attachment,
    /// The signature in the link to the file.
    pub file: String,
    /// The signature in the link to the thumbnail.
    pub thumbnail: Option<String>,
    /// Until when they work.
    pub expires_at: Timestamp,
}

/// Whether a user may upload something now. Before the body is read.
pub async fn admit(app: &App, user: UserId) -> Result<()> {
    app.rate_limits.upload(user, app.clock.now())?;
    if attachments::used_bytes(&app.db, user).await? >= app.limits.attachment_quota {
        return Err(Error::Conflict(OVER_QUOTA));
    }
    Ok(())
}

/// Stores an upload. It is finished even if the client disconnects.
pub async fn upload(app: &Arc<App>, user: UserId, upload: Upload) -> Result<Attachment> {
    let node = Arc::clone(app);
    app.spawn(async move { upload_now(&node, user, upload).await })
        .await
        .map_err(Error::internal)?
}

async fn upload_now(app: &Arc<App>, user: UserId, upload: Upload) -> Result<Attachment> {
    let Upload { name, content } = upload;
    let file = work(move || inspect(content)).await?;
    let random = random_hex::<RANDOM>().map_err(|_| Error::internal("no random numbers"))?;
    let storage_key = format!("{ATTACHMENTS}/{}/{random}", &random[..2]);
    let saved = save(app, user, &storage_key, name, &file).await;
    if saved.is_err() {
        stored_files::remove(Arc::clone(app), vec![storage_key]).await;
    }
    saved
}

/// Writes the files, and then the row that names them.
async fn save(
    app: &Arc<App>,
    user: UserId,
    storage_key: &str,
    name: String,
    file: &Inspected,
) -> Result<Attachment> {
    let thumbnail = thumbnail(app, user, file).await?;
    let storing = app.media.storing.acquire(Holder::User(user)).await?;
    let mut hash = Context::new(&SHA256);
    let content = file.content().inspect_ok(|bytes| hash.update(bytes));
    app.media.files.put_stream(storage_key, content).await?;
    let thumbnail = match thumbnail {
        Some(Thumbnail { content_type, bytes }) => {
            app.media.files.put(&format!("{storage_key}{THUMBNAIL}"), bytes).await?;
            Some(content_type.to_owned())
        }
        None => None,
    };
    drop(storing);
    let new = NewAttachment {
        owner: user,
        name: file_name(&name),
        content_type: file.content_type.to_owned(),
        size: i64::try_from(file.stored_len()).unwrap_or(i64::MAX),
        sha256: hex(hash.finish().as_ref()),
        pixels: file.size.map(|(width, height)| (width.into(), height.into())),
        thumbnail,
        storage_key: storage_key.to_owned(),
        created_at: app.clock.now(),
    };
    insert(app, new).await
}

/// The thumbnail of a picture. One that is too large or damaged has none.
async fn thumbnail(app: &App, user: UserId, file: &Inspected) -> Result<Option<Thumbnail>> {
    if file.size.is_none() {
        return Ok(None);
    }
    let holder = Holder::User(user);
    let kib = u32::try_from(file.stored_len().div_ceil(1024)).unwrap_or(u32::MAX);
    let Ok(_room) = app.media.received.acquire_many(holder, kib).await else { return Ok(None) };
    let mut bytes = Vec::new();
    let mut content = std::pin::pin!(file.content());
    while let Some(chunk) = content.try_next().await? {
        bytes.extend_from_slice(&chunk);
    }
    Ok(app.media.images.thumbnail(holder, bytes.into()).await)
}

async fn insert(app: &Arc<App>, new: NewAttachment) -> Result<Attachment> {
    let mut unit = Unit::begin(app).await?;
    let id = attachments::insert(&mut unit.tx, &new, app.limits.attachment_quota).await?;
    let id = id.ok_or(Error::Conflict(OVER_QUOTA))?;
    unit.commit().await?;
    Ok(Attachment {
        id,
        name: new.name,
        content_type: new.content_type,
        size: new.size,
        width: new.pixels.map(|(width, _)| width),
        height: new.pixels.map(|(_, height)| height),
        has_thumbnail: new.thumbnail.is_some(),
        created_at: new.created_at,
    })
}

/// A file for a user who may read it. [`Error::NotFound`] for everybody else, and if there is no thumbnail.
pub async fn one(
    app: &App,
    user: UserId,
    id: AttachmentId,
    rendition: Rendition,
) -> Result<ServedFile> {
    let found = access::attachment(&app.db, id, user).await?;
    let StoredAttachment { attachment, sha256, thumbnail, storage_key, .. } = found;
    let tag = sha256.chars().take(TAG).collect();
    Ok(match rendition {
        Rendition::File => ServedFile {
            content_type: attachment.content_type.clone(),
            size: u64::try_from(attachment.size).ok(),
            path: storage_key,
            attachment,
            tag,
        },
        Rendition::Thumbnail => ServedFile {
            content_type: thumbnail.ok_or(Error::NotFound)?,
            size: None,
            path: storage_key + THUMBNAIL,
            attachment,
            tag,
        },
    })
}

/// How large a file is, in bytes. [`Error::NotFound`] if it is missing.
pub async fn size(app: &App, file: &ServedFile) -> Result<u64> {
    match file.size {
        Some(size) => Ok(size),
        None => app.media.files.size(&file.path).await?.ok_or(Error::NotFound),
    }
}

/// A range of a file. [`Error::NotFound`] if the file is missing.
pub async fn open(app: &App, file: &ServedFile, range: Range<u64>) -> Result<FileStream> {
    let found = app.media.files.open(&file.path, range).await?;
    if found.is_none() {
        tracing::error!(
            attachment = file.attachment.id.0,
            "the stored file of an attachment is missing"
        );
    }
    found.ok_or(Error::NotFound)
}

/// Deletes an own upload that was not sent.
pub async fn delete(app: &Arc<App>, user: UserId, id: AttachmentId) -> Result<()> {
    let found = access::attachment(&app.db, id, user).await?;
    if found.owner != user {
        return Err(Error::PermissionDenied);
    }
    let mut unit = Unit::begin(app).await?;
    match attachments::delete_unsent(&mut unit.tx, id, user).await? {
        Some(key) => unit.discard_files([key]),
        // Sent, now or since it was read.
        None => return Err(Error::Conflict(SENT)),
    }
    unit.commit().await
}

/// Links to those of some attachments that the user may read, in their order.
pub async fn links(
    app: &App,
    caller: &Caller,
    ids: &[AttachmentId],
) -> Result<Vec<AttachmentLinks>> {
    let user = caller.user.id;
    let found = attachments::readable(&app.db, ids, user).await?;
    let expires_at = app.clock.now().plus(LINK_AGE);
    let sign = |id, rendition| {
        app.signing_key
            .sign_text(&purpose(id, rendition), &format!("{user},{}", expires_at.micros()))
    };
    let links = |id: &AttachmentId| {
        let StoredAttachment { attachment, .. } =
            found.iter().find(|row| row.attachment.id == *id)?;
        Some(AttachmentLinks {
            file: sign(*id, Rendition::File),
            thumbnail: attachment.has_thumbnail.then(|| sign(*id, Rendition::Thumbnail)),
            attachment: attachment.clone(),
            expires_at,
        })
    };
    Ok(ids.iter().filter_map(links).collect())
}

/// The user who was given a link. [`Error::PermissionDenied`] if it is forged or has expired. What the user may
/// read now is asked of the database.
pub fn user_of_link(
    app: &App,
    id: AttachmentId,
    rendition: Rendition,
    signature: &str,
) -> Result<UserId> {
    let text = app.signing_key.verify_text(&purpose(id, rendition), signature);
    let (user, expires_at) = text.as_deref().and_then(read_link).ok_or(Error::PermissionDenied)?;
    match app.clock.now() < expires_at {
        true => Ok(user),
        false => Err(Error::PermissionDenied),
    }
}

fn read_link(text: &str) -> Option<(UserId, Timestamp)> {
    let (user, expires_at) = text.split_once(',')?;
    Some((UserId(user.parse().ok()?), Timestamp::from_micros(expires_at.parse().ok()?)))
}

/// What a link is signed for.
fn purpose(id: AttachmentId, rendition: Rendition) -> String {
    match rendition {
        Rendition::File => format!("link to attachment {id}"),
        Rendition::Thumbnail => format!("link to thumbnail {id}"),
    }
}

/// Deletes uploads that were not sent within a day.
pub async fn forget_abandoned(app: Arc<App>) -> Result<()> {
    loop {
        let mut unit = Unit::begin(&app).await?;
        let before = unit.now().minus(KEPT_UNSENT);
        let keys = attachments::delete_abandoned(&mut unit.tx, before, ABANDONED).await?;
        let is_last = keys.len() < ABANDONED.unsigned_abs() as usize;
        unit.discard_files(keys);
        unit.commit().await?;
        if is_last {
            return Ok(());
        }
    }
}
