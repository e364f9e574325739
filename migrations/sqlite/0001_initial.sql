-- Accounts, chats and messages. The same tables and columns as in the other database's file of
-- this name; a test compares them. Times are microseconds since 1970, in UTC.

-- One row: facts about this site's data as a whole.
create table site (
    id integer primary key check (id = 1),
    -- Changes when the data's past does (a restore, an import): clients then start afresh.
    epoch text not null
);
insert into site (id, epoch) values (1, lower(hex(randomblob(16))));

create table users (
    id integer primary key autoincrement,
    username text not null,
    -- Lower-cased and normalised, for order; uniqueness is kept by login_names.
    username_key text not null unique,
    email text not null default '',
    password text not null,
    first_name text not null default '',
    last_name text not null default '',
    is_active boolean not null default 1,
    is_staff boolean not null default 0,
    is_superuser boolean not null default 0,
    last_login integer,
    date_joined integer not null,
    avatar text,
    status_text text not null default '',
    availability text not null default 'online'
        check (availability in ('online', 'away', 'busy', 'invisible')),
    last_seen integer
);

-- Everything that one can log in by: usernames and e-mail addresses under their folded keys, in
-- one table so that no username ever equals another's address, however requests race.
create table login_names (
    name_key text primary key,
    user_id integer not null references users (id) on delete cascade
);
create index login_names_user on login_names (user_id);

create table sessions (
    id integer primary key autoincrement,
    user_id integer not null references users (id) on delete cascade,
    created_at integer not null,
    last_used_at integer not null,
    -- When its refresh token runs out; later on every renewal.
    expires_at integer not null,
    -- Set when it is ended; the row stays for a day, so that every node notices.
    ended_at integer,
    -- The one refresh token that is good now, by its jti, and when it was made.
    refresh_jti text not null,
    refreshed_at integer not null,
    ip text not null default '',
    user_agent text not null default ''
);
create index sessions_user on sessions (user_id);
create index sessions_ended on sessions (ended_at) where ended_at is not null;
create index sessions_expiring on sessions (expires_at);

-- Refresh tokens spent a moment ago: a repeat of one is a lost answer, not a theft.
create table spent_refreshes (
    jti text primary key,
    session_id integer not null references sessions (id) on delete cascade,
    spent_at integer not null
);
create index spent_refreshes_session on spent_refreshes (session_id);

-- Tickets that open one WebSocket each; only their SHA-256 is kept.
create table tickets (
    hash text primary key,
    session_id integer not null references sessions (id) on delete cascade,
    expires_at integer not null
);
create index tickets_expires on tickets (expires_at);

create table chats (
    id integer primary key autoincrement,
    type text not null check (type in ('private', 'group')),
    name text not null default '',
    description text not null default '',
    avatar text,
    created_at integer not null,
    created_by integer references users (id) on delete set null,
    -- The two people of a private chat, lower id first.
    low_user integer,
    high_user integer,
    members_count integer not null,
    version integer not null,
    last_seq integer not null default 0,
    -- Set by the same update that takes the seq. No index on these three: every send changes them.
    last_message_id integer,
    active_at integer not null,
    unique (low_user, high_user),
    check ((type = 'private') = (low_user is not null and high_user is not null and low_user < high_user))
);

create table members (
    chat_id integer not null references chats (id) on delete cascade,
    user_id integer not null references users (id) on delete cascade,
    role text not null check (role in ('member', 'admin', 'owner')),
    joined_at integer not null,
    last_delivered_seq integer not null,
    last_read_seq integer not null,
    primary key (chat_id, user_id)
);
create index members_user on members (user_id, chat_id);
-- Who came into a chat a moment ago: asked by every node, in case it was not told.
create index members_joined on members (joined_at);

create table messages (
    id integer primary key autoincrement,
    chat_id integer not null references chats (id) on delete cascade,
    seq integer not null,
    version integer not null,
    sender_id integer not null references users (id),
    content text not null,
    timestamp integer not null,
    edited_at integer,
    deleted_at integer,
    -- Not a foreign key: it is checked when the message is sent, and messages never go singly.
    reply_to integer,
    client_id text,
    unique (chat_id, seq),
    unique (chat_id, version)
);
create unique index messages_client_id on messages (chat_id, sender_id, client_id)
    where client_id is not null;
-- The handful of tombstones that an unread count takes off.
create index messages_deleted on messages (chat_id, seq) where deleted_at is not null;

-- What staff did to others. Ids are kept as they were, also of what is gone.
create table audit (
    id integer primary key autoincrement,
    at integer not null,
    actor_id integer not null,
    action text not null,
    target_id integer not null,
    detail text not null default ''
);
