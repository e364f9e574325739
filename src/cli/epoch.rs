//! `epoch [--renew]`: the identity of the data's past, which clients compare.

use crate::actions::epoch;
use crate::app::open_database;
use crate::store::seen::SeenFile;
use crate::store::site;

use super::createsuperuser::in_words;
use super::{Result, require_current, say, settings};

/// See the fields.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// After a restore of the database: make a new one, so that clients start afresh. Nodes that
    /// serve notice within seconds
    #[arg(long)]
    renew: bool,
}

pub(super) async fn run(arguments: &Arguments) -> Result {
    let (config, _log) = settings()?;
    let db = open_database(&config).await?;
    require_current(&db).await?;
    if !arguments.renew {
        say(&site::epoch(&db).await?);
        return Ok(());
    }
    say(&epoch::renew(&db).await.map_err(in_words)?);
    // What it says of the past is settled, so the next start need not renew again.
    if let Some(file) = config.database.sqlite_file() {
        SeenFile::beside(&file).remove()?;
    }
    Ok(())
}
