//! Writes a database with a long history at once, as a million sends would have left it. It must fill
//! the tables as the server would.

use crate::Result;
use crate::database::Database;

/// Chats of one user.
pub struct Chats {
    /// The user's id.
    pub user: i64,
    /// The beginning of the chats' names.
    pub name: &'static str,
    /// The number of chats. Every other one is private, each with a different user.
    pub count: i64,
    /// Messages in each chat, all from others.
    pub messages: i64,
    /// The number of chats whose newest three messages are unread.
    pub unread: i64,
}

/// Adds chats with everything that belongs to them. `other` is a member of every group as well.
pub async fn add(database: &mut Database, chats: &Chats, other: i64) -> Result {
    let Chats { user, name, count, messages, unread } = chats;
    let (now, then) = match database {
        Database::Sqlite(_) => ("1795305600000000", "1795305600000000 + 1000000 * s.n"),
        Database::Postgres(_) => ("to_timestamp(1795305600)", "to_timestamp(1795305600 + s.n)"),
    };
    let series = |last: &str| {
        format!("with recursive s (n) as (select 1 union all select n + 1 from s where n < {last})")
    };
    let (every, each) = (series(&count.to_string()), series(&messages.to_string()));
    let numbers = format!("2, {messages} + 1, {messages}, {then}");
    let statements = [
        format!(
            "{every} insert into users (username, username_key, password, date_joined) \
             select '{name}peer' || s.n, '{name}peer' || s.n, '!', {now} \
             from s where s.n % 2 = 0"
        ),
        format!(
            "{every} insert into chats (type, name, created_at, created_by, members_count, \
                                        version, last_seq, active_at) \
             select 'group', '{name} ' || s.n, {now}, {user}, {numbers} \
             from s where s.n % 2 = 1"
        ),
        format!(
            "{every} insert into chats (type, description, created_at, created_by, low_user, \
                                        high_user, members_count, version, last_seq, active_at) \
             select 'private', '{name} ' || s.n, {now}, {user}, {user}, p.id, {numbers} \
             from s join users p on p.username = '{name}peer' || s.n"
        ),
        format!(
            "insert into members (chat_id, user_id, role, joined_at, last_delivered_seq, \
                                  last_read_seq) \
             select id, {user}, case type when 'group' then 'owner' else 'member' end, {now}, \
                    {messages}, {messages} \
             from chats where name like '{name} %' or description like '{name} %'"
        ),
        format!(
            "insert into members (chat_id, user_id, role, joined_at, last_delivered_seq, \
                                  last_read_seq) \
             select c.id, coalesce(c.high_user, {other}), 'member', {now}, {messages}, {messages} \
             from chats c where c.name like '{name} %' or c.description like '{name} %'"
        ),
        format!(
            "update members set last_read_seq = {messages} - 3 where user_id = {user} and \
             chat_id in (select chat_id from members where user_id = {user} \
                         order by chat_id limit {unread})"
        ),
        format!(
            "{each} insert into messages (chat_id, seq, version, sender_id, content, timestamp) \
             select c.id, s.n, s.n + 1, coalesce(c.high_user, {other}), \
                    'Meow number ' || s.n || ', of some length, as people write.', {then} \
             from s cross join chats c \
             where c.name like '{name} %' or c.description like '{name} %'"
        ),
        "update chats set description = '', last_message_id = \
         (select m.id from messages m where m.chat_id = chats.id and m.seq = chats.last_seq) \
         where last_message_id is null and last_seq > 0"
            .to_owned(),
    ];
    database.run(format!("begin; {}; commit;", statements.join("; "))).await
}

/// The id of a chat that [`add`] made, by its number.
pub async fn group(database: &mut Database, name: &str, number: i64) -> Result<i64> {
    database.number(&format!("select id from chats where name = '{name} {number}'")).await
}
