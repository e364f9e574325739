//! What is to be indexed: messages after a place and in gaps before it, and messages that were edited.

use serde::Deserialize;

use crate::domain::fulltext::{Gaps, Horizon, IndexedMessage};
use crate::domain::ids::{ChatId, MessageId, UserId};
use crate::domain::time::Timestamp;
use crate::store::db::Tx;
use crate::store::error::Result;
use crate::store::query::{Dialects, Target};

#[derive(Deserialize)]
struct Row {
    /// The number of the change, if it is one.
    change: Option<i64>,
    ended: i64,
    begun: i64,
    id: Option<MessageId>,
    chat_id: Option<ChatId>,
    sender_id: Option<UserId>,
    timestamp: Option<Timestamp>,
    content: Option<String>,
    has_attachments: Option<bool>,
}

impl Row {
    fn entry(self) -> Option<IndexedMessage> {
        Some(IndexedMessage {
            id: self.id?,
            chat: self.chat_id?,
            sender: self.sender_id?,
            timestamp: self.timestamp?,
            content: self.content?,
            has_attachments: self.has_attachments?,
        })
    }
}

/// A message, and how many bytes its content has.
#[derive(Deserialize)]
struct Length {
    id: MessageId,
    bytes: i64,
}

/// The next messages, at most `limit`, and no more once their contents have `bytes` together; those that gaps
/// turned out to have come with them. All are of one snapshot, whose horizon this returns, too.
pub async fn next(
    at: impl Into<Target<'_>>,
    gaps: &Gaps,
    limit: i64,
    bytes: i64,
) -> Result<(Vec<IndexedMessage>, Horizon)> {
    let mut at = at.into();
    let last = last_of(at.reborrow(), gaps.reached(), limit, bytes).await?;
    let (firsts, lasts) = gaps.open();
    let rows: Vec<Row> = at
        .query(Dialects {
            // There are no gaps: its one writer commits in the order of ids.
            sqlite: "select null as change, 0 as ended, 0 as begun, id, chat_id, sender_id, timestamp, \
                            content, exists (select 1 from attachments a where a.message_id = m.id) \
                                         as has_attachments \
                     from messages m where id > $1 and id <= $2 order by id",
            postgres: "select null::bigint as change, pg_snapshot_xmin(s)::text::bigint as ended, \
                              pg_snapshot_xmax(s)::text::bigint as begun, \
                              m.id, m.chat_id, m.sender_id, m.timestamp, m.content, \
                              exists (select 1 from attachments a where a.message_id = m.id) \
                                  as has_attachments \
                       from pg_current_snapshot() s left join ( \
                           select id, chat_id, sender_id, timestamp, content \
                           from messages where id > $1 and id <= $2 \
                           union all \
                           select m.id, m.chat_id, m.sender_id, m.timestamp, m.content \
                           from unnest($3::bigint[], $4::bigint[]) as g (first_id, last_id) \
                           join messages m on m.id between g.first_id and g.last_id) m on true",
        })
        .bind(gaps.reached())
        .bind(last)
        .bind_list(firsts)
        .bind_list(lasts)
        .all()
        .await?;
    let horizon = rows.first().map_or(Horizon { ended: 0, begun: 0 }, |row| Horizon {
        ended: row.ended,
        begun: row.begun,
    });
    Ok((rows.into_iter().filter_map(Row::entry).collect(), horizon))
}

/// The last of the next messages. Adds up their lengths here: a window function takes three times as long.
async fn last_of(at: Target<'_>, after: MessageId, limit: i64, bytes: i64) -> Result<MessageId> {
    let lengths: Vec<Length> = at
        .query(
            "select id, octet_length(content) as bytes from messages \
             where id > $1 order by id limit $2",
        )
        .bind(after)
        .bind(limit)
        .all()
        .await?;
    let mut before = 0;
    let fit = lengths.iter().take_while(|length| {
        let fits = before < bytes;
        before += length.bytes;
        fits
    });
    Ok(fit.last().map_or(after, |length| length.id))
}

/// Edited messages, first change first, at most `limit`: the numbers of the changes, and the messages as they
/// are now. A message that no longer exists only has a number.
pub async fn changed(
    at: impl Into<Target<'_>>,
    limit: i64,
) -> Result<(Vec<i64>, Vec<IndexedMessage>)> {
    let rows: Vec<Row> = at
        .into()
        .query(
            "select c.id as change, c.id as ended, c.id as begun, \
                    m.id, m.chat_id, m.sender_id, m.timestamp, m.content, \
                    exists (select 1 from attachments a where a.message_id = m.id) as has_attachments \
             from (select id, message_id from search_changes order by id limit $1) c \
             left join messages m on m.id = c.message_id",
        )
        .bind(limit)
        .all()
        .await?;
    let changes = rows.iter().filter_map(|row| row.change).collect();
    Ok((changes, rows.into_iter().filter_map(Row::entry).collect()))
}

/// Removes changes that are indexed. A message that has been edited again has another one.
pub async fn forget(tx: &mut Tx, changes: &[i64]) -> Result<()> {
    tx.query(Dialects {
        sqlite: "delete from search_changes where id in (select value from json_each($1))",
        postgres: "delete from search_changes where id = any($1)",
    })
    .bind_list(changes)
    .execute()
    .await
    .map(drop)
}

/// Those of these messages that still have a text.
pub async fn living(at: impl Into<Target<'_>>, ids: &[MessageId]) -> Result<Vec<MessageId>> {
    at.into()
        .query(Dialects {
            sqlite: "select m.id from json_each($1) r cross join messages m on m.id = r.value \
                     join chats c on c.id = m.chat_id \
                     where m.deleted_at is null and m.seq >= c.first_seq and c.deleted_at is null",
            postgres: "select m.id from unnest($1::bigint[]) as r (id) \
                       join messages m on m.id = r.id join chats c on c.id = m.chat_id \
                       where m.deleted_at is null and m.seq >= c.first_seq and c.deleted_at is null",
        })
        .bind_list(ids)
        .all()
        .await
}
