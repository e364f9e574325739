//! Why a node could not start.

use std::io;
use std::path::PathBuf;

use crate::domain::error::Error;
use crate::store::pooler::OpenError;

/// What can keep a node from starting.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The data folder or what is in it.
    #[error("{path}: {error}", path = path.display())]
    Folder {
        /// Which file or folder.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// The database.
    #[error("cannot open the database: {0}")]
    Database(#[from] OpenError),
    /// Where the pictures are.
    #[error("MEDIA_URL: {0}")]
    Media(String),
    /// The way to other nodes.
    #[error("{0}")]
    Bus(String),
    /// Something of ours.
    #[error(transparent)]
    Other(#[from] Error),
}
