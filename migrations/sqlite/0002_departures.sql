-- Leaving: groups, accounts and whole chats come to an end.

-- When the account was ended. What is left of it is a shell without a name.
alter table users add column deleted_at integer;

-- When the chat was ended. Its members are gone with that; its messages are removed little by
-- little afterwards, and the row with the last of them.
alter table chats add column deleted_at integer;
create index chats_deleted on chats (deleted_at) where deleted_at is not null;

-- Who is out of which chat since when: asked by every node, in case it was not told. Forgotten
-- after a while.
create table departures (
    id integer primary key autoincrement,
    chat_id integer not null,
    user_id integer not null,
    -- The chat's version that the departure made; the greatest number where the chat was ended.
    version integer not null,
    at integer not null
);
create index departures_at on departures (at);
