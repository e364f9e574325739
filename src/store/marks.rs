//! Marks of many members, moved in one transaction.

use crate::domain::ids::{ChatId, UserId};
use crate::domain::numbering::Seq;
use crate::domain::receipt::Marks;

use super::db::Tx;
use super::error::Result;
use super::query::{Dialects, Target};

/// A member's marks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemberMarks {
    /// Where.
    pub chat: ChatId,
    /// Whose.
    pub user: UserId,
    /// How far they got.
    pub marks: Marks,
    /// The chat's newest message.
    pub last_seq: Seq,
}

type Row = (ChatId, UserId, Seq, Seq, Seq);

fn member((chat, user, delivered_seq, read_seq, last_seq): Row) -> MemberMarks {
    MemberMarks { chat, user, marks: Marks { delivered_seq, read_seq }, last_seq }
}

/// Moves marks forward, never back and never beyond the newest message; each member may be named
/// once. Those that moved. On PostgreSQL a row that somebody else holds is passed over, so that
/// nobody waits in a circle: see [`read`].
pub async fn advance(tx: &mut Tx, wanted: &[(ChatId, UserId, Marks)]) -> Result<Vec<MemberMarks>> {
    let rows: Vec<_> = wanted
        .iter()
        .map(|(chat, user, marks)| (*chat, *user, marks.delivered_seq, marks.read_seq))
        .collect();
    let moved: Vec<Row> = tx
        .query(Dialects {
            sqlite: "update members set \
                 last_delivered_seq = max(last_delivered_seq, min(w.value ->> 2, c.last_seq)), \
                 last_read_seq = max(last_read_seq, min(w.value ->> 3, c.last_seq)) \
             from json_each($1) w join chats c on c.id = w.value ->> 0 \
             where members.chat_id = w.value ->> 0 and members.user_id = w.value ->> 1 \
                   and (last_delivered_seq < min(w.value ->> 2, c.last_seq) \
                        or last_read_seq < min(w.value ->> 3, c.last_seq)) \
             returning members.chat_id, members.user_id, last_delivered_seq, last_read_seq, \
                       (select last_seq from chats where id = members.chat_id)",
            postgres: "update members m set \
                 last_delivered_seq = greatest(m.last_delivered_seq, p.delivered), \
                 last_read_seq = greatest(m.last_read_seq, p.read) \
             from (select me.chat_id, me.user_id, c.last_seq, \
                          least(w.delivered, c.last_seq) as delivered, \
                          least(w.read, c.last_seq) as read \
                   from unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[]) \
                       as w (chat_id, user_id, delivered, read) \
                   join members me on me.chat_id = w.chat_id and me.user_id = w.user_id \
                   join chats c on c.id = w.chat_id \
                   for no key update of me skip locked) p \
             where m.chat_id = p.chat_id and m.user_id = p.user_id \
                   and (m.last_delivered_seq < p.delivered or m.last_read_seq < p.read) \
             returning m.chat_id, m.user_id, m.last_delivered_seq, m.last_read_seq, p.last_seq",
        })
        .bind_rows(&rows, |query| {
            query
                .bind_list(rows.iter().map(|(chat, ..)| chat))
                .bind_list(rows.iter().map(|(_, user, ..)| user))
                .bind_list(rows.iter().map(|(.., delivered, _)| *delivered))
                .bind_list(rows.iter().map(|(.., read)| *read))
        })
        .all()
        .await?;
    Ok(moved.into_iter().map(member).collect())
}

/// The marks as they are. Who is no member is not in the answer.
pub async fn read(
    at: impl Into<Target<'_>>,
    members: &[(ChatId, UserId)],
) -> Result<Vec<MemberMarks>> {
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
