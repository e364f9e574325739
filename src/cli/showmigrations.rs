//! `showmigrations`: lists the migrations, and which of them are applied.

use crate::store::migrations;

use super::context::{Result, database, say};
use super::migrate::describe_step;

pub(super) async fn run() -> Result {
    let (db, _log) = database().await?;
    for step in migrations::status(&db).await? {
        let mark = if step.applied { 'X' } else { ' ' };
        let note = match (step.known, step.edited) {
            (false, _) => ", of a newer version",
            (true, true) => ", edited since it was applied",
            (true, false) => "",
        };
        say(&format!(" [{mark}] {}{note}", describe_step(&step)));
    }
    Ok(())
}
