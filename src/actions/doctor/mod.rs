//! The check-up of a site's data: what violates an invariant is reported, and repaired where there is one
//! right answer, as if an action had done it. Running nodes find repairs as they find lost events: by the
//! versions of chats and accounts, by departures, and by the epoch. Nothing is published here.

mod indexes;
mod media;
mod message_index;
mod names;
mod report;
mod rows;

use crate::domain::error::Result;
use crate::store::doctor;

pub use report::{Checkup, Defect, Outcome, Remedy};

/// Checks everything. Reads with short statements, a bounded range of rows at a time, except SQLite's check
/// of the file itself, which reads all of it and holds up nobody.
pub async fn run(mut checkup: Checkup<'_>) -> Result<Outcome> {
    for line in doctor::damage(checkup.db).await? {
        // Writing to a damaged file makes it worse.
        checkup.fix = false;
        let advice = "restore a backup, or let `sqlite3 FILE .recover` write out what can be read; \
                      nothing is repaired before";
        let remedy = Remedy::Person(advice.to_owned());
        checkup.add("integrity", "the database's file".to_owned(), line, remedy);
    }
    rows::check(&mut checkup).await?;
    names::check(&mut checkup).await?;
    media::check(&mut checkup).await?;
    message_index::check(&mut checkup).await?;
    // Last: a unique index cannot be created before duplicates are repaired.
    indexes::check(&mut checkup).await?;
    Ok(checkup.outcome)
}
