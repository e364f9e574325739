-- Reactions to messages, and what else only few messages have. `extras` is JSON which the program writes and reads as a
-- whole: the first users of each emoji. It is null for most messages, so that lists of messages need no other table.
-- Runs beside: 0015
alter table messages add column extras text;

create table reactions (
    -- Never used again: pages of a message's reactions are in the order of the ids.
    id integer primary key autoincrement,
    message_id integer not null references messages (id) on delete cascade,
    user_id integer not null references users (id),
    emoji text not null,
    created_at integer not null,
    unique (message_id, user_id, emoji)
);
-- A message's reactions, oldest first.
create index reactions_listed on reactions (message_id, id);
