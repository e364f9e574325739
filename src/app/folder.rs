//! The data folder: only the server's user can read it, since it holds the database and the secret key.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use crate::auth::secrets::random_hex;
use crate::domain::error::Error;

use super::start_error::StartError;

/// Reads the secret key in the data folder, and makes one where there is none. Two processes that start
/// together get the same key: the file is linked into place whole, and once.
pub(super) fn kept_secret_key(folder: &Path) -> Result<String, StartError> {
    make_folder(folder)?;
    let path = folder.join("secret_key");
    let fault = |error| StartError::Folder { path: path.clone(), error };
    if let Some(key) = read_key(&path).map_err(fault)? {
        return Ok(key);
    }
    let key = random_hex::<32>().map_err(|_| Error::internal("no random numbers"))?;
    let suffix = random_hex::<8>().map_err(|_| Error::internal("no random numbers"))?;
    let draft = folder.join(format!("secret_key.{suffix}"));
    let written = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&draft)
        .and_then(|mut file| {
            file.write_all(key.as_bytes())?;
            file.sync_all()
        })
        .and_then(|()| match fs::hard_link(&draft, &path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            linked => linked,
        });
    // The draft is not needed any more; a failure to remove it is harmless.
    fs::remove_file(&draft).ok();
    written.map_err(fault)?;
    read_key(&path).map_err(fault)?.ok_or_else(|| fault(io::ErrorKind::NotFound.into()))
}

fn read_key(path: &Path) -> io::Result<Option<String>> {
    match fs::read_to_string(path) {
        Ok(key) if key.trim().len() >= crate::config::tokens::SECRET_KEY_MIN => {
            Ok(Some(key.trim().to_owned()))
        }
        Ok(_) => Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "the key in this file is too short; every token depends on it, so it is not replaced",
        )),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Makes a folder that only the server's user can read.
pub(super) fn make_folder(folder: &Path) -> Result<(), StartError> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .map_err(|error| StartError::Folder { path: folder.to_owned(), error })
}
