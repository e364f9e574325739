//! Presence as nodes share it: heartbeats, who is connected to which node, and `last_seen`.

use std::time::Duration;

use crate::domain::ids::UserId;
use crate::domain::presence::Activity;
use crate::domain::time::Timestamp;

use super::db::Tx;
use super::error::Result;
use super::query::{Dialects, Target};

/// A user's connections to a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NodePresence {
    /// The user.
    pub user: UserId,
    /// The number of connections.
    pub connections: i64,
    /// Whether one of the devices is in use.
    pub activity: Activity,
}

/// Writes a node's heartbeat. False if the node had been declared dead, and its rows removed.
pub async fn heartbeat(tx: &mut Tx, node: &str, now: Timestamp) -> Result<bool> {
    let known = tx
        .query("update nodes set beat_at = $2 where name = $1")
        .bind(node)
        .bind(now)
        .execute()
        .await?;
    if known == 0 {
        // The node's tasks may write it at the same time.
        tx.query(
            "insert into nodes (name, beat_at) values ($1, $2) \
             on conflict (name) do update set beat_at = excluded.beat_at",
        )
        .bind(node)
        .bind(now)
        .execute()
        .await?;
    }
    Ok(known > 0)
}

/// The names of the nodes whose last heartbeat is between these moments.
pub async fn living(
    at: impl Into<Target<'_>>,
    after: Timestamp,
    before: Timestamp,
) -> Result<Vec<String>> {
    let query = at.into().query("select name from nodes where beat_at >= $1 and beat_at <= $2");
    let rows: Vec<(String,)> = query.bind(after).bind(before).all().await?;
    Ok(rows.into_iter().map(|(name,)| name).collect())
}

/// Removes the nodes whose last heartbeat is earlier than `before`; returns the users who were connected
/// there. A heartbeat later than `after` was written by a clock that was ahead, and would keep a dead node
/// alive until then.
pub async fn bury(tx: &mut Tx, before: Timestamp, after: Timestamp) -> Result<Vec<UserId>> {
    let rows: Vec<(UserId,)> = tx
        .query(
            "delete from presence where node in \
                 (select name from nodes where beat_at < $1 or beat_at > $2) \
             returning user_id",
        )
        .bind(before)
        .bind(after)
        .all()
        .await?;
    tx.query("delete from nodes where beat_at < $1 or beat_at > $2")
        .bind(before)
        .bind(after)
        .execute()
        .await?;
    Ok(rows.into_iter().map(|(user,)| user).collect())
}

/// Records that nobody is connected to a node any more, and the time of its last heartbeat. Returns the
/// users who were connected.
pub async fn leave(tx: &mut Tx, node: &str, at: Timestamp) -> Result<Vec<UserId>> {
    let rows: Vec<(UserId,)> = tx
        .query("update presence set connections = 0 where node = $1 returning user_id")
        .bind(node)
        .all()
        .await?;
    tx.query("update nodes set beat_at = $2 where name = $1").bind(node).bind(at).execute().await?;
    Ok(rows.into_iter().map(|(user,)| user).collect())
}

/// Writes which users are connected to a node, and how.
pub async fn write(tx: &mut Tx, node: &str, users: &[NodePresence]) -> Result<()> {
    let rows: Vec<_> = users
        .iter()
        .map(|one| (one.user, one.connections, i64::from(one.activity == Activity::Idle)))
        .collect();
    tx.query(Dialects {
        sqlite: "insert into presence (user_id, node, connections, idle) \
             select value ->> 0, $1, value ->> 1, value ->> 2 from json_each($2) where true \
             on conflict (user_id, node) \
                 do update set connections = excluded.connections, idle = excluded.idle",
        postgres: "insert into presence (user_id, node, connections, idle) \
             select r.user_id, $1, r.connections, r.idle = 1 \
             from unnest($2::bigint[], $3::bigint[], $4::bigint[]) \
                 as r (user_id, connections, idle) \
             on conflict (user_id, node) \
                 do update set connections = excluded.connections, idle = excluded.idle",
    })
    .bind(node)
    .bind_rows(&rows, |query| {
        query
            .bind_list(rows.iter().map(|(user, _, _)| user))
            .bind_list(rows.iter().map(|(_, connections, _)| *connections))
            .bind_list(rows.iter().map(|(_, _, idle)| *idle))
    })
    .execute()
    .await
    .map(drop)
}

/// Records that users are not connected to a node any more.
pub async fn remove(tx: &mut Tx, node: &str, users: &[UserId]) -> Result<()> {
    tx.query(Dialects {
        sqlite: "delete from presence \
             where node = $1 and user_id in (select value from json_each($2))",
        postgres: "delete from presence where node = $1 and user_id = any($2)",
    })
    .bind(node)
    .bind_list(users)
    .execute()
    .await
    .map(drop)
}

/// Where users are connected, except on one node, and on nodes without a heartbeat since a time.
pub async fn elsewhere(
    at: impl Into<Target<'_>>,
    node: &str,
    alive: Timestamp,
    users: &[UserId],
) -> Result<Vec<NodePresence>> {
    let rows: Vec<(UserId, i64, bool)> = at
        .into()
        .query(Dialects {
            sqlite: "select p.user_id, p.connections, p.idle \
             from presence p join nodes n on n.name = p.node \
             where p.user_id in (select value from json_each($3)) and p.node <> $1 \
                   and n.beat_at >= $2",
            postgres: "select p.user_id, p.connections, p.idle \
             from presence p join nodes n on n.name = p.node \
             where p.user_id = any($3) and p.node <> $1 and n.beat_at >= $2",
        })
        .bind(node)
        .bind(alive)
        .bind_list(users)
        .all()
        .await?;
    let presence = |(user, connections, idle)| NodePresence {
        user,
        connections,
        activity: if idle { Activity::Idle } else { Activity::Active },
    };
    Ok(rows.into_iter().map(presence).collect())
}

/// Whether another node has had a heartbeat since a time.
pub async fn has_company(at: impl Into<Target<'_>>, node: &str, alive: Timestamp) -> Result<bool> {
    let row: Option<(String,)> = at
        .into()
        .query("select name from nodes where name <> $1 and beat_at >= $2 limit 1")
        .bind(node)
        .bind(alive)
        .optional()
        .await?;
    Ok(row.is_some())
}

/// Stores that users were just seen, except invisible ones. A date less than `holds` ago stays; a date in
/// the future was written by a clock that was ahead.
pub async fn seen(tx: &mut Tx, users: &[UserId], now: Timestamp, holds: Duration) -> Result<()> {
    // Skips rows that are locked: waiting for several rows in no fixed order could deadlock.
    tx.query(Dialects {
        sqlite: "update users set last_seen = $1 \
             where id in (select value from json_each($3)) and availability <> 'invisible' \
                   and is_active \
                   and (last_seen is null or last_seen <= $2 or last_seen > $4)",
        postgres: "update users set last_seen = $1 \
             where id in (select id from users where id = any($3) \
                   and availability <> 'invisible' and is_active \
                   and (last_seen is null or last_seen <= $2 or last_seen > $4) \
                   for no key update skip locked)",
    })
    .bind(now)
    .bind(now.minus(holds))
    .bind_list(users)
    .bind(now.plus(holds))
    .execute()
    .await
    .map(drop)
}
