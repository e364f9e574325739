//! What follows from the names of users and groups: keys, login names and the search index. The rules are
//! not SQL's, so this reads rows for `actions::doctor` to compare, and writes what it finds right.

use serde::Deserialize;

use crate::domain::ids::{ChatId, UserId};
use crate::domain::search::IndexEntry;
use crate::store::db::Tx;
use crate::store::error::Result;
use crate::store::query::{Dialects, Target};
use crate::store::search;

/// Separates what is read as one text: no name or piece has control characters.
pub const SEPARATOR: char = '\u{1f}';

/// A user's names, and everything that follows from them.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct UserNames {
    /// Whose.
    pub id: UserId,
    /// Shown name.
    pub username: String,
    /// By which the username is unique and ordered.
    pub username_key: String,
    /// May be empty.
    pub email: String,
    /// May be empty.
    pub first_name: String,
    /// May be empty.
    pub last_name: String,
    /// Whether the account was deleted.
    pub is_deleted: bool,
    /// As in [`IndexEntry::names`].
    pub search_text: String,
    /// The rules by which it was indexed.
    pub search_rules: i64,
    /// What the user can log in by.
    pub login_names: Option<String>,
    /// What the user is found by.
    pub pieces: Option<String>,
}

/// The next users after an id.
pub async fn users(at: impl Into<Target<'_>>, after: UserId, limit: i64) -> Result<Vec<UserNames>> {
    at.into()
        .query(Dialects {
            sqlite: "select u.id, u.username, u.username_key, u.email, u.first_name, u.last_name, \
                        u.deleted_at is not null as is_deleted, u.search_text, u.search_rules, \
                        (select group_concat(n.name_key, char(31)) from login_names n \
                         where n.user_id = u.id) as login_names, \
                        (select group_concat(p.piece, char(31)) from name_pieces p \
                         where p.user_id = u.id) as pieces \
                     from users u where u.id > $1 order by u.id limit $2",
            postgres: "select u.id, u.username, u.username_key, u.email, u.first_name, u.last_name, \
                          u.deleted_at is not null as is_deleted, u.search_text, u.search_rules, \
                          (select string_agg(n.name_key, chr(31)) from login_names n \
                           where n.user_id = u.id) as login_names, \
                          (select string_agg(p.piece, chr(31)) from name_pieces p \
                           where p.user_id = u.id) as pieces \
                       from users u where u.id > $1 order by u.id limit $2",
        })
        .bind(after)
        .bind(limit)
        .all()
        .await
}

/// Sets the key of a username. [`crate::store::error::StoreError::Unique`] if another user has it.
pub async fn set_username_key(tx: &mut Tx, id: UserId, key: &str) -> Result<()> {
    let query = tx.query("update users set username_key = $2 where id = $1").bind(id).bind(key);
    query.execute().await.map(drop)
}

/// Takes a login name from the user who has it.
pub async fn release_name(tx: &mut Tx, key: &str) -> Result<()> {
    tx.query("delete from login_names where name_key = $1").bind(key).execute().await.map(drop)
}

/// Indexes a user again, even if the row says that this was done.
pub async fn index_again(tx: &mut Tx, id: UserId, entry: &IndexEntry) -> Result<()> {
    tx.query("update users set search_rules = 0 where id = $1").bind(id).execute().await?;
    search::index(tx, id, entry).await
}

/// A group's name, and the text by which it is found.
#[derive(Debug, Deserialize)]
pub struct GroupName {
    /// Whose.
    pub id: ChatId,
    /// The shown name.
    pub name: String,
    /// Empty if it was never indexed.
    pub search_text: String,
}

impl GroupName {
    /// Whether it is found by another name. The server indexes the others by itself.
    pub fn is_misindexed(&self) -> bool {
        !self.search_text.is_empty() && self.search_text != search::group_text(&self.name)
    }
}

/// The next groups after an id.
pub async fn groups(
    at: impl Into<Target<'_>>,
    after: ChatId,
    limit: i64,
) -> Result<Vec<GroupName>> {
    at.into()
        .query(
            "select id, name, search_text from chats where id > $1 and type = 'group' \
               and deleted_at is null order by id limit $2",
        )
        .bind(after)
        .bind(limit)
        .all()
        .await
}
