//! Keeps a second server away from an embedded database: each would miss the other's events, and take
//! its sockets and presence for all there are. Commands such as `migrate` may run beside a server.
//!
//! The lock is `flock` on a file beside the database. The system releases it when the process ends, however
//! it ends, so none is ever left behind. It also holds between containers that share a volume. (Not on the
//! database itself: on network file systems it could clash with SQLite's own locks.)

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// The lock, held until it is dropped.
#[derive(Debug)]
pub struct ServerLock {
    _file: File,
}

/// Why there is no lock.
#[derive(Debug)]
pub enum NotLocked {
    /// Another server has it. What it wrote: its process id.
    Taken(String),
    /// The file system has no locks, for example.
    Failed(io::Error),
}

impl ServerLock {
    /// Takes the lock of the database in `file`, which exists. Does not wait.
    pub fn take(file: &Path) -> Result<Self, NotLocked> {
        // A link must not lead to another lock.
        let file = fs::canonicalize(file).map_err(NotLocked::Failed)?;
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        let path = file.with_file_name(format!(".{name}.lock"));
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o600);
        let mut file = options.open(path).map_err(NotLocked::Failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                // Only for the message.
                file.read_to_string(&mut holder).ok();
                return Err(NotLocked::Taken(holder.trim().to_owned()));
            }
            Err(TryLockError::Error(error)) => return Err(NotLocked::Failed(error)),
        }
        let written = file.set_len(0).and_then(|()| write!(file, "{}", std::process::id()));
        written.map_err(NotLocked::Failed)?;
        Ok(Self { _file: file })
    }
}
