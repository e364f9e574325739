//! Looking terms up in the index.

use crate::domain::fulltext::TermLookup;
use crate::domain::ids::{ChatId, UserId};
use crate::store::error::Result;
use crate::store::query::{Dialects, Target};
use crate::store::values::Blob;

/// The pages of these segments that may have what a lookup finds, with the segment of each.
pub async fn pages(
    at: impl Into<Target<'_>>,
    segments: &[i64],
    lookup: &TermLookup,
) -> Result<Vec<(i64, Vec<u8>)>> {
    let rows: Vec<(i64, Blob)> = at
        .into()
        .query(Dialects {
            sqlite: "select p.segment_id, p.data from json_each($1) s \
                     cross join search_pages p on p.segment_id = s.value \
                         and p.first_term < $3 and p.first_term >= coalesce( \
                             (select f.first_term from search_pages f \
                              where f.segment_id = s.value and f.first_term <= $2 \
                              order by f.first_term desc limit 1), $2)",
            postgres: "select p.segment_id, p.data from unnest($1::bigint[]) as s (id) \
                       cross join lateral ( \
                           select * from search_pages p where p.segment_id = s.id \
                               and p.first_term < $3 and p.first_term >= coalesce( \
                                   (select f.first_term from search_pages f \
                                    where f.segment_id = s.id and f.first_term <= $2 \
                                    order by f.first_term desc limit 1), $2)) p",
        })
        .bind_list(segments)
        .bind(lookup.from())
        .bind(lookup.to())
        .all()
        .await?;
    Ok(rows.into_iter().map(|(segment, data)| (segment, data.0)).collect())
}

/// The chats of a user, or this one if it is one of them, in the order of their ids.
pub async fn chats(
    at: impl Into<Target<'_>>,
    user: UserId,
    chat: Option<ChatId>,
) -> Result<Vec<ChatId>> {
    at.into()
        .query(
            "select chat_id from members where user_id = $1 and ($2 is null or chat_id = $2) \
             order by chat_id",
        )
        .bind(user)
        .bind(chat)
        .all()
        .await
}
