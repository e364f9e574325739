//! Fills a database with a million messages in twenty scripts, for searching them. Beside `seed`, which fills the
//! rest. The rows are made here, because SQL makes no such texts.

use std::fmt::Write;

use crate::database::Database;
use crate::texts;
use crate::world::{AUTHOR, FEW_CHATS, FIRST_SEARCHED, SEARCHED_CHATS, WIDE_CHATS, World};
use crate::{Result, world};

/// Rows in a statement.
const ROWS: i64 = 2_000;

/// Adds chats with so many messages in all, rounded down to as many in each. Their users must be there.
pub async fn fill(database: &mut Database, world: &World, messages: i64) -> Result {
    let postgres = matches!(database, Database::Postgres(_));
    let time = |seconds: i64| match postgres {
        true => format!("to_timestamp({seconds})"),
        false => format!("{seconds}000000"),
    };
    let (each, now) = (messages / SEARCHED_CHATS, i64::try_from(world.now())?);
    let mut script = format!(
        "{} insert into chats (id, type, name, created_at, created_by, members_count, version, last_seq, \
                               active_at) \
         select {FIRST_SEARCHED} + s.n, 'group', 'Searched ' || s.n, {at}, {AUTHOR}, 1, {each} + 1, {each}, {at} \
         from s;",
        series(SEARCHED_CHATS),
        at = time(now),
    );
    for (user, chats) in
        [(AUTHOR, SEARCHED_CHATS), (world::FEW, FEW_CHATS), (world::WIDE, WIDE_CHATS)]
    {
        // In chats of all scripts.
        let step = SEARCHED_CHATS / chats;
        let chat = format!("{FIRST_SEARCHED} + (s.n * {step} + s.n % {step}) % {SEARCHED_CHATS}");
        let role = if user == AUTHOR { "owner" } else { "member" };
        write!(
            script,
            "{} insert into members (chat_id, user_id, role, joined_at, last_delivered_seq, last_read_seq) \
             select {chat}, {user}, '{role}', {}, {each}, {each} from s;",
            series(chats),
            time(now),
        )?;
    }
    database.run(format!("begin; {script} commit;")).await?;
    fastrand::seed(2026);
    let all = each * SEARCHED_CHATS;
    for first in (0..all).step_by(ROWS as usize) {
        let mut rows = String::new();
        for number in first..(first + ROWS).min(all) {
            let (chat, seq) = (number % SEARCHED_CHATS, number / SEARCHED_CHATS + 1);
            let (text, at) = (texts::text(chat as usize), time(now - all + number));
            let chat = FIRST_SEARCHED + chat;
            let comma = if rows.is_empty() { "" } else { "," };
            write!(rows, "{comma}({chat},{seq},{seq}+1,{AUTHOR},'{text}',{at},'created')")?;
        }
        let columns = "chat_id, seq, version, sender_id, content, timestamp, last_change";
        database.run(format!("insert into messages ({columns}) values {rows}")).await?;
    }
    Ok(())
}

/// The numbers from 0 on, as `s.n`.
fn series(count: i64) -> String {
    format!(
        "with recursive s (n) as (select 0 union all select n + 1 from s where n < {count} - 1)"
    )
}
