//! The invariants of chats: their numbers and their newest message. A deleted chat has none of these any
//! more. Their members are in [`super::members`].

use super::check::{About, Check, Resolution, Tell, Walk};
use crate::store::query::Dialects;

pub(super) const WALK: Walk = Walk {
    noun: Some("chats"),
    batches: Dialects::both(
        "select count(*) as rows, max(id) as upto from ( \
             select id from chats where id > $1 order by id limit $2) b",
    ),
    size: 200,
    checks: &[ENDED, CREATOR, LAST_SEQ, VERSION, NEWEST, ACTIVITY, UNPLACED, CLIENT_IDS, BLOCKS],
};

const ENDED: Check = Check {
    name: "deleted-chat-members",
    about: About::Chat,
    violations: Dialects::both(
        "select c.id from chats c where c.id > $1 and c.id <= $2 and c.deleted_at is not null \
           and exists (select 1 from members m where m.chat_id = c.id)",
    ),
    text: "the chat was deleted and has members",
    resolution: Resolution::Repair {
        text: "removes them",
        statements: &[
            // The greatest version: as it is recorded when a chat is deleted.
            Dialects::both(
                "insert into departures (chat_id, user_id, version, at) \
                 select chat_id, user_id, 9223372036854775807, $5 from members where chat_id = $1",
            ),
            Dialects::both("delete from members where chat_id = $1"),
            Dialects::both("update chats set members_count = 0 where id = $1"),
        ],
        tell: Tell::Nobody,
    },
};

const BLOCKS: Check = Check {
    name: "chat-blocks",
    about: About::Chat,
    violations: Dialects::both(
        "select c.id from chats c where c.id > $1 and c.id <= $2 and c.type = 'private' \
           and (c.low_blocks <> exists (select 1 from blocks b where b.active \
                    and b.user_id = c.low_user and b.target_id = c.high_user) \
                or c.high_blocks <> exists (select 1 from blocks b where b.active \
                    and b.user_id = c.high_user and b.target_id = c.low_user))",
    ),
    text: "it does not say which of its users blocks the other, so messages pass or do not",
    resolution: Resolution::Repair {
        text: "copies it from the blocks",
        statements: &[Dialects::both(
            "update chats set \
                 low_blocks = exists (select 1 from blocks b where b.active \
                     and b.user_id = low_user and b.target_id = high_user), \
                 high_blocks = exists (select 1 from blocks b where b.active \
                     and b.user_id = high_user and b.target_id = low_user) \
             where id = $1",
        )],
        tell: Tell::Chat,
    },
};

const CREATOR: Check = Check {
    name: "chat-creator",
    about: About::Chat,
    violations: Dialects::both(
        "select c.id, null as other, c.created_by as has from chats c \
         where c.id > $1 and c.id <= $2 and c.created_by is not null \
           and not exists (select 1 from users u where u.id = c.created_by)",
    ),
    text: "it was created by user {has}, who does not exist",
    resolution: Resolution::Repair {
        text: "forgets the creator, as the deletion of a user's row does",
        statements: &[Dialects::both("update chats set created_by = null where id = $1")],
        tell: Tell::Chat,
    },
};

const LAST_SEQ: Check = Check {
    name: "chat-last-seq",
    about: About::Chat,
    violations: Dialects::both(
        "select f.id, null as other, f.has, f.wants from ( \
             select c.id, c.last_seq as has, \
                    coalesce((select max(m.seq) from messages m where m.chat_id = c.id), \
                             c.first_seq - 1) as wants \
             from chats c where c.id > $1 and c.id <= $2 and c.deleted_at is null) f \
         where f.has <> f.wants",
    ),
    text: "last_seq is {has}, but the newest message has seq {wants}; if {has} is greater, messages \
           are missing",
    resolution: Resolution::Repair {
        text: "sets it to {wants}",
        statements: &[Dialects::both("update chats set last_seq = $4 where id = $1")],
        tell: Tell::Everybody,
    },
};

