//! The invariants of members: who is one, which role they have, how many there are, and their markers.

use super::check::{About, Check, Resolution, Tell, Walk};
use crate::store::query::Dialects;

/// By chats. The members are put right before they are counted.
pub(super) const OF_CHATS: Walk = Walk {
    noun: None,
    batches: Dialects::both(
        "select count(*) as rows, max(id) as upto from ( \
             select id from chats where id > $1 order by id limit $2) b",
    ),
    size: 200,
    checks: &[PEER, LACKING, STRANGER, RANK, EMPTY, OWNERLESS, OWNERS, COUNT],
};

/// By members of chats, whose numbers are right by now.
pub(super) const MARKED: Walk = Walk {
    noun: None,
    batches: Dialects::both(
        "select count(*) as rows, max(chat_id) as upto from ( \
             select chat_id from members where chat_id > $1 order by chat_id limit $2) b",
    ),
    size: 5_000,
    checks: &[MARKERS],
};

const PEER: Check = Check {
    name: "private-chat-user",
    about: About::Chat,
    violations: Dialects::both(
        "select c.id, null as other, \
                case when exists (select 1 from users u where u.id = c.low_user) \
                     then c.high_user else c.low_user end as has \
         from chats c where c.id > $1 and c.id <= $2 and c.deleted_at is null \
           and c.type = 'private' \
           and not (exists (select 1 from users l where l.id = c.low_user) \
                    and exists (select 1 from users h where h.id = c.high_user))",
    ),
    text: "it is a private chat with user {has}, who does not exist",
    resolution: Resolution::Person("restore the user from a backup"),
};

const LACKING: Check = Check {
    name: "private-chat-member",
    about: About::Member,
    violations: Dialects::both(
        "select c.id, u.id as other from chats c join users u on u.id in (c.low_user, c.high_user) \
         where c.id > $1 and c.id <= $2 and c.deleted_at is null and c.type = 'private' \
           and not exists (select 1 from members m where m.chat_id = c.id and m.user_id = u.id)",
    ),
    text: "the private chat is this user's, who is not a member of it",
    resolution: Resolution::Repair {
        text: "adds the member",
        statements: &[Dialects::both(
            "insert into members (chat_id, user_id, role, joined_at, last_delivered_seq, last_read_seq) \
             select id, $2, 'member', $5, last_seq, last_seq from chats where id = $1",
        )],
        tell: Tell::Chat,
    },
};

const STRANGER: Check = Check {
    name: "private-chat-stranger",
    about: About::Member,
    violations: Dialects::both(
        "select c.id, m.user_id as other from chats c join members m on m.chat_id = c.id \
         where c.id > $1 and c.id <= $2 and c.deleted_at is null and c.type = 'private' \
           and m.user_id not in (c.low_user, c.high_user)",
    ),
    text: "the private chat is of two other users",
    resolution: Resolution::Repair {
        text: "removes the member",
        statements: &[
            Dialects::both(
                "insert into departures (chat_id, user_id, version, at) \
                 select id, $2, version + 1, $5 from chats where id = $1",
            ),
            Dialects::both("delete from members where chat_id = $1 and user_id = $2"),
        ],
        tell: Tell::Chat,
    },
};

const RANK: Check = Check {
    name: "private-chat-role",
    about: About::Member,
    violations: Dialects::both(
        "select c.id, m.user_id as other from chats c join members m on m.chat_id = c.id \
         where c.id > $1 and c.id <= $2 and c.type = 'private' and m.role <> 'member'",
    ),
    text: "has a role in a private chat, where both are plain members",
    resolution: Resolution::Repair {
        text: "makes it a plain member",
        statements: &[Dialects::both(
            "update members set role = 'member' where chat_id = $1 and user_id = $2",
        )],
        tell: Tell::Chat,
    },
};

const EMPTY: Check = Check {
    name: "group-without-members",
    about: About::Chat,
    violations: Dialects::both(
        "select c.id from chats c where c.id > $1 and c.id <= $2 and c.deleted_at is null \
           and c.type = 'group' and not exists (select 1 from members m where m.chat_id = c.id)",
    ),
    text: "the group has no members, so nobody can reach its messages",
    resolution: Resolution::Person(
        "restore its members from a backup, or let staff delete the chat (DELETE /api/chats/ID/)",
    ),
};

