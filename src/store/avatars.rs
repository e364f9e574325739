//! Which avatars are in use.

use std::collections::HashSet;

use super::error::Result;
use super::query::{Dialects, Target};

/// The paths that a user's or a chat's row contains.
pub async fn used(at: impl Into<Target<'_>>, paths: Vec<String>) -> Result<HashSet<String>> {
    let used: Vec<String> = at
        .into()
        .query(Dialects {
            sqlite: "select avatar from users where avatar in (select value from json_each($1)) \
             union select avatar from chats where avatar in (select value from json_each($1))",
            postgres: "select avatar from users where avatar = any($1) \
             union select avatar from chats where avatar = any($1)",
        })
        .bind_list(paths)
        .all()
        .await?;
    Ok(used.into_iter().collect())
}

/// The next avatars of users or chats after an id: id and path.
pub async fn after(
    at: impl Into<Target<'_>>,
    of_users: bool,
    after: i64,
    limit: i64,
) -> Result<Vec<(i64, String)>> {
    let sql = match of_users {
        true => {
            "select id, avatar from users where id > $1 and avatar is not null order by id limit $2"
        }
        false => {
            "select id, avatar from chats where id > $1 and avatar is not null order by id limit $2"
        }
    };
    at.into().query(sql).bind(after).bind(limit).all().await
}
