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
use crate::media::picture::Kind;
use crate::shares::Holder;
use crate::store::avatars;

/// How often the store is swept.
pub const INTERVAL: Duration = Duration::from_secs(3_600);
/// A file that has been seen without a row for less than this may belong to a transaction that is about to
/// commit. Less than [`INTERVAL`], so that the second sweep removes it.
const SETTLED: Duration = Duration::from_secs(1_800);
/// How many files the database is asked of at once.
const BATCH: usize = 500;
/// Where they are in the store.
const FOLDER: &str = "avatars";
/// Length of a name's random part, in bytes.
const RANDOM: usize = 16;

/// Keeps a picture: its path, `None` where there shall be none; outermost `None` where nothing was
/// said. What is wrong with it is added to `errors`; where anything is, nothing is kept. A file that
/// no row comes to name is swept later.
pub async fn keep(
    app: &App,
    by: UserId,
    avatar: Option<NewAvatar>,
    errors: &mut FieldErrors,
) -> Result<Option<Option<String>>> {
    let file = match avatar {
        None => return Ok(None),
        Some(NewAvatar::Removed) => return Ok(Some(None)),
        Some(NewAvatar::Uploaded(file)) => file,
    };
    let picture = match app.media.pictures.read(Holder::User(by), file).await? {
        Ok(picture) => picture,
        Err(text) => {
            errors.add("avatar", text);
            return Ok(None);
        }
    };
    errors.clone().into_result()?;
    let random = random_hex::<RANDOM>().map_err(|_| Error::internal("no random numbers"))?;
    let path = format!("{FOLDER}/{random}.{}", picture.kind.extension());
    app.media.files.put(&path, picture.bytes).await?;
    Ok(Some(Some(path)))
}

/// Removes the files of pictures that no row names any more.
pub(super) async fn remove(app: Arc<App>, pictures: Vec<String>) {
    for picture in pictures {
        if let Err(error) = app.media.files.remove(&picture).await {
            tracing::warn!(?error, "an old picture is left to be swept");
        }
    }
}

/// A kept picture by its file's name, with its media type. [`Error::NotFound`] where there is none.
pub async fn one(app: &App, name: &str) -> Result<(&'static str, Bytes)> {
    let kind = kind(name).ok_or(Error::NotFound)?;
    let bytes = app.media.files.get(&format!("{FOLDER}/{name}")).await?;
    Ok((kind.content_type(), bytes.ok_or(Error::NotFound)?))
}

/// The kind that a name tells, if it is one that [`keep`] makes: nothing else leads to a file.
fn kind(name: &str) -> Option<Kind> {
    let (random, extension) = name.split_once('.')?;
    let hex = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    let made = random.len() == 2 * RANDOM && random.bytes().all(hex);
    Kind::of_extension(extension).filter(|_| made)
}

/// Files that no row names, each with the node's uptime when that was first seen.
pub type Unnamed = Mutex<HashMap<String, Duration>>;

/// Removes the files that no row names and that no row named a while ago either. A file's own date is not
/// used: the clock of the machine that wrote it, or of the bucket, may be wrong. Several nodes may do the
/// same work.
pub async fn sweep(app: Arc<App>, unnamed: Arc<Unnamed>) -> Result<()> {
    let now = app.clock.uptime();
    let mut still_unnamed = HashMap::new();
    let mut batches = std::pin::pin!(app.media.files.list(FOLDER).try_chunks(BATCH));
    while let Some(paths) = batches.try_next().await.map_err(|broken| broken.1)? {
        let used = avatars::used(&app.db, paths.clone()).await?;
        for path in paths.into_iter().filter(|path| !used.contains(path)) {
            let since = lock(&unnamed).get(&path).copied().unwrap_or(now);
            if since + SETTLED <= now {
                app.media.files.remove(&path).await?;
            } else {
                still_unnamed.insert(path, since);
            }
        }
    }
    *lock(&unnamed) = still_unnamed;
    Ok(())
}

fn lock(unnamed: &Unnamed) -> MutexGuard<'_, HashMap<String, Duration>> {
    unnamed.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_that_were_made_here_lead_to_a_file() {
        let random = "0123456789abcdef0123456789abcdef";
        assert_eq!(kind(&format!("{random}.jpg")), Some(Kind::Jpeg));
        assert_eq!(kind(&format!("{random}.png")), Some(Kind::Png));
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
            assert_eq!(kind(bad), None, "{bad}");
        }
    }
}
