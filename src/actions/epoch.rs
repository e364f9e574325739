//! The epoch: the identity of the data's past. A node notices when it is renewed, and renews it when
//! the database lacks what was committed (it was restored). Then all sockets are sent away, and
//! clients see by the new epoch that they have to start afresh.

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

/// How often a node looks whether the epoch is the one it lives in.
pub const WATCH: Duration = Duration::from_secs(1);
/// How many versions are kept in the file beside an embedded database. The newest one would do, if
/// commits were always told in their order.
const KEPT: usize = 8;

/// Enters the epoch, before the node serves. Where the folder of an embedded database has seen
/// more than the database has, the epoch is renewed first.
pub async fn enter(app: &Arc<App>) -> Result<()> {
    app.epoch.send_replace(site::epoch(&app.db).await?);
    let Some(file) = &app.seen else { return Ok(()) };
    let seen = match file.read() {
        Ok(seen) => seen,
        Err(error) => {
            tracing::warn!(%error, "cannot read which versions the database has had");
            None
        }
    };
    let Some(seen) = seen else { return Ok(()) };
    if seen.is_copy {
        renew_here(app, "the database is in a copied folder", None).await?;
    } else if lacks(&seen.versions, &Found::read(&app.db, &seen.versions).await?) {
        let why = "the database is older than what its folder has seen";
        renew_here(app, why, Some(seen.versions)).await?;
    } else {
        return Ok(());
    }
    // What it says is of another past.
    file.remove().map_err(Error::internal)
}

/// Compares the epoch, and the newest commits, with the database's.
pub async fn watch(app: Arc<App>) -> Result<()> {
    // Before the database is asked: what is known by then, it has to have.
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

/// Keeps the newest commits in the file beside an embedded database. Called after they were published
/// and before anybody is answered: what was acknowledged is in the file even if the process is killed.
pub fn keep_seen(app: &App) {
    let Some(file) = &app.seen else { return };
    if let Err(error) = file.keep(|| app.hub.witness.take_newest(KEPT)) {
        tracing::warn!(%error, "cannot keep which versions the database has had");
    }
}

/// Renews the epoch, whatever it is; the new one.
pub async fn renew(db: &Db) -> Result<String> {
    let (old, new) = (site::epoch(db).await?, new_epoch()?);
    let mut tx = db.begin().await?;
    site::renew_epoch(&mut tx, &old, &new).await?;
    tx.commit().await?;
    Ok(site::epoch(db).await?)
}

/// Renews the epoch that this node lives in, since the database lacks one of these versions, which
/// were committed before it was asked.
pub async fn renew_lost(app: &Arc<App>, committed: Vec<(ChatId, Version)>) -> Result<()> {
    renew_here(app, "the database lacks what was committed", Some(committed)).await
}

/// Renews the epoch that this node lives in, unless another node has done so already. Where there is
/// `evidence`, it has to hold in the database that is written, too: what was asked before may have
/// been a standby that lags behind.
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
            "the database's past has changed, as after a restore: the epoch is renewed, and clients \
             start afresh"
        );
    }
    adopt(app, site::epoch(&app.db).await?);
    Ok(())
}

fn new_epoch() -> Result<String> {
    random_hex::<16>().map_err(|_| Error::internal("no random numbers"))
}

/// Lives in this epoch from now on.
fn adopt(app: &Arc<App>, epoch: String) {
    let old = app.epoch.borrow().clone();
    if old == epoch {
        return;
    }
    app.epoch.send_replace(epoch);
    if old.is_empty() {
        return;
    }
    tracing::warn!("the epoch is another one: all sockets are sent away, to start afresh");
    app.hub.forget();
    let node = Arc::clone(app);
    app.background(async move { lifecycle::send_away(&node).await });
}

/// What the database has of some chats.
struct Found {
    versions: HashMap<ChatId, Version>,
    /// The highest id that it has given to a chat.
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

/// Whether the database lacks any of these versions, although they were committed. A chat that was
/// made and is gone has been deleted: no evidence.
fn lacks(committed: &[(ChatId, Version)], found: &Found) -> bool {
    committed.iter().any(|(chat, version)| match found.versions.get(chat) {
        Some(found) => found < version,
        None => chat.0 > found.last,
    })
}
