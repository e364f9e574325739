//! The order and pagination of a user's chats.

use constcat::concat;

use crate::domain::chat::{ChatFilter, ChatType};
use crate::domain::ids::{ChatId, UserId};

use super::error::Result;
use super::member_chats::{ChatCursor, UNREAD};
use super::query::{Dialects, Statement, Target};

/// Which of a user's chats (`$1`) are listed. The filters: `$4` a type, `$5` whether there are unread
/// messages, `$6` a text in the name of the group or of the other user. A null filter has no effect.
const LISTED: &str = concat!(
    "\
    select c.id from members me join chats c on c.id = me.chat_id \
    where me.user_id = $1 and ($4 is null or c.type = $4) \
      and ($5 is null or $5 = (",
    UNREAD,
    " > 0)) "
);
const CONTAINING_SQLITE: &str = "\
    and ($6 is null or instr(c.search_text, $6) > 0 or exists (select 1 from users p \
        where p.id = case when c.low_user = $1 then c.high_user else c.low_user end \
          and instr(p.search_text, $6) > 0)) ";
const CONTAINING_POSTGRES: &str = "\
    and ($6 is null or strpos(c.search_text, $6) > 0 or exists (select 1 from users p \
        where p.id = case when c.low_user = $1 then c.high_user else c.low_user end \
          and strpos(p.search_text, $6) > 0)) ";
const AFTER: &str = "\
    and (coalesce(c.last_message_id, c.first_activity, 0), c.id) < ($2, $3) \
    order by coalesce(c.last_message_id, c.first_activity, 0) desc, c.id desc ";
const BEFORE: &str = "\
    and (coalesce(c.last_message_id, c.first_activity, 0), c.id) > ($2, $3) \
    order by coalesce(c.last_message_id, c.first_activity, 0), c.id ";

/// The ids of a user's chats after a place in their order, nearest first;
/// from the top where no place is given.
pub async fn ids_after(
    at: impl Into<Target<'_>>,
    user: UserId,
    cursor: Option<ChatCursor>,
    filter: &ChatFilter,
    limit: i64,
) -> Result<Vec<ChatId>> {
    let top = ChatCursor { activity: i64::MAX, id: ChatId(i64::MAX) };
    let query = at.into().query(Dialects {
        sqlite: concat!(LISTED, CONTAINING_SQLITE, AFTER, "limit $7"),
        postgres: concat!(LISTED, CONTAINING_POSTGRES, AFTER, "limit $7"),
    });
    ids(query, user, cursor.unwrap_or(top), filter, limit).await
}

/// The ids of a user's chats before a place in their order, nearest first.
pub async fn ids_before(
    at: impl Into<Target<'_>>,
    user: UserId,
    cursor: ChatCursor,
    filter: &ChatFilter,
    limit: i64,
) -> Result<Vec<ChatId>> {
    let query = at.into().query(Dialects {
        sqlite: concat!(LISTED, CONTAINING_SQLITE, BEFORE, "limit $7"),
        postgres: concat!(LISTED, CONTAINING_POSTGRES, BEFORE, "limit $7"),
    });
    ids(query, user, cursor, filter, limit).await
}

/// Unread messages over all chats of a user, and the number of chats with any. Chats that are read cost
/// no more than their row.
pub async fn unread(at: impl Into<Target<'_>>, user: UserId) -> Result<(i64, i64)> {
    at.into()
        .query(concat!(
            "select cast(coalesce(sum(unread), 0) as bigint), count(*) from ( \
                 select ",
            UNREAD,
            " as unread from members me join chats c on c.id = me.chat_id \
                 where me.user_id = $1 and c.last_seq > me.last_read_seq \
             ) counted where unread > 0"
        ))
        .bind(user)
        .one()
        .await
}

async fn ids(
    query: Statement<'_>,
    user: UserId,
    cursor: ChatCursor,
    filter: &ChatFilter,
    limit: i64,
) -> Result<Vec<ChatId>> {
    query
        .bind(user)
        .bind(cursor.activity)
        .bind(cursor.id)
        .bind(filter.kind.map(ChatType::as_str))
        .bind(filter.unread)
        .bind(filter.search.clone())
        .bind(limit)
        .column()
        .await
}
