//! Reserved space on the embedded database's disk, so that ending sessions works even if the disk
//! is full. It is a file beside the database, and nothing is ever read from it. Everything here
//! blocks for a moment.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Enough for some fifty logouts. The reserve is refilled when there is space again.
const SIZE: u64 = 512 * 1024;
/// Bytes written at a time: more than a logout takes.
const PIECE: u64 = 64 * 1024;

/// See the module.
#[derive(Debug)]
pub(super) struct Reserve {
    path: PathBuf,
}

impl Reserve {
    /// Beside a database.
    pub(super) fn beside(database: &Path) -> Self {
        let mut path = database.as_os_str().to_owned();
        path.push("-reserve");
        Self { path: path.into() }
    }

    /// Reserves the space, or as much as there is. It writes zeros, since a length alone occupies
    /// no space.
    pub(super) fn take(&self) -> io::Result<()> {
        let mut file = self.open()?;
        while file.metadata()?.len() < SIZE {
            write_piece(&mut file)?;
        }
        Ok(())
    }

    /// Releases the space if the disk has no other.
    pub(super) fn make_room(&self) -> io::Result<()> {
        let mut file = self.open()?;
        let length = file.metadata()?.len();
        match write_piece(&mut file) {
            Ok(()) => file.set_len(length),
            Err(_) => file.set_len(0),
        }
    }

    fn open(&self) -> io::Result<File> {
        OpenOptions::new().append(true).create(true).mode(0o600).open(&self.path)
    }
}

fn write_piece(file: &mut File) -> io::Result<()> {
    file.write_all(&vec![0; PIECE as usize])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_room_is_taken_once_and_kept_while_there_is_other_room() {
        let folder = tempfile::tempdir().expect("a folder");
        let reserve = Reserve::beside(&folder.path().join("meow.sqlite3"));
        let length = || folder.path().join("meow.sqlite3-reserve").metadata().expect("it").len();
        reserve.take().expect("taken");
        reserve.take().expect("taken");
        assert_eq!(length(), SIZE);
        reserve.make_room().expect("made");
        assert_eq!(length(), SIZE);
    }
}
