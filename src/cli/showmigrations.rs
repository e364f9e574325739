//! `showmigrations`: which migrations there are, and which are applied.

use crate::store::migrations;

use super::{Result, database, say};

pub(super) async fn run() -> Result {
    let (db, _log) = database().await?;
    for step in migrations::status(&db).await? {
        say(&format!(" [{}] {}", if step.applied { 'X' } else { ' ' }, step.name));
    }
    Ok(())
}
