//! The checks of avatars and attachments: rows whose file is missing, and files without a row.

use std::time::Duration;

use futures_util::TryStreamExt;
use tokio::time::sleep;

use crate::actions::stored_files::{AVATARS, FOLDERS, used};
use crate::domain::error::Result;
use crate::domain::ids::AttachmentId;
use crate::store::attachments::THUMBNAIL;
use crate::store::{attachments, avatars, presence};

use super::report::{Checkup, Remedy};

/// Rows read, and files looked up, at a time.
const BATCH: usize = 500;
/// A server with a heartbeat since this long may store a file now whose row is not committed yet.
const RECENT: Duration = Duration::from_secs(15);
/// Most files without a row that are looked at again. A second run finds the rest.
const MOST: usize = 10_000;

pub(super) async fn check(checkup: &mut Checkup<'_>) -> Result<()> {
    for of_users in [true, false] {
        rows(checkup, of_users).await?;
    }
    attachment_rows(checkup).await?;
    for folder in FOLDERS {
        files(checkup, folder).await?;
    }
    Ok(())
}

async fn attachment_rows(checkup: &mut Checkup<'_>) -> Result<()> {
    let limit = i64::try_from(BATCH).unwrap_or(i64::MAX);
    let mut after = AttachmentId(0);
    loop {
        let batch = attachments::after(checkup.db, after, limit).await?;
        let Some(last) = batch.last() else { return Ok(()) };
        after = last.id;
        for row in batch {
            let thumbnail =
                row.thumbnail.as_ref().map(|_| format!("{}{THUMBNAIL}", row.storage_key));
            for path in [Some(row.storage_key), thumbnail].into_iter().flatten() {
                // It may have been deleted since the row was read.
                if !checkup.files.exists(&path).await?
                    && attachments::is_there(checkup.db, row.id).await?
                {
                    let advice =
                        "restore the file from a backup of the media, or delete the message";
                    let text = format!("the stored file is missing: {path}");
                    let remedy = Remedy::Person(advice.to_owned());
                    checkup.add("attachment-file", format!("attachment {}", row.id), text, remedy);
                }
            }
        }
    }
}

async fn rows(checkup: &mut Checkup<'_>, of_users: bool) -> Result<()> {
    let noun = if of_users { "user" } else { "chat" };
    let limit = i64::try_from(BATCH).unwrap_or(i64::MAX);
    let mut after = i64::MIN;
    loop {
        let batch = avatars::after(checkup.db, of_users, after, limit).await?;
        let Some((last, _)) = batch.last() else { return Ok(()) };
        after = *last;
        for (id, path) in batch {
            if checkup.files.exists(&path).await? {
                continue;
            }
            // It may have been replaced since the row was read.
            let now = avatars::after(checkup.db, of_users, id - 1, 1).await?;
            if now.first() == Some(&(id, path.clone())) {
                let advice = "restore the file from a backup of the media, or upload a new picture";
                let text = format!("the file of its picture is missing: {path}");
                let remedy = Remedy::Person(advice.to_owned());
                checkup.add("picture-file", format!("{noun} {id}"), text, remedy);
            }
        }
    }
}

async fn files(checkup: &mut Checkup<'_>, folder: &'static str) -> Result<()> {
    let mut unused = Vec::new();
    let mut batches = std::pin::pin!(checkup.files.list(folder).try_chunks(BATCH));
    while let Some(paths) = batches.try_next().await.map_err(|broken| broken.1)?
        && unused.len() < MOST
    {
        unused.extend(without_row(checkup, folder, paths).await?);
    }
    // Looked at again, after what is in progress has ended.
    if !unused.is_empty() && is_served(checkup).await? {
        sleep(checkup.settle).await;
    }
    for paths in unused.chunks(BATCH) {
        for path in without_row(checkup, folder, paths.to_vec()).await? {
            if !checkup.files.exists(&path).await? {
                continue;
            }
            const REPAIR: &str = "removes the file, as the server does within two hours";
            let remedy = match checkup.fix {
                false => Remedy::Repairable(REPAIR.to_owned()),
                true => {
                    checkup.files.remove(&path).await?;
                    Remedy::Repaired(REPAIR.to_owned())
                }
            };
            let (check, text) = match folder {
                AVATARS => ("picture-row", "no user and no chat has this picture"),
                _ => ("attachment-row", "no attachment has this file"),
            };
            checkup.add(check, format!("file {path}"), text.to_owned(), remedy);
        }
    }
    Ok(())
}

async fn without_row(
    checkup: &Checkup<'_>,
    folder: &str,
    paths: Vec<String>,
) -> Result<Vec<String>> {
    let used = used(checkup.db, folder, paths.clone()).await?;
    Ok(paths.into_iter().filter(|path| !used.contains(path)).collect())
}

/// Whether a server uses the database now.
async fn is_served(checkup: &Checkup<'_>) -> Result<bool> {
    let since = checkup.clock.now().minus(RECENT);
    Ok(presence::has_company(checkup.db, "", since).await?)
}
