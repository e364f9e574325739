//! Users and their login names.

use constcat::concat;

use crate::domain::ids::UserId;
use crate::domain::login_names::{Email, Username};
use crate::domain::numbering::AccountVersion;
use crate::domain::search::IndexEntry;
use crate::domain::text;
use crate::domain::time::Timestamp;
use crate::domain::user::User;

use super::db::Tx;
use super::error::Result;
use super::query::{Dialects, Target};
use super::search;

/// A user to create.
#[derive(Debug)]
pub struct NewUser<'a> {
    /// The displayed name, and a login name.
    pub username: &'a Username,
    /// A second login name, if given.
    pub email: Option<&'a Email>,
    /// The encoded hash.
    pub password: &'a str,
    /// May be empty.
    pub first_name: &'a str,
    /// May be empty.
    pub last_name: &'a str,
    /// Staff and superuser, as `createsuperuser` creates.
    pub is_superuser: bool,
}

/// The columns of a [`User`]; `u` is the user.
pub(super) const COLUMNS: &str = "u.id, u.username, u.email, u.first_name, u.last_name, u.avatar, \
     u.status_text, u.availability, u.last_seen, u.date_joined, u.deleted_at, u.is_active, u.is_staff, \
     u.is_superuser, u.account_version, u.profile_version, u.in_blocks";

/// The beginning of queries of whole users.
const SELECT: &str = concat!("select ", COLUMNS, " from users u ");

/// Creates a user and claims the names; [`search::index`] adds it to the search index.
/// [`super::error::StoreError::Unique`] if a name is taken.
pub async fn insert(tx: &mut Tx, user: &NewUser<'_>, now: Timestamp) -> Result<UserId> {
    let key = user.username.key();
    let (id,): (UserId,) = tx
        .query(
            "insert into users (username, username_key, email, password, first_name, last_name, \
                                is_staff, is_superuser, date_joined) \
             values ($1, $2, $3, $4, $5, $6, $7, $7, $8) returning id",
        )
        .bind(user.username.as_str())
        .bind(key.as_str())
        .bind(user.email.map_or("", Email::as_str))
        .bind(user.password)
        .bind(user.first_name)
        .bind(user.last_name)
        .bind(user.is_superuser)
        .bind(now)
        .one()
        .await?;
    let mut keys = vec![key];
    // A user's address and username may be the same.
    keys.extend(user.email.map(Email::key).filter(|email| *email != keys[0]));
    claim_names(tx, id, &keys).await.map(|()| id)
}

/// The owner of a login name: id and encoded password.
pub async fn by_login(at: impl Into<Target<'_>>, key: &str) -> Result<Option<(UserId, String)>> {
    at.into()
        .query(
            "select u.id, u.password from login_names n join users u on u.id = n.user_id \
             where n.name_key = $1",
        )
        .bind(key)
        .optional()
        .await
}

/// Which of the login names are taken, with their owners.
pub async fn taken(at: impl Into<Target<'_>>, keys: Vec<String>) -> Result<Vec<(String, UserId)>> {
    at.into()
        .query(Dialects {
            sqlite: "select name_key, user_id from login_names \
             where name_key in (select value from json_each($1))",
            postgres: "select name_key, user_id from login_names where name_key = any($1)",
        })
        .bind_list(keys)
        .all()
        .await
}

/// One user, active or not.
pub async fn by_id(at: impl Into<Target<'_>>, id: UserId) -> Result<Option<User>> {
    at.into().query(concat!(SELECT, "where id = $1")).brief().bind(id).optional().await
}

/// The existing users of these ids, in no particular order.
pub async fn by_ids(at: impl Into<Target<'_>>, ids: &[UserId]) -> Result<Vec<User>> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    at.into()
        .query(Dialects {
            sqlite: concat!(SELECT, "where id in (select value from json_each($1))"),
            postgres: concat!(SELECT, "where id = any($1)"),
        })
        .bind_list(ids)
        .all()
        .await
}

/// Active users after a key, in the order of their keys.
pub async fn after(at: impl Into<Target<'_>>, key: &str, limit: i64) -> Result<Vec<User>> {
    at.into()
        .query(concat!(
            SELECT,
            "where is_active and username_key > $1 order by username_key limit $2"
        ))
        .bind(key)
        .bind(limit)
        .all()
        .await
}

/// Active users before a key, nearest first.
pub async fn before(at: impl Into<Target<'_>>, key: &str, limit: i64) -> Result<Vec<User>> {
    at.into()
        .query(concat!(
            SELECT,
            "where is_active and username_key < $1 order by username_key desc limit $2"
        ))
        .bind(key)
        .bind(limit)
        .all()
        .await
}

