//! Which users block which others. What a send needs of it is copied to the private chat of the two, in the same transaction.

use serde::Deserialize;

use constcat::concat;

use crate::domain::blocks::{BlockState, Blocked};
use crate::domain::ids::{ChatId, UserId};
use crate::domain::numbering::AccountVersion;
use crate::domain::page::PageRequest;
use crate::domain::time::Timestamp;
use crate::domain::user::UserRef;

use super::db::Tx;
use super::error::Result;
use super::query::{Dialects, Target};

/// Whether a user blocks another one; `None` if they never did.
pub async fn state(
    at: impl Into<Target<'_>>,
    user: UserId,
    target: UserId,
) -> Result<Option<bool>> {
    let row: Option<(bool,)> = at
        .into()
        .query("select active from blocks where user_id = $1 and target_id = $2")
        .bind(user)
        .bind(target)
        .optional()
        .await?;
    Ok(row.map(|(active,)| active))
}

/// How many users an account blocks or has blocked; counts at most `most`.
pub async fn count(at: impl Into<Target<'_>>, user: UserId, most: i64) -> Result<i64> {
    let (count,): (i64,) = at
        .into()
        .query("select count(*) from (select 1 from blocks where user_id = $1 limit $2) b")
        .bind(user)
        .bind(most)
        .one()
        .await?;
    Ok(count)
}

/// Writes whether a user blocks another one. The rows of both users must be locked.
pub async fn set(tx: &mut Tx, user: UserId, block: BlockState, now: Timestamp) -> Result<()> {
    tx.query(
        "insert into blocks (user_id, target_id, active, account_version, changed_at) \
         values ($1, $2, $3, $4, $5) \
         on conflict (user_id, target_id) do update set active = excluded.active, \
             account_version = excluded.account_version, changed_at = excluded.changed_at",
    )
    .bind(user)
    .bind(block.target)
    .bind(block.active)
    .bind(block.account_version)
    .bind(now)
    .execute()
    .await?;
    let (low, high) = (user.min(block.target), user.max(block.target));
    tx.query("update users set in_blocks = $3 where id in ($1, $2) and not in_blocks")
        .bind(low)
        .bind(high)
        .bind(true)
        .execute()
        .await?;
    // Changes the chat's row, which sends lock: each of them is before the block, or finds it.
    tx.query(
        "update chats set low_blocks = case when low_user = $3 then $4 else low_blocks end, \
                          high_blocks = case when high_user = $3 then $4 else high_blocks end \
         where low_user = $1 and high_user = $2",
    )
    .bind(low)
    .bind(high)
    .bind(user)
    .bind(block.active)
    .execute()
    .await
    .map(drop)
}

/// Ends all blocks by an account that was deleted. Nobody has to learn of it: the account has no devices.
pub async fn forget(tx: &mut Tx, user: UserId) -> Result<()> {
    tx.query(
        "update chats set low_blocks = (low_blocks and low_user <> $1), \
                          high_blocks = (high_blocks and high_user <> $1) \
         where (low_blocks or high_blocks) \
               and id in (select chat_id from members where user_id = $1)",
    )
    .bind(user)
    .execute()
    .await?;
    tx.query("delete from blocks where user_id = $1").bind(user).execute().await.map(drop)
}

#[derive(Deserialize)]
struct Row {
    account_version: AccountVersion,
    id: UserId,
    username: String,
    first_name: String,
    last_name: String,
    avatar: Option<String>,
}

const LIST: &str = "select b.account_version, u.id, u.username, u.first_name, u.last_name, u.avatar \
     from blocks b join users u on u.id = b.target_id where b.user_id = $1 and b.active ";

