//! Figures about the whole site, each read in bounded time: tables are counted up to a limit, and estimated beyond.

use serde::Deserialize;

use crate::domain::time::Timestamp;

use super::db::Tx;
use super::error::Result;
use super::query::{Dialects, Target};

/// The beginning of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub struct Beginning {
    /// Rows, at most as many as were asked for.
    pub all: i64,
    /// Those that are not deleted.
    pub present: i64,
}

/// A node, and the users who are connected to it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct NodeFigures {
    /// Its name.
    pub name: String,
    /// Its last heartbeat.
    pub beat_at: Timestamp,
    /// Sockets.
    pub sockets: i64,
    /// Users who have any.
    pub users: i64,
}

/// Users, of which at most `limit` are read.
pub async fn users(at: impl Into<Target<'_>>, limit: i64) -> Result<Beginning> {
    beginning(
        at,
        "select count(*), count(*) - count(deleted_at) as present \
         from (select deleted_at from users limit $1) first_rows",
        limit,
    )
    .await
}

/// Chats, of which at most `limit` are read.
pub async fn chats(at: impl Into<Target<'_>>, limit: i64) -> Result<Beginning> {
    beginning(
        at,
        "select count(*), count(*) - count(deleted_at) as present \
         from (select deleted_at from chats limit $1) first_rows",
        limit,
    )
    .await
}

/// Messages, of which at most `limit` are read.
pub async fn messages(at: impl Into<Target<'_>>, limit: i64) -> Result<Beginning> {
    beginning(
        at,
        "select count(*), count(*) - count(deleted_at) as present \
         from (select deleted_at from messages limit $1) first_rows",
        limit,
    )
    .await
}

async fn beginning(at: impl Into<Target<'_>>, sql: &'static str, limit: i64) -> Result<Beginning> {
    let (all, present) = at.into().query(sql).bind(limit).one().await?;
    Ok(Beginning { all, present })
}

/// About how many rows the tables of users, chats and messages have: on PostgreSQL by its statistics, on SQLite by the
/// highest ids. 0 if that is not known.
pub async fn estimates(at: impl Into<Target<'_>>) -> Result<(i64, i64, i64)> {
    at.into()
        .query(Dialects {
            sqlite: "select coalesce((select max(id) from users), 0) as users, \
                            coalesce((select max(id) from chats), 0) as chats, \
                            coalesce((select max(id) from messages), 0) as messages",
            postgres: "select (select greatest(reltuples, 0)::bigint from pg_class \
                               where oid = 'users'::regclass) as users, \
                              (select greatest(reltuples, 0)::bigint from pg_class \
                               where oid = 'chats'::regclass) as chats, \
                              (select greatest(reltuples, 0)::bigint from pg_class \
                               where oid = 'messages'::regclass) as messages",
        })
        .one()
        .await
}

/// Users who were connected since a time, among the first `limit`.
pub async fn seen_since(at: impl Into<Target<'_>>, since: Timestamp, limit: i64) -> Result<i64> {
    at.into()
        .query(
            "select count(*) from (select last_seen from users limit $2) first_rows \
             where last_seen >= $1",
        )
        .bind(since)
        .bind(limit)
        .one()
        .await
}

/// The living nodes, with those who are connected to them.
pub async fn nodes(
    at: impl Into<Target<'_>>,
    after: Timestamp,
    before: Timestamp,
) -> Result<Vec<NodeFigures>> {
    at.into()
        .query(
            "select n.name, n.beat_at, cast(coalesce(sum(p.connections), 0) as bigint) as sockets, \
                    count(p.user_id) as users \
             from nodes n left join presence p on p.node = n.name and p.connections > 0 \
             where n.beat_at >= $1 and n.beat_at <= $2 \
             group by n.name, n.beat_at order by n.name",
        )
        .bind(after)
        .bind(before)
        .all()
        .await
}

/// Users who are connected to any living node.
pub async fn online(at: impl Into<Target<'_>>, after: Timestamp, before: Timestamp) -> Result<i64> {
    at.into()
        .query(
            "select count(distinct p.user_id) from presence p join nodes n on n.name = p.node \
             where p.connections > 0 and n.beat_at >= $1 and n.beat_at <= $2",
        )
        .bind(after)
        .bind(before)
        .one()
        .await
}

/// The size of the database in bytes.
pub async fn size(at: impl Into<Target<'_>>) -> Result<i64> {
    at.into()
        .query(Dialects {
            sqlite: "select page_count * page_size from pragma_page_count(), pragma_page_size()",
            postgres: "select pg_database_size(current_database())",
        })
        .one()
        .await
}

/// A figure that was counted earlier, and when.
pub async fn counted(at: impl Into<Target<'_>>, name: &str) -> Result<Option<(i64, Timestamp)>> {
    at.into()
        .query("select value, counted_at from figures where name = $1")
        .bind(name)
        .optional()
        .await
}

/// Stores a figure.
pub async fn store(tx: &mut Tx, name: &str, value: i64, now: Timestamp) -> Result<()> {
    tx.query(
        "insert into figures (name, value, counted_at) values ($1, $2, $3) \
         on conflict (name) do update set value = excluded.value, counted_at = excluded.counted_at",
    )
    .bind(name)
    .bind(value)
    .bind(now)
    .execute()
    .await
    .map(drop)
}
