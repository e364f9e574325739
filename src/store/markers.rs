//! Read and delivery markers of many members, moved in one transaction.

use std::collections::HashSet;

use crate::domain::ids::{ChatId, UserId};
use crate::domain::numbering::{AccountVersion, Seq};
use crate::domain::receipt::Markers;

use super::db::Tx;
use super::error::Result;
use super::query::{Dialects, Statement, Target, Writes};

/// A member's markers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemberMarkers {
    /// The chat.
    pub chat: ChatId,
    /// The member.
    pub user: UserId,
    /// The markers.
    pub markers: Markers,
    /// The chat's newest message.
    pub last_seq: Seq,
}

/// A member's markers that moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moved {
    /// Their new positions.
    pub to: MemberMarkers,
    /// The account version that this made, if the read marker moved.
    pub account: Option<AccountVersion>,
}

type Row = (ChatId, UserId, Seq, Seq, Seq);

fn member((chat, user, delivered_seq, read_seq, last_seq): Row) -> MemberMarkers {
    MemberMarkers { chat, user, markers: Markers { delivered_seq, read_seq }, last_seq }
}

/// A member's markers, as they are to be: chat, user, delivered, read.
type Wanted = (ChatId, UserId, Seq, Seq);

/// Moves markers forward, never back and never beyond the newest message; each member may be named once. Returns
/// those that moved. Moving a read marker takes the account's next version: one for all markers of a user.
///
/// On PostgreSQL this never waits for a row: what somebody else holds is passed over, and to be tried again (see
/// [`read`]). So it may hold rows of users and members in any order without a deadlock.
pub async fn advance(tx: &mut Tx, wanted: &[(ChatId, UserId, Markers)]) -> Result<Vec<Moved>> {
    let mut rows: Vec<Wanted> = wanted
        .iter()
        .map(|(chat, user, markers)| (*chat, *user, markers.delivered_seq, markers.read_seq))
        .collect();
    let readers = hold_readers(tx, &rows).await?;
    for (_, user, _, read) in &mut rows {
        if !readers.contains(user) {
            *read = Seq(0);
        }
    }
    let moved: Vec<(ChatId, UserId, Seq, Seq, Seq, Option<AccountVersion>)> = if tx.is_sqlite() {
        take_versions(tx, &readers).await?;
        bind(tx.query(ADVANCE_SQLITE), &rows).bind_list(&readers).all().await?
    } else {
        bind(tx.query(ADVANCE_POSTGRES), &rows).all().await?
    };
    let moved = moved.into_iter().map(|(chat, user, delivered, read, last_seq, account)| Moved {
        to: member((chat, user, delivered, read, last_seq)),
        account,
    });
    Ok(moved.collect())
}

/// `$2` are the users whose account took a version for this.
const ADVANCE_SQLITE: &str = "\
    update members set \
        last_delivered_seq = max(last_delivered_seq, min(w.value ->> 2, c.last_seq)), \
        last_read_seq = max(last_read_seq, min(w.value ->> 3, c.last_seq)), \
        account_version = case when last_read_seq < min(w.value ->> 3, c.last_seq) \
            then (select account_version from users where id = members.user_id) \
            else account_version end \
    from json_each($1) w join chats c on c.id = w.value ->> 0 \
    where members.chat_id = w.value ->> 0 and members.user_id = w.value ->> 1 \
          and (last_delivered_seq < min(w.value ->> 2, c.last_seq) \
               or last_read_seq < min(w.value ->> 3, c.last_seq)) \
    returning members.chat_id, members.user_id, last_delivered_seq, last_read_seq, \
              (select last_seq from chats where id = members.chat_id), \
              case when user_id in (select value from json_each($2)) and account_version = \
                  (select account_version from users where id = members.user_id) \
                  then account_version end";

