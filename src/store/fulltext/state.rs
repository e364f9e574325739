//! Which node writes the index, and how far it is.

use serde::Deserialize;

use crate::domain::ids::MessageId;
use crate::domain::time::Timestamp;
use crate::store::db::Tx;
use crate::store::error::Result;
use crate::store::query::Target;

/// The state of the index.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct IndexState {
    /// By which rules it was made.
    pub rules: i64,
    /// All messages up to this one are indexed.
    pub indexed_upto: MessageId,
    /// The node that writes.
    pub holder: String,
    /// Changes with every node that takes over.
    pub generation: i64,
    /// Until when no other node may take over.
    pub held_until: Timestamp,
    /// The newest message that there is.
    pub newest: MessageId,
    /// Whether messages have been edited that are to be indexed again.
    pub has_changes: bool,
}

/// Reads the state.
pub async fn state(at: impl Into<Target<'_>>) -> Result<IndexState> {
    at.into()
        .query(
            "select rules, indexed_upto, holder, generation, held_until, \
                    coalesce((select max(id) from messages), 0) as newest, \
                    exists (select 1 from search_changes) as has_changes \
             from search_state",
        )
        .brief()
        .one()
        .await
}

/// Takes over from this generation. Returns whether nobody else has done so before.
pub async fn take(tx: &mut Tx, generation: i64, holder: &str, until: Timestamp) -> Result<bool> {
    let taken = tx
        .query(
            "update search_state set holder = $2, held_until = $3, generation = generation + 1 \
             where generation = $1",
        )
        .bind(generation)
        .bind(holder)
        .bind(until)
        .execute()
        .await?;
    Ok(taken > 0)
}

/// Holds the index for longer, and locks it against others until the commit. False if another node has taken
/// over since: then nothing may be written.
pub async fn renew(tx: &mut Tx, generation: i64, until: Timestamp) -> Result<bool> {
    let query = tx.query("update search_state set held_until = $2 where generation = $1");
    Ok(query.bind(generation).bind(until).execute().await? > 0)
}

/// Stores that all messages up to this one are indexed.
pub async fn set_indexed(tx: &mut Tx, upto: MessageId) -> Result<()> {
    let query = tx.query("update search_state set indexed_upto = $1");
    query.bind(upto).execute().await.map(drop)
}

/// Begins a new index, by these rules. The segments of the old one must be retired.
pub async fn restart(tx: &mut Tx, rules: i64) -> Result<()> {
    let query = tx.query("update search_state set rules = $1, indexed_upto = 0");
    query.bind(rules).execute().await.map(drop)
}

/// A number for a new segment.
pub async fn next_segment(tx: &mut Tx) -> Result<i64> {
    tx.query("update search_state set next_segment = next_segment + 1 returning next_segment - 1")
        .one()
        .await
}
