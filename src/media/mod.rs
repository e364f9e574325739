//! Images and where they are stored, and how much memory uploads may take. Who may change an avatar is
//! decided elsewhere.

pub mod avatar;
mod canvas;
mod colour;
mod decode;
pub mod files;
mod jpeg;
mod jpeg_layout;
mod limits;
mod rows;
#[cfg(test)]
mod samples;
mod webp;

use std::time::Duration;

use crate::shares::FairSemaphore;

use avatar::AvatarEncoder;
use files::Files;

/// Concurrent uploads of one user. All users together have no limit: while a client sends, an upload
/// costs a connection and disk space, and little memory.
const RECEIVING_SHARE: usize = 8;
/// How long an upload may wait for other uploads of the same user.
const RECEIVING_WAIT: Duration = Duration::from_secs(60);
/// Memory for received files, in KiB, and how many files of one user may use it at a time.
const RECEIVED_KIB: u32 = 64 << 10;
const RECEIVED_SHARE: usize = 2;
/// How long a received file may wait for memory.
const RECEIVED_WAIT: Duration = Duration::from_secs(60);

/// What a node needs to store and serve images.
#[derive(Debug)]
pub struct Media {
    /// Where files are stored.
    pub files: Files,
    /// Makes avatars of uploaded files.
    pub avatars: AvatarEncoder,
    /// Held while an upload is received.
    pub receiving: FairSemaphore,
    /// Memory for received files, in KiB; held until the image is stored.
    pub received: FairSemaphore,
}

impl Media {
    /// With this storage.
    pub fn new(files: Files) -> Self {
        Self {
            files,
            avatars: AvatarEncoder::default(),
            receiving: FairSemaphore::new("uploads", u32::MAX, RECEIVING_SHARE, RECEIVING_WAIT),
            received: FairSemaphore::new("files", RECEIVED_KIB, RECEIVED_SHARE, RECEIVED_WAIT),
        }
    }
}
