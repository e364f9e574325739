//! Images and attached files, where they are stored, and how much memory uploads may take. Who may change or read what
//! is decided elsewhere.

pub mod avatar;
mod canvas;
mod colour;
mod decode;
pub mod encoder;
pub mod files;
pub mod inspect;
mod jpeg;
mod jpeg_layout;
mod limits;
pub mod metadata;
mod rows;
#[cfg(test)]
mod samples;
pub mod section;
pub mod sniff;
pub mod thumbnail;
mod webp;

use std::time::Duration;

use crate::shares::FairSemaphore;

use encoder::ImageEncoder;
use files::Files;

/// Concurrent uploads of one user. All users together have no limit: while a client sends, an upload
/// costs a connection and disk space, and little memory.
const RECEIVING_SHARE: usize = 8;
/// How long an upload may wait for other uploads of the same user.
const RECEIVING_WAIT: Duration = Duration::from_secs(60);
/// Attachments that are received at a time, those of one user, and how long one may wait for others. Each takes up to
/// `ATTACHMENT_MAX_BYTES` of disk space meanwhile.
const ATTACHMENTS: u32 = 512;
const ATTACHMENTS_SHARE: usize = 32;
const ATTACHMENTS_WAIT: Duration = Duration::from_secs(300);
/// Memory for received files, in KiB, and how many files of one user may use it at a time.
const RECEIVED_KIB: u32 = 64 << 10;
const RECEIVED_SHARE: usize = 2;
/// How long a received file may wait for memory.
const RECEIVED_WAIT: Duration = Duration::from_secs(60);
/// Attachments that are written to the storage at a time, and those of one user. With a bucket, each needs the memory
/// of a part.
const STORING: u32 = 16;
const STORING_SHARE: usize = 4;

/// What a node needs to store and serve files.
#[derive(Debug)]
pub struct Media {
    /// Where files are stored.
    pub files: Files,
    /// Makes small images of uploaded files.
    pub images: ImageEncoder,
    /// Held while a picture is received.
    pub receiving: FairSemaphore,
    /// Held while an attachment is received.
    pub attachments: FairSemaphore,
    /// Memory for received files, in KiB; held until the image is stored.
    pub received: FairSemaphore,
    /// Held while an attachment is stored.
    pub storing: FairSemaphore,
}

impl Media {
    /// With this storage.
    pub fn new(files: Files) -> Self {
        Self {
            files,
            images: ImageEncoder::default(),
            receiving: FairSemaphore::new("uploads", u32::MAX, RECEIVING_SHARE, RECEIVING_WAIT),
            attachments: FairSemaphore::new(
                "attachments",
                ATTACHMENTS,
                ATTACHMENTS_SHARE,
                ATTACHMENTS_WAIT,
            ),
            received: FairSemaphore::new("files", RECEIVED_KIB, RECEIVED_SHARE, RECEIVED_WAIT),
            storing: FairSemaphore::new("stored files", STORING, STORING_SHARE, RECEIVED_WAIT),
        }
    }
}
