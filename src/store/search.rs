//! The index by which people and groups are found, written in the same transaction as their rows.
//! `domain::search` decides what it holds and what matches; this only stores and looks up.
//!
//! A lookup returns its rows as one text, because hundreds of rows, one by one, would cost more than
//! finding them. Names and pieces have no control characters, so these separate the columns (`\x1f`)
//! and the rows (`\x1e`); the lines of [`IndexEntry::names`] end with a line feed.

use constcat::concat;
use serde::Deserialize;

use crate::domain::ids::{ChatId, UserId};
use crate::domain::search::{self, IndexEntry, RULES, Range};

use super::db::Tx;
use super::error::{Failure, Result};
use super::query::{Dialects, Target};

/// A row of the index, with the names of its user.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct IndexRow {
    /// What is indexed.
    pub piece: String,
    /// The user.
    pub user: UserId,
    /// As in [`IndexEntry::names`]; empty if the user is not looked for.
    pub names: String,
}

/// Who is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Among {
    /// Active users.
    Active,
    /// Also those who are not active; none whose accounts were deleted.
    Existing,
}

/// Where to start in a range of the index, and in which direction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Start {
    /// Upwards from behind this piece of this user.
    After(String, UserId),
    /// Downwards from before it.
    Before(String, UserId),
}

/// The names are looked up row by row, which bounds the work by the limit. In a join PostgreSQL
/// might read every user.
const SQLITE: &str = "select coalesce(group_concat(f.user_id || char(31) || f.piece || char(31) || \
    coalesce(f.names, ''), char(30)), '') from (";
const POSTGRES: &str = "select coalesce(string_agg(f.user_id::text || chr(31) || f.piece || chr(31) || \
    coalesce(f.names, ''), chr(30)), '') from (";
const ROWS: &str = "select p.piece, p.user_id, (select u.search_text from users u \
    where u.id = p.user_id and ";
const ACTIVE: &str = "u.is_active) as names from name_pieces p where ";
const EXISTING: &str = "u.deleted_at is null) as names from name_pieces p where ";
const UPWARDS: &str = "p.piece < $1 and (p.piece, p.user_id) > ($2, $3) \
    order by p.piece, p.user_id limit $4) f";
const DOWNWARDS: &str = "p.piece >= $1 and (p.piece, p.user_id) < ($2, $3) \
    order by p.piece desc, p.user_id desc limit $4) f";
const OF_PIECE: &str = "p.piece = l.value order by p.user_id limit $2) f";

/// A user's names.
#[derive(Debug, PartialEq, Eq, Deserialize)]
pub struct Names {
    /// Whose they are.
    pub id: UserId,
    /// Shown name.
    pub username: String,
    /// May be empty.
    pub first_name: String,
    /// May be empty.
    pub last_name: String,
}

/// Indexes a user by an entry, instead of the one before.
pub async fn index(tx: &mut Tx, id: UserId, entry: &IndexEntry) -> Result<()> {
    let outdated = tx
        .query(
            "update users set search_text = $2, search_rules = $3 \
             where id = $1 and (search_text <> $2 or search_rules <> $3)",
        )
        .bind(id)
        .bind(entry.names.as_str())
        .bind(RULES)
        .execute()
        .await?;
    if outdated == 0 {
        return Ok(());
    }
    tx.query("delete from name_pieces where user_id = $1").bind(id).execute().await?;
    tx.query(Dialects {
        sqlite: "insert into name_pieces (piece, user_id) select value, $1 from json_each($2)",
        postgres: "insert into name_pieces (piece, user_id) \
             select value, $1 from unnest($2::text[]) as value",
    })
    .bind(id)
    .bind_list(entry.pieces.clone())
    .execute()
    .await
    .map(drop)
}

/// The user with this folded username, and their names.
pub async fn by_username(
    at: impl Into<Target<'_>>,
    among: Among,
    username: &str,
) -> Result<Option<(UserId, String)>> {
    const NAMED: &str = "select id, search_text from users where username_key = $1 and ";
    at.into()
        .query(match among {
            Among::Active => concat!(NAMED, "is_active"),
            Among::Existing => concat!(NAMED, "deleted_at is null"),
        })
        .bind(username)
        .optional()
        .await
}

/// The first rows of a range from a start on, nearest first.
pub async fn walk(
    at: impl Into<Target<'_>>,
    among: Among,
    range: &Range,
    start: &Start,
    limit: i64,
) -> Result<Vec<IndexRow>> {
    let (sql, bound, piece, user) = match start {
        Start::After(piece, user) => {
            let sql = match among {
                Among::Active => Dialects {
                    sqlite: concat!(SQLITE, ROWS, ACTIVE, UPWARDS),
                    postgres: concat!(POSTGRES, ROWS, ACTIVE, UPWARDS),
                },
                Among::Existing => Dialects {
                    sqlite: concat!(SQLITE, ROWS, EXISTING, UPWARDS),
                    postgres: concat!(POSTGRES, ROWS, EXISTING, UPWARDS),
                },
            };
            (sql, &range.end, piece, user)
        }
        Start::Before(piece, user) => {
            let sql = match among {
                Among::Active => Dialects {
                    sqlite: concat!(SQLITE, ROWS, ACTIVE, DOWNWARDS),
                    postgres: concat!(POSTGRES, ROWS, ACTIVE, DOWNWARDS),
                },
                Among::Existing => Dialects {
                    sqlite: concat!(SQLITE, ROWS, EXISTING, DOWNWARDS),
                    postgres: concat!(POSTGRES, ROWS, EXISTING, DOWNWARDS),
                },
            };
            (sql, &range.start, piece, user)
        }
    };
    let query =
        at.into().query(sql).bind(bound.as_str()).bind(piece.as_str()).bind(*user).bind(limit);
    let mut rows = parse(&query.one::<(String,)>().await?.0)?;
    // No database promises an order inside an aggregate.
    rows.sort_unstable();
    if matches!(start, Start::Before(..)) {
        rows.reverse();
    }
    Ok(rows)
}

