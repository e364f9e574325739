//! The least markers of chats, which determine the status of every message. For a large chat, the two
//! members who have them are cached, so that not every member has to be read each time.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use constcat::concat;
use serde::Deserialize;

use crate::domain::ids::{ChatId, UserId};
use crate::domain::receipt::LeastMarkers;

use super::error::Result;
use super::query::{Dialects, Target};

/// For chats with at most so many members all are read, which is as cheap.
const SMALL: i64 = 64;
/// Cached chats on a node, about 64 bytes each. If there are more, the cache is cleared.
const REMEMBERED: usize = 16_384;

/// The members with the least markers of large chats, as last read. A hint: before it is used, the
/// database is asked whether these markers have moved. Markers only grow, and those of a new member start
/// at the newest message, so as long as the slowest member's has not moved, nobody is behind it.
///
/// Indexes on the markers would answer as fast, but every send and every read would have to change
/// them, and PostgreSQL could no longer update a member's row in place (HOT).
#[derive(Debug, Default)]
pub struct Laggards(Mutex<HashMap<ChatId, Slowest>>);

#[derive(Clone, Copy, Debug)]
struct Slowest {
    reader: UserId,
    receiver: UserId,
    least: LeastMarkers,
}

#[derive(Deserialize)]
struct Row {
    chat_id: ChatId,
    least: LeastMarkers,
    /// Only for large chats.
    reader: Option<UserId>,
    receiver: Option<UserId>,
}

impl Laggards {
    fn of(&self, chats: &[ChatId]) -> Vec<(ChatId, Slowest)> {
        let known = self.lock();
        let chat = |id: &ChatId| Some((*id, *known.get(id)?));
        chats.iter().filter_map(chat).collect()
    }

    fn remember(&self, rows: &[Row]) {
        let mut known = self.lock();
        for row in rows {
            if let (Some(reader), Some(receiver)) = (row.reader, row.receiver) {
                if known.len() >= REMEMBERED {
                    known.clear();
                }
                known.insert(row.chat_id, Slowest { reader, receiver, least: row.least });
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<ChatId, Slowest>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The least markers of some chats; none for a chat without members.
pub async fn least_markers(
    at: impl Into<Target<'_>>,
    laggards: &Laggards,
    chats: &[ChatId],
) -> Result<HashMap<ChatId, LeastMarkers>> {
    let mut at = at.into();
    let known = laggards.of(chats);
    let mut found = HashMap::new();
    if !known.is_empty() {
        let unmoved = unmoved(at.reborrow(), &known).await?;
        let unmoved: HashMap<_, _> = unmoved.into_iter().collect();
        for (chat, slowest) in known {
            let members = unmoved.get(&chat).copied().filter(|members| *members > SMALL);
            if let Some(members) = members {
                found.insert(chat, LeastMarkers { members, ..slowest.least });
            }
        }
    }
    let rest: Vec<_> = chats.iter().copied().filter(|id| !found.contains_key(id)).collect();
    if !rest.is_empty() {
        // A transaction may see rows that are rolled back.
        let is_committed = matches!(at, Target::Db(_));
        let rows = read(at, &rest).await?;
        if is_committed {
            laggards.remember(&rows);
        }
        found.extend(rows.into_iter().map(|row| (row.chat_id, row.least)));
    }
    Ok(found)
}

/// The chats whose slowest members have not moved, with how many members they have.
async fn unmoved(at: Target<'_>, known: &[(ChatId, Slowest)]) -> Result<Vec<(ChatId, i64)>> {
    let rows: Vec<_> = known
        .iter()
        .map(|(chat, Slowest { reader, receiver, least })| {
            (*chat, *reader, least.read_seq, *receiver, least.delivered_seq)
        })
        .collect();
    at.query(Dialects {
        sqlite: "select c.id, c.members_count from json_each($1) r \
         join members a on a.chat_id = r.value ->> 0 and a.user_id = r.value ->> 1 \
              and a.last_read_seq = r.value ->> 2 \
         join members b on b.chat_id = r.value ->> 0 and b.user_id = r.value ->> 3 \
              and b.last_delivered_seq = r.value ->> 4 \
         join chats c on c.id = r.value ->> 0",
        postgres: "select c.id, c.members_count \
         from unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[]) \
             as r (chat_id, reader, read_seq, receiver, delivered_seq) \
         join members a on a.chat_id = r.chat_id and a.user_id = r.reader \
              and a.last_read_seq = r.read_seq \
         join members b on b.chat_id = r.chat_id and b.user_id = r.receiver \
              and b.last_delivered_seq = r.delivered_seq \
         join chats c on c.id = r.chat_id",
    })
    .bind_rows(&rows, |query| {
        query
            .bind_list(rows.iter().map(|(chat, ..)| chat))
            .bind_list(rows.iter().map(|(_, reader, ..)| reader))
            .bind_list(rows.iter().map(|(_, _, seq, ..)| *seq))
            .bind_list(rows.iter().map(|(.., receiver, _)| receiver))
            .bind_list(rows.iter().map(|(.., seq)| *seq))
    })
    .all()
    .await
}

/// Reads every member of each chat. If several are equally far behind, takes the newest account: most
/// members read in the order of their ids, so it probably moves last.
async fn read(at: Target<'_>, chats: &[ChatId]) -> Result<Vec<Row>> {
    const LEAST: &str = "select l.*, \
            case when l.members > $2 then (select w.user_id from members w \
                where w.chat_id = l.chat_id and w.last_read_seq = l.read_seq \
                order by w.user_id desc limit 1) end as reader, \
            case when l.members > $2 then (select w.user_id from members w \
                where w.chat_id = l.chat_id and w.last_delivered_seq = l.delivered_seq \
                order by w.user_id desc limit 1) end as receiver \
        from (select chat_id, count(*) as members, min(user_id) as first_member, \
                     min(last_read_seq) as read_seq, min(last_delivered_seq) as delivered_seq \
              from members where ";
    const BY_CHAT: &str = " group by chat_id) l";
    at.query(Dialects {
        sqlite: concat!(LEAST, "chat_id in (select value from json_each($1))", BY_CHAT),
        postgres: concat!(LEAST, "chat_id = any($1)", BY_CHAT),
    })
    .bind_list(chats)
    .bind(SMALL)
    .all()
    .await
}
