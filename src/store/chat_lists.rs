//! The order and pagination of a user's chats.

use constcat::concat;

use crate::domain::chat::{ChatFilter, ChatType};
use crate::domain::ids::{ChatId, UserId};
use crate::domain::time::Timestamp;

use super::error::Result;
use super::member_chats::{
    self, ACTIVITY, ChatCursor, ChatOfMember, OF_MEMBER, THESE, UNREAD, WANTED,
};
use super::mentions::UNREAD_MENTIONS;
use super::query::{Dialects, Target};

/// A user's chats (`$1`), each looked up once.
const MINE: Dialects = Dialects {
    sqlite: "in (select chat_id from members where user_id = $1)",
    postgres: "= any (array(select chat_id from members where user_id = $1))",
};
/// Those that match filters, looked up from the memberships: `$5` a type, `$6` whether there are unread messages, `$7` a
/// text in the name of the group or of the other user, `$8` archived, `$9` pinned, `$10` muted at the time `$11`. A null
/// filter has no effect.
const MATCHING: &str = concat!(
    "select c.id, ",
    ACTIVITY,
    " as activity from members me join chats c on c.id = me.chat_id \
    where me.user_id = $1 and ($5 is null or c.type = $5) \
      and ($8 is null or me.archived = $8) and ($9 is null or me.pinned = $9) \
      and ($10 is null or $10 = coalesce(me.muted_until > $11, false)) \
      and ($6 is null or $6 = (",
    UNREAD,
    " > 0)) "
);
const CONTAINING_SQLITE: &str = "\
    and ($7 is null or instr(c.search_text, $7) > 0 or exists (select 1 from users p \
        where p.id = case when c.low_user = $1 then c.high_user else c.low_user end \
          and instr(p.search_text, $7) > 0))";
const CONTAINING_POSTGRES: &str = "\
    and ($7 is null or strpos(c.search_text, $7) > 0 or exists (select 1 from users p \
        where p.id = case when c.low_user = $1 then c.high_user else c.low_user end \
          and strpos(p.search_text, $7) > 0))";
const AFTER: &str = concat!(
    " and (",
    ACTIVITY,
    ", c.id) < ($2, $3) order by ",
    ACTIVITY,
    " desc, c.id desc limit $4"
);
const BEFORE: &str =
    concat!(" and (", ACTIVITY, ", c.id) > ($2, $3) order by ", ACTIVITY, ", c.id limit $4");

/// A user's chats after a place in their order, or from the top: the nearest ones, newest activity first.
pub async fn after(
    at: impl Into<Target<'_>>,
    user: UserId,
    cursor: Option<ChatCursor>,
    (filter, now): (&ChatFilter, Timestamp),
    limit: i64,
) -> Result<Vec<ChatOfMember>> {
    const TOP: ChatCursor = ChatCursor { activity: i64::MAX, id: ChatId(i64::MAX) };
    const ALL_AFTER: Dialects = Dialects {
        sqlite: concat!(OF_MEMBER, THESE, MINE.sqlite, AFTER, WANTED),
        postgres: concat!(OF_MEMBER, THESE, MINE.postgres, AFTER, WANTED),
    };
    const MATCHING_AFTER: Dialects = Dialects {
        sqlite: concat!(OF_MEMBER, MATCHING, CONTAINING_SQLITE, AFTER, WANTED),
        postgres: concat!(OF_MEMBER, MATCHING, CONTAINING_POSTGRES, AFTER, WANTED),
    };
    let cursor = cursor.unwrap_or(TOP);
    page(at.into(), user, cursor, (filter, now), limit, [ALL_AFTER, MATCHING_AFTER]).await
}

/// A user's chats before a place in their order: the nearest ones, newest activity first.
pub async fn before(
    at: impl Into<Target<'_>>,
    user: UserId,
    cursor: ChatCursor,
    (filter, now): (&ChatFilter, Timestamp),
    limit: i64,
) -> Result<Vec<ChatOfMember>> {
    const ALL_BEFORE: Dialects = Dialects {
        sqlite: concat!(OF_MEMBER, THESE, MINE.sqlite, BEFORE, WANTED),
        postgres: concat!(OF_MEMBER, THESE, MINE.postgres, BEFORE, WANTED),
    };
    const MATCHING_BEFORE: Dialects = Dialects {
        sqlite: concat!(OF_MEMBER, MATCHING, CONTAINING_SQLITE, BEFORE, WANTED),
        postgres: concat!(OF_MEMBER, MATCHING, CONTAINING_POSTGRES, BEFORE, WANTED),
    };
    page(at.into(), user, cursor, (filter, now), limit, [ALL_BEFORE, MATCHING_BEFORE]).await
}

/// Unread messages over all chats of a user that are neither archived nor muted now, the number of chats with any, and
/// how many of the messages mention the user. Chats that are read cost no more than their row.
pub async fn unread(
    at: impl Into<Target<'_>>,
    user: UserId,
    now: Timestamp,
) -> Result<(i64, i64, i64)> {
    at.into()
        .query(concat!(
            "select cast(coalesce(sum(unread), 0) as bigint), count(*), \
                    cast(coalesce(sum(mentions), 0) as bigint) from ( \
                 select ",
            UNREAD,
            " as unread, ",
            UNREAD_MENTIONS,
            " as mentions from members me join chats c on c.id = me.chat_id \
                 where me.user_id = $1 and c.last_seq > me.last_read_seq \
                       and not me.archived and (me.muted_until is null or me.muted_until <= $2) \
             ) counted where unread > 0"
        ))
        .bind(user)
        .bind(now)
        .one()
        .await
}

async fn page(
    at: Target<'_>,
    user: UserId,
    cursor: ChatCursor,
    (filter, now): (&ChatFilter, Timestamp),
    limit: i64,
    [all, matching]: [Dialects; 2],
) -> Result<Vec<ChatOfMember>> {
    let is_filtered = *filter != ChatFilter::default();
    member_chats::read(at, |at| {
        let query = at.query(if is_filtered { matching } else { all });
        let query = query.bind(user).bind(cursor.activity).bind(cursor.id).bind(limit);
        if !is_filtered {
            return query;
        }
        let query = query.bind(filter.kind.map(ChatType::as_str)).bind(filter.unread);
        let query = query.bind(filter.search.clone()).bind(filter.archived).bind(filter.pinned);
        query.bind(filter.muted).bind(now)
    })
    .await
}
