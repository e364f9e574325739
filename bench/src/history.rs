//! Fills a database with tens of millions of messages, as years of use would have left them: a few chats with a
//! twentieth of all messages each, thousands with some of them, all interleaved. Beside `seed`, which fills the rest.

use crate::Result;
use crate::database::Database;
use crate::world::{FIRST_HISTORY, HISTORY_CHATS, HISTORY_LARGE, HISTORY_MEMBERS, World};

/// Messages in a period: one for each small chat, and [`LARGE_EACH`] for each large one.
const PERIOD: i64 = 5_000;
const LARGE_EACH: i64 = 250;

/// What is slow to keep while rows are added, and quick to make afterwards.
const DROP_POSTGRES: &str = "alter table messages drop constraint messages_chat_id_fkey, \
     drop constraint messages_sender_id_fkey, drop constraint messages_chat_id_seq_key, \
     drop constraint messages_chat_id_version_key; \
     drop index messages_client_id;";
const CREATE_POSTGRES: &str = "alter table messages add unique (chat_id, seq), \
     add unique (chat_id, version), \
     add foreign key (chat_id) references chats (id) on delete cascade not valid, \
     add foreign key (sender_id) references users (id) not valid;";
const CREATE_BOTH: &str = "create unique index messages_client_id \
     on messages (chat_id, sender_id, client_id) where client_id is not null;";

/// Adds chats with so many messages in all, rounded down to whole periods.
pub async fn fill(database: &mut Database, world: &World, messages: i64) -> Result {
    let periods = messages / PERIOD;
    let postgres = matches!(database, Database::Postgres(_));
    let (before, drop, create, after) = match postgres {
        true => ("", DROP_POSTGRES, CREATE_POSTGRES, "vacuum (freeze, analyze) messages"),
        // Not twice on the disk.
        false => (
            "pragma journal_mode = delete; pragma journal_mode = off; pragma synchronous = off; pragma cache_size = -2000000;",
            "drop index messages_client_id;",
            "",
            "pragma journal_mode = wal",
        ),
    };
    if !before.is_empty() {
        database.run(before.to_owned()).await?;
    }
    let chats = chats(postgres, world, periods);
    let messages = rows(postgres, world, periods);
    let newest = format!(
        "update chats set last_message_id = (select m.id from messages m where m.chat_id = chats.id \
                                             and m.seq = chats.last_seq) where id >= {FIRST_HISTORY};"
    );
    database
        .run(format!("begin; {chats} {drop} {messages} {create} {CREATE_BOTH} {newest} commit;"))
        .await?;
    database.run(after.to_owned()).await
}

fn chats(postgres: bool, world: &World, periods: i64) -> String {
    let now = time(postgres, &world.now().to_string());
    let user = member("c.id", "s.n");
    format!(
        "{} insert into chats (id, type, name, created_at, created_by, members_count, version, last_seq, active_at) \
         select {FIRST_HISTORY} + n, 'group', 'History ' || n, {now}, 1, {HISTORY_MEMBERS}, l + 1, l, {now} \
         from (select n, {periods} * case when n < {HISTORY_LARGE} then {LARGE_EACH} else 1 end as l from s) s; \
         {} insert into members (chat_id, user_id, role, joined_at, last_delivered_seq, last_read_seq) \
         select c.id, {user}, case s.n when 0 then 'owner' else 'member' end, {now}, c.last_seq, c.last_seq \
         from chats c cross join s where c.id >= {FIRST_HISTORY};",
        series(HISTORY_CHATS),
        series(HISTORY_MEMBERS),
    )
}

/// Every fifth message is in a large chat. The `client_id`s are as random as those of clients: their index is not
/// filled in order.
fn rows(postgres: bool, world: &World, periods: i64) -> String {
    let (random, numbers) = match postgres {
        true => (
            "gen_random_uuid()::text",
            format!("s (i) as (select generate_series(0::bigint, {periods} * {PERIOD} - 1))"),
        ),
        false => (
            "lower(hex(randomblob(18)))",
            format!(
                "recursive s (i) as (select 0 union all select i + 1 from s where i < {periods} * {PERIOD} - 1)"
            ),
        ),
    };
    let sent = time(postgres, &format!("({} - {periods} * {PERIOD} + i)", world.now()));
    let sender = member("chat", &format!("seq % {HISTORY_MEMBERS}"));
    let large = format!("i / {PERIOD} * {LARGE_EACH} + i % {PERIOD} / (5 * {HISTORY_LARGE})");
    format!(
        "with {numbers} \
         insert into messages (chat_id, seq, version, sender_id, content, timestamp, client_id, last_change) \
         select chat, seq, seq + 1, {sender}, \
                'Meow ' || i || substr('{TEXT}', 1, cast(i * 7919 % {} as integer)), {sent}, {random}, 'created' \
         from (select i, {FIRST_HISTORY} + case i % 5 when 0 then i / 5 % {HISTORY_LARGE} \
                                           else {HISTORY_LARGE} + i % {PERIOD} - i % {PERIOD} / 5 - 1 end as chat, \
                      1 + case i % 5 when 0 then {large} else i / {PERIOD} end as seq from s) m;",
        TEXT.len()
    )
}

const TEXT: &str = ", and then we went down to the harbour to see whether the boats had come back, but nobody was \
     there except the gulls";

/// A member of a chat by number, as SQL.
fn member(chat: &str, number: &str) -> String {
    format!("1 + ({chat} * 7 + {number} * 61) % 512")
}

fn time(postgres: bool, seconds: &str) -> String {
    if postgres { format!("to_timestamp({seconds})") } else { format!("({seconds} * 1000000)") }
}

/// The numbers from 0 on, as `s.n`.
fn series(count: i64) -> String {
    format!(
        "with recursive s (n) as (select 0 union all select n + 1 from s where n < {count} - 1)"
    )
}
