//! Why a node could not start.

use std::io;
use std::path::PathBuf;

use crate::domain::error::Error;
use crate::store::pooler::OpenError;

/// Why a node could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A file or folder in the data folder.
    #[error("{path}: {error}", path = path.display())]
    Folder {
        /// Its path.
        path: PathBuf,
        /// The error of the system.
        error: io::Error,
    },
    /// The database.
    #[error("cannot open the database: {0}")]
    Database(#[from] OpenError),
    /// The storage for avatars.
    #[error("MEDIA_URL: {0}")]
    Media(String),
    /// The bus.
    #[error("{0}")]
    Bus(String),
    /// Anything else.
    #[error(transparent)]
    Other(#[from] Error),
}
