//! Pictures and where they are kept, and how much memory uploads may take. Who may change a picture
//! is decided elsewhere.

mod canvas;
mod decode;
pub mod files;
mod jpeg;
pub mod picture;
mod rows;
mod webp;

use std::time::Duration;

use crate::shares::FairSemaphore;

use files::Files;
use picture::Pictures;

/// Uploads that are received at a time for one user. There is no limit for all together: while a
/// client sends, an upload costs a connection and disk space, and little memory.
const RECEIVING_SHARE: usize = 8;
/// How long an upload may wait for the user's other uploads.
const RECEIVING_WAIT: Duration = Duration::from_secs(60);
/// Memory for received files, in KiB, and for how many files of one user at a time.
const RECEIVED_KIB: u32 = 64 << 10;
const RECEIVED_SHARE: usize = 2;
/// How long a received file may wait for memory.
const RECEIVED_WAIT: Duration = Duration::from_secs(60);

/// What a node needs to take pictures and give them.
#[derive(Debug)]
pub struct Media {
    /// Where they are kept.
    pub files: Files,
    /// Makes of files what is kept.
    pub pictures: Pictures,
    /// Held while a file is received.
    pub receiving: FairSemaphore,
    /// Memory for files that were received, in KiB: held until the picture is stored.
    pub received: FairSemaphore,
}

impl Media {
    /// With the files kept there.
    pub fn new(files: Files) -> Self {
        Self {
            files,
            pictures: Pictures::default(),
            receiving: FairSemaphore::new("uploads", u32::MAX, RECEIVING_SHARE, RECEIVING_WAIT),
            received: FairSemaphore::new("files", RECEIVED_KIB, RECEIVED_SHARE, RECEIVED_WAIT),
        }
    }
}
