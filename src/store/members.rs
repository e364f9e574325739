//! Members of chats: their roles and markers.

use constcat::concat;
use serde::Deserialize;

use crate::domain::chat::Member;
use crate::domain::ids::{ChatId, UserId};
use crate::domain::numbering::Seq;
use crate::domain::role::Role;
use crate::domain::time::Timestamp;
use crate::domain::user::UserRef;

use super::db::Tx;
use super::error::Result;
use super::query::{Dialects, Statement, Target};

/// A user's membership of a chat.
#[derive(Debug, Deserialize)]
pub struct Membership {
    /// The user's role.
    pub role: Role,
    /// The user's delivery marker.
    pub last_delivered_seq: Seq,
    /// The chat's newest message.
    pub last_seq: Seq,
    /// Whether it is a private chat in which one blocks the other.
    pub blocked: bool,
}

#[derive(Deserialize)]
struct Row {
    id: UserId,
    username: String,
    first_name: String,
    last_name: String,
    avatar: Option<String>,
    role: Role,
    joined_at: Timestamp,
    last_delivered_seq: Seq,
    last_read_seq: Seq,
}

#[derive(Deserialize)]
struct RefRow {
    id: UserId,
    username: String,
    first_name: String,
    last_name: String,
    avatar: Option<String>,
}

impl From<RefRow> for UserRef {
    fn from(row: RefRow) -> Self {
        Self {
            id: row.id,
            username: row.username,
            first_name: row.first_name,
            last_name: row.last_name,
            avatar: row.avatar,
        }
    }
}

impl From<Row> for Member {
    fn from(row: Row) -> Self {
        Self {
            user: UserRef {
                id: row.id,
                username: row.username,
                first_name: row.first_name,
                last_name: row.last_name,
                avatar: row.avatar,
            },
            role: row.role,
            joined_at: row.joined_at,
            last_delivered_seq: row.last_delivered_seq,
            last_read_seq: row.last_read_seq,
        }
    }
}

/// The columns of a whole member.
const COLUMNS: &str = "\
    select u.id, u.username, u.first_name, u.last_name, u.avatar, me.role, me.joined_at, \
           me.last_delivered_seq, me.last_read_seq ";

/// The beginning of queries of whole members.
const SELECT: &str =
    concat!(COLUMNS, "from members me join users u on u.id = me.user_id where me.chat_id = $1 ");

/// Adds users with a role to a chat whose newest message is `last_seq`, where their markers start.
pub async fn insert(
    tx: &mut Tx,
    chat: ChatId,
    users: &[UserId],
    role: Role,
    last_seq: Seq,
    now: Timestamp,
) -> Result<()> {
    tx.query(Dialects {
        sqlite: "insert into members (chat_id, user_id, role, joined_at, last_delivered_seq, \
                                  last_read_seq) \
             select $1, value, $2, $3, $4, $4 from json_each($5)",
        postgres: "insert into members (chat_id, user_id, role, joined_at, last_delivered_seq, \
                                  last_read_seq) \
             select $1, value, $2, $3, $4, $4 from unnest($5::bigint[]) as value",
    })
    .bind(chat)
    .bind(role.as_str())
    .bind(now)
    .bind(last_seq)
    .bind_list(users)
    .execute()
    .await
    .map(drop)
}

/// A user's membership of a chat; `None` if the user is not a member.
pub async fn membership(
    at: impl Into<Target<'_>>,
    chat: ChatId,
    user: UserId,
) -> Result<Option<Membership>> {
    at.into()
        .query(
            "select me.role, me.last_delivered_seq, c.last_seq, \
                    (c.low_blocks or c.high_blocks) as blocked \
             from members me join chats c on c.id = me.chat_id \
             where me.chat_id = $1 and me.user_id = $2",
        )
        .brief()
        .bind(chat)
        .bind(user)
        .optional()
        .await
}

/// A member; `None` if the user is not one.
pub async fn one(at: impl Into<Target<'_>>, chat: ChatId, user: UserId) -> Result<Option<Member>> {
    let query = at.into().query(concat!(SELECT, "and me.user_id = $2")).bind(chat).bind(user);
    let row: Option<Row> = query.optional().await?;
    Ok(row.map(Into::into))
}

/// The members among the users, in no particular order.
pub async fn among(
    at: impl Into<Target<'_>>,
    chat: ChatId,
    users: &[UserId],
) -> Result<Vec<Member>> {
    let query = at.into().query(Dialects {
        sqlite: concat!(SELECT, "and me.user_id in (select value from json_each($2))"),
        postgres: concat!(SELECT, "and me.user_id = any($2)"),
    });
    let rows: Vec<Row> = query.bind(chat).bind_list(users).all().await?;
    Ok(rows.into_iter().map(Into::into).collect())
}

