//! Departures: who has recently left which chat, for nodes that missed the event. Decides nothing.

use crate::domain::event::Departed;
use crate::domain::ids::{ChatId, UserId};
use crate::domain::numbering::Version;
use crate::domain::time::Timestamp;

use super::db::Tx;
use super::error::Result;
use super::query::{Dialects, Target};

/// Records that users have left a chat.
pub async fn insert(
    tx: &mut Tx,
    chat: ChatId,
    departed: &[Departed],
    now: Timestamp,
) -> Result<()> {
    let rows: Vec<_> = departed.iter().map(|one| (one.user, one.version)).collect();
    tx.query(Dialects {
        sqlite: "insert into departures (chat_id, user_id, version, at) \
             select $1, value ->> 0, value ->> 1, $2 from json_each($3)",
        postgres: "insert into departures (chat_id, user_id, version, at) \
             select $1, user_id, version, $2 \
             from unnest($3::bigint[], $4::bigint[]) as r (user_id, version)",
    })
    .bind(chat)
    .bind(now)
    .bind_rows(&rows, |query| {
        query
            .bind_list(rows.iter().map(|(user, _)| user))
            .bind_list(rows.iter().map(|(_, version)| *version))
    })
    .execute()
    .await
    .map(drop)
}

/// Who has left which chat since a time, and has not returned.
pub async fn since(
    at: impl Into<Target<'_>>,
    since: Timestamp,
) -> Result<Vec<(ChatId, UserId, Version)>> {
    at.into()
        .query(
            "select d.chat_id, d.user_id, d.version from departures d \
             where d.at >= $1 and not exists (select 1 from members me \
                 where me.chat_id = d.chat_id and me.user_id = d.user_id)",
        )
        .bind(since)
        .all()
        .await
}

/// Who has left a chat by a version greater than `after` and at most `upto`, and has not returned.
pub async fn between(
    at: impl Into<Target<'_>>,
    chat: ChatId,
    after: Version,
    upto: Version,
) -> Result<Vec<Departed>> {
    let rows: Vec<(UserId, Version)> = at
        .into()
        .query(
            "select d.user_id, d.version from departures d \
             where d.chat_id = $1 and d.version > $2 and d.version <= $3 \
               and not exists (select 1 from members me \
                 where me.chat_id = d.chat_id and me.user_id = d.user_id) \
             order by d.version",
        )
        .bind(chat)
        .bind(after)
        .bind(upto)
        .all()
        .await?;
    Ok(rows.into_iter().map(|(user, version)| Departed { user, version }).collect())
}

/// Removes departures from before a time.
pub async fn forget(tx: &mut Tx, before: Timestamp) -> Result<()> {
    let query = tx.query("delete from departures where at < $1").bind(before);
    query.execute().await.map(drop)
}
