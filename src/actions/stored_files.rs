//! Stored files without a row: a transaction that was rolled back or a program that was killed leaves them. A
//! periodic sweep removes them (avatar clean-up, attachment clean-up).

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::TryStreamExt;

use crate::app::App;
use crate::domain::error::Result;
use crate::media::section::work;
use crate::store::attachments::THUMBNAIL;
use crate::store::{Db, attachments, avatars};

/// Interval of the sweep.
pub const INTERVAL: Duration = Duration::from_secs(3_600);
/// A file found without a row is removed after this time: until then it may belong to a transaction that is
/// about to commit. Less than [`INTERVAL`], so that the second sweep removes it.
const GRACE: Duration = Duration::from_secs(1_800);
/// Files looked up in one query.
const BATCH: usize = 500;
/// The folder of avatars in the storage.
pub(super) const AVATARS: &str = "avatars";
/// The folder of attachments in the storage. Nothing below it is served but to members.
pub(super) const ATTACHMENTS: &str = "attachments";
pub(super) const FOLDERS: [&str; 2] = [AVATARS, ATTACHMENTS];

/// Those of these paths, all of one folder, that a row names.
pub(super) async fn used(db: &Db, folder: &str, paths: Vec<String>) -> Result<HashSet<String>> {
    if folder == AVATARS {
        return Ok(avatars::used(db, paths).await?);
    }
    let named = attachments::named(db, paths.iter().map(|path| key(path).to_owned()).collect());
    let named = named.await?;
    Ok(paths.into_iter().filter(|path| named.contains(key(path))).collect())
}

/// The storage key of a file or its thumbnail.
fn key(path: &str) -> &str {
    path.strip_suffix(THUMBNAIL).unwrap_or(path)
}

/// Removes the files of attachments whose rows were deleted, unless another row names them.
pub(super) async fn remove(app: Arc<App>, keys: Vec<String>) {
    if let Err(error) = try_remove(&app, keys).await {
        tracing::warn!(error = %error.cause(), "cannot remove deleted attachments; a sweep will");
    }
}

async fn try_remove(app: &App, keys: Vec<String>) -> Result<()> {
    for keys in keys.chunks(BATCH) {
        let named = attachments::named(&app.db, keys.to_vec()).await?;
        for key in keys.iter().filter(|key| !named.contains(*key)) {
            app.media.files.remove(&format!("{key}{THUMBNAIL}")).await?;
            app.media.files.remove(key).await?;
        }
    }
    Ok(())
}

/// Files without a row, each with the node's uptime when that was first noticed.
pub type Unreferenced = Mutex<HashMap<String, Duration>>;

/// Removes files that no row names, now and at an earlier sweep, and those that were not written to their end. The
/// date of a file is not used: the clock of the machine that wrote it, or of the bucket, may be wrong. Several
/// nodes may sweep at once.
pub async fn sweep(app: Arc<App>, unreferenced: Arc<Unreferenced>) -> Result<()> {
    let mut still_unreferenced = HashMap::new();
    for folder in FOLDERS {
        let mut batches = std::pin::pin!(app.media.files.list(folder).try_chunks(BATCH));
        while let Some(paths) = batches.try_next().await.map_err(|broken| broken.1)? {
            let used = used(&app.db, folder, paths.clone()).await?;
            for path in paths.into_iter().filter(|path| !used.contains(path)) {
                if is_due(&app, &unreferenced, &path, &mut still_unreferenced) {
                    app.media.files.remove(&path).await?;
                }
            }
        }
        for path in unfinished(&app, folder).await? {
            if is_due(&app, &unreferenced, &path.to_string_lossy(), &mut still_unreferenced) {
                work(move || std::fs::remove_file(path)).await?;
            }
        }
    }
    *lock(&unreferenced) = still_unreferenced;
    Ok(())
}

async fn unfinished(app: &App, folder: &'static str) -> Result<Vec<PathBuf>> {
    let files = app.media.files.clone();
    work(move || Ok(files.unfinished(folder))).await
}

/// Whether an earlier sweep found the file, too. If not, the next one will know of it.
fn is_due(
    app: &App,
    unreferenced: &Unreferenced,
    path: &str,
    still: &mut HashMap<String, Duration>,
) -> bool {
    let now = app.clock.uptime();
    let since = lock(unreferenced).get(path).copied().unwrap_or(now);
    if since + GRACE <= now {
        return true;
    }
    still.insert(path.to_owned(), since);
    false
}

fn lock(unreferenced: &Unreferenced) -> MutexGuard<'_, HashMap<String, Duration>> {
    unreferenced.lock().unwrap_or_else(PoisonError::into_inner)
}
