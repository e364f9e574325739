//! Segments and their pages. A segment is found once its row exists, which is inserted after its pages. It is
//! read until its row is retired, and by searches that began before for a while longer.

use serde::{Deserialize, Serialize};

use crate::domain::fulltext::{IndexPage, Zones};
use crate::domain::ids::MessageId;
use crate::domain::time::Timestamp;
use crate::store::db::Tx;
use crate::store::error::Result;
use crate::store::query::{Dialects, Target};
use crate::store::values::Blob;

/// A segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub struct IndexSegment {
    /// Its number.
    pub id: i64,
    /// Later content of a message is in a segment with a greater age.
    pub age: i64,
    /// The newest message in it.
    pub newest_id: MessageId,
    /// How large its pages are.
    pub bytes: i64,
    /// When it was written.
    pub made_at: Timestamp,
}

#[derive(Deserialize)]
struct Page {
    first_term: String,
    data: Blob,
}

/// A page to write: its first term, where its data begins, from 1 on, and how long it is.
#[derive(Serialize)]
struct NewPage<'a>(&'a str, i64, i64);

/// The segments that have all messages, the one with the newest message first.
pub async fn current(at: impl Into<Target<'_>>) -> Result<Vec<IndexSegment>> {
    at.into()
        .query(
            "select id, age, newest_id, bytes, made_at from search_segments \
             where retired_at is null order by newest_id desc, id desc",
        )
        .all()
        .await
}

/// When the messages of segments were sent, roughly.
pub async fn zones(at: impl Into<Target<'_>>, ids: &[i64]) -> Result<Vec<(i64, Zones)>> {
    let rows: Vec<(i64, Blob)> = at
        .into()
        .query(Dialects {
            sqlite: "select id, zones from search_segments \
                     where id in (select value from json_each($1))",
            postgres: "select id, zones from search_segments where id = any($1)",
        })
        .bind_list(ids)
        .all()
        .await?;
    Ok(rows.into_iter().map(|(id, zones)| (id, Zones::of_bytes(&zones.0))).collect())
}

/// Adds a segment, whose pages are all there.
pub async fn insert(tx: &mut Tx, segment: &IndexSegment, zones: &Zones) -> Result<()> {
    tx.query(
        "insert into search_segments (id, age, newest_id, bytes, made_at, zones) \
         values ($1, $2, $3, $4, $5, $6)",
    )
    .bind(segment.id)
    .bind(segment.age)
    .bind(segment.newest_id)
    .bind(segment.bytes)
    .bind(segment.made_at)
    .bind(Blob(zones.to_bytes()))
    .execute()
    .await
    .map(drop)
}

/// Retires segments; without any named, all. Returns how many.
pub async fn retire(tx: &mut Tx, ids: Option<&[i64]>, now: Timestamp) -> Result<u64> {
    let Some(ids) = ids else {
        let query = tx.query("update search_segments set retired_at = $1 where retired_at is null");
        return query.bind(now).execute().await;
    };
    tx.query(Dialects {
        sqlite: "update search_segments set retired_at = $2 \
                 where retired_at is null and id in (select value from json_each($1))",
        postgres: "update search_segments set retired_at = $2 \
                   where retired_at is null and id = any($1)",
    })
    .bind_list(ids)
    .bind(now)
    .execute()
    .await
}

/// Writes pages of a segment. Their data is one value, of which each row takes a part: as text, SQLite would read
/// twice the bytes and convert them.
pub async fn write(tx: &mut Tx, segment: i64, pages: &[IndexPage]) -> Result<()> {
    let data = pages.iter().flat_map(|page| &page.data).copied().collect();
    let mut start = 1;
    let rows = pages.iter().map(|page| {
        let length = page.data.len() as i64;
        let row = NewPage(&page.first, start, length);
        start += length;
        row
    });
    let rows: Vec<_> = rows.collect();
    tx.query(Dialects {
        sqlite: "insert into search_pages (segment_id, first_term, data) \
                 select $1, value ->> 0, substr($2, value ->> 1, value ->> 2) from json_each($3)",
        postgres: "insert into search_pages (segment_id, first_term, data) \
                   select $1, p.first_term, substring($2 from p.start::int for p.length::int) \
                   from unnest($3::text[], $4::bigint[], $5::bigint[]) \
                       as p (first_term, start, length)",
    })
    .bind(segment)
    .bind(Blob(data))
    .bind_rows(&rows, |query| {
        query
            .bind_list(rows.iter().map(|row| row.0))
            .bind_list(rows.iter().map(|row| row.1))
            .bind_list(rows.iter().map(|row| row.2))
    })
    .execute()
    .await
    .map(drop)
}

/// All pages of a segment, in order.
pub async fn pages(at: impl Into<Target<'_>>, segment: i64) -> Result<Vec<IndexPage>> {
    let rows: Vec<Page> = at
        .into()
        .query(
            "select first_term, data from search_pages where segment_id = $1 order by first_term",
        )
        .bind(segment)
        .all()
        .await?;
    let page = |row: Page| IndexPage { first: row.first_term, data: row.data.0 };
    Ok(rows.into_iter().map(page).collect())
}

/// Segments that were retired before this moment, so that nobody reads them any more.
pub async fn retired(at: impl Into<Target<'_>>, before: Timestamp) -> Result<Vec<i64>> {
    let query = at.into().query("select id from search_segments where retired_at < $1");
    query.bind(before).all().await
}

/// Segments that have pages, but no row: a node was stopped while it wrote them.
pub async fn unfinished(at: impl Into<Target<'_>>) -> Result<Vec<i64>> {
    at.into()
        .query(
            "select distinct segment_id from search_pages p \
             where not exists (select 1 from search_segments s where s.id = p.segment_id)",
        )
        .all()
        .await
}

/// Deletes pages of a segment, and after the last one its row. Returns how many pages.
pub async fn delete(tx: &mut Tx, segment: i64, limit: i64) -> Result<u64> {
    let deleted = tx
        .query(
            "delete from search_pages where segment_id = $1 and first_term in \
                 (select first_term from search_pages where segment_id = $1 limit $2)",
        )
        .bind(segment)
        .bind(limit)
        .execute()
        .await?;
    if deleted < limit.unsigned_abs() {
        let query = tx.query("delete from search_segments where id = $1");
        query.bind(segment).execute().await?;
    }
    Ok(deleted)
}
