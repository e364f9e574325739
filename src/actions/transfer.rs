//! What exports and imports share: their errors and their progress.

use crate::archive::ArchiveError;
use crate::domain::error::Error;
use crate::store::error::StoreError;
use crate::store::migrations::MigrationError;

/// Why a site cannot be exported or imported.
#[derive(Debug, thiserror::Error)]
pub enum TransferError {
    /// The folder of the export.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The schema cannot be used.
    #[error(transparent)]
    Migration(#[from] MigrationError),
    /// A stored file cannot be read or written.
    #[error("the stored file {path}: {}", error.cause())]
    Media {
        /// Its path.
        path: String,
        /// Why.
        error: Error,
    },
    /// It would do harm. The text says why, and what to do.
    #[error("{0}")]
    Refused(String),
}

impl TransferError {
    pub(super) fn media(path: &str) -> impl FnOnce(Error) -> Self {
        let path = path.to_owned();
        |error| Self::Media { path, error }
    }
}

/// How far a step has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TransferStep<'a> {
    /// A table, `media`, or what is verified.
    pub name: &'a str,
    /// Rows, files or bytes so far.
    pub done: u64,
    /// How many there are in all. The step ends when these are done.
    pub total: u64,
}

/// Shows the progress.
pub type OnProgress<'a> = &'a mut (dyn FnMut(TransferStep<'_>) + Send);
