//! Pictures and where they are kept. Whose a file is, and who may change it, is none of its
//! business.

pub mod files;
pub mod picture;

use tokio::sync::Semaphore;

use files::Files;
use picture::Pictures;

/// How many files may be on their way to us at once: each is held in memory until it is here.
const UPLOADS: usize = 32;

/// What a node needs to take pictures and give them.
#[derive(Debug)]
pub struct Media {
    /// Where they are kept.
    pub files: Files,
    /// Makes of files what is kept.
    pub pictures: Pictures,
    /// To be had while a file is received.
    pub uploads: Semaphore,
}

impl Media {
    /// With the files kept there.
    pub fn new(files: Files) -> Self {
        Self { files, pictures: Pictures::default(), uploads: Semaphore::new(UPLOADS) }
    }
}
