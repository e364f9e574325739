//! The counters from which new rows get their ids, and the site's own row.

use super::check::{About, Check, Resolution, Tell, Walk};
use crate::store::query::Dialects;

/// The tables with ids, by the numbers that violations have.
pub const TABLES: [&str; 6] = ["users", "sessions", "chats", "messages", "audit", "departures"];

/// One pass without rows: the queries ignore the range.
pub(super) const WALK: Walk = Walk {
    noun: None,
    batches: Dialects::both(
        "select 6 as rows, 6 as upto where $1 < 6 and $2 > 0 \
         union all select 0, null where $1 >= 6",
    ),
    size: 6,
    checks: &[SITE, EPOCH, COUNTER],
};

const SITE: Check = Check {
    name: "site",
    about: About::Site,
    violations: Dialects::both(
        "select 1 as id where $1 < 1 and $2 >= 1 and not exists (select 1 from site where id = 1)",
    ),
    text: "its row is missing, so no server can start",
    resolution: Resolution::Repair {
        text: "inserts it with a new epoch",
        statements: &[Dialects::both(
            "insert into site (id, epoch, aged_until) values (1, 'lost', $5)",
        )],
        tell: Tell::Everybody,
    },
};

const EPOCH: Check = Check {
    name: "epoch",
    about: About::Site,
    violations: Dialects::both(
        "select 1 as id from site where $1 < 1 and $2 >= 1 and id = 1 and epoch = ''",
    ),
    text: "the epoch is empty, so clients cannot notice a restore",
    resolution: Resolution::Repair {
        text: "sets a new one",
        statements: &[],
        tell: Tell::Everybody,
    },
};

/// A counter below the ids in use: on PostgreSQL the next insert fails, on SQLite ids of deleted rows would
/// be used again.
const COUNTER: Check = Check {
    name: "id-counter",
    about: About::Table,
    violations: Dialects {
        sqlite: "select id, null as other, has, wants from ( \
                select 1 as id, (select seq from sqlite_sequence where name = 'users') as has, \
                       (select max(id) from users) as wants \
                union all select 2, (select seq from sqlite_sequence where name = 'sessions'), \
                       (select max(id) from sessions) \
                union all select 3, (select seq from sqlite_sequence where name = 'chats'), \
                       (select max(id) from chats) \
                union all select 4, (select seq from sqlite_sequence where name = 'messages'), \
                       (select max(id) from messages) \
                union all select 5, (select seq from sqlite_sequence where name = 'audit'), \
                       (select max(id) from audit) \
                union all select 6, (select seq from sqlite_sequence where name = 'departures'), \
                       (select max(id) from departures)) f \
             where id > $1 and id <= $2 and coalesce(has, 0) < wants",
        postgres: "select id, null as other, has, wants from ( \
                select t.id, pg_sequence_last_value(pg_get_serial_sequence(t.name, 'id')::regclass) \
                             as has, \
                       case t.id when 1 then (select max(id) from users) \
                                 when 2 then (select max(id) from sessions) \
                                 when 3 then (select max(id) from chats) \
                                 when 4 then (select max(id) from messages) \
                                 when 5 then (select max(id) from audit) \
                                 else (select max(id) from departures) end as wants \
                from (values (1, 'users'), (2, 'sessions'), (3, 'chats'), (4, 'messages'), \
                             (5, 'audit'), (6, 'departures')) t (id, name)) f \
             where id > $1 and id <= $2 and coalesce(has, 0) < wants",
    },
    text: "the counter of ids is at {has}, the greatest id is {wants}",
    resolution: Resolution::Repair {
        text: "sets it to {wants}",
        statements: &[
            Dialects {
                sqlite: "delete from sqlite_sequence where name = case $1 when 1 then 'users' \
                         when 2 then 'sessions' when 3 then 'chats' when 4 then 'messages' \
                         when 5 then 'audit' else 'departures' end",
                postgres: "select setval(pg_get_serial_sequence(case $1 when 1 then 'users' \
                           when 2 then 'sessions' when 3 then 'chats' when 4 then 'messages' \
                           when 5 then 'audit' else 'departures' end, 'id'), $4)",
            },
            Dialects {
                sqlite: "insert into sqlite_sequence (name, seq) values (case $1 \
                         when 1 then 'users' when 2 then 'sessions' when 3 then 'chats' \
                         when 4 then 'messages' when 5 then 'audit' else 'departures' end, $4)",
                postgres: "select 1",
            },
        ],
        tell: Tell::Nobody,
    },
};
