//! How busy the nodes were: what each counted in a minute. Rows of nodes that are gone stay for as long as the others.

use serde::Deserialize;

use crate::domain::time::Timestamp;

use super::db::Tx;
use super::error::Result;
use super::query::Target;

/// What was counted in a minute.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Counts {
    /// Messages that were sent.
    pub messages: i64,
    /// Logins that succeeded.
    pub logins: i64,
    /// Requests that failed because of the server.
    pub errors: i64,
    /// The most sockets that were open at once.
    pub sockets: i64,
}

/// Adds what a node has counted since it last wrote.
pub async fn add(tx: &mut Tx, minute: Timestamp, node: &str, counts: &Counts) -> Result<()> {
    tx.query(
        "insert into counters (minute, node, messages, logins, errors, sockets) \
         values ($1, $2, $3, $4, $5, $6) \
         on conflict (minute, node) do update set \
             messages = counters.messages + excluded.messages, \
             logins = counters.logins + excluded.logins, \
             errors = counters.errors + excluded.errors, \
             sockets = case when excluded.sockets > counters.sockets then excluded.sockets \
                            else counters.sockets end",
    )
    .bind(minute)
    .bind(node)
    .bind(counts.messages)
    .bind(counts.logins)
    .bind(counts.errors)
    .bind(counts.sockets)
    .execute()
    .await
    .map(drop)
}

/// The minutes between two times, each the sum of all nodes.
pub async fn between(
    at: impl Into<Target<'_>>,
    from: Timestamp,
    to: Timestamp,
) -> Result<Vec<(Timestamp, Counts)>> {
    at.into()
        .query(
            "select minute, cast(sum(messages) as bigint) as messages, \
                    cast(sum(logins) as bigint) as logins, cast(sum(errors) as bigint) as errors, \
                    cast(sum(sockets) as bigint) as sockets \
             from counters where minute >= $1 and minute <= $2 group by minute order by minute",
        )
        .bind(from)
        .bind(to)
        .all()
        .await
}

/// Removes what was counted before a time.
pub async fn forget(tx: &mut Tx, before: Timestamp) -> Result<()> {
    tx.query("delete from counters where minute < $1").bind(before).execute().await.map(drop)
}
