//! The index by which people and groups are found: kept beside their rows, in the transaction that
//! changes these. What it holds is `domain::search`'s to say.

use constcat::concat;

use crate::domain::ids::{ChatId, UserId};
use crate::domain::search::{self, RULES};

use super::db::{Target, Tx};
use super::error::Result;

/// An active user whom a search may mean, and their names as `domain::search::names` gives them.
pub type Candidate = (UserId, String);

/// Candidates come as one text: a thousand rows, one by one, would cost more than finding them. Names
/// have no control characters but the line's end.
///
/// The names are looked up one by one, which bounds the work by the limit. Joined to the users,
/// PostgreSQL may walk all of them.
const SQLITE: &str = "select coalesce(group_concat(user_id || ' ' || names, char(30)), '') ";
const POSTGRES: &str = "select coalesce(string_agg(user_id::text || ' ' || names, chr(30)), '') ";
const NAMED: &str = "\
    from (select n.user_id, \
                 (select u.search_text from users u where u.id = n.user_id and u.is_active) as names \
          from (select distinct f.user_id from (\
              select p.user_id from name_pieces p where ";
const IN_ORDER: &str = " order by p.piece, p.user_id limit ";
const END: &str = ") f) n) c where names is not null";

/// The names of a user, and the rules by which they were indexed.
#[derive(Debug, sqlx::FromRow)]
pub struct Names {
    /// Whose.
    pub id: UserId,
    /// Shown name.
    pub username: String,
    /// May be empty.
    pub first_name: String,
    /// May be empty.
    pub last_name: String,
}

/// Indexes a user by these names, instead of whatever they were indexed by.
pub async fn index(
    tx: &mut Tx,
    id: UserId,
    username: &str,
    first_name: &str,
    last_name: &str,
) -> Result<()> {
    let names = search::names(username, first_name, last_name);
    let outdated = Target::from(&mut *tx)
        .query(
            "update users set search_text = $2, search_rules = $3 \
             where id = $1 and (search_text <> $2 or search_rules <> $3)",
        )
        .bind(id)
        .bind(names.as_str())
        .bind(RULES)
        .execute()
        .await?;
    if outdated == 0 {
        return Ok(());
    }
    Target::from(&mut *tx)
        .query("delete from name_pieces where user_id = $1")
        .bind(id)
        .execute()
        .await?;
    Target::from(tx)
        .either(
            "insert into name_pieces (piece, user_id) select value, $1 from json_each($2)",
            "insert into name_pieces (piece, user_id) \
             select value, $1 from unnest($2::text[]) as value",
        )
        .bind(id)
        .bind_list(search::pieces(&names))
        .execute()
        .await
        .map(drop)
}

/// Those who have one of the first `limit` pieces with this beginning, in no order.
pub async fn beginning(
    at: impl Into<Target<'_>>,
    beginning: &str,
    limit: i64,
) -> Result<Vec<Candidate>> {
    const BEGINNING: &str = concat!(NAMED, "p.piece >= $1 and p.piece < $2", IN_ORDER, "$3", END);
    let query = at.into().either(concat!(SQLITE, BEGINNING), concat!(POSTGRES, BEGINNING));
    let query = query.bind(beginning).bind(format!("{beginning}{}", char::MAX)).bind(limit);
    candidates(query.one().await?)
}

/// Those who have one of the pieces, `limit` of them at most, in no order.
pub async fn having(
    at: impl Into<Target<'_>>,
    pieces: Vec<String>,
    limit: i64,
) -> Result<Vec<Candidate>> {
    let query = at.into().either(
        concat!(SQLITE, NAMED, "p.piece in (select value from json_each($1))", IN_ORDER, "$2", END),
        concat!(POSTGRES, NAMED, "p.piece = any($1)", IN_ORDER, "$2", END),
    );
    candidates(query.bind_list(pieces).bind(limit).one().await?)
}

fn candidates((text,): (String,)) -> Result<Vec<Candidate>> {
    let candidate = |row: &str| {
        let (id, names) = row.split_once(' ')?;
        Some((UserId(id.parse().ok()?), names.to_owned()))
    };
    let rows = text.split('\u{1e}').filter(|row| !row.is_empty());
    rows.map(|row| candidate(row).ok_or_else(|| sqlx::Error::Decode(row.into()).into())).collect()
}

/// Takes users who were indexed by earlier rules, or never. Another node's are passed over.
pub async fn outdated_users(tx: &mut Tx, limit: i64) -> Result<Vec<Names>> {
    const SELECT: &str = "select id, username, first_name, last_name from users \
                          where search_rules < $1 order by search_rules limit $2";
    Target::from(tx)
        .either(SELECT, concat!(SELECT, " for no key update skip locked"))
        .bind(RULES)
        .bind(limit)
        .all()
        .await
}

/// Takes groups that were never indexed, with their names. Another node's are passed over.
pub async fn outdated_groups(tx: &mut Tx, limit: i64) -> Result<Vec<(ChatId, String)>> {
    const SELECT: &str = "select id, name from chats where type = 'group' and search_text = '' \
                          order by id limit $1";
    Target::from(tx)
        .either(SELECT, concat!(SELECT, " for no key update skip locked"))
        .bind(limit)
        .all()
        .await
}

/// Indexes a group by its name.
pub async fn index_group(tx: &mut Tx, id: ChatId, name: &str) -> Result<()> {
    Target::from(tx)
        .query("update chats set search_text = $2 where id = $1")
        .bind(id)
        .bind(group_text(name))
        .execute()
        .await
        .map(drop)
}

/// What a group is found by.
pub(super) fn group_text(name: &str) -> String {
    format!("\n{}", search::key(name))
}