/// All members of a chat, with their roles.
pub async fn roles(at: impl Into<Target<'_>>, chat: ChatId) -> Result<Vec<(UserId, Role)>> {
    at.into()
        .query("select user_id, role from members where chat_id = $1 order by user_id")
        .bind(chat)
        .all()
        .await
}

/// The roles of some members of some chats.
pub async fn roles_of(
    at: impl Into<Target<'_>>,
    who: &[(ChatId, UserId)],
) -> Result<Vec<(ChatId, UserId, Role)>> {
    at.into()
        .query(Dialects {
            sqlite: "select me.chat_id, me.user_id, me.role from json_each($1) r \
                     join members me on me.chat_id = r.value ->> 0 and me.user_id = r.value ->> 1",
            postgres: "select me.chat_id, me.user_id, me.role \
                       from unnest($1::bigint[], $2::bigint[]) as r (chat_id, user_id) \
                       cross join lateral (select * from members where members.chat_id = r.chat_id \
                           and members.user_id = r.user_id limit 1) me",
        })
        .bind_rows(who, |query| {
            query
                .bind_list(who.iter().map(|(chat, _)| chat))
                .bind_list(who.iter().map(|(_, user)| user))
        })
        .all()
        .await
}

/// The successor of an owner who leaves: the senior admin, or otherwise the senior member; an active one
/// if there is any. `None` if nobody is left.
pub async fn successor(
    at: impl Into<Target<'_>>,
    chat: ChatId,
    owner: UserId,
) -> Result<Option<Member>> {
    let row: Option<Row> = at
        .into()
        .query(concat!(
            SELECT,
            "and me.user_id <> $2 \
             order by not u.is_active, case me.role when 'admin' then 0 else 1 end, \
                      me.joined_at, me.user_id limit 1"
        ))
        .bind(chat)
        .bind(owner)
        .optional()
        .await?;
    Ok(row.map(Into::into))
}

/// Where a page of a chat's members begins: after (or before) this place in the order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemberCursor {
    /// First by this: owner, admins, the others.
    pub rank: i64,
    /// Then by this.
    pub joined_at: Timestamp,
    /// Then by this.
    pub user: UserId,
}

impl MemberCursor {
    /// Before everybody.
    pub const START: Self = Self { rank: -1, joined_at: Timestamp::MIN, user: UserId(0) };

    /// A member's.
    pub fn of(member: &Member) -> Self {
        let rank = match member.role {
            Role::Owner => 0,
            Role::Admin => 1,
            Role::Member => 2,
        };
        Self { rank, joined_at: member.joined_at, user: member.user.id }
    }

    /// For a cursor.
    pub fn to_text(&self) -> String {
        format!("{},{},{}", self.rank, self.joined_at.micros(), self.user)
    }

    /// What [`MemberCursor::to_text`] wrote.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split(',');
        Some(Self {
            rank: parts.next()?.parse().ok()?,
            joined_at: Timestamp::from_micros(parts.next()?.parse().ok()?),
            user: UserId(parts.next()?.parse().ok()?),
        })
    }
}

/// What members are ordered by, as [`MemberCursor`] has it, and the index `members_listed`.
const RANK: &str = "case me.role when 'owner' then 0 when 'admin' then 1 else 2 end";
/// The members of a page are selected before their users are looked up: a large chat has many more.
const PAGE: &str = concat!(
    COLUMNS,
    "from (select * from members me where me.chat_id = $1 and (",
    RANK,
    ", me.joined_at, me.user_id) "
);
const UPWARDS: &str = concat!(" order by ", RANK, ", me.joined_at, me.user_id ");
const DOWNWARDS: &str = concat!(" order by ", RANK, " desc, me.joined_at desc, me.user_id desc ");
const THEIR_USERS: &str = "limit $5) me join users u on u.id = me.user_id ";

/// A chat's members after a position: owner, admins, then the others in the order in which they joined.
pub async fn after(
    at: impl Into<Target<'_>>,
    chat: ChatId,
    cursor: MemberCursor,
    limit: i64,
) -> Result<Vec<Member>> {
    const SQL: &str = concat!(PAGE, "> ($2, $3, $4)", UPWARDS, THEIR_USERS, UPWARDS);
    page(at.into().query(SQL), chat, cursor, limit).await
}

/// A chat's members before a position, nearest first.
pub async fn before(
    at: impl Into<Target<'_>>,
    chat: ChatId,
    cursor: MemberCursor,
    limit: i64,
) -> Result<Vec<Member>> {
    const SQL: &str = concat!(PAGE, "< ($2, $3, $4)", DOWNWARDS, THEIR_USERS, DOWNWARDS);
    page(at.into().query(SQL), chat, cursor, limit).await
}