/// The active users of these ids. They stay active until this transaction ends.
pub async fn hold_active(tx: &mut Tx, ids: &[UserId]) -> Result<Vec<User>> {
    tx.query(Dialects {
        sqlite: concat!(
            SELECT,
            "where is_active and id in (select value from json_each($1)) order by id"
        ),
        postgres: concat!(SELECT, "where is_active and id = any($1) order by id for share"),
    })
    .bind_list(ids)
    .all()
    .await
}

/// Deletes an account: it is anonymised, and nobody can log in to it.
pub async fn end(tx: &mut Tx, id: UserId, username: &str, now: Timestamp) -> Result<()> {
    claim_names(tx, id, &[]).await?;
    // Usernames contain no spaces, so nobody else has the key of an anonymised account.
    let key = format!("{username} ");
    search::index(&mut *tx, id, &IndexEntry::of(username, "", "")).await?;
    tx.query(
        "update users set username = $2, username_key = $3, email = '', password = '!', \
                              first_name = '', last_name = '', avatar = null, status_text = '', \
                              availability = 'online', last_login = null, last_seen = null, \
                              is_active = $4, is_staff = $4, is_superuser = $4, deleted_at = $5, \
                              account_version = account_version + 1, \
                              profile_version = account_version + 1 \
             where id = $1",
    )
    .bind(id)
    .bind(username)
    .bind(key)
    .bind(false)
    .bind(now)
    .execute()
    .await
    .map(drop)
}

/// Locks a user's row for this transaction.
pub async fn lock(tx: &mut Tx, id: UserId) -> Result<()> {
    let _: Option<(UserId,)> = tx
        .query(Dialects {
            sqlite: "select id from users where id = $1",
            postgres: "select id from users where id = $1 for no key update",
        })
        .bind(id)
        .optional()
        .await?;
    Ok(())
}

/// Writes what can be changed about a user, as a change of the account, and returns the version that it makes. Names
/// are claimed by [`claim_names`] and indexed by [`search::index`].
pub async fn update(tx: &mut Tx, user: &User) -> Result<AccountVersion> {
    let (version,): (AccountVersion,) = tx
        .query(
            "update users set username = $2, username_key = $3, email = $4, first_name = $5, \
                              last_name = $6, status_text = $7, availability = $8, \
                              is_active = $9, is_staff = $10, avatar = $11, \
                              account_version = account_version + 1, \
                              profile_version = account_version + 1 \
             where id = $1 returning account_version",
        )
        .bind(user.id)
        .bind(user.username.as_str())
        .bind(text::fold(&user.username))
        .bind(user.email.as_str())
        .bind(user.first_name.as_str())
        .bind(user.last_name.as_str())
        .bind(user.status_text.as_str())
        .bind(user.availability.as_str())
        .bind(user.is_active)
        .bind(user.is_staff)
        .bind(user.avatar.clone())
        .one()
        .await?;
    Ok(version)
}

/// Releases a user's login names and claims others. [`super::error::StoreError::Unique`] if one belongs to
/// another user.
pub async fn claim_names(tx: &mut Tx, id: UserId, keys: &[String]) -> Result<()> {
    tx.query("delete from login_names where user_id = $1").bind(id).execute().await?;
    for key in keys {
        tx.query("insert into login_names (name_key, user_id) values ($1, $2)")
            .bind(key.as_str())
            .bind(id)
            .execute()
            .await?;
    }
    Ok(())
}

/// The encoded password of a user.
pub async fn password(at: impl Into<Target<'_>>, id: UserId) -> Result<Option<String>> {
    let row: Option<(String,)> =
        at.into().query("select password from users where id = $1").bind(id).optional().await?;
    Ok(row.map(|(password,)| password))
}

/// A usable encoded password of any user: the first one at or after the `place`-th of a million parts of
/// all users, or otherwise the last one. Two probes of an index that contains only these users. `None` if
/// nobody has one.
pub async fn some_password(at: impl Into<Target<'_>>, number: i64) -> Result<Option<String>> {
    let row: Option<(String,)> = at
        .into()
        .query(
            "select password from users where id = coalesce( \
                 (select id from users where substr(password, 1, 1) <> '!' \
                      and id > (select coalesce(max(id), 0) from users) * $1 / 1000000 \
                  order by id limit 1), \
                 (select id from users where substr(password, 1, 1) <> '!' \
                  order by id desc limit 1))",
        )
        .bind(number)
        .optional()
        .await?;
    Ok(row.map(|(password,)| password))
}

/// Records a login, as Django's `update_last_login` does.
pub async fn set_last_login(tx: &mut Tx, id: UserId, now: Timestamp) -> Result<()> {
    tx.query("update users set last_login = $2 where id = $1")
        .bind(id)
        .bind(now)
        .execute()
        .await
        .map(drop)
}

/// Replaces the encoded password.
pub async fn set_password(tx: &mut Tx, id: UserId, encoded: &str) -> Result<()> {
    tx.query("update users set password = $2 where id = $1")
        .bind(id)
        .bind(encoded)
        .execute()
        .await
        .map(drop)
}
