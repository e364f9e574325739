-- The index for searching messages. Its terms and bytes are those of src/domain/fulltext.rs; the database only stores
-- them. It is filled in the background, so messages from before this migration are found once it has reached them.
-- Runs beside: 0015
create table search_state (
    id integer primary key check (id = 1),
    -- By which rules the index was made.
    rules integer not null default 0,
    -- All messages up to this one are indexed.
    indexed_upto integer not null default 0,
    next_segment integer not null default 1,
    -- The node that writes the index, until when nobody else may, and which of all these times it is: a node
    -- whose number is outdated writes nothing.
    holder text not null default '',
    generation integer not null default 0,
    held_until integer not null default 0
);
insert into search_state (id) values (1);

create table search_segments (
    id integer primary key,
    -- Later content of a message is in a segment with a greater age.
    age integer not null,
    newest_id integer not null,
    bytes integer not null,
    made_at integer not null,
    -- Since when another one has what this one had. Searches that began before still read it.
    retired_at integer,
    zones blob not null
);

create table search_pages (
    segment_id integer not null,
    first_term text not null,
    data blob not null,
    primary key (segment_id, first_term)
);

-- Messages whose content has changed.
create table search_changes (
    id integer primary key autoincrement,
    message_id integer not null
);

-- A trigger, because a node of an earlier version edits messages, too.
create trigger messages_content_changed after update of content on messages
when new.content <> old.content and new.content <> ''
begin
    insert into search_changes (message_id) values (new.id);
end;
