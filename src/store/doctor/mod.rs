//! The invariants of the database, and the walks that check them: batch by batch, by short statements that
//! read a bounded range of a table, so that they hold up nobody on a running server. A reader who adds a
//! table or an invariant adds its check here.

mod chats;
pub mod check;
mod extras;
mod members;
mod messages;
pub mod names;
mod references;
pub mod schema;
pub mod sequences;
mod users;

use super::error::Result;
use super::query::Target;
use check::Walk;

/// Every walk, in the order in which repairs have to be made.
pub const WALKS: [&[Walk]; 4] = [
    &[sequences::WALK],
    references::WALKS,
    &[users::WALK, chats::WALK, members::OF_CHATS, members::MARKED],
    &[messages::WALK],
];

/// What SQLite says about the file: damage, and rows that break a constraint. Reads all of it.
pub async fn damage(at: impl Into<Target<'_>>) -> Result<Vec<String>> {
    let target = at.into();
    if !target.is_sqlite() {
        return Ok(Vec::new());
    }
    let lines: Vec<String> =
        target.query("select integrity_check from pragma_integrity_check").all().await?;
    Ok(lines.into_iter().filter(|line| line != "ok").collect())
}

/// The foreign keys that SQLite finds broken, as table and the table that it refers to, with the number of
/// rows.
pub async fn broken_references(at: impl Into<Target<'_>>) -> Result<Vec<(String, String, i64)>> {
    let target = at.into();
    if !target.is_sqlite() {
        return Ok(Vec::new());
    }
    target
        .query("select \"table\", parent, count(*) from pragma_foreign_key_check group by 1, 2")
        .all()
        .await
}