/// The users that a user blocks, the latest block first.
pub async fn page(
    at: impl Into<Target<'_>>,
    user: UserId,
    request: &PageRequest<AccountVersion>,
    limit: i64,
) -> Result<Vec<Blocked>> {
    let (sql, place) = match request {
        PageRequest::First => (
            concat!(LIST, "and b.account_version < $2 order by b.account_version desc limit $3"),
            AccountVersion(i64::MAX),
        ),
        PageRequest::After(place) => (
            concat!(LIST, "and b.account_version < $2 order by b.account_version desc limit $3"),
            *place,
        ),
        PageRequest::Before(place) => (
            concat!(LIST, "and b.account_version > $2 order by b.account_version limit $3"),
            *place,
        ),
    };
    let rows: Vec<Row> = at.into().query(sql).bind(user).bind(place).bind(limit).all().await?;
    let blocked = |row: Row| Blocked {
        place: row.account_version,
        user: UserRef {
            id: row.id,
            username: row.username,
            first_name: row.first_name,
            last_name: row.last_name,
            avatar: row.avatar,
        },
    };
    let mut rows: Vec<_> = rows.into_iter().map(blocked).collect();
    if matches!(request, PageRequest::Before(_)) {
        rows.reverse();
    }
    Ok(rows)
}

/// What changed in the blocks of a user after a version of the account, in the order of the changes.
pub async fn since(
    at: impl Into<Target<'_>>,
    user: UserId,
    after: AccountVersion,
    limit: usize,
) -> Result<Vec<BlockState>> {
    at.into()
        .query(
            "select target_id, active, account_version from blocks \
             where user_id = $1 and account_version > $2 order by account_version limit $3",
        )
        .bind(user)
        .bind(after)
        .bind(i64::try_from(limit).unwrap_or(i64::MAX))
        .all()
        .await
}

/// Everybody who blocks a user.
pub async fn blockers(at: impl Into<Target<'_>>, user: UserId) -> Result<Vec<UserId>> {
    at.into()
        .query("select user_id from blocks where target_id = $1 and active")
        .bind(user)
        .all()
        .await
}

/// Those of the others who block a user.
pub async fn blockers_among(
    at: impl Into<Target<'_>>,
    user: UserId,
    others: &[UserId],
) -> Result<Vec<UserId>> {
    at.into()
        .query(Dialects {
            sqlite: "select user_id from blocks where target_id = $1 and active \
                     and user_id in (select value from json_each($2))",
            postgres: "select user_id from blocks where target_id = $1 and active \
                       and user_id = any($2)",
        })
        .bind(user)
        .bind_list(others)
        .all()
        .await
}

/// Whether a user blocks anybody.
pub async fn any_by(at: impl Into<Target<'_>>, user: UserId) -> Result<bool> {
    let row: Option<(i64,)> = at
        .into()
        .query("select target_id from blocks where user_id = $1 and active limit 1")
        .bind(user)
        .optional()
        .await?;
    Ok(row.is_some())
}

/// Those of the others who block a user, or are blocked by the user.
pub async fn between(
    at: impl Into<Target<'_>>,
    user: UserId,
    others: &[UserId],
) -> Result<Vec<UserId>> {
    at.into()
        .query(Dialects {
            sqlite: "select o.value from json_each($2) o where exists \
                 (select 1 from blocks b where b.active and \
                  ((b.user_id = $1 and b.target_id = o.value) \
                   or (b.user_id = o.value and b.target_id = $1)))",
            postgres: "select o.id from unnest($2::bigint[]) as o (id) where exists \
                 (select 1 from blocks b where b.active and \
                  ((b.user_id = $1 and b.target_id = o.id) \
                   or (b.user_id = o.id and b.target_id = $1)))",
        })
        .bind(user)
        .bind_list(others)
        .all()
        .await
}

/// Who made or ended a block since a time, and of which user.
pub async fn changed_since(
    at: impl Into<Target<'_>>,
    since: Timestamp,
) -> Result<Vec<(UserId, UserId)>> {
    at.into()
        .query("select user_id, target_id from blocks where changed_at >= $1")
        .bind(since)
        .all()
        .await
}

/// Whether it is a private chat in which one blocks the other.
pub async fn is_blocked(at: impl Into<Target<'_>>, chat: ChatId) -> Result<bool> {
    let row: Option<(i64,)> = at
        .into()
        .query("select id from chats where id = $1 and (low_blocks or high_blocks)")
        .brief()
        .bind(chat)
        .optional()
        .await?;
    Ok(row.is_some())
}
