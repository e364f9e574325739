-- Links by which people join a group by themselves.
-- Runs beside: 0015
create table invites (
    id integer primary key autoincrement,
    -- A secret that opens the group, as long as the row is there and neither expired nor used up.
    code text not null unique,
    chat_id integer not null references chats (id) on delete cascade,
    created_by integer not null references users (id) on delete cascade,
    created_at integer not null,
    expires_at integer not null,
    -- Null: any number.
    max_uses integer,
    uses integer not null default 0
);
create index invites_chat on invites (chat_id, id);
create index invites_expiring on invites (expires_at);
create index invites_creator on invites (created_by);
