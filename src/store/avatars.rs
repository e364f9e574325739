//! Which pictures are still somebody's.

use std::collections::HashSet;

use super::db::Target;
use super::error::Result;

/// Those of the paths that a user's or a chat's row names.
pub async fn used(at: impl Into<Target<'_>>, paths: Vec<String>) -> Result<HashSet<String>> {
    let rows: Vec<(String,)> = at
        .into()
        .either(
            "select avatar from users where avatar in (select value from json_each($1)) \
             union select avatar from chats where avatar in (select value from json_each($1))",
            "select avatar from users where avatar = any($1) \
             union select avatar from chats where avatar = any($1)",
        )
        .bind_list(paths)
        .all()
        .await?;
    Ok(rows.into_iter().map(|(path,)| path).collect())
}