/// Which read markers move is decided on the members' rows as they are once they are held, so that no version is
/// taken for nothing. The readers' rows are held already, so their next version is known. Every table is found by
/// its key: in a join of two of these subqueries PostgreSQL would compare each row with each.
const ADVANCE_POSTGRES: &str = "\
    with held as ( \
        select me.chat_id, me.user_id, c.last_seq, \
               least(w.delivered, c.last_seq) as delivered, least(w.read, c.last_seq) as read, \
               case when me.last_read_seq < least(w.read, c.last_seq) then \
                   (select u.account_version + 1 from users u where u.id = me.user_id) \
               end as account \
        from unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[]) \
            as w (chat_id, user_id, delivered, read) \
        join members me on me.chat_id = w.chat_id and me.user_id = w.user_id \
        join chats c on c.id = w.chat_id \
        where me.last_delivered_seq < least(w.delivered, c.last_seq) \
              or me.last_read_seq < least(w.read, c.last_seq) \
        for no key update of me skip locked), \
    versions as ( \
        update users set account_version = r.account \
        from (select distinct user_id, account from held where account is not null) r \
        where users.id = r.user_id) \
    update members m set \
        last_delivered_seq = greatest(m.last_delivered_seq, h.delivered), \
        last_read_seq = greatest(m.last_read_seq, h.read), \
        account_version = coalesce(h.account, m.account_version) \
    from held h \
    where m.chat_id = h.chat_id and m.user_id = h.user_id \
    returning m.chat_id, m.user_id, m.last_delivered_seq, m.last_read_seq, h.last_seq, h.account";

/// The users with a read marker that has to move. On PostgreSQL their rows are locked from now on; rows that
/// another transaction has locked are skipped.
async fn hold_readers(tx: &mut Tx, rows: &[Wanted]) -> Result<HashSet<UserId>> {
    let reading: Vec<_> = rows.iter().filter(|(.., read)| *read > Seq(0)).copied().collect();
    if reading.is_empty() {
        return Ok(HashSet::new());
    }
    let query = tx.query(Dialects {
        sqlite: "select distinct me.user_id from json_each($1) w \
         join members me on me.chat_id = w.value ->> 0 and me.user_id = w.value ->> 1 \
         join chats c on c.id = me.chat_id \
         where me.last_read_seq < min(w.value ->> 3, c.last_seq)",
        postgres: "select id from users where id in ( \
             select me.user_id \
             from unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[]) \
                 as w (chat_id, user_id, delivered, read) \
             join members me on me.chat_id = w.chat_id and me.user_id = w.user_id \
             join chats c on c.id = me.chat_id \
             where me.last_read_seq < least(w.read, c.last_seq)) \
         for no key update skip locked",
    });
    let readers: Vec<(UserId,)> = bind(query, &reading).all().await?;
    Ok(readers.into_iter().map(|(user,)| user).collect())
}

/// Takes the next version of some accounts. On PostgreSQL [`ADVANCE_POSTGRES`] does it itself.
async fn take_versions(tx: &mut Tx, users: &HashSet<UserId>) -> Result<()> {
    if users.is_empty() {
        return Ok(());
    }
    tx.query(
        "update users set account_version = account_version + 1 \
         where id in (select value from json_each($1))",
    )
    .bind_list(users)
    .execute()
    .await
    .map(drop)
}

/// Binds what is wanted.
fn bind<'a>(query: Statement<'a, Writes>, rows: &[Wanted]) -> Statement<'a, Writes> {
    query.bind_rows(rows, |query| {
        query
            .bind_list(rows.iter().map(|(chat, ..)| chat))
            .bind_list(rows.iter().map(|(_, user, ..)| user))
            .bind_list(rows.iter().map(|(.., delivered, _)| *delivered))
            .bind_list(rows.iter().map(|(.., read)| *read))
    })
}

/// The markers as they are. Who is no member is not in the answer.
pub async fn read(
    at: impl Into<Target<'_>>,
    members: &[(ChatId, UserId)],
) -> Result<Vec<MemberMarkers>> {
    let rows: Vec<Row> = at
        .into()
        .query(Dialects {
            sqlite: "\
             select me.chat_id, me.user_id, me.last_delivered_seq, me.last_read_seq, c.last_seq \
             from json_each($1) w \
             join members me on me.chat_id = w.value ->> 0 and me.user_id = w.value ->> 1 \
             join chats c on c.id = me.chat_id",
            postgres: "\
             select me.chat_id, me.user_id, me.last_delivered_seq, me.last_read_seq, c.last_seq \
             from unnest($1::bigint[], $2::bigint[]) as w (chat_id, user_id) \
             join members me on me.chat_id = w.chat_id and me.user_id = w.user_id \
             join chats c on c.id = me.chat_id",
        })
        .bind_rows(members, |query| {
            query
                .bind_list(members.iter().map(|(chat, _)| chat))
                .bind_list(members.iter().map(|(_, user)| user))
        })
        .all()
        .await?;
    Ok(rows.into_iter().map(member).collect())
}
