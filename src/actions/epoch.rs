//! The epoch: the identity of the data's history. A node notices when it changes, and renews it when the
//! database lacks committed changes (it was restored from a backup). Then all sockets are closed, and the
//! new epoch makes clients discard what they have.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use crate::app::App;
use crate::auth::secrets::random_hex;
use crate::domain::error::{Error, Result};
use crate::domain::ids::ChatId;
use crate::domain::numbering::Version;
use crate::lifecycle;
use crate::store::{Db, chats, site};

/// How often a node compares its epoch with the database's.
pub const INTERVAL: Duration = Duration::from_secs(1);
/// Versions kept in the file beside an embedded database. One would be enough if events were always
/// published in the order of their commits.
const KEPT: usize = 8;

/// The beginning of the epoch in a backup: the server that opens it renews it. So each restore of one backup has
/// an epoch of its own.
const BACKUP: &str = "backup-";

/// The epoch for a backup.
pub fn backup_mark() -> Result<String> {
    Ok(format!("{BACKUP}{}", new_epoch()?))
}

/// Reads the epoch before the node serves. Where the database is a backup, it is renewed first. Where the file beside an embedded database has versions that the
/// database lacks, the epoch is renewed first.
pub async fn enter(app: &Arc<App>) -> Result<()> {
    let mut epoch = site::epoch(&app.db).await?;
    if epoch.starts_with(BACKUP) {
        epoch = renew(&app.db).await?;
        tracing::warn!(
            "the database is restored from a backup; epoch renewed, clients resync from scratch"
        );
    }
    app.epoch.send_replace(epoch);
    let Some(file) = &app.seen else { return Ok(()) };
    let seen = match file.read() {
        Ok(seen) => seen,
        Err(error) => {
            tracing::warn!(%error, "cannot read the file of versions that the database has had");
            None
        }
    };
    let Some(seen) = seen else { return Ok(()) };
    if seen.is_copy {
        renew_here(app, "the database is in a copied folder", None).await?;
    } else if lacks(&seen.versions, &Found::read(&app.db, &seen.versions).await?) {
        let why = "the database is older than the file beside it says";
        renew_here(app, why, Some(seen.versions)).await?;
    } else {
        return Ok(());
    }
    // Its versions belong to the old epoch.
    file.remove().map_err(Error::internal)
}

/// Compares the epoch and the newest known commits with the database.
pub async fn check(app: Arc<App>) -> Result<()> {
    // Taken before the database is asked, which must have all of these.
    let newest = app.hub.witness.newest();
    adopt(&app, site::epoch(&app.db).await?);
    if app.hub.witness.is_contradicted() {
        return renew_here(&app, "a version of a chat was committed twice", None).await;
    }
    if !newest.is_empty() && lacks(&newest, &Found::read(&app.db, &newest).await?) {
        return renew_lost(&app, newest).await;
    }
    Ok(())
}

/// Writes the newest commits to the file beside an embedded database. Called after they were published and
/// before they are acknowledged: an acknowledged commit is in the file even if the process is killed.
pub fn keep_seen(app: &App) {
    let Some(file) = &app.seen else { return };
    if let Err(error) = file.keep(|| app.hub.witness.take_newest(KEPT)) {
        tracing::warn!(%error, "cannot write the file of versions that the database has had");
    }
}

/// Renews the epoch unconditionally, and returns the new one.
pub async fn renew(db: &Db) -> Result<String> {
    let (old, new) = (site::epoch(db).await?, new_epoch()?);
    let mut tx = db.begin().await?;
    site::renew_epoch(&mut tx, &old, &new).await?;
    tx.commit().await?;
    Ok(site::epoch(db).await?)
}

/// Renews this node's epoch, since the database lacks one of these versions, which were committed before
/// it was asked.
pub async fn renew_lost(app: &Arc<App>, committed: Vec<(ChatId, Version)>) -> Result<()> {
    renew_here(app, "the database lacks committed changes", Some(committed)).await
}

/// Renews this node's epoch, unless another node has done so already. `evidence` is checked again in the
/// transaction: the earlier answer may have come from a standby that lags behind.
async fn renew_here(
    app: &Arc<App>,
    why: &'static str,
    evidence: Option<Vec<(ChatId, Version)>>,
) -> Result<()> {
    let (old, new) = (app.epoch.borrow().clone(), new_epoch()?);
    let mut tx = app.db.begin().await?;
    let renewed = site::renew_epoch(&mut tx, &old, &new).await?;
    if let Some(committed) = evidence {
        let found = Found {
            versions: chats::versions(&mut tx, &ids(&committed)).await?.into_iter().collect(),
            last: site::last_chat(&mut tx).await?,
        };
        if !lacks(&committed, &found) {
            return Ok(());
        }
    }
    tx.commit().await?;
    if renewed {
        tracing::error!(
            why,
            "database history changed, as after a restore from a backup; epoch renewed, clients resync \
             from scratch"
        );
    }
    adopt(app, site::epoch(&app.db).await?);
    Ok(())
}

/// A new random epoch.
pub(super) fn new_epoch() -> Result<String> {
    random_hex::<16>().map_err(|_| Error::internal("no random numbers"))
}

/// Switches to this epoch.
fn adopt(app: &Arc<App>, epoch: String) {
    let old = app.epoch.borrow().clone();
    if old == epoch {
        return;
    }
    app.epoch.send_replace(epoch);
    if old.is_empty() {
        return;
    }
    tracing::warn!("epoch changed; closing all sockets so that clients resync from scratch");
    app.hub.forget();
    let node = Arc::clone(app);
    app.background("close sockets", async move { lifecycle::close_sockets(&node).await });
}

/// The versions of some chats in the database.
struct Found {
    versions: HashMap<ChatId, Version>,
    /// The highest id of a chat so far.
    last: i64,
}

impl Found {
    async fn read(db: &Db, committed: &[(ChatId, Version)]) -> Result<Self> {
        let versions = chats::versions(db, &ids(committed)).await?.into_iter().collect();
        Ok(Self { versions, last: site::last_chat(db).await? })
    }
}

fn ids(committed: &[(ChatId, Version)]) -> Vec<ChatId> {
    committed.iter().map(|(chat, _)| *chat).collect()
}

/// Whether the database lacks any of these committed versions. A chat that is gone although its id was
/// assigned has been deleted, and proves nothing.
fn lacks(committed: &[(ChatId, Version)], found: &Found) -> bool {
    committed.iter().any(|(chat, version)| match found.versions.get(chat) {
        Some(found) => found < version,
        None => chat.0 > found.last,
    })
}
