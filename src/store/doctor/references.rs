//! Rows that refer to a missing one. Foreign keys prevent that, but a restore can be made without them
//! (`pg_restore --disable-triggers`, a shell without `pragma foreign_keys`).

use super::check::{About, Check, Resolution, Tell, Walk};
use crate::store::query::Dialects;

const SIZE: i64 = 5_000;
const NO_USER: &str = "the user does not exist ({has} rows)";
const NO_SESSION: &str = "the session does not exist ({has} rows)";
const NO_CHAT: &str = "the chat does not exist ({has} rows)";
/// Messages and memberships are what people come for.
const RESTORE: Resolution =
    Resolution::Person("restore what is missing from a backup, or delete the rows");

/// Each walks by the referring column.
pub(super) const WALKS: &[Walk] = &[
    Walk {
        noun: None,
        batches: Dialects::both(
            "select count(*) as rows, max(user_id) as upto from ( \
                 select user_id from sessions where user_id > $1 order by user_id limit $2) b",
        ),
        size: SIZE,
        checks: &[Check {
            name: "session-user",
            about: About::Rows("sessions of user"),
            violations: Dialects::both(
                "select t.user_id as id, null as other, count(*) as has from sessions t \
                 where t.user_id > $1 and t.user_id <= $2 \
                   and not exists (select 1 from users p where p.id = t.user_id) group by t.user_id",
            ),
            text: NO_USER,
            resolution: deleting(&[Dialects::both("delete from sessions where user_id = $1")]),
        }],
    },
    Walk {
        noun: None,
        batches: Dialects::both(
            "select count(*) as rows, max(session_id) as upto from ( \
                 select session_id from spent_refreshes where session_id > $1 order by session_id limit $2) b",
        ),
        size: SIZE,
        checks: &[Check {
            name: "refresh-session",
            about: About::Rows("used refresh tokens of session"),
            violations: Dialects::both(
                "select t.session_id as id, null as other, count(*) as has from spent_refreshes t \
                 where t.session_id > $1 and t.session_id <= $2 \
                   and not exists (select 1 from sessions p where p.id = t.session_id) group by t.session_id",
            ),
            text: NO_SESSION,
            resolution: deleting(&[Dialects::both(
                "delete from spent_refreshes where session_id = $1",
            )]),
        }],
    },
    Walk {
        noun: None,
        batches: Dialects::both(
            "select count(*) as rows, max(session_id) as upto from ( \
                 select session_id from tickets where session_id > $1 order by session_id limit $2) b",
        ),
        size: SIZE,
        checks: &[Check {
            name: "ticket-session",
            about: About::Rows("tickets of session"),
            violations: Dialects::both(
                "select t.session_id as id, null as other, count(*) as has from tickets t \
                 where t.session_id > $1 and t.session_id <= $2 \
                   and not exists (select 1 from sessions p where p.id = t.session_id) group by t.session_id",
            ),
            text: NO_SESSION,
            resolution: deleting(&[Dialects::both("delete from tickets where session_id = $1")]),
        }],
    },
    Walk {
        noun: None,
        batches: Dialects::both(
            "select count(*) as rows, max(user_id) as upto from ( \
                 select user_id from login_names where user_id > $1 order by user_id limit $2) b",
        ),
        size: SIZE,
        checks: &[Check {
            name: "login-name-user",
            about: About::Rows("login names of user"),
            violations: Dialects::both(
                "select t.user_id as id, null as other, count(*) as has from login_names t \
                 where t.user_id > $1 and t.user_id <= $2 \
                   and not exists (select 1 from users p where p.id = t.user_id) group by t.user_id",
            ),
            text: NO_USER,
            resolution: deleting(&[Dialects::both("delete from login_names where user_id = $1")]),
        }],
    },
    Walk {
        noun: None,
        batches: Dialects::both(
            "select count(*) as rows, max(user_id) as upto from ( \
                 select user_id from name_pieces where user_id > $1 order by user_id limit $2) b",
        ),
        size: SIZE,
        checks: &[Check {
            name: "search-index-user",
            about: About::Rows("search index of user"),
            violations: Dialects::both(
                "select t.user_id as id, null as other, count(*) as has from name_pieces t \
                 where t.user_id > $1 and t.user_id <= $2 \
                   and not exists (select 1 from users p where p.id = t.user_id) group by t.user_id",
            ),
            text: NO_USER,
            resolution: deleting(&[Dialects::both("delete from name_pieces where user_id = $1")]),
        }],
    },
    Walk {
        noun: None,
        batches: Dialects::both(
            "select count(*) as rows, max(user_id) as upto from ( \
                 select user_id from presence where user_id > $1 order by user_id limit $2) b",
        ),
        size: SIZE,
        checks: &[Check {
            name: "presence-user",
            about: About::Rows("presence of user"),
            violations: Dialects::both(
                "select t.user_id as id, null as other, count(*) as has from presence t \
                 where t.user_id > $1 and t.user_id <= $2 \
                   and not exists (select 1 from users p where p.id = t.user_id) group by t.user_id",
            ),
            text: NO_USER,
            resolution: deleting(&[Dialects::both("delete from presence where user_id = $1")]),
        }],
    },
    Walk {
        noun: None,
        batches: Dialects::both(
            "select count(*) as rows, max(user_id) as upto from ( \
                 select user_id from members where user_id > $1 order by user_id limit $2) b",
        ),
        size: SIZE,
        checks: &[Check {
            name: "member-user",
            about: About::Rows("memberships of user"),
            violations: Dialects::both(
                "select t.user_id as id, null as other, count(*) as has from members t \
                 where t.user_id > $1 and t.user_id <= $2 \
                   and not exists (select 1 from users p where p.id = t.user_id) group by t.user_id",
            ),
            text: NO_USER,
            resolution: RESTORE,
        }],
    },
    Walk {
        noun: None,
        batches: Dialects::both(
            "select count(*) as rows, max(chat_id) as upto from ( \
                 select chat_id from members where chat_id > $1 order by chat_id limit $2) b",
        ),
        size: SIZE,
        checks: &[Check {
            name: "member-chat",
            about: About::Rows("members of chat"),
            violations: Dialects::both(
                "select t.chat_id as id, null as other, count(*) as has from members t \
                 where t.chat_id > $1 and t.chat_id <= $2 \
                   and not exists (select 1 from chats p where p.id = t.chat_id) group by t.chat_id",
            ),
            text: NO_CHAT,
            resolution: RESTORE,
        }],
    },
];

/// As the foreign key does when the other row is deleted.
const fn deleting(statements: &'static [Dialects]) -> Resolution {
    Resolution::Repair {
        text: "deletes the rows, as the foreign key does",
        statements,
        tell: Tell::Nobody,
    }
}
