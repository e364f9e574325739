//! The index by which people and groups are found: kept beside their rows, in the transaction that
//! changes these. What it holds is `domain::search`'s to say.

use constcat::concat;

use crate::domain::ids::{ChatId, UserId};
use crate::domain::search::{self, RULES};

use super::db::{Target, Tx};
use super::error::Result;

/// Somebody whom a question may mean, and their names as `domain::search::names` gives them; `None`
/// where they are not active.
pub type Candidate = (UserId, Option<String>);

/// The names are looked up one by one, which bounds the work by the limit. Joined to the users,
/// PostgreSQL may walk all of them.
const CANDIDATES: &str = "\
    select p.user_id, \
           (select u.search_text from users u where u.id = p.user_id and u.is_active) as names \
    from name_pieces p where ";
const IN_ORDER: &str = " order by p.piece, p.user_id limit ";

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

/// Those who have a piece with this beginning, in the order of the pieces.
pub async fn beginning(
    at: impl Into<Target<'_>>,
    beginning: &str,
    limit: i64,
) -> Result<Vec<Candidate>> {
    at.into()
        .query(concat!(CANDIDATES, "p.piece >= $1 and p.piece < $2", IN_ORDER, "$3"))
        .bind(beginning)
        .bind(format!("{beginning}{}", char::MAX))
        .bind(limit)
        .all()
        .await
}

/// Those who have one of the pieces.
pub async fn having(
    at: impl Into<Target<'_>>,
    pieces: Vec<String>,
    limit: i64,
) -> Result<Vec<Candidate>> {
    at.into()
        .either(
            concat!(CANDIDATES, "p.piece in (select value from json_each($1))", IN_ORDER, "$2"),
            concat!(CANDIDATES, "p.piece = any($1)", IN_ORDER, "$2"),
        )
        .bind_list(pieces)
        .bind(limit)
        .all()
        .await
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
