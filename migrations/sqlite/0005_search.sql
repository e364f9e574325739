-- Finding people by pieces of their names.

-- Folded username, first and last name. Empty until it was made.
alter table users add column search_text text not null default '';
-- By which rules the pieces below were made; those of an earlier number are made again.
alter table users add column search_rules integer not null default 0;
create index users_search_rules on users (search_rules);
-- Folded name, for looking through one's own chats.
alter table chats add column search_text text not null default '';

-- Each piece of each user's names.
create table name_pieces (
    piece text not null,
    user_id integer not null references users (id) on delete cascade,
    primary key (piece, user_id)
) without rowid;
create index name_pieces_user on name_pieces (user_id);
