//! `epoch [--renew]`: prints or renews the identity of the data's history, which clients compare.

use crate::actions::epoch;
use crate::app::open_database;
use crate::store::seen::SeenFile;
use crate::store::site;

use super::context::{Result, describe, require_current, say, settings};

/// The arguments of `epoch`.
#[derive(Debug, clap::Args)]
pub(super) struct EpochArguments {
    /// Set a new epoch after restoring the database, so that clients discard their copies. Running
    /// nodes notice within seconds
    #[arg(long)]
    renew: bool,
}

pub(super) async fn run(arguments: &EpochArguments) -> Result {
    let (config, _log) = settings()?;
    let db = open_database(&config).await?;
    require_current(&db).await?;
    if !arguments.renew {
        say(&site::epoch(&db).await?);
        return Ok(());
    }
    say(&epoch::renew(&db).await.map_err(describe)?);
    // It describes the old history: kept, it would make the next start renew the epoch again.
    if let Some(file) = config.database.sqlite_file() {
        SeenFile::beside(&file).remove()?;
    }
    Ok(())
}
