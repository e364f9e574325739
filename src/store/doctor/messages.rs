//! The invariants of messages. Those of a deleted chat are about to be removed, in the order of their seqs, so
//! they need not be complete.

use super::check::{About, Check, Resolution, Tell, Walk};
use super::extras;
use crate::store::query::Dialects;

pub(super) const WALK: Walk = Walk {
    noun: Some("messages"),
    batches: Dialects::both(
        "select count(*) as rows, max(id) as upto from ( \
             select id from messages where id > $1 order by id limit $2) b",
    ),
    size: 5_000,
    checks: &[
        CHATLESS,
        SENDER,
        GAP,
        NUMBER,
        ORDER,
        KIND,
        TOMBSTONE,
        REPLY,
        OWN,
        extras::OF_TOMBSTONE,
        extras::REACTIONS,
        extras::MENTIONS,
    ],
};

const CHATLESS: Check = Check {
    name: "message-chat",
    about: About::Message,
    violations: Dialects::both(
        "select max(m.id) as id, m.chat_id as other, count(*) as has from messages m \
         where m.id > $1 and m.id <= $2 \
           and not exists (select 1 from chats c where c.id = m.chat_id) group by m.chat_id",
    ),
    text: "the chat does not exist (this message and {has} in all, nearby)",
    resolution: Resolution::Person("restore the chat from a backup, or delete its messages"),
};

const SENDER: Check = Check {
    name: "message-sender",
    about: About::Message,
    violations: Dialects::both(
        "select m.id, m.chat_id as other, m.sender_id as has from messages m \
         where m.id > $1 and m.id <= $2 \
           and not exists (select 1 from users u where u.id = m.sender_id)",
    ),
    text: "its sender, user {has}, does not exist, so it is not shown",
    resolution: Resolution::Person("restore the user from a backup"),
};

/// By induction all seqs are dense: each has the one before it, and they are unique. Those that retention
/// removed are at the beginning.
const GAP: Check = Check {
    name: "message-gap",
    about: About::Message,
    violations: Dialects::both(
        "select m.id, m.chat_id as other, m.seq as has from messages m \
         where m.id > $1 and m.id <= $2 and m.seq <> 1 \
           and not exists (select 1 from messages p where p.chat_id = m.chat_id and p.seq = m.seq - 1) \
           and exists (select 1 from chats c where c.id = m.chat_id and c.deleted_at is null \
                         and (c.first_seq < m.seq or m.seq < 1))",
    ),
    text: "it has seq {has}, and the message before it is missing",
    resolution: Resolution::Person(
        "restore the missing messages from a backup: unread counts and pages are wrong until then",
    ),
};

/// Version 1 is the chat, and each message before this one took one.
const NUMBER: Check = Check {
    name: "message-version",
    about: About::Message,
    violations: Dialects::both(
        "select m.id, m.chat_id as other, m.version as has, m.seq as wants from messages m \
         where m.id > $1 and m.id <= $2 and m.version <= m.seq \
           and exists (select 1 from chats c where c.id = m.chat_id)",
    ),
    text: "its version is {has}, and must be greater than its seq, {wants}",
    resolution: Resolution::Repair {
        text: "gives it the chat's next version",
        statements: &[],
        tell: Tell::Message,
    },
};

/// Of messages that never changed since they were sent.
const ORDER: Check = Check {
    name: "message-order",
    about: About::Message,
    violations: Dialects::both(
        "select m.id, m.chat_id as other, m.version as has, p.version as wants from messages m \
         join messages p on p.chat_id = m.chat_id and p.seq = m.seq - 1 \
         where m.id > $1 and m.id <= $2 and m.version < p.version \
           and m.last_change = 'created' and m.edited_at is null and m.deleted_at is null \
           and p.last_change = 'created' and p.edited_at is null and p.deleted_at is null",
    ),
    text: "its version, {has}, is less than that of the message before it, {wants}",
    resolution: Resolution::Repair {
        text: "gives it the chat's next version",
        statements: &[],
        tell: Tell::Message,
    },
};

const KIND: Check = Check {
    name: "message-change",
    about: About::Message,
    violations: Dialects::both(
        "select m.id, m.chat_id as other from messages m where m.id > $1 and m.id <= $2 \
           and ((m.last_change = 'edited' and m.edited_at is null) \
                or (m.last_change = 'deleted' and m.deleted_at is null))",
    ),
    text: "the kind of its last change has no time of that change",
    resolution: Resolution::Repair {
        text: "removes the kind, which then follows from the times",
        statements: &[Dialects::both("update messages set last_change = null where id = $1")],
        tell: Tell::Nobody,
    },
};

const TOMBSTONE: Check = Check {
    name: "tombstone",
    about: About::Message,
    violations: Dialects::both(
        "select m.id, m.chat_id as other from messages m where m.id > $1 and m.id <= $2 \
           and m.deleted_at is not null and m.content <> ''",
    ),
    text: "the message was deleted and still has its content",
    resolution: Resolution::Repair {
        text: "empties it",
        statements: &[Dialects::both("update messages set content = '' where id = $1")],
        tell: Tell::Message,
    },
};

/// Not in a chat whose first messages are removed: it may have been one of these.
const REPLY: Check = Check {
    name: "message-reply",
    about: About::Message,
    violations: Dialects::both(
        "select m.id, m.chat_id as other, m.reply_to as has from messages m \
         where m.id > $1 and m.id <= $2 and m.reply_to is not null \
           and not exists (select 1 from messages r where r.id = m.reply_to \
                             and r.chat_id = m.chat_id and r.seq < m.seq) \
           and exists (select 1 from chats c where c.id = m.chat_id and c.deleted_at is null \
                         and c.first_seq = 1)",
    ),
    text: "it replies to message {has}, which is no earlier message of this chat",
    resolution: Resolution::Repair {
        text: "makes it no reply",
        statements: &[Dialects::both("update messages set reply_to = null where id = $1")],
        tell: Tell::Message,
    },
};

/// Unread counts rely on it: nobody's own messages are after their marker.
const OWN: Check = Check {
    name: "own-messages",
    about: About::Message,
    violations: Dialects::both(
        "select max(m.id) as id, m.chat_id as other, m.sender_id as has, max(m.seq) as wants \
         from messages m join members me on me.chat_id = m.chat_id and me.user_id = m.sender_id \
         where m.id > $1 and m.id <= $2 and me.last_read_seq < m.seq \
         group by m.chat_id, m.sender_id",
    ),
    text: "its sender, user {has}, has not read it (seq {wants}), by the read marker",
    resolution: Resolution::Repair {
        text: "moves the sender's markers to it",
        statements: &[
            Dialects::both("update users set account_version = account_version + 1 where id = $3"),
            Dialects::both(
                "update members set last_read_seq = $4, \
                     last_delivered_seq = case when last_delivered_seq < $4 then $4 \
                                               else last_delivered_seq end, \
                     account_version = (select u.account_version from users u where u.id = $3) \
                 where chat_id = $2 and user_id = $3 and last_read_seq < $4",
            ),
        ],
        tell: Tell::Nobody,
    },
};
