//! What a password reset link depends on: the account at the time of the mail.

use constcat::concat;
use serde::Deserialize;

use crate::domain::ids::UserId;
use crate::domain::time::Timestamp;
use crate::domain::user::User;

use super::error::Result;
use super::query::Target;
use super::users;

/// An active account, with the columns that a use of the link, or of the password, changes.
#[derive(Debug, Deserialize)]
pub struct Account {
    /// The user.
    pub user: User,
    /// The encoded hash.
    pub password: String,
    /// None before the first one.
    pub last_login: Option<Timestamp>,
}

/// The beginning of queries of accounts.
const SELECT: &str = concat!("select ", users::COLUMNS, ", u.password, u.last_login from users u ");

/// An active account.
pub async fn account(at: impl Into<Target<'_>>, id: UserId) -> Result<Option<Account>> {
    let sql = concat!(SELECT, "where u.id = $1 and u.is_active");
    at.into().query(sql).bind(id).optional().await
}

/// The active account with a login name, which may be its username or its address.
pub async fn by_login(at: impl Into<Target<'_>>, key: &str) -> Result<Option<Account>> {
    let sql = concat!(
        SELECT,
        "join login_names n on n.user_id = u.id where n.name_key = $1 and u.is_active"
    );
    at.into().query(sql).bind(key).optional().await
}
