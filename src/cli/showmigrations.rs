//! `showmigrations`: which migrations there are, and which are applied.

use crate::store::migrations;

use super::migrate::in_words;
use super::{Result, database, say};

pub(super) async fn run() -> Result {
    let (db, _log) = database().await?;
    for step in migrations::status(&db).await? {
        let mark = if step.applied { 'X' } else { ' ' };
        let newer = if step.known { "" } else { ", of a newer version" };
        say(&format!(" [{mark}] {}{newer}", in_words(&step)));
    }
    Ok(())
}
