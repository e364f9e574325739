//! The corruptions that `doctor` plants, and must find.

use crate::doctor::Site;
use crate::support::Backend;

/// A corruption: the checks that find it, how it is made, and, if no repair is right, how it is undone.
pub(super) struct Plant {
    pub(super) checks: Vec<&'static str>,
    pub(super) sql: String,
    pub(super) undo: Option<String>,
}

fn repaired(checks: &[&'static str], sql: impl Into<String>) -> Plant {
    Plant { checks: checks.to_vec(), sql: sql.into(), undo: None }
}

fn left(checks: &[&'static str], sql: impl Into<String>, undo: impl Into<String>) -> Plant {
    Plant { checks: checks.to_vec(), sql: sql.into(), undo: Some(undo.into()) }
}

/// Corruptions of accounts, and of what refers to them.
pub(super) fn of_accounts(site: &Site) -> Vec<Plant> {
    let Site { bob, carol, dave, tom, group, .. } = site;
    let (bob, carol, dave, tom) = (bob.id, carol.id, dave.id, tom.id);
    let counter = match site.backend {
        Backend::Sqlite => "update sqlite_sequence set seq = 1 where name = 'messages'",
        Backend::Postgres => "select setval('messages_id_seq', 1)",
    };
    let name = &site.bob.username;
    vec![
        repaired(
            &["account-version"],
            format!(
                "update members set account_version = 99 where chat_id = {group} and user_id = {bob}"
            ),
        ),
        repaired(
            &["account-version"],
            format!(
                "update members set settings_version = 199 where chat_id = {group} and user_id = {bob}"
            ),
        ),
        repaired(
            &["account-blocks", "account-blocks", "chat-blocks"],
            format!(
                "insert into blocks (user_id, target_id, active, account_version, changed_at) \
                 select {bob}, {tom}, true, 0, date_joined from users where id = {bob}"
            ),
        ),
        repaired(
            &["deleted-account"],
            format!("update users set email = 'dave@example.com' where id = {dave}"),
        ),
        repaired(
            &["deleted-account-in-group"],
            format!(
                "insert into members (chat_id, user_id, role, joined_at, last_delivered_seq, \
                    last_read_seq) select chat_id, {dave}, 'member', joined_at, last_delivered_seq, \
                    last_read_seq from members where chat_id = {group} and user_id = {bob}; \
                 update chats set members_count = members_count + 1 where id = {group}"
            ),
        ),
        repaired(
            &["inactive-account-sessions"],
            format!("update users set is_active = false where id = {carol}"),
        ),
        repaired(&["epoch"], "update site set epoch = ''"),
        repaired(&["site"], "delete from site"),
        repaired(&["id-counter"], counter),
        repaired(
            &["session-user"],
            "insert into sessions (user_id, created_at, last_used_at, expires_at, refresh_jti, \
                refreshed_at) select 9999, created_at, last_used_at, expires_at, 'x', refreshed_at \
             from sessions limit 1",
        ),
        repaired(
            &["refresh-session"],
            "insert into spent_refreshes (jti, session_id, spent_at) \
             select 'x', 9999, created_at from sessions limit 1",
        ),
        repaired(
            &["ticket-session"],
            "insert into tickets (hash, session_id, expires_at) \
             select 'x', 9999, expires_at from sessions limit 1",
        ),
        repaired(
            &["login-name-user"],
            "insert into login_names (name_key, user_id) values ('x', 9999)",
        ),
        repaired(
            &["search-index-user"],
            "insert into name_pieces (piece, user_id) values ('x', 9999)",
        ),
        repaired(
            &["presence-user"],
            "insert into nodes (name, beat_at) select 'x', created_at from sessions limit 1; \
             insert into presence (user_id, node, connections, idle) values (9999, 'x', 1, false)",
        ),
        left(
            &["member-user"],
            format!(
                "insert into members (chat_id, user_id, role, joined_at, last_delivered_seq, \
                    last_read_seq) select chat_id, 9999, 'member', joined_at, last_delivered_seq, \
                    last_read_seq from members where chat_id = {group} and user_id = {bob}; \
                 update chats set members_count = members_count + 1 where id = {group}"
            ),
            format!(
                "delete from members where user_id = 9999; \
                 update chats set members_count = members_count - 1 where id = {group}"
            ),
        ),
        repaired(
            &["username-key"],
            format!("update users set username_key = 'x' where id = {bob}"),
        ),
        repaired(&["login-names"], format!("delete from login_names where name_key = '{name}'")),
        repaired(
            &["login-names"],
            format!("insert into login_names (name_key, user_id) values ('former', {bob})"),
        ),
        // Two users, and the one who comes first in the walk gets the name back.
        repaired(
            &["login-names", "login-names"],
            format!("update login_names set user_id = {carol} where name_key = '{name}'"),
        ),
        left(
            &["login-names", "username-key", "search-index"],
            format!(
                "update users set username = '{name}', username_key = 'x' where id = {tom}; \
                 delete from login_names where user_id = {tom}; \
                 insert into login_names (name_key, user_id) values ('x', {tom})"
            ),
            format!(
                "update users set username = '{0}', username_key = '{0}', search_rules = 0 \
                     where id = {tom}; \
                 delete from login_names where user_id = {tom}; \
                 insert into login_names (name_key, user_id) values ('{0}', {tom})",
                site.tom.username
            ),
        ),
        repaired(&["search-index"], format!("delete from name_pieces where user_id = {bob}")),
        repaired(&["search-index"], format!("update users set search_text = 'x' where id = {bob}")),
    ]
}

/// Corruptions of chats and their members.
pub(super) fn of_chats(site: &Site) -> Vec<Plant> {
    let Site { bob, carol, tom, group, private, silent, .. } = site;
    let (bob, carol, tom) = (bob.id, carol.id, tom.id);
    let copy = "insert into chats (id, type, name, created_at, low_user, high_user, members_count, \
                    version, active_at, first_activity) \
                select -8888, type, name, created_at, ";
    let join = format!(
        "insert into members (chat_id, user_id, role, joined_at, last_delivered_seq, last_read_seq) \
         select -8888, {tom}, 'member', joined_at, 0, 0 from members \
         where chat_id = {silent} and user_id = {tom}"
    );
    let set = |what: &str| format!("update chats set {what} where id = {group}");
    vec![
        repaired(&["chat-creator"], set("created_by = 9999")),
        repaired(&["chat-last-seq"], set("last_seq = last_seq + 1")),
        repaired(&["chat-last-seq", "markers"], set("last_seq = last_seq - 1")),
        repaired(&["chat-version"], set("version = 1")),
        repaired(&["chat-newest-message"], set("last_message_id = null")),
        repaired(&["chat-activity"], set("active_at = created_at")),
        repaired(
            &["chat-position"],
            format!("update chats set first_activity = null where id = {silent}"),
        ),
        repaired(&["group-search"], set("search_text = 'x'")),
        repaired(&["members-count"], set("members_count = members_count + 1")),
        repaired(
            &["private-chat-member", "members-count"],
            format!("delete from members where chat_id = {private} and user_id = {bob}"),
        ),
        repaired(
            &["private-chat-stranger", "members-count"],
            format!(
                "insert into members (chat_id, user_id, role, joined_at, last_delivered_seq, \
                    last_read_seq) select chat_id, {carol}, 'member', joined_at, 0, 0 from members \
                 where chat_id = {private} and user_id = {tom}"
            ),
        ),
        repaired(
            &["private-chat-role"],
            format!(
                "update members set role = 'admin' where chat_id = {private} and user_id = {tom}"
            ),
        ),
        left(
            &["private-chat-user"],
            format!(
                "{copy} {tom}, 9999, 1, 1, created_at, 0 from chats where id = {silent}; {join}"
            ),
            "delete from members where chat_id = -8888; delete from chats where id = -8888",
        ),
        left(
            &["group-without-members"],
            format!("{copy} null, null, 0, 1, created_at, 0 from chats where id = {group}"),
            "delete from chats where id = -8888",
        ),
        left(&["member-chat"], join.clone(), "delete from members where chat_id = -8888"),
        repaired(
            &["group-without-owner"],
            format!(
                "update members set role = 'member' where chat_id = {group} and role = 'owner'"
            ),
        ),
        left(
            &["group-owners"],
            format!(
                "update members set role = 'owner' where chat_id = {group} and user_id = {carol}"
            ),
            format!(
                "update members set role = 'member' where chat_id = {group} and user_id = {carol}"
            ),
        ),
        repaired(
            &["markers"],
            format!(
                "update members set last_delivered_seq = 70, last_read_seq = 70 \
                 where chat_id = {group} and user_id = {carol}"
            ),
        ),
        repaired(
            &["markers"],
            format!(
                "update members set last_delivered_seq = last_read_seq - 1 \
                 where chat_id = {group} and user_id = {bob}"
            ),
        ),
        repaired(
            &["own-messages"],
            format!(
                "update members set last_delivered_seq = 0, last_read_seq = 0 \
                 where chat_id = {group} and user_id = {bob}"
            ),
        ),
    ]
}

/// Corruptions of messages and indexes.
pub(super) fn of_messages(site: &Site) -> Vec<Plant> {
    let Site { group, private, messages, .. } = site;
    let set = |index: usize, what: &str| {
        format!("update messages set {what} where id = {}", messages[index])
    };
    let stray = format!(
        "insert into messages (chat_id, seq, version, sender_id, content, timestamp) \
         select 8888, 1, 2, sender_id, content, timestamp from messages where id = {}",
        messages[0]
    );
    let sender = |index: usize| {
        let senders = [&site.tom, &site.bob, &site.carol, &site.bob];
        set(index, &format!("sender_id = {}", senders[index].id))
    };
    vec![
        left(&["message-chat"], stray, "delete from messages where chat_id = 8888"),
        left(&["message-sender"], set(1, "sender_id = 9999"), sender(1)),
        left(&["message-gap", "message-gap"], set(1, "seq = -5"), set(1, "seq = 2")),
        repaired(&["message-version", "message-order"], set(1, "version = 0")),
        repaired(
            &["message-order"],
            format!(
                "update chats set version = version + 9 where id = {group}; {}",
                set(4, &format!("version = (select version - 5 from chats where id = {group})"))
            ),
        ),
        repaired(&["message-change"], set(0, "last_change = 'edited'")),
        repaired(&["tombstone"], set(3, "content = 'a secret'")),
        repaired(&["tombstone-extras"], set(3, "pinned_at = timestamp")),
        repaired(
            &["tombstone-extras"],
            format!(
                "insert into reactions (message_id, user_id, emoji, created_at) \
                 select {}, user_id, emoji, created_at from reactions where emoji = '👍'",
                messages[3]
            ),
        ),
        repaired(&["reaction-summary"], set(6, "extras = null")),
        repaired(
            &["reaction-summary"],
            format!("delete from reactions where user_id = {}", site.carol.id),
        ),
        repaired(&["reaction-summary"], "update reactions set emoji = '😺' where emoji = '🐈'"),
        repaired(&["message-mentions"], "delete from mentions"),
        repaired(&["message-mentions"], "update mentions set seq = seq + 1"),
        repaired(
            &["message-mentions"],
            "update messages set extras = '{\"mentions\":{\"users\":[],\"all\":true}}' \
             where id = (select message_id from mentions)",
        ),
        repaired(
            &["message-reply"],
            set(6, &format!("reply_to = (select max(id) from messages where chat_id = {private})")),
        ),
        repaired(
            &["client-id", "index"],
            format!(
                "drop index messages_client_id; {}; {}",
                set(4, "client_id = 'c'"),
                set(5, "client_id = 'c'")
            ),
        ),
        repaired(&["index"], "drop index members_listed"),
        repaired(
            &["deleted-chat-members"],
            format!("update chats set deleted_at = created_at where id = {}", site.other_group),
        ),
    ]
}
