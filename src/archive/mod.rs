//! An export as files: a folder with a manifest, a file of JSON lines for each table, and the stored files
//! (avatars). `manifest` says what is in it, `folder` creates and opens it, `lines` writes, verifies and reads
//! its files, `row` checks a line. Nothing here knows a database or a bucket.

mod folder;
mod lines;
mod manifest;
mod row;

use std::io;
use std::path::{Path, PathBuf};

pub use folder::{Folder, Overwrite};
pub use lines::{LineReader, LineWriter, MediaEntry};
pub use manifest::{FORMAT, ListedFile, Manifest};
pub use row::{Expected, RowRule, RowRules};

/// Why an export cannot be written or read.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// A file or folder cannot be read or written.
    #[error("{}: {error}", path.display())]
    Io {
        /// Which one.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// The folder must not be overwritten.
    #[error("{}: {why}", path.display())]
    Occupied {
        /// The folder.
        path: PathBuf,
        /// What is in it, and what to do.
        why: &'static str,
    },
    /// The folder is not a complete export.
    #[error("{}: {why}", path.display())]
    NotAnExport {
        /// The folder.
        path: PathBuf,
        /// What is missing.
        why: String,
    },
    /// A file is damaged, or was edited.
    #[error("{}{}: {what}", path.display(), line.map(|line| format!(", line {line}")).unwrap_or_default())]
    Faulty {
        /// The file.
        path: PathBuf,
        /// The line, if it is one; the first is 1.
        line: Option<u64>,
        /// What is wrong.
        what: String,
    },
}

impl ArchiveError {
    fn io(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        |error| Self::Io { path, error }
    }
}