/// The first `limit` rows of each of the pieces.
pub async fn having(
    at: impl Into<Target<'_>>,
    among: Among,
    pieces: Vec<String>,
    limit: i64,
) -> Result<Vec<IndexRow>> {
    const LIST: &str = ") from json_each($1) l";
    const ARRAY: &str = ") from unnest($1::text[]) l (value)";
    let query = at.into().query(match among {
        Among::Active => Dialects {
            sqlite: concat!("select (", SQLITE, ROWS, ACTIVE, OF_PIECE, LIST),
            postgres: concat!("select (", POSTGRES, ROWS, ACTIVE, OF_PIECE, ARRAY),
        },
        Among::Existing => Dialects {
            sqlite: concat!("select (", SQLITE, ROWS, EXISTING, OF_PIECE, LIST),
            postgres: concat!("select (", POSTGRES, ROWS, EXISTING, OF_PIECE, ARRAY),
        },
    });
    let texts: Vec<(String,)> = query.bind_list(pieces).bind(limit).all().await?;
    texts.iter().map(|(text,)| parse(text)).collect::<Result<Vec<_>>>().map(|rows| rows.concat())
}

/// For each set of a range and some pieces, how many rows the range has, and how many the pieces,
/// counted up to `limit`.
pub async fn counts(
    at: impl Into<Target<'_>>,
    sets: &[(Range, Vec<String>)],
    limit: i64,
) -> Result<Vec<(i64, i64)>> {
    let sets: Vec<_> =
        sets.iter().map(|(range, pieces)| (&range.start, &range.end, pieces)).collect();
    let sets = serde_json::to_string(&sets).map_err(Failure::wrong)?;
    at.into()
        .query(Dialects {
            sqlite: "select (select count(*) from (select 1 from name_pieces p \
                     where p.piece >= s.value ->> 0 and p.piece < s.value ->> 1 limit $2)), \
                    (select count(*) from (select 1 from json_each(s.value, '$[2]') l \
                     cross join name_pieces p on p.piece = l.value limit $2)) \
             from json_each($1) s order by s.key",
            postgres: "select (select count(*) from (select 1 from name_pieces p \
                     where p.piece >= s.value ->> 0 and p.piece < s.value ->> 1 limit $2) c), \
                    (select count(*) from (select 1 \
                     from jsonb_array_elements_text(s.value -> 2) l (value) \
                     cross join lateral (select 1 from name_pieces p where p.piece = l.value \
                     limit $2) p limit $2) c) \
             from jsonb_array_elements($1::text::jsonb) with ordinality s (value, n) order by n",
        })
        .bind(sets)
        .bind(limit)
        .all()
        .await
}

fn parse(text: &str) -> Result<Vec<IndexRow>> {
    let row = |text: &str| {
        let mut columns = text.splitn(3, '\u{1f}');
        let user = UserId(columns.next()?.parse().ok()?);
        let (piece, names) = (columns.next()?.to_owned(), columns.next()?.to_owned());
        Some(IndexRow { piece, user, names })
    };
    let rows = text.split('\u{1e}').filter(|text| !text.is_empty());
    rows.map(|text| row(text).ok_or_else(|| Failure::wrong(text).into())).collect()
}

/// Users who were indexed by earlier rules, or never. Skips those that another node is indexing.
pub async fn outdated_users(at: impl Into<Target<'_>>, limit: i64) -> Result<Vec<Names>> {
    const SELECT: &str = "select id, username, first_name, last_name from users \
                          where search_rules < $1 order by search_rules limit $2";
    at.into()
        .query(Dialects {
            sqlite: SELECT,
            postgres: concat!(SELECT, " for no key update skip locked"),
        })
        .bind(RULES)
        .bind(limit)
        .all()
        .await
}

/// Groups that were never indexed, with their names. Skips those that another node is indexing.
pub async fn outdated_groups(tx: &mut Tx, limit: i64) -> Result<Vec<(ChatId, String)>> {
    const SELECT: &str = "select id, name from chats where type = 'group' and search_text = '' \
                          order by id limit $1";
    tx.query(Dialects {
        sqlite: SELECT,
        postgres: concat!(SELECT, " for no key update skip locked"),
    })
    .bind(limit)
    .all()
    .await
}

/// Indexes a group by its name.
pub async fn index_group(tx: &mut Tx, id: ChatId, name: &str) -> Result<()> {
    tx.query("update chats set search_text = $2 where id = $1")
        .bind(id)
        .bind(group_text(name))
        .execute()
        .await
        .map(drop)
}

/// A group's name as it is indexed.
pub(super) fn group_text(name: &str) -> String {
    format!("\n{}", search::key(name))
}
