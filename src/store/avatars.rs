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
