//! A file beside the embedded database with the newest committed versions. A database with older ones is
//! a copy: it was restored. The file is written after each commit and not flushed: it survives the end of
//! the process, and a power failure costs at most its last seconds, never a commit.

use std::fs::{self, Metadata, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::UNIX_EPOCH;

use serde::{Deserialize, Serialize};

use crate::domain::ids::ChatId;
use crate::domain::numbering::Version;

/// The size of the file in bytes. Fixed, so that it is overwritten in place, in one piece.
const SIZE: usize = 512;

/// The file beside a database.
#[derive(Debug)]
pub struct SeenFile {
    path: PathBuf,
    /// Held while the file is written, so that nothing older overwrites something newer.
    writing: Mutex<()>,
}

/// The content of the file.
#[derive(Debug, PartialEq, Eq)]
pub struct Seen {
    /// The file itself is a copy, so the database beside it is one, too.
    pub is_copy: bool,
    /// Committed versions.
    pub versions: Vec<(ChatId, Version)>,
}

#[derive(Serialize, Deserialize)]
struct Content {
    /// The identity of the file; a copy has another one.
    file: String,
    versions: Vec<(ChatId, Version)>,
}

impl SeenFile {
    /// The file for the database in `file`. Its name begins with a dot, so that a restore by `cp
    /// backup/meowsenger.sqlite3* data/` does not copy an old one.
    pub fn beside(file: &Path) -> Self {
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        let path = file.with_file_name(format!(".{name}.seen"));
        Self { path, writing: Mutex::default() }
    }

    /// Reads the file. `None` if it is missing or unreadable, which is no reason to doubt the database.
    pub fn read(&self) -> io::Result<Option<Seen>> {
        let (text, file) = match fs::read(&self.path) {
            Ok(text) => (text, identity(&fs::metadata(&self.path)?)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let content = serde_json::from_slice::<Content>(&text).ok();
        Ok(content
            .map(|content| Seen { is_copy: content.file != file, versions: content.versions }))
    }

    /// Overwrites or creates the file with a few versions, if there are any. Takes some microseconds,
    /// since nothing waits for the disk.
    pub fn keep(
        &self,
        versions: impl FnOnce() -> Option<Vec<(ChatId, Version)>>,
    ) -> io::Result<()> {
        let _writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(versions) = versions() else { return Ok(()) };
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&self.path)?;
        let content = Content { file: identity(&file.metadata()?), versions };
        let mut text = serde_json::to_vec(&content)?;
        // White space after the JSON.
        text.resize(SIZE.max(text.len()), b'\n');
        file.write_all_at(&text, 0)
    }

    /// Removes the file's content.
    pub fn remove(&self) -> io::Result<()> {
        match fs::remove_file(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            removed => removed,
        }
    }
}

/// A file's inode, and its creation time in microseconds, since inodes are reused. Neither changes with
/// its content, its name or a restart.
fn identity(file: &Metadata) -> String {
    let made = file.created().ok().and_then(|made| made.duration_since(UNIX_EPOCH).ok());
    format!("{}-{}", file.ino(), made.unwrap_or_default().as_micros())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_read_as_written_and_a_copy_is_told_from_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = SeenFile::beside(&folder.path().join("meow.sqlite3"));
        assert_eq!(file.read().expect("none"), None);
        let large = [(ChatId(i64::MAX), Version::MAX); 8];
        for versions in [&large[..], &[(ChatId(1), Version(2))]] {
            file.keep(|| Some(versions.to_vec())).expect("written");
            let seen = Seen { is_copy: false, versions: versions.to_vec() };
            assert_eq!(file.read().expect("read"), Some(seen));
            assert_eq!(fs::metadata(&file.path).expect("there").len(), SIZE as u64);
        }
        file.keep(|| None).expect("nothing to write");
        let copy = SeenFile::beside(&folder.path().join("copy"));
        fs::copy(&file.path, &copy.path).expect("copied");
        assert!(copy.read().expect("read").is_some_and(|seen| seen.is_copy));
        fs::write(&file.path, "torn").expect("written");
        assert_eq!(file.read().expect("read"), None);
        file.remove().expect("removed");
        file.remove().expect("nothing to remove");
    }
}