async fn page(
    query: Statement<'_>,
    chat: ChatId,
    cursor: MemberCursor,
    limit: i64,
) -> Result<Vec<Member>> {
    let query = query.bind(chat).bind(cursor.rank).bind(cursor.joined_at).bind(cursor.user);
    let rows: Vec<Row> = query.bind(limit).all().await?;
    Ok(rows.into_iter().map(Into::into).collect())
}

/// Changes a member's role.
pub async fn set_role(tx: &mut Tx, chat: ChatId, user: UserId, role: Role) -> Result<()> {
    tx.query("update members set role = $3 where chat_id = $1 and user_id = $2")
        .bind(chat)
        .bind(user)
        .bind(role.as_str())
        .execute()
        .await
        .map(drop)
}

/// Removes users from a chat.
pub async fn remove(tx: &mut Tx, chat: ChatId, users: &[UserId]) -> Result<()> {
    tx.query(Dialects {
        sqlite: "delete from members \
             where chat_id = $1 and user_id in (select value from json_each($2))",
        postgres: "delete from members where chat_id = $1 and user_id = any($2)",
    })
    .bind(chat)
    .bind_list(users)
    .execute()
    .await
    .map(drop)
}

/// Who has joined which chat since a time.
pub async fn joined_since(
    at: impl Into<Target<'_>>,
    since: Timestamp,
) -> Result<Vec<(UserId, ChatId)>> {
    at.into()
        .query("select user_id, chat_id from members where joined_at >= $1")
        .bind(since)
        .all()
        .await
}

/// The users, of those given, who share a chat with a user.
pub async fn acquainted(
    at: impl Into<Target<'_>>,
    user: UserId,
    others: &[UserId],
) -> Result<Vec<UserId>> {
    // Each of them is looked up separately: a member of large groups shares chats with very many users.
    at.into()
        .query(Dialects {
            sqlite: "select o.value from json_each($2) o where o.value <> $1 and exists \
                 (select 1 from members other join members me on me.chat_id = other.chat_id \
                  where other.user_id = o.value and me.user_id = $1)",
            postgres: "select o.id from unnest($2::bigint[]) as o (id) where o.id <> $1 and exists \
                 (select 1 from members other join members me on me.chat_id = other.chat_id \
                  where other.user_id = o.id and me.user_id = $1)",
        })
        .bind(user)
        .bind_list(others)
        .all()
        .await
}

/// Which recipients of a message; never its sender.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Receipt {
    /// Those who have read it.
    Read,
    /// Those who have received it, but not read it.
    Delivered,
}

/// Members, except the sender, that the message with `seq` has reached: at most `limit`, those with the
/// lowest ids, by username.
pub async fn who_has(
    at: impl Into<Target<'_>>,
    (chat, seq, sender): (ChatId, Seq, UserId),
    receipt: Receipt,
    limit: i64,
) -> Result<Vec<UserRef>> {
    // Limited before the join with users, so that only the returned ones are looked up.
    let query = at.into().query(match receipt {
        Receipt::Read => concat!(WHO, "last_read_seq >= $2", BY_NAME),
        Receipt::Delivered => {
            concat!(WHO, "last_delivered_seq >= $2 and last_read_seq < $2", BY_NAME)
        }
    });
    let rows: Vec<RefRow> = query.bind(chat).bind(seq).bind(sender).bind(limit).all().await?;
    Ok(rows.into_iter().map(Into::into).collect())
}

const WHO: &str = "\
    select u.id, u.username, u.first_name, u.last_name, u.avatar \
    from (select user_id from members where chat_id = $1 and user_id <> $3 and ";
const BY_NAME: &str = " order by user_id limit $4) me join users u on u.id = me.user_id \
                        order by u.username_key";

/// How many members, except the sender, have read the message with `seq`, and how many have only received
/// it. Reads every member of the chat.
pub async fn count_who_have(
    at: impl Into<Target<'_>>,
    (chat, seq, sender): (ChatId, Seq, UserId),
) -> Result<(i64, i64)> {
    at.into()
        .query(
            "select coalesce(sum(case when last_read_seq >= $2 then 1 else 0 end), 0), \
                    coalesce(sum(case when last_read_seq < $2 then 1 else 0 end), 0) \
             from members \
             where chat_id = $1 and user_id <> $3 and last_delivered_seq >= $2",
        )
        .bind(chat)
        .bind(seq)
        .bind(sender)
        .one()
        .await
}
