-- Finding people by their names, and chats among one's own.

-- The names as they are searched, a line each. Empty until it was made.
alter table users add column search_text text not null default '';
-- By which rules the pieces below were made; those of an earlier number are made again.
alter table users add column search_rules integer not null default 0;
create index users_search_rules on users (search_rules);

-- A group's name as it is searched, after a line's end, so that it is empty only until it was made.
alter table chats add column search_text text not null default '';
create index chats_unsearched on chats (id) where type = 'group' and search_text = '';

-- Each piece of each user's names: whole names, words, and words that lack a letter.
create table name_pieces (
    piece text not null,
    user_id integer not null references users (id) on delete cascade,
    primary key (piece, user_id)
) without rowid;
create index name_pieces_user on name_pieces (user_id);
