-- The members that messages mention, for counting unread mentions. A message that mentions everybody has one row, of the
-- user 0, which nobody has. The message's id is there so that the rows go with it.
-- Runs beside: 0015
create table mentions (
    chat_id bigint not null,
    user_id bigint not null,
    seq bigint not null,
    message_id bigint not null references messages (id) on delete cascade,
    primary key (chat_id, user_id, seq)
);
create index mentions_message on mentions (message_id);
