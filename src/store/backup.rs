//! A copy of an embedded database, made while a server uses it: one transaction that reads, and blocks no
//! writer. It is a single file, without free pages, so nothing that was deleted is left in it.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use rusqlite::Connection;
use tempfile::{Builder, NamedTempFile};
use tokio::task::spawn_blocking;

use super::db::Db;
use super::error::{Failure, StoreError};

/// Why there is no backup.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The file cannot be written, or exists.
    #[error("{}: {error}", path.display())]
    File {
        /// Which one.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Copies the database to a new file, in which `epoch` is the epoch. The file appears under its name when it
/// is complete and on the disk; until then it has another name, which begins with a dot. Returns its size.
pub async fn back_up(db: &Db, file: &Path, epoch: String) -> Result<u64, BackupError> {
    let fault = |error| BackupError::File { path: file.to_owned(), error };
    let folder = match file.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let prefix = format!(".{name}.");
    // For its owner alone.
    let draft = Builder::new().prefix(&prefix).suffix(".partial").tempfile_in(folder);
    let draft = draft.map_err(fault)?;
    let path = draft.path().to_str().ok_or_else(|| fault(io::ErrorKind::InvalidFilename.into()))?;
    let mut alone = db.autocommit().await?;
    alone.lease.set_limit(None);
    alone.script(format!("vacuum into '{}'", path.replace('\'', "''"))).await?;
    drop(alone);
    let file = file.to_owned();
    let work = move || {
        set_epoch(draft.path(), &epoch)?;
        finish(draft, &file).map_err(|error| BackupError::File { path: file, error })
    };
    spawn_blocking(work).await.map_err(|_| StoreError::from(Failure::Crashed))?
}

fn set_epoch(file: &Path, epoch: &str) -> Result<(), StoreError> {
    let connection = Connection::open(file)?;
    // No file beside it.
    connection.execute_batch("pragma journal_mode = delete; pragma synchronous = full")?;
    connection.execute("update site set epoch = ?1", [epoch])?;
    Ok(())
}

fn finish(draft: NamedTempFile, file: &Path) -> io::Result<u64> {
    draft.as_file().sync_all()?;
    let bytes = draft.as_file().metadata()?.len();
    draft.persist_noclobber(file).map_err(|error| error.error)?;
    let folder = file.parent().filter(|parent| !parent.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()?;
    Ok(bytes)
}
