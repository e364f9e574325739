//! Mentions: finding the members that a message names, and the rows by which unread mentions are counted.

use crate::domain::ids::{ChatId, MessageId, UserId};
use crate::domain::mentions::Mentions;
use crate::domain::numbering::Seq;

use super::db::Tx;
use super::error::Result;
use super::query::{Dialects, Target};
use super::sqlite::Sqlite;

/// The user of a row that stands for everybody.
const EVERYBODY: UserId = UserId(0);

/// Unread mentions of a member `me` in a chat `c`: those after the read marker. A tombstone has none.
pub(super) const UNREAD_MENTIONS: &str = "\
    case when c.last_seq > me.last_read_seq then \
        (select count(*) from mentions n where n.chat_id = c.id \
             and n.user_id in (me.user_id, 0) and n.seq > me.last_read_seq \
             and n.seq >= c.first_seq) \
        else 0 end";

/// Of the names in chats, by their keys, those that members have.
pub async fn named(
    at: impl Into<Target<'_>>,
    names: &[(ChatId, &str)],
) -> Result<Vec<(ChatId, String, UserId)>> {
    at.into()
        .query(Dialects {
            sqlite: "select me.chat_id, u.username_key, u.id \
                     from json_each($1) r cross join users u cross join members me \
                     where u.username_key = r.value ->> 1 and me.chat_id = r.value ->> 0 \
                           and me.user_id = u.id",
            postgres: "select r.chat_id, u.username_key, u.id \
                       from unnest($1::bigint[], $2::text[]) as r (chat_id, name) \
                       cross join lateral (select id, username_key from users \
                           where users.username_key = r.name limit 1) u \
                       cross join lateral (select from members \
                           where members.chat_id = r.chat_id and members.user_id = u.id limit 1) me",
        })
        .bind_rows(names, |query| {
            query
                .bind_list(names.iter().map(|(chat, _)| chat))
                .bind_list(names.iter().map(|(_, name)| *name))
        })
        .all()
        .await
}

/// A message with its mentions.
pub type Mentioning<'a> = (ChatId, Seq, MessageId, &'a Mentions);

type Row = (ChatId, UserId, Seq, MessageId);

/// Its rows. One that mentions everybody needs no others, so that none is counted twice.
fn rows((chat, seq, message, mentions): Mentioning<'_>) -> Vec<Row> {
    let users = if mentions.all { &[EVERYBODY] } else { mentions.users.as_slice() };
    users.iter().map(|user| (chat, *user, seq, message)).collect()
}

/// Adds the mentions of messages that have none.
pub async fn insert(tx: &mut Tx, messages: &[Mentioning<'_>]) -> Result<()> {
    let rows: Vec<Row> = messages.iter().flat_map(|one| rows(*one)).collect();
    tx.query(Dialects {
        sqlite: "insert into mentions (chat_id, user_id, seq, message_id) \
                 select value ->> 0, value ->> 1, value ->> 2, value ->> 3 from json_each($1)",
        postgres: "insert into mentions (chat_id, user_id, seq, message_id) \
                   select * from unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[])",
    })
    .bind_rows(&rows, |query| {
        query
            .bind_list(rows.iter().map(|(chat, ..)| chat))
            .bind_list(rows.iter().map(|(_, user, ..)| user))
            .bind_list(rows.iter().map(|(_, _, seq, _)| seq))
            .bind_list(rows.iter().map(|(.., message)| message))
    })
    .execute()
    .await
    .map(drop)
}

/// Adds the mentions of a new message, on SQLite.
pub fn insert_one(db: &mut Sqlite, message: Mentioning<'_>) -> Result<()> {
    for (chat, user, seq, message) in rows(message) {
        db.query(
            "insert into mentions (chat_id, user_id, seq, message_id) values ($1, $2, $3, $4)",
        )
        .bind(chat)
        .bind(user)
        .bind(seq)
        .bind(message)
        .execute()?;
    }
    Ok(())
}

/// Removes the mentions of a message.
pub async fn remove(tx: &mut Tx, message: MessageId) -> Result<()> {
    tx.query("delete from mentions where message_id = $1").bind(message).execute().await.map(drop)
}
