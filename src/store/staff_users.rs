//! Users for staff, active or not, in the order of an index for each state. Accounts that were deleted are
//! not listed.

use constcat::concat;

use crate::domain::ids::UserId;
use crate::domain::time::Timestamp;
use crate::domain::user::User;

use super::db::Tx;
use super::error::Result;
use super::query::{Dialects, Target};
use super::users::COLUMNS;

/// `$1` whether they are active, `$2` the limit, `$3` and `$4` whether they are staff and superusers, if that matters.
const SELECT: &str = concat!(
    "select ",
    COLUMNS,
    " from users u where u.is_active = $1 and u.deleted_at is null \
      and ($3 is null or u.is_staff = $3) and ($4 is null or u.is_superuser = $4) "
);

/// A part of a list.
#[derive(Debug)]
pub struct UserSpan {
    /// Whether they are active.
    pub active: bool,
    /// Whether they are staff. Only few are, so filtering them out costs little.
    pub staff: Option<bool>,
    /// Whether they are superusers.
    pub superuser: Option<bool>,
    /// The way in which the order's key changes.
    pub upwards: bool,
    /// How many users.
    pub limit: i64,
}

/// Users by username beyond one, nearest first.
pub async fn by_name(
    at: impl Into<Target<'_>>,
    span: &UserSpan,
    beyond: &str,
) -> Result<Vec<User>> {
    let query = at.into().query(match span.upwards {
        true => concat!(SELECT, "and u.username_key > $5 order by u.username_key limit $2"),
        false => concat!(SELECT, "and u.username_key < $5 order by u.username_key desc limit $2"),
    });
    let query = query.bind(span.active).bind(span.limit).bind(span.staff).bind(span.superuser);
    query.bind(beyond).all().await
}

/// Users who joined in a range of times, beyond a place, nearest first.
pub async fn by_joined(
    at: impl Into<Target<'_>>,
    span: &UserSpan,
    beyond: (Timestamp, UserId),
    (from, until): (Timestamp, Timestamp),
) -> Result<Vec<User>> {
    const UP: &str = "and u.date_joined < $7 and (u.date_joined, u.id) > ($5, $6) \
        order by u.date_joined, u.id limit $2";
    const DOWN: &str = "and u.date_joined >= $7 and (u.date_joined, u.id) < ($5, $6) \
        order by u.date_joined desc, u.id desc limit $2";
    // One bound on each side: of two, the database might begin at the wrong one. Ids are greater than 0.
    let (query, beyond, last) = match span.upwards {
        true => (at.into().query(concat!(SELECT, UP)), beyond.max((from, UserId(0))), until),
        false => (at.into().query(concat!(SELECT, DOWN)), beyond.min((until, UserId(0))), from),
    };
    let query = query.bind(span.active).bind(span.limit).bind(span.staff).bind(span.superuser);
    query.bind(beyond.0).bind(beyond.1).bind(last).all().await
}

/// Users by when they were last connected, beyond a place, nearest first.
pub async fn by_seen(
    at: impl Into<Target<'_>>,
    span: &UserSpan,
    beyond: (Timestamp, UserId),
) -> Result<Vec<User>> {
    // As in the index.
    const SQLITE: &str = "coalesce(u.last_seen, 0)";
    const POSTGRES: &str = "coalesce(u.last_seen, timestamptz '1970-01-01 00:00:00+00')";
    const UP: &str = ", u.id) > ($5, $6) order by ";
    const DOWN: &str = ", u.id) < ($5, $6) order by ";
    let query = at.into().query(match span.upwards {
        true => Dialects {
            sqlite: concat!(SELECT, "and (", SQLITE, UP, SQLITE, ", u.id limit $2"),
            postgres: concat!(SELECT, "and (", POSTGRES, UP, POSTGRES, ", u.id limit $2"),
        },
        false => Dialects {
            sqlite: concat!(SELECT, "and (", SQLITE, DOWN, SQLITE, " desc, u.id desc limit $2"),
            postgres: concat!(
                SELECT,
                "and (",
                POSTGRES,
                DOWN,
                POSTGRES,
                " desc, u.id desc limit $2"
            ),
        },
    });
    let query = query.bind(span.active).bind(span.limit).bind(span.staff).bind(span.superuser);
    query.bind(beyond.0).bind(beyond.1).all().await
}

/// Staff and superusers, active or not; the first `limit` in no order that matters.
pub async fn privileged(at: impl Into<Target<'_>>, limit: i64) -> Result<Vec<User>> {
    at.into()
        .query(concat!(
            "select ",
            COLUMNS,
            " from users u where u.is_staff or u.is_superuser \
             order by u.is_superuser, u.is_staff, u.id limit $1"
        ))
        .bind(limit)
        .all()
        .await
}

/// These users, locked until the transaction ends, in the order of their ids.
pub async fn lock(tx: &mut Tx, ids: &[UserId]) -> Result<Vec<User>> {
    const SELECT: &str = concat!("select ", COLUMNS, " from users u where u.id ");
    tx.query(Dialects {
        sqlite: concat!(SELECT, "in (select value from json_each($1)) order by u.id"),
        postgres: concat!(SELECT, "= any($1) order by u.id for no key update"),
    })
    .bind_list(ids)
    .all()
    .await
}
