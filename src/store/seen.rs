//! A file beside the embedded database with the newest versions that were committed there. A
//! database that has less is an older copy: a restore. The file is written after each commit and not
//! flushed: it survives the end of the process, and a power cut costs at most its last seconds, never
//! a commit.

use std::fs::{self, Metadata, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::UNIX_EPOCH;

use serde::{Deserialize, Serialize};

use crate::domain::ids::ChatId;
use crate::domain::numbering::Version;

/// Bytes of the file. Of fixed size, so that it is overwritten in place, in one piece.
const SIZE: usize = 512;

/// The file beside a database.
#[derive(Debug)]
pub struct SeenFile {
    path: PathBuf,
    /// Held while it is written, so that nothing older overwrites something newer.
    writing: Mutex<()>,
}

/// What is in it.
#[derive(Debug, PartialEq, Eq)]
pub struct Seen {
    /// The file itself is a copy, so the database beside it is one, too.
    pub is_copy: bool,
    /// Versions that were committed.
    pub versions: Vec<(ChatId, Version)>,
}

#[derive(Serialize, Deserialize)]
struct Content {
    /// Which file this is; a copy is another.
    file: String,
    versions: Vec<(ChatId, Version)>,
}

impl SeenFile {
    /// Of the database in `file`. Its name has a dot before it, so that who restores by `cp
    /// backup/meowsenger.sqlite3* data/` does not bring an old one along.
    pub fn beside(file: &Path) -> Self {
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        let path = file.with_file_name(format!(".{name}.seen"));
        Self { path, writing: Mutex::default() }
    }

    /// What is in the file. `None` where there is none, or nothing that can be read: no reason to
    /// doubt the database.
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

    /// Overwrites the file, or makes it, with a few versions, where there are any. Takes some
    /// microseconds: nothing waits for the disk.
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

    /// Forgets what was seen.
    pub fn remove(&self) -> io::Result<()> {
        match fs::remove_file(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            removed => removed,
        }
    }
}

/// A file's number in its file system, and when it was made (in microseconds), since numbers are used
/// again. Neither changes with its content, its name or a restart.
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
