//! The last step of an import from Django: what follows from the rows that were inserted.

use crate::domain::ids::{ChatId, UserId};
use crate::domain::numbering::Seq;

use super::db::Tx;
use super::error::Result;

/// The markers of a member who has read everything, until [`complete`].
pub const ALL_READ: i64 = -1;

/// Sets the read marker of a member who has not read everything.
pub async fn set_read(tx: &mut Tx, chat: ChatId, user: UserId, read: Seq) -> Result<()> {
    tx.query("update members set last_read_seq = $3 where chat_id = $1 and user_id = $2")
        .bind(chat)
        .bind(user)
        .bind(read)
        .execute()
        .await
        .map(drop)
}

/// Sets the picture of a user or a group.
pub async fn set_avatar(tx: &mut Tx, of_users: bool, id: i64, path: &str) -> Result<()> {
    let sql = match of_users {
        true => "update users set avatar = $2 where id = $1",
        false => "update chats set avatar = $2 where id = $1",
    };
    tx.query(sql).bind(id).bind(path).execute().await.map(drop)
}

/// The numbers of chats, their newest messages, their positions in lists, and the markers of their members. A
/// chat without messages comes after those that were active before it was created.
const STATEMENTS: [&str; 4] = [
    "update chats set \
         last_seq = coalesce((select max(m.seq) from messages m where m.chat_id = chats.id), 0), \
         last_message_id = (select m.id from messages m where m.chat_id = chats.id \
                            order by m.seq desc limit 1)",
    "update chats set version = last_seq + 1, \
         active_at = coalesce((select m.timestamp from messages m where m.id = chats.last_message_id), \
                              created_at)",
    "update chats set first_activity = placed.activity \
     from (select id, coalesce(max(last_message_id) over (order by active_at, id), 0) as activity \
           from chats) placed \
     where placed.id = chats.id and chats.last_message_id is null",
    "update members set \
         last_read_seq = case when last_read_seq < 0 then \
             (select c.last_seq from chats c where c.id = members.chat_id) else last_read_seq end, \
         last_delivered_seq = (select c.last_seq from chats c where c.id = members.chat_id)",
];

/// Sets what follows from the rows.
pub async fn complete(tx: &mut Tx) -> Result<()> {
    for statement in STATEMENTS {
        tx.query(statement).execute().await?;
    }
    Ok(())
}