/// The successor is the one that a leaving owner has.
const OWNERLESS: Check = Check {
    name: "group-without-owner",
    about: About::Member,
    violations: Dialects::both(
        "select c.id, (select m.user_id from members m join users u on u.id = m.user_id \
                       where m.chat_id = c.id \
                       order by not u.is_active, case m.role when 'admin' then 0 else 1 end, \
                                m.joined_at, m.user_id limit 1) as other \
         from chats c where c.id > $1 and c.id <= $2 and c.deleted_at is null and c.type = 'group' \
           and exists (select 1 from members m join users u on u.id = m.user_id \
                       where m.chat_id = c.id) \
           and not exists (select 1 from members m where m.chat_id = c.id and m.role = 'owner')",
    ),
    text: "the group has no owner; this is the senior admin or member",
    resolution: Resolution::Repair {
        text: "makes this member the owner, as when an owner leaves",
        statements: &[Dialects::both(
            "update members set role = 'owner' where chat_id = $1 and user_id = $2",
        )],
        tell: Tell::Chat,
    },
};

const OWNERS: Check = Check {
    name: "group-owners",
    about: About::Chat,
    violations: Dialects::both(
        "select m.chat_id as id, null as other, count(*) as has from members m \
         where m.chat_id > $1 and m.chat_id <= $2 and m.role = 'owner' \
         group by m.chat_id having count(*) > 1",
    ),
    text: "the group has {has} owners",
    resolution: Resolution::Person(
        "let one owner make another one the owner (PUT /api/chats/ID/members/USER/ with the role \
         owner): the first one becomes an admin",
    ),
};

const COUNT: Check = Check {
    name: "members-count",
    about: About::Chat,
    violations: Dialects::both(
        "select f.id, null as other, f.has, f.wants from ( \
             select c.id, c.members_count as has, \
                    (select count(*) from members m where m.chat_id = c.id) as wants \
             from chats c where c.id > $1 and c.id <= $2 and c.deleted_at is null) f \
         where f.has <> f.wants",
    ),
    text: "members_count is {has}, and there are {wants}",
    resolution: Resolution::Repair {
        text: "sets it to {wants}",
        statements: &[Dialects::both("update chats set members_count = $4 where id = $1")],
        tell: Tell::Chat,
    },
};

/// A repair is a change of the account, so that the user's devices learn of it.
const MARKERS: Check = Check {
    name: "markers",
    about: About::Member,
    violations: Dialects::both(
        "select m.chat_id as id, m.user_id as other, m.last_read_seq as has, c.last_seq as wants \
         from members m join chats c on c.id = m.chat_id \
         where m.chat_id > $1 and m.chat_id <= $2 \
           and (m.last_read_seq < 0 or m.last_read_seq > m.last_delivered_seq \
                or m.last_delivered_seq > c.last_seq)",
    ),
    text: "the markers (read up to {has}) are not in order, or beyond the newest message ({wants})",
    resolution: Resolution::Repair {
        text: "puts them in order: read implies delivered, and both end at the newest message",
        statements: &[
            Dialects::both("update users set account_version = account_version + 1 where id = $2"),
            Dialects {
                sqlite: "update members set last_read_seq = min(max(last_read_seq, 0), $4), \
                             last_delivered_seq = \
                                 min(max(last_read_seq, last_delivered_seq, 0), $4), \
                             account_version = coalesce((select u.account_version from users u \
                                 where u.id = $2), account_version) \
                         where chat_id = $1 and user_id = $2",
                postgres: "update members set \
                               last_read_seq = least(greatest(last_read_seq, 0), $4), \
                               last_delivered_seq = \
                                   least(greatest(last_read_seq, last_delivered_seq, 0), $4), \
                               account_version = coalesce((select u.account_version from users u \
                                   where u.id = $2), account_version) \
                           where chat_id = $1 and user_id = $2",
            },
        ],
        tell: Tell::Nobody,
    },
};
