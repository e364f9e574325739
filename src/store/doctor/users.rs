//! The invariants of accounts. Their names and what is found by them are in [`super::names`].

use super::check::{About, Check, Resolution, Tell, Walk};
use crate::store::query::Dialects;

pub(super) const WALK: Walk = Walk {
    noun: Some("users"),
    batches: Dialects::both(
        "select count(*) as rows, max(id) as upto from ( \
             select id from users where id > $1 order by id limit $2) b",
    ),
    size: 1_000,
    checks: &[VERSION, IN_BLOCKS, REMAINS, STAYED, SESSIONS],
};

const VERSION: Check = Check {
    name: "account-version",
    about: About::User,
    violations: Dialects::both(
        "select f.id, null as other, f.has, \
                case when f.profile > f.moved then f.profile else f.moved end as wants \
         from (select u.id, u.account_version as has, u.profile_version as profile, \
                      coalesce((select max(v.version) from ( \
                          select m.account_version as version from members m \
                              where m.user_id = u.id \
                          union all select m.settings_version from members m \
                              where m.user_id = u.id \
                          union all select b.account_version from blocks b \
                              where b.user_id = u.id) v), 0) as moved \
               from users u where u.id > $1 and u.id <= $2) f \
         where f.has < f.profile or f.has < f.moved",
    ),
    text: "the account's version is {has}, one of its changes has {wants}",
    resolution: Resolution::Repair {
        text: "raises it to {wants}",
        statements: &[Dialects::both("update users set account_version = $4 where id = $1")],
        tell: Tell::Everybody,
    },
};

const IN_BLOCKS: Check = Check {
    name: "account-blocks",
    about: About::User,
    violations: Dialects::both(
        "select u.id from users u where u.id > $1 and u.id <= $2 and not u.in_blocks \
           and (exists (select 1 from blocks b where b.user_id = u.id) \
                or exists (select 1 from blocks b where b.target_id = u.id and b.active))",
    ),
    text: "the account blocks or is blocked, and is not marked, so blocks are not looked for",
    resolution: Resolution::Repair {
        text: "marks it",
        statements: &[Dialects::both("update users set in_blocks = true where id = $1")],
        tell: Tell::Nobody,
    },
};

const REMAINS: Check = Check {
    name: "deleted-account",
    about: About::User,
    violations: Dialects::both(
        "select u.id from users u \
         where u.id > $1 and u.id <= $2 and u.deleted_at is not null \
           and (u.username <> 'deleted_' || u.id or u.email <> '' or u.password <> '!' \
                or u.first_name <> '' or u.last_name <> '' or u.avatar is not null \
                or u.status_text <> '' or u.is_active or u.is_staff or u.is_superuser)",
    ),
    text: "the account was deleted and is not anonymised",
    resolution: Resolution::Repair {
        text: "anonymises it",
        statements: &[Dialects::both(
            "update users set username = 'deleted_' || id, email = '', password = '!', \
                first_name = '', last_name = '', avatar = null, status_text = '', \
                availability = 'online', is_active = false, is_staff = false, \
                is_superuser = false \
             where id = $1",
        )],
        tell: Tell::Everybody,
    },
};

const STAYED: Check = Check {
    name: "deleted-account-in-group",
    about: About::UserInChat,
    violations: Dialects::both(
        "select u.id, m.chat_id as other from users u join members m on m.user_id = u.id \
         join chats c on c.id = m.chat_id \
         where u.id > $1 and u.id <= $2 and u.deleted_at is not null and c.type = 'group'",
    ),
    text: "the account was deleted and is still a member of the group",
    resolution: Resolution::Repair {
        text: "removes the member",
        statements: &[
            Dialects::both(
                "insert into departures (chat_id, user_id, version, at) \
                 select id, $1, version + 1, $5 from chats where id = $2",
            ),
            Dialects::both("delete from members where chat_id = $2 and user_id = $1"),
            Dialects::both("update chats set members_count = members_count - 1 where id = $2"),
        ],
        tell: Tell::Chat,
    },
};

const SESSIONS: Check = Check {
    name: "inactive-account-sessions",
    about: About::User,
    violations: Dialects::both(
        "select u.id, null as other, count(*) as has from users u join sessions s on s.user_id = u.id \
         where u.id > $1 and u.id <= $2 and s.ended_at is null and not u.is_active group by u.id",
    ),
    text: "the account is not active and has {has} session(s) that were not ended",
    resolution: Resolution::Repair {
        text: "ends them",
        statements: &[Dialects::both(
            "update sessions set ended_at = $5 where user_id = $1 and ended_at is null",
        )],
        tell: Tell::Nobody,
    },
};