/// Its creation took version 1, and each message at least one more.
const VERSION: Check = Check {
    name: "chat-version",
    about: About::Chat,
    violations: Dialects::both(
        "select f.id, null as other, f.has, \
                case when f.newest > f.last_seq + 1 then f.newest else f.last_seq + 1 end as wants \
         from (select c.id, c.version as has, c.last_seq, \
                      coalesce((select max(m.version) from messages m where m.chat_id = c.id), 0) \
                          as newest \
               from chats c where c.id > $1 and c.id <= $2 and c.deleted_at is null) f \
         where f.has < f.newest or f.has < f.last_seq + 1",
    ),
    text: "its version is {has}, and must be at least {wants}",
    resolution: Resolution::Repair {
        text: "raises it to {wants}",
        statements: &[Dialects::both("update chats set version = $4 where id = $1")],
        tell: Tell::Everybody,
    },
};

/// Not of a chat whose messages are all removed: it keeps its place in lists.
const NEWEST: Check = Check {
    name: "chat-newest-message",
    about: About::Chat,
    violations: Dialects::both(
        "select f.id, null as other, f.has, f.wants from ( \
             select c.id, c.last_message_id as has, \
                    (select m.id from messages m where m.chat_id = c.id \
                     order by m.seq desc limit 1) as wants \
             from chats c where c.id > $1 and c.id <= $2 and c.deleted_at is null \
                            and (c.first_seq = 1 or c.first_seq <= c.last_seq)) f \
         where f.has is distinct from f.wants",
    ),
    text: "its newest message is said to be {has}, and is {wants}",
    resolution: Resolution::Repair {
        text: "sets {wants}",
        statements: &[Dialects::both("update chats set last_message_id = $4 where id = $1")],
        tell: Tell::Chat,
    },
};

const ACTIVITY: Check = Check {
    name: "chat-activity",
    about: About::Chat,
    violations: Dialects::both(
        "select c.id from chats c where c.id > $1 and c.id <= $2 and c.deleted_at is null \
           and (c.first_seq = 1 or c.first_seq <= c.last_seq) \
           and c.active_at <> coalesce((select m.timestamp from messages m where m.chat_id = c.id \
                                        order by m.seq desc limit 1), c.created_at)",
    ),
    text: "the time of its last activity is not that of its newest message",
    resolution: Resolution::Repair {
        text: "takes that time",
        statements: &[Dialects::both(
            "update chats set active_at = coalesce((select m.timestamp from messages m \
                 where m.chat_id = $1 order by m.seq desc limit 1), created_at) where id = $1",
        )],
        tell: Tell::Nobody,
    },
};

const UNPLACED: Check = Check {
    name: "chat-position",
    about: About::Chat,
    violations: Dialects::both(
        "select c.id from chats c where c.id > $1 and c.id <= $2 and c.deleted_at is null \
           and c.last_message_id is null and c.first_activity is null",
    ),
    text: "it has no message and no position in lists of chats",
    resolution: Resolution::Repair {
        text: "puts it after the chats that were active before it was created",
        statements: &[Dialects::both(
            "update chats set first_activity = coalesce((select max(o.last_message_id) from chats o \
                 where o.active_at <= chats.created_at), 0) where id = $1",
        )],
        tell: Tell::Nobody,
    },
};

/// A unique index prevents it. Without the index, a search for each message would read its whole chat, so
/// the messages are grouped.
const CLIENT_IDS: Check = Check {
    name: "client-id",
    about: About::Chat,
    violations: Dialects::both(
        "select m.chat_id as id, min(m.id) as other, min(m.id) as has, count(*) as wants \
         from messages m \
         where m.chat_id > $1 and m.chat_id <= $2 and m.client_id is not null \
         group by m.chat_id, m.sender_id, m.client_id having count(*) > 1",
    ),
    text: "{wants} messages have the client_id and the sender of message {has}",
    resolution: Resolution::Repair {
        text: "lets the first one keep it",
        statements: &[Dialects::both(
            "update messages set client_id = null where chat_id = $1 and id > $3 \
               and sender_id = (select f.sender_id from messages f where f.id = $3) \
               and client_id = (select f.client_id from messages f where f.id = $3)",
        )],
        tell: Tell::Everybody,
    },
};
