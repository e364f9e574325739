//! The least markers of chats, which determine the status of every message. For a large chat, the two
//! members who have them are cached, so that not every member has to be read each time.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use constcat::concat;
use serde::Deserialize;

use crate::domain::ids::{ChatId, UserId};
use crate::domain::receipt::LeastMarkers;

use super::error::Result;
use super::query::{Dialects, Target};

/// For chats with at most so many members all are read, which is as cheap.
const SMALL: i64 = 8;
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
    /// What is cached, and the chats of which nothing is.
    fn of(&self, chats: &[ChatId]) -> (Vec<(ChatId, Slowest)>, Vec<ChatId>) {
        let known = self.lock();
        let (mut found, mut unknown) = (Vec::new(), Vec::new());
        for id in chats {
            match known.get(id) {
                Some(slowest) => found.push((*id, *slowest)),
                None => unknown.push(*id),
            }
        }
        (found, unknown)
    }

    fn remember(&self, rows: &[Row]) {
        let mut known = self.lock();
        for row in rows {
            if let (Some(reader), Some(receiver)) = (row.reader, row.receiver) {
                if known.len() >= REMEMBERED && !known.contains_key(&row.chat_id) {
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
    if chats.is_empty() {
        return Ok(HashMap::new());
    }
    let mut at = at.into();
    // A transaction may see rows that are rolled back.
    let is_committed = matches!(at, Target::Db(_));
    let (known, unknown) = laggards.of(chats);
    let mut rows = read(at.reborrow(), &unknown, &known).await?;
    let found: HashSet<_> = rows.iter().map(|row| row.chat_id).collect();
    let moved = known.iter().map(|(chat, _)| *chat).filter(|chat| !found.contains(chat));
    let moved: Vec<_> = moved.collect();
    if !moved.is_empty() {
        rows.extend(read(at, &moved, &[]).await?);
    }
    if is_committed {
        laggards.remember(&rows);
    }
    Ok(rows.into_iter().map(|row| (row.chat_id, row.least)).collect())
}

/// Reads every member of each of the chats. If several are equally far behind, takes the newest account:
/// most members read in the order of their ids, so it probably moves last.
const READ: &str = "select l.*, \
        case when l.members > $1 then (select w.user_id from members w \
            where w.chat_id = l.chat_id and w.last_read_seq = l.read_seq \
            order by w.user_id desc limit 1) end as reader, \
        case when l.members > $1 then (select w.user_id from members w \
            where w.chat_id = l.chat_id and w.last_delivered_seq = l.delivered_seq \
            order by w.user_id desc limit 1) end as receiver \
    from (select chat_id, count(*) as members, min(user_id) as first_member, \
                 min(last_read_seq) as read_seq, min(last_delivered_seq) as delivered_seq \
          from members where chat_id ";
/// The `known` chats whose slowest members have not moved. Subqueries, so that each member is looked up:
/// PostgreSQL may make a join walk all members of the chat.
const UNMOVED_SQLITE: &str = " group by chat_id) l union all \
    select c.id, c.members_count, r.value ->> 1, r.value ->> 2, r.value ->> 4, r.value ->> 1, r.value ->> 3 \
    from json_each($3) r join chats c on c.id = r.value ->> 0 \
    where c.members_count > $1 \
      and (select a.last_read_seq from members a \
           where a.chat_id = c.id and a.user_id = r.value ->> 1) = r.value ->> 2 \
      and (select b.last_delivered_seq from members b \
           where b.chat_id = c.id and b.user_id = r.value ->> 3) = r.value ->> 4";
const UNMOVED_POSTGRES: &str = " group by chat_id) l union all \
    select c.id, c.members_count, r.reader, r.read_seq, r.delivered_seq, r.reader, r.receiver \
    from unnest($3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[]) \
        as r (chat_id, reader, read_seq, receiver, delivered_seq) \
    join chats c on c.id = r.chat_id \
    where c.members_count > $1 \
      and (select a.last_read_seq from members a \
           where a.chat_id = r.chat_id and a.user_id = r.reader) = r.read_seq \
      and (select b.last_delivered_seq from members b \
           where b.chat_id = r.chat_id and b.user_id = r.receiver) = r.delivered_seq";

/// The least markers of the `unknown` chats, and of the `known` ones that are as they were.
async fn read(at: Target<'_>, unknown: &[ChatId], known: &[(ChatId, Slowest)]) -> Result<Vec<Row>> {
    let rows: Vec<_> = known
        .iter()
        .map(|(chat, Slowest { reader, receiver, least })| {
            (*chat, *reader, least.read_seq, *receiver, least.delivered_seq)
        })
        .collect();
    at.query(Dialects {
        sqlite: concat!(READ, "in (select value from json_each($2))", UNMOVED_SQLITE),
        postgres: concat!(READ, "= any($2)", UNMOVED_POSTGRES),
    })
    .bind(SMALL)
    .bind_list(unknown)
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
