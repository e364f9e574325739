//! `showmigrations`: lists the migrations, and which of them are applied.

use crate::store::migrations;

use super::context::{Result, database, say};
use super::migrate::describe_step;

pub(super) async fn run() -> Result {
    let (db, _log) = database().await?;
    for step in migrations::status(&db).await? {
        let mark = if step.applied { 'X' } else { ' ' };
        let newer = if step.known { "" } else { ", of a newer version" };
        say(&format!(" [{mark}] {}{newer}", describe_step(&step)));
    }
    Ok(())
}
