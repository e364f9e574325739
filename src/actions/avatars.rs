//! Avatars of users and groups: storing, serving and removing them. A periodic sweep (avatar clean-up)
//! removes files that no row refers to any more. Callers check whether a user may change the avatar.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures_util::TryStreamExt;

use crate::app::App;
use crate::auth::secrets::random_hex;
use crate::domain::avatar::NewAvatar;
use crate::domain::error::{Error, FieldErrors, Result};
use crate::domain::ids::UserId;
use crate::media::avatar::{Avatar, AvatarFormat};
use crate::media::files::Files;
use crate::shares::Holder;
use crate::store::avatars;

/// Interval of the sweep.
pub const INTERVAL: Duration = Duration::from_secs(3_600);
/// A file found without a row is removed after this time: until then it may belong to a transaction that is
/// about to commit. Less than [`INTERVAL`], so that the second sweep removes it.
const GRACE: Duration = Duration::from_secs(1_800);
/// Files looked up in one query.
const BATCH: usize = 500;
/// The folder of avatars in the storage.
pub(super) const FOLDER: &str = "avatars";
/// Length of the random part of a name, in bytes.
const RANDOM: usize = 16;

/// What a change does to the path of an avatar.
#[derive(Debug, PartialEq, Eq)]
pub enum AvatarPath {
    /// Nothing.
    Unchanged,
    /// Sets it; `None` removes the avatar.
    Set(Option<String>),
}

impl AvatarPath {
    /// The path after the change.
    pub fn apply(self, before: Option<String>) -> Option<String> {
        match self {
            Self::Unchanged => before,
            Self::Set(path) => path,
        }
    }
}

/// Stores a new avatar. Adds what is wrong with the file to `errors`, and stores nothing if there are
/// any. If no row comes to refer to the file, the sweep removes it.
pub async fn store(
    app: &App,
    by: UserId,
    avatar: Option<NewAvatar>,
    errors: &mut FieldErrors,
) -> Result<AvatarPath> {
    let file = match avatar {
        None => return Ok(AvatarPath::Unchanged),
        Some(NewAvatar::Removed) => return Ok(AvatarPath::Set(None)),
        Some(NewAvatar::Uploaded(file)) => file,
    };
    let stored = match app.media.avatars.encode(Holder::User(by), file).await? {
        Ok(stored) => stored,
        Err(text) => {
            errors.add("avatar", text);
            return Ok(AvatarPath::Unchanged);
        }
    };
    errors.clone().into_result()?;
    keep(&app.media.files, stored).await.map(|path| AvatarPath::Set(Some(path)))
}

/// Stores an encoded avatar under a new random name. Returns its path.
pub(super) async fn keep(files: &Files, avatar: Avatar) -> Result<String> {
    let random = random_hex::<RANDOM>().map_err(|_| Error::internal("no random numbers"))?;
    let path = format!("{FOLDER}/{random}.{}", avatar.format.extension());
    files.put(&path, avatar.bytes).await?;
    Ok(path)
}

/// Removes the files of avatars that no row refers to any more.
pub(super) async fn remove(app: Arc<App>, paths: Vec<String>) {
    for path in paths {
        if let Err(error) = app.media.files.remove(&path).await {
            tracing::warn!(error = %error.cause(), "cannot remove an old avatar; the next sweep will");
        }
    }
}

/// An avatar by its file name, with its media type. [`Error::NotFound`] if there is none.
pub async fn one(app: &App, name: &str) -> Result<(&'static str, Bytes)> {
    let format = format_of(name).ok_or(Error::NotFound)?;
    let bytes = app.media.files.get(&format!("{FOLDER}/{name}")).await?;
    Ok((format.content_type(), bytes.ok_or(Error::NotFound)?))
}

/// The format of a file name, if [`store`] makes such names. No other name leads to a file.
fn format_of(name: &str) -> Option<AvatarFormat> {
    let (random, extension) = name.split_once('.')?;
    let hex = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    let made = random.len() == 2 * RANDOM && random.bytes().all(hex);
    AvatarFormat::of_extension(extension).filter(|_| made)
}

/// Files without a row, each with the node's uptime when that was first noticed.
pub type Unreferenced = Mutex<HashMap<String, Duration>>;

/// Removes files that no row refers to, now and at an earlier sweep. The date of a file is not used: the
/// clock of the machine that wrote it, or of the bucket, may be wrong. Several nodes may sweep at once.
pub async fn sweep(app: Arc<App>, unreferenced: Arc<Unreferenced>) -> Result<()> {
    let now = app.clock.uptime();
    let mut still_unreferenced = HashMap::new();
    let mut batches = std::pin::pin!(app.media.files.list(FOLDER).try_chunks(BATCH));
    while let Some(paths) = batches.try_next().await.map_err(|broken| broken.1)? {
        let used = avatars::used(&app.db, paths.clone()).await?;
        for path in paths.into_iter().filter(|path| !used.contains(path)) {
            let since = lock(&unreferenced).get(&path).copied().unwrap_or(now);
            if since + GRACE <= now {
                app.media.files.remove(&path).await?;
            } else {
                still_unreferenced.insert(path, since);
            }
        }
    }
    *lock(&unreferenced) = still_unreferenced;
    Ok(())
}

fn lock(unreferenced: &Unreferenced) -> MutexGuard<'_, HashMap<String, Duration>> {
    unreferenced.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_that_were_made_here_lead_to_a_file() {
        let random = "0123456789abcdef0123456789abcdef";
        assert_eq!(format_of(&format!("{random}.jpg")), Some(AvatarFormat::Jpeg));
        assert_eq!(format_of(&format!("{random}.png")), Some(AvatarFormat::Png));
        for bad in [
            "..",
            "../../meowsenger.sqlite3",
            "x.jpg",
            "0123456789abcdef0123456789abcde/.jpg",
            "0123456789ABCDEF0123456789ABCDEF.jpg",
            "0123456789abcdef0123456789abcdef.svg",
            "0123456789abcdef0123456789abcdef.jpg.png",
            "0123456789abcdef0123456789abcdef",
        ] {
            assert_eq!(format_of(bad), None, "{bad}");
        }
    }
}
