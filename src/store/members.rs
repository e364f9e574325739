//! Who is in a chat, as what, and how far each has got.

use std::collections::HashMap;

use constcat::concat;

use crate::domain::chat::Member;
use crate::domain::ids::{ChatId, UserId};
use crate::domain::receipt::LeastMarks;
use crate::domain::role::Role;
use crate::domain::time::Timestamp;
use crate::domain::user::UserRef;

use super::db::{Query, Target, Tx};
use super::error::Result;

/// One user's place in one chat.
#[derive(Debug, sqlx::FromRow)]
pub struct Membership {
    /// What the user may do there.
    #[sqlx(try_from = "String")]
    pub role: Role,
    /// The user's delivered mark.
    pub last_delivered_seq: i64,
    /// The chat's newest message.
    pub last_seq: i64,
}

#[derive(sqlx::FromRow)]
struct Row {
    id: UserId,
    username: String,
    first_name: String,
    last_name: String,
    avatar: Option<String>,
    #[sqlx(try_from = "String")]
    role: Role,
    joined_at: Timestamp,
    last_delivered_seq: i64,
    last_read_seq: i64,
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

/// Begins every reading of whole members.
const SELECT: &str = "\
    select u.id, u.username, u.first_name, u.last_name, u.avatar, me.role, me.joined_at, \
           me.last_delivered_seq, me.last_read_seq \
    from members me join users u on u.id = me.user_id where me.chat_id = $1 ";

/// Adds users of one role to a chat whose newest message is `last_seq`, where their marks start.
pub async fn insert(
    tx: &mut Tx,
    chat: ChatId,
    users: Vec<i64>,
    role: Role,
    last_seq: i64,
    now: Timestamp,
) -> Result<()> {
    Target::from(tx)
        .either(
            "insert into members (chat_id, user_id, role, joined_at, last_delivered_seq, \
                                  last_read_seq) \
             select $1, value, $2, $3, $4, $4 from json_each($5)",
            "insert into members (chat_id, user_id, role, joined_at, last_delivered_seq, \
                                  last_read_seq) \
             select $1, value, $2, $3, $4, $4 from unnest($5::bigint[]) as value",
        )
        .bind(chat)
        .bind(role.as_str())
        .bind(now)
        .bind(last_seq)
        .bind_list(users)
        .execute()
        .await
        .map(drop)
}

/// A user's place in a chat; `None` where the user is no member.
pub async fn membership(
    at: impl Into<Target<'_>>,
    chat: ChatId,
    user: UserId,
) -> Result<Option<Membership>> {
    at.into()
        .query(
            "select me.role, me.last_delivered_seq, c.last_seq \
             from members me join chats c on c.id = me.chat_id \
             where me.chat_id = $1 and me.user_id = $2",
        )
        .bind(chat)
        .bind(user)
        .optional()
        .await
}

/// A member; `None` where the user is none.
pub async fn one(at: impl Into<Target<'_>>, chat: ChatId, user: UserId) -> Result<Option<Member>> {
    let query = at.into().query(concat!(SELECT, "and me.user_id = $2")).bind(chat).bind(user);
    let row: Option<Row> = query.optional().await?;
    Ok(row.map(Into::into))
}

/// Those of the users who are members, in no order.
pub async fn among(
    at: impl Into<Target<'_>>,
    chat: ChatId,
    users: Vec<i64>,
) -> Result<Vec<Member>> {
    let query = at.into().either(
        concat!(SELECT, "and me.user_id in (select value from json_each($2))"),
        concat!(SELECT, "and me.user_id = any($2)"),
    );
    let rows: Vec<Row> = query.bind(chat).bind_list(users).all().await?;
    Ok(rows.into_iter().map(Into::into).collect())
}

/// Everybody who is in a chat, and as what.
pub async fn roles(at: impl Into<Target<'_>>, chat: ChatId) -> Result<Vec<(UserId, Role)>> {
    let rows: Vec<(UserId, String)> = at
        .into()
        .query("select user_id, role from members where chat_id = $1 order by user_id")
        .bind(chat)
        .all()
        .await?;
    rows.into_iter().map(|(user, role)| Ok((user, role_of(role)?))).collect()
}

/// Who follows upon an owner who leaves: the senior admin, or else member; an active one where
/// there is any. `None` where nobody is left.
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
pub struct Place {
    /// First by this: owner, admins, the others.
    pub rank: i64,
    /// Then by this.
    pub joined_at: Timestamp,
    /// Then by this.
    pub user: UserId,
}

impl Place {
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
}

/// What members are ordered by, as [`Place`] has it.
const PLACE: &str = "(case me.role when 'owner' then 0 when 'admin' then 1 else 2 end, \
                      me.joined_at, me.user_id)";

/// A chat's members after a place: owner, admins, then by when they came.
pub async fn after(
    at: impl Into<Target<'_>>,
    chat: ChatId,
    place: Place,
    limit: i64,
) -> Result<Vec<Member>> {
    page(
        at.into().query(concat!(
            SELECT,
            "and ",
            PLACE,
            " > ($2, $3, $4) \
             order by case me.role when 'owner' then 0 when 'admin' then 1 else 2 end, \
                      me.joined_at, me.user_id limit $5"
        )),
        chat,
        place,
        limit,
    )
    .await
}

/// A chat's members before a place, nearest first.
pub async fn before(
    at: impl Into<Target<'_>>,
    chat: ChatId,
    place: Place,
    limit: i64,
) -> Result<Vec<Member>> {
    page(
        at.into().query(concat!(
            SELECT,
            "and ",
            PLACE,
            " < ($2, $3, $4) \
             order by case me.role when 'owner' then 0 when 'admin' then 1 else 2 end desc, \
                      me.joined_at desc, me.user_id desc limit $5"
        )),
        chat,
        place,
        limit,
    )
    .await
}

async fn page(query: Query<'_>, chat: ChatId, place: Place, limit: i64) -> Result<Vec<Member>> {
    let query = query.bind(chat).bind(place.rank).bind(place.joined_at).bind(place.user);
    let rows: Vec<Row> = query.bind(limit).all().await?;
    Ok(rows.into_iter().map(Into::into).collect())
}

/// Gives a member another role.
pub async fn set_role(tx: &mut Tx, chat: ChatId, user: UserId, role: Role) -> Result<()> {
    Target::from(tx)
        .query("update members set role = $3 where chat_id = $1 and user_id = $2")
        .bind(chat)
        .bind(user)
        .bind(role.as_str())
        .execute()
        .await
        .map(drop)
}

/// Takes users out of a chat.
pub async fn remove(tx: &mut Tx, chat: ChatId, users: Vec<i64>) -> Result<()> {
    Target::from(tx)
        .either(
            "delete from members \
             where chat_id = $1 and user_id in (select value from json_each($2))",
            "delete from members where chat_id = $1 and user_id = any($2)",
        )
        .bind(chat)
        .bind_list(users)
        .execute()
        .await
        .map(drop)
}

/// Who came into which chat since a moment.
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

/// The chats that a user is in.
pub async fn chats_of(at: impl Into<Target<'_>>, user: UserId) -> Result<Vec<ChatId>> {
    let rows: Vec<(ChatId,)> =
        at.into().query("select chat_id from members where user_id = $1").bind(user).all().await?;
    Ok(rows.into_iter().map(|(id,)| id).collect())
}

#[derive(sqlx::FromRow)]
struct LeastRow {
    chat_id: ChatId,
    #[sqlx(flatten)]
    least: LeastMarks,
}

/// The least marks of some chats: the status of all their messages follows from them. Reads every
/// member of each, so a page's worth of chats at a time.
pub async fn least_marks(
    at: impl Into<Target<'_>>,
    chats: Vec<i64>,
) -> Result<HashMap<ChatId, LeastMarks>> {
    let rows: Vec<LeastRow> = at
        .into()
        .either(
            "select chat_id, count(*) as members, min(user_id) as first_member, \
                    min(last_read_seq) as read_seq, min(last_delivered_seq) as delivered_seq \
             from members where chat_id in (select value from json_each($1)) group by chat_id",
            "select chat_id, count(*) as members, min(user_id) as first_member, \
                    min(last_read_seq) as read_seq, min(last_delivered_seq) as delivered_seq \
             from members where chat_id = any($1) group by chat_id",
        )
        .bind_list(chats)
        .all()
        .await?;
    Ok(rows.into_iter().map(|row| (row.chat_id, row.least)).collect())
}

/// Moves a member's read mark forward to `seq`, or the newest message, and the delivered mark with
/// it; never back. The read mark as it is then.
pub async fn mark_read(tx: &mut Tx, chat: ChatId, user: UserId, seq: i64) -> Result<Option<i64>> {
    let row: Option<(i64,)> = Target::from(tx)
        .either(
            "update members set \
                 last_read_seq = max(last_read_seq, min($3, c.last_seq)), \
                 last_delivered_seq = max(last_delivered_seq, min($3, c.last_seq)) \
             from chats c where c.id = chat_id and chat_id = $1 and user_id = $2 \
             returning last_read_seq",
            "update members set \
                 last_read_seq = greatest(last_read_seq, least($3, c.last_seq)), \
                 last_delivered_seq = greatest(last_delivered_seq, least($3, c.last_seq)) \
             from chats c where c.id = chat_id and chat_id = $1 and user_id = $2 \
             returning last_read_seq",
        )
        .bind(chat)
        .bind(user)
        .bind(seq)
        .optional()
        .await?;
    Ok(row.map(|(seq,)| seq))
}

/// Whom, save its sender, a message of `seq` has reached: their marks tell who has read it.
pub async fn who_has(
    at: impl Into<Target<'_>>,
    chat: ChatId,
    seq: i64,
    sender: UserId,
) -> Result<Vec<Member>> {
    let rows: Vec<Row> = at
        .into()
        .query(concat!(
            SELECT,
            "and me.last_delivered_seq >= $2 and me.user_id <> $3 order by u.username_key"
        ))
        .bind(chat)
        .bind(seq)
        .bind(sender)
        .all()
        .await?;
    Ok(rows.into_iter().map(Into::into).collect())
}

/// Moves a member's delivered mark forward to `seq`; never back.
pub async fn mark_delivered(tx: &mut Tx, chat: ChatId, user: UserId, seq: i64) -> Result<()> {
    Target::from(tx)
        .query(
            "update members set last_delivered_seq = $3 \
             where chat_id = $1 and user_id = $2 and last_delivered_seq < $3",
        )
        .bind(chat)
        .bind(user)
        .bind(seq)
        .execute()
        .await
        .map(drop)
}

fn role_of(name: String) -> Result<Role> {
    Role::try_from(name).map_err(|error| sqlx::Error::Decode(error.into()).into())
}
